#include "core/reach/host.hpp"

#include <algorithm>

namespace ginnel::reach {

namespace {

uint32_t type_preference(wire::CandidateType type) {
  switch (type) {
    case wire::CandidateType::host: return 126;
    case wire::CandidateType::forwarded: return 122;
    case wire::CandidateType::mapped: return 118;
    case wire::CandidateType::peer_reflexive: return 110;
    case wire::CandidateType::server_reflexive: return 100;
  }
  return 0;
}

}  // namespace

uint32_t priority(wire::CandidateType type, wire::Transport transport, bool v6, size_t nth) {
  uint32_t local = v6 ? 65535 : 65000;
  if (transport == wire::Transport::tcp) {  // RFC 6544 section 4.2: who listens and dials at once, and 13 bits for the rest
    uint32_t direction = type == wire::CandidateType::host ? 2 : 6;
    local = direction << 13 | (v6 ? 8191 : 8000);
  }
  return type_preference(type) << 24 | (local - static_cast<uint32_t>(nth)) << 8 | 255;
}

std::vector<wire::Candidate> host_candidates(const std::vector<Address>& interfaces, const Ports& ports, bool loopback,
                                             size_t most) {
  std::vector<wire::Candidate> out;
  for (auto transport : {wire::Transport::udp, wire::Transport::tcp}) {
    size_t nth = 0;
    for (const Address& a : interfaces) {
      uint16_t port = transport == wire::Transport::udp ? ports.udp[a.v6] : ports.tcp[a.v6];
      if (port == 0 || a.is_link_local() || (a.is_loopback() && !loopback)) continue;
      if (nth == most) break;
      out.push_back({wire::CandidateType::host, priority(wire::CandidateType::host, transport, a.v6, nth++),
                     a.with_port(port), transport});
    }
  }
  return out;
}

bool is_ours(const std::vector<Address>& interfaces, const Address& address) {
  return std::any_of(interfaces.begin(), interfaces.end(), [&](const Address& a) { return a.same_ip(address); });
}

bool same_network(const Address& a, const Address& b) {
  return a.v6 && b.v6 && std::equal(a.ip.begin(), a.ip.begin() + 8, b.ip.begin());
}

}  // namespace ginnel::reach
