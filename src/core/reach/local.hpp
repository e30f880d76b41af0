// How this node can be reached, as far as it knows: its interfaces, what its sockets look like from outside, forwards and
// port mappings. One file a source; this one makes the list of candidates of them, and asks the server what it must.
#pragma once
#include <array>
#include <optional>
#include <vector>

#include "base/action.hpp"
#include "core/reach/host.hpp"
#include "core/reach/port_probe.hpp"
#include "core/reach/reflexive.hpp"
#include "core/reach/tcp_reflexive.hpp"

namespace ginnel::reach {

/// An outside address that leads to one of our sockets because somebody arranged it.
struct Arranged {
  wire::CandidateType type = wire::CandidateType::forwarded;  ///< or mapped
  wire::Transport transport = wire::Transport::udp;
  Address outside;
  bool operator==(const Arranged&) const = default;
};

class Local {
 public:
  static constexpr size_t hosts_max = 10;     ///< of each transport: virtual bridges must not crowd out the rest
  static constexpr size_t arranged_max = 6;

  Local(TcpIds& tcp_ids, SocketIds& socket_ids, Rng& rng) : reflexive(rng), tcp(tcp_ids, rng), ports(socket_ids, rng) {}

  void set_interfaces(std::vector<Address> interfaces) { interfaces_ = std::move(interfaces); }
  void set_udp_ports(uint16_t v4, uint16_t v6) { udp_port_[0] = v4, udp_port_[1] = v6; }
  void set_arranged(std::vector<Arranged> arranged);
  /// Where the server is, and whether only TCP gets there.
  void set_servers(Instant now, const std::vector<Address>& addresses, const std::optional<Address>& in_use);
  void set_udp_blocked(bool blocked) { udp_blocked_ = blocked; }
  /// Wants a TCP port that listens, and to know how it looks from outside.
  void ask_tcp(Instant now);
  /// Behind a symmetric NAT: which ports does it give? Once for each mapping that it was found by.
  void look_at_ports(Instant now);

  std::optional<Action> poll_action(Instant now, MutableBytes room);
  std::optional<Deadline> next_deadline() const {
    return earlier(reflexive.next_deadline(), earlier(tcp.next_deadline(), ports.next_deadline()));
  }

  /// As they are now; with a fresh socket its reflexive address stands in the place of the main one's.
  std::vector<wire::Candidate> candidates(SocketId fresh = 0) const;
  wire::NatView nat() const;
  const std::vector<Address>& interfaces() const { return interfaces_; }
  bool server_is_here() const;  ///< on this machine: peers may be, too
  bool has_udp(bool v6) const { return udp_port_[v6] != 0; }

  Reflexive reflexive;
  TcpReflexive tcp;
  PortProbe ports;

 private:
  Ports own_ports() const;

  std::vector<Address> interfaces_;
  std::vector<Arranged> arranged_;
  uint16_t udp_port_[2] = {};
  std::array<Address, 2> server_;
  bool udp_blocked_ = false;
  std::optional<Address> looked_at_;  ///< our reflexive address when the ports were looked at
};

}  // namespace ginnel::reach
