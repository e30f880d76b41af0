#include "core/reach/technique.hpp"

#include <algorithm>

#include "core/reach/host.hpp"

namespace ginnel::reach {

namespace {

using wire::CandidateType;

/// One end of a path: where the other sees it, and all that it said of itself.
struct End {
  const Address& at;
  const std::vector<wire::Candidate>& candidates;

  bool has(CandidateType type) const {
    return std::any_of(candidates.begin(), candidates.end(), [&](auto& c) { return c.type == type && c.address.same_ip(at); });
  }
  bool is_private() const { return at.is_private() || at.is_loopback(); }
  /// Somebody arranged that this very address leads there.
  std::optional<std::string_view> arranged(bool tcp) const {
    auto transport = tcp ? wire::Transport::tcp : wire::Transport::udp;
    for (const wire::Candidate& c : candidates) {
      if (c.address != at || c.transport != transport) continue;
      if (c.type == CandidateType::forwarded) return "port-forward";
      if (c.type == CandidateType::mapped) return "port-mapping";
    }
    return {};
  }
};

bool behind(const Address& outside, const std::vector<wire::Candidate>& candidates) {
  return End{outside, candidates}.has(CandidateType::server_reflexive);
}

}  // namespace

std::string_view technique(const DirectPath& path, const BothEnds& ends) {
  const Address unknown;
  const End ours{path.mapped ? *path.mapped : unknown, ends.own}, theirs{path.remote, ends.theirs};
  const End &target = path.dialler ? theirs : ours, &dialler = path.dialler ? ours : theirs;

  if (auto how = target.arranged(path.tcp)) return *how;
  for (const End& end : {target, dialler})
    if (end.is_private() && end.has(CandidateType::host)) return "lan";
  if (theirs.at.v6) {
    bool near = path.mapped ? same_network(ours.at, theirs.at)
                            : std::any_of(ends.interfaces.begin(), ends.interfaces.end(),
                                          [&](const Address& a) { return same_network(a, theirs.at); });
    return near ? "lan" : "ipv6";
  }
  // A host candidate without translation answers for its IP, whatever port the other side saw.
  if (target.has(CandidateType::host)) return "public";
  if (dialler.arranged(path.tcp) || dialler.has(CandidateType::host)) return "reversal";
  for (const Address& at : {target.at, dialler.at})
    if (behind(at, ends.own) && behind(at, ends.theirs)) return "hairpin";
  if (target.is_private() || dialler.is_private()) return "lan";  // networks that are routed to each other
  return path.tcp ? "tcp-punch" : "udp-punch";
}

}  // namespace ginnel::reach
