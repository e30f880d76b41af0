#include "core/reach/technique.hpp"

#include <algorithm>
#include <optional>

#include "core/reach/host.hpp"

namespace ginnel::reach {

namespace {

// Why one end can be dialled at `address`, if it can: it was forwarded, mapped, or is no NAT's at all.
std::optional<std::string_view> dialled_at(const Address& address, const std::vector<wire::Candidate>& candidates) {
  std::optional<std::string_view> found;
  for (const wire::Candidate& c : candidates) {
    if (!c.address.same_ip(address)) continue;
    // A host candidate without translation answers for its IP, whatever port the other side saw.
    if (c.type == wire::CandidateType::host && !found) found = "public";
    if (c.address.port != address.port) continue;
    if (c.type == wire::CandidateType::forwarded) return "port-forward";
    if (c.type == wire::CandidateType::mapped) found = "port-mapping";
  }
  return found;
}

}  // namespace

std::string_view technique(const DirectPath& path, const BothEnds& ends) {
  const Address& to = path.remote;
  bool theirs_private = to.is_private() || to.is_loopback();
  if (theirs_private && path.remote_type != wire::CandidateType::peer_reflexive) return "lan";
  if (to.v6) return on_our_network(ends.interfaces, to) ? "lan" : "ipv6";

  auto theirs = dialled_at(to, ends.theirs);
  auto ours = path.mapped ? dialled_at(*path.mapped, ends.own) : std::nullopt;
  auto target = path.dialler ? theirs : ours, dialler = path.dialler ? ours : theirs;
  if (target) return *target;
  if (dialler) return "reversal";
  if (theirs_private) return "lan";  // met there, though it was not announced: networks that are routed to each other
  if (ends.reflexive && ends.reflexive->same_ip(to)) return "hairpin";
  return path.tcp ? "tcp-punch" : "udp-punch";
}

}  // namespace ginnel::reach
