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
  uint32_t local = (v6 ? 65535u : 65000u) - static_cast<uint32_t>(nth);
  return type_preference(type) << 24 | local << 8 | (transport == wire::Transport::udp ? 255u : 127u);
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

bool on_our_network(const std::vector<Address>& interfaces, const Address& v6) {
  return v6.v6 && std::any_of(interfaces.begin(), interfaces.end(), [&](const Address& a) {
    return a.v6 && std::equal(a.ip.begin(), a.ip.begin() + 8, v6.ip.begin());
  });
}

}  // namespace ginnel::reach
