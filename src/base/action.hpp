// What machines ask of hands. Plain data: a driver is a switch over it.
#pragma once
#include <string>
#include <variant>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/input.hpp"

namespace ginnel {

/// Send a train of equal-sized datagrams (the last may be shorter) to `to`, or, if `tcp` is not 0, bytes that are
/// already framed down that connection. `bytes` lies in the room given to poll_action or in the last input: send or
/// copy it before the machine is touched again.
struct Transmit {
  Address to;
  TcpId tcp = 0;
  Bytes bytes;
  size_t segment = 0;
  SocketId socket = 0;  ///< of `to`'s family
  uint8_t hops = 0;     ///< IP TTL of these datagrams; 0: the system's usual one
};

/// Open one more UDP socket, on a port of the system's choice; UdpOpened follows.
struct OpenUdp { SocketId id; bool v6; };
struct CloseUdp { SocketId id; bool v6; };
/// Listen on all addresses of the family of `local`, at its port (0: any), which outgoing connections may share
/// (SO_REUSEPORT); TcpListening follows. One listener a family.
struct ListenTcp { Address local; };
struct StopListening { bool v6; };
/// What a TCP connection wears on the outside; inside it is a stream of bytes either way.
enum class Dress : uint8_t {
  plain,
  websocket,  ///< binary messages of a WebSocket inside TLS: what a browser's connection looks like
};
/// With `from_port` the connection leaves from that port, beside the listener there: how TCP holes are punched. `host`
/// names the far end where a name matters: inside TLS, and to the HTTP proxy that is to connect us when `by_proxy` is
/// set. Then only the port of `to` counts. TcpConnected comes when dress and proxy are settled.
struct ConnectTcp {
  TcpId id;
  Address to;
  uint16_t from_port = 0;
  Dress dress = Dress::plain;
  std::string host = {};
  bool by_proxy = false;
};
/// Flush what is queued, then close; no TcpClosed follows.
struct CloseTcp { TcpId id; };
struct Resolve { std::string host; uint16_t port; };

using Action = std::variant<Transmit, OpenUdp, CloseUdp, ListenTcp, StopListening, ConnectTcp, CloseTcp, Resolve>;

/// The largest train that UDP segmentation offload takes: 64 segments, and what fits an IPv4 packet.
inline constexpr size_t train_bytes_max = 65507;
inline constexpr size_t train_segments_max = 64;
/// Room to give to poll_action: a train, and the frame headers it gets on its way to a TCP connection.
inline constexpr size_t room_size = 66 * 1024;

}  // namespace ginnel
