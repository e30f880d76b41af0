// All TCP connections of a simulated host: who listens, whose segment it is, whose timer it is. A port may listen and
// dial at once (SO_REUSEPORT); a segment for nobody is answered with a reset (RFC 9293 section 3.10.7.1).
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/input.hpp"
#include "core/nat/index_table.hpp"
#include "sim/clock.hpp"
#include "sim/packet.hpp"
#include "sim/random.hpp"
#include "sim/tcp_socket.hpp"

namespace ginnel::sim {

class Stack;

class TcpStack {
 public:
  TcpStack(Stack& stack, Schedule& clock, Random random);

  // ---- from the host's kernel
  void receive(const PacketView& segment, Slice payload);
  /// An ICMP error about a segment that was sent.
  void unreachable(const Address& local, const Address& remote);
  /// The program died: every connection is reset.
  void kill();

  // ---- for the program
  /// Port 0: any; address unspecified: all. What it got; port 0 if somebody listens there.
  Address listen(const Address& local);
  void stop_listening(bool v6);
  void connect(TcpId id, const Address& to, uint16_t from_port);
  bool send(TcpId id, Bytes bytes);
  void close(TcpId id);

  const TcpSocket* find(TcpId id) const;
  size_t connection_count() const { return by_ends_.size(); }
  uint64_t resets_sent = 0;
  uint64_t segments_sent = 0, repeated = 0;

  // ---- for its sockets
  TcpId new_id() { return next_accepted_++; }
  void transmit(const TcpSocket& from, const TcpFields& fields, Slice payload);
  void opened(TcpSocket& socket, bool dialled);
  size_t received(const TcpSocket& socket, MutableBytes bytes);
  void writable(const TcpSocket& socket);
  void closed(const TcpSocket& socket, std::string_view why);

 private:
  static uint32_t hash(const Address& local, const Address& remote);
  uint32_t find(const Address& local, const Address& remote) const;
  uint32_t index_of(TcpId id) const;
  uint32_t add(TcpId id, const Address& local, const Address& remote);
  void settle(uint32_t index);
  void remove(uint32_t index);
  void arm(uint32_t index);
  void reset(const PacketView& segment, const TcpFields& fields, size_t length);
  bool listens(const Address& local) const;
  bool port_used(uint16_t port, bool v6) const;

  /// While a segment or a timer is worked on no socket is destroyed: it may be that one.
  struct Busy {
    explicit Busy(TcpStack& stack) : tcp(stack) { ++tcp.busy_; }
    ~Busy();
    TcpStack& tcp;
  };

  Stack& stack_;
  Schedule& clock_;
  Random random_;
  std::vector<Address> listeners_;
  std::vector<std::unique_ptr<TcpSocket>> sockets_;
  std::vector<uint32_t> serials_;  ///< of the places in sockets_: a timer knows whether it is meant
  std::vector<uint32_t> free_, finished_;
  nat::IndexTable by_ends_, by_id_;
  TcpId next_accepted_ = TcpId{1} << 31;
  int busy_ = 0;
};

}  // namespace ginnel::sim
