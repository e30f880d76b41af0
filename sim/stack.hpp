// What the kernel of a simulated host does for the program on it: addresses, UDP sockets, TCP. Outlives the program, as
// a kernel does; without one every port is closed. It is given packets by the internet and gives packets to it; what is
// for itself it keeps.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/input.hpp"
#include "core/nat/index_table.hpp"
#include "sim/clock.hpp"
#include "sim/packet.hpp"
#include "sim/random.hpp"
#include "sim/site.hpp"
#include "sim/tcp_stack.hpp"

namespace ginnel::sim {

class Internet;

/// The program. What it is told never comes from inside a call that it makes.
class Process {
 public:
  virtual ~Process() = default;
  /// `payload` lies in the packet.
  virtual void datagram(SocketId socket, const Address& from, PacketPtr packet, MutableBytes payload) = 0;
  virtual void tcp_accepted(TcpId id, const Address& from, const Address& local) = 0;
  virtual void tcp_connected(TcpId id, const Address& local) = 0;
  /// How many it could use.
  virtual size_t tcp_received(TcpId id, MutableBytes bytes) = 0;
  virtual void tcp_writable(TcpId id) = 0;
  virtual void tcp_closed(TcpId id, std::string_view why) = 0;
};

class Stack {
 public:
  Stack(Internet& internet, Schedule& clock, Random random);
  Stack(const Stack&) = delete;

  // ---- from the internet
  void receive(PacketPtr packet);

  // ---- for the program
  /// Its kernel tells it from now on. Null: it is gone, its sockets are closed and its connections reset.
  void run(Process* process);
  /// Port 0: one of the system's choice; address unspecified: any. What it got; port 0 if that is taken.
  Address open_udp(SocketId id, const Address& local);
  void close_udp(SocketId id, bool v6);
  void send_udp(SocketId id, const Address& to, Bytes datagram, uint8_t hops);
  TcpStack& tcp() { return tcp_; }
  uint16_t udp_port(SocketId id, bool v6) const;
  /// As a host lists its interfaces (port 0): those that lead somewhere first.
  std::vector<Address> addresses() const;

  // ---- to build it
  void add_address(const Address& ip) { addresses_.push_back(ip.with_port(0)); }
  void replace_address(const Address& before, const Address& after);
  void add_bridge(const Bridge& bridge) { bridges_.push_back(bridge); }
  /// Asleep it hears nothing and its clock stands.
  void set_asleep(bool asleep) { asleep_ = asleep; }

  // ---- inside
  Process* process() { return process_; }
  bool asleep() const { return asleep_; }
  /// Our address towards `to`; unspecified if we have none of that family.
  Address source_for(const Address& to) const;
  PacketPtr new_packet();
  void send(PacketPtr packet, const Address& to);
  uint16_t ephemeral_port();

  uint32_t member = UINT32_MAX;  ///< in the internet
  uint64_t refused = 0;          ///< datagrams to closed ports

 private:
  struct UdpSocket {
    SocketId id;
    Address local;
  };
  uint32_t find_udp(SocketId id, bool v6) const;
  uint32_t find_udp(const Address& to) const;
  bool is_own(const Address& ip) const;
  void port_unreachable(const PacketView& view, Bytes packet);

  Internet& internet_;
  Schedule& clock_;
  Random random_;
  std::vector<Address> addresses_;
  std::vector<Bridge> bridges_;
  std::vector<UdpSocket> udp_;
  std::vector<uint32_t> udp_free_;
  nat::IndexTable udp_by_id_, udp_by_port_;
  TcpStack tcp_;
  Process* process_ = nullptr;
  bool asleep_ = false;
  int errors_left_ = 0;  ///< ICMP errors that may be sent, see port_unreachable
  Instant errors_filled_{};
};

}  // namespace ginnel::sim
