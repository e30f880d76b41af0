// One UDP socket that sends and receives whole trains (GSO, GRO). It never fragments and believes no ICMP.
#pragma once
#include <cstdint>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/input.hpp"
#include "base/result.hpp"
#include "drive/fd.hpp"
#include "drive/receive_buffers.hpp"

namespace ginnel {

/// A batch is what one system call moved as one train.
struct UdpCounters {
  uint64_t datagrams_in = 0, bytes_in = 0, batches_in = 0;
  uint64_t drops_in = 0;  ///< the kernel had no room in the receive buffer, or the datagram was empty or cut
  uint64_t datagrams_out = 0, bytes_out = 0, batches_out = 0;
  uint64_t drops_out = 0;  ///< trains that answered too_big or failed
};

enum class Sent {
  ok,
  blocked,  ///< no room now: try when writable (a train sent without GSO may have left in part)
  too_big,  ///< the segment does not fit the interface's MTU, nothing was sent: lower the size
  failed,   ///< no route, forbidden by a firewall, ...: this train is lost, the socket is well
};

/// Non-blocking, never connected, move-only. An IPv6 socket carries IPv6 only. Watch fd() with a Loop::Watch.
class UdpSocket {
 public:
  static constexpr int buffer_bytes = 4 * 1024 * 1024;

  /// Port 0 lets the kernel choose. Errors as bind_error says.
  static Result<UdpSocket> open(const Address& bind);
  /// The same for a port that several programs listen on, as with multicast. `bind` may be the group itself.
  static Result<UdpSocket> open_shared(const Address& bind);

  /// Takes up to 16 trains off the socket and calls `take(Datagrams)` with each; its bytes may be changed and live
  /// until the next receive into `buffers`. Returns how many the kernel had; fewer than 16: the socket is empty.
  template <typename F>
  size_t receive(ReceiveBuffers& buffers, F&& take) {
    size_t n = receive_trains(buffers);
    for (size_t i = 0; i < n; i++) {
      Datagrams train = train_at(buffers, i);
      if (!train.bytes.empty()) take(train);
    }
    return n;
  }

  /// Sends `bytes` as datagrams of `segment` bytes, the last may be shorter; at most 64 of them and 65,507 bytes. They
  /// travel at most `hops` hops; 0: as far as usual.
  Sent send(const Address& to, Bytes bytes, size_t segment, uint8_t hops = 0);

  const Address& local_address() const { return local_; }
  int fd() const { return fd_.get(); }
  const UdpCounters& counters() const { return counters_; }
  /// False after the kernel or a device refused segmentation offload.
  bool offload() const { return offload_; }

 private:
  static Result<UdpSocket> open(const Address& bind, bool shared);
  UdpSocket(Fd fd, Address local) : fd_(std::move(fd)), local_(local) {}
  size_t receive_trains(ReceiveBuffers& buffers);
  Datagrams train_at(ReceiveBuffers& buffers, size_t i);
  Sent send_train(const Address& to, Bytes bytes, size_t segment, uint8_t hops);
  Sent send_singly(const Address& to, Bytes bytes, size_t segment);

  Fd fd_;
  Address local_;
  UdpCounters counters_;
  uint32_t overflow_seen_ = 0;
  bool offload_ = true;
};

}  // namespace ginnel
