// Host candidates: the addresses of this machine's interfaces (RFC 8445 section 5.1.1.1). Enough where both ends are on
// one network, where one has a public address, and between IPv6 hosts behind firewalls that do not translate.
#pragma once
#include <vector>

#include "base/address.hpp"
#include "wire/peer_message.hpp"

namespace ginnel::reach {

/// Ports of our sockets, by family (IPv4, IPv6); 0: none.
struct Ports {
  uint16_t udp[2] = {};
  uint16_t tcp[2] = {};
};

/// RFC 8445 section 5.1.2.1, with RFC 6544 section 4.2: UDP before TCP of the same type, IPv6 before IPv4 among equals.
uint32_t priority(wire::CandidateType type, wire::Transport transport, bool v6, size_t nth);

/// At most `most` of each transport, in the order of `interfaces`, where bridges of virtual machines stand last.
std::vector<wire::Candidate> host_candidates(const std::vector<Address>& interfaces, const Ports& ports, bool loopback,
                                             size_t most);

/// Has one of the interfaces this very IP? Then there is no translation on the way to whoever saw it.
bool is_ours(const std::vector<Address>& interfaces, const Address& address);
/// Are both in one /64 (RFC 4291 section 2.5.1)? Of IPv4 it cannot be told.
bool same_network(const Address& a, const Address& b);

}  // namespace ginnel::reach
