// What conveys the packets of an end-to-end session: the relay, a UDP path from one of our sockets to one remote
// address, or a TCP connection between the peers.
#pragma once
#include <compare>

#include "base/address.hpp"
#include "base/input.hpp"

namespace ginnel {

struct Carrier {
  enum class Kind : uint8_t { relay, udp, tcp } kind = Kind::relay;
  Address remote;      ///< of a direct path; unspecified for the relay
  uint32_t local = 0;  ///< UDP: our socket (SocketId); TCP: the connection (TcpId)

  static Carrier relay() { return {}; }
  static Carrier udp(const Address& remote, SocketId socket = 0) { return {Kind::udp, remote, socket}; }
  static Carrier tcp(TcpId id, const Address& remote) { return {Kind::tcp, remote, id}; }
  bool is_relay() const { return kind == Kind::relay; }
  bool is_tcp() const { return kind == Kind::tcp; }
  auto operator<=>(const Carrier&) const = default;
};

}  // namespace ginnel
