// What became of each technique with this peer, in sentences: tried or not, what was seen, why it lost or won.
#include <algorithm>
#include <cstdio>

#include "core/peer/peer.hpp"
#include "core/reach/search_choice.hpp"
#include "core/reach/technique.hpp"

namespace ginnel::peer {

namespace {

using wire::CandidateType;
using wire::NatMapping;
using wire::Transport;

bool has(const std::vector<wire::Candidate>& all, CandidateType type) {
  return std::any_of(all.begin(), all.end(), [&](auto& c) { return c.type == type; });
}
bool has_v6(const std::vector<wire::Candidate>& all) {
  return std::any_of(all.begin(), all.end(), [](auto& c) { return c.address.v6 && !c.address.is_private(); });
}
bool has_private(const std::vector<wire::Candidate>& all) {
  return std::any_of(all.begin(), all.end(), [](auto& c) { return c.type == CandidateType::host && c.address.is_private(); });
}

std::string milliseconds(Duration d) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f ms", to_ms(d));
  return text;
}

std::string addresses(size_t n) { return std::to_string(n) + (n == 1 ? " address" : " addresses"); }

// What one way showed, best first.
enum class Rank { none, dead, checking, small_only, usable, in_use };

struct Group {
  std::string_view name;
  Rank rank = Rank::none;
  size_t ways = 0;
  std::string text;
};

}  // namespace

std::vector<TechniqueReport> Peer::explain() const {
  static const std::vector<wire::Candidate> nothing;
  const auto& theirs = remote_ ? remote_->candidates : nothing;
  std::vector<Group> groups;
  auto group = [&](std::string_view name) -> Group& {
    auto at = std::find_if(groups.begin(), groups.end(), [&](auto& g) { return g.name == name; });
    return at == groups.end() ? groups.emplace_back(Group{name}) : *at;
  };
  for (std::string_view name : {"relay", "lan", "ipv6", "public", "reversal", "port-forward", "port-mapping", "hairpin",
                                "udp-punch", "prediction", "birthday", "tcp-punch"})
    group(name);

  for (const ice::Pair& pair : ice_.pairs()) {
    Group& g = group(report(pair.carrier, {}).technique);
    Rank rank = pair.carrier == current_                         ? Rank::in_use
                : pair.usable()                                  ? Rank::usable
                : pair.state == ice::Pair::State::alive          ? Rank::small_only
                : pair.state == ice::Pair::State::dead           ? Rank::dead
                                                                 : Rank::checking;
    if (pair.carrier.is_relay() && !relay_dead_ && rank < Rank::usable) rank = Rank::usable;
    ++g.ways;
    if (rank <= g.rank) continue;
    g.rank = rank;
    std::string where = pair.carrier.is_relay() ? "" : pair.carrier.remote.to_string() + ", ";
    g.text = where + (pair.srtt ? milliseconds(*pair.srtt) : "round trip not measured yet");
  }

  std::vector<TechniqueReport> out;
  for (const Group& g : groups) {
    switch (g.rank) {
      case Rank::in_use: out.push_back({g.name, "in use", g.text + " (" + std::string(why_) + ")"}); break;
      case Rank::usable: out.push_back({g.name, "works", g.text + (current_ ? ", kept warm: the path in use is better" : "")}); break;
      case Rank::small_only: out.push_back({g.name, "failed", g.text + ": answers small packets, but not those of data"}); break;
      case Rank::checking: out.push_back({g.name, "trying", addresses(g.ways) + ", no answer yet"}); break;
      case Rank::dead: out.push_back({g.name, "failed", addresses(g.ways) + " tried, no answer"}); break;
      case Rank::none: out.push_back(not_tried(g.name, theirs)); break;
    }
  }
  return out;
}

TechniqueReport Peer::not_tried(std::string_view name, const std::vector<wire::Candidate>& theirs) const {
  const wire::NatView own = context_.local.nat(), remote = remote_ ? remote_->nat : wire::NatView{};
  auto no = [&](std::string text) { return TechniqueReport{name, "not tried", std::move(text)}; };
  if (name == "relay") return no("the server cannot be reached now");
  if (config_.relay_only) return no("--relay-only");
  if (!remote_) return no("the other side has not told its addresses yet");
  const auto& target = dialler() ? theirs : told_;
  if (name == "lan") return no(has_private(theirs) ? "waits for its turn" : "the other side has no private address");
  if (name == "ipv6") {
    if (!has_v6(told_)) return no("this side has no IPv6 address");
    return no(has_v6(theirs) ? "waits for its turn" : "the other side has no IPv6 address");
  }
  if (name == "public") return no("the target has no public address of its own");
  if (name == "reversal") return no("the dialler cannot be dialled: no public address, forward or port mapping");
  if (name == "port-forward") return no(has(target, CandidateType::forwarded) ? "waits for its turn" : "the target was given no --forward");
  if (name == "port-mapping") return no(has(target, CandidateType::mapped) ? "waits for its turn" : "the target's router opened no port");
  if (name == "hairpin") return no("the two sides are not behind one public address");
  if (name == "udp-punch") {
    if (own.udp_blocked) return no("this network passes no UDP");
    if (remote.udp_blocked) return no("the other side's network passes no UDP");
    return no("an address of one side is not known from outside");
  }
  if (name == "prediction" || name == "birthday") {
    auto choice = reach::choose_search(own, remote, dialler());
    bool this_one = choice.kind && (*choice.kind == wire::SearchKind::birthday) == (name == "birthday");
    if (!choice.kind) return no(std::string(choice.why));
    if (!this_one) return no(name == "birthday" ? "the symmetric NAT's ports can be predicted" : "the symmetric NAT's ports follow no sequence");
    if (searches_ > 0 && !search_at_ && !direct_by_udp()) return {name, "failed", std::to_string(searches_) + " searches found nothing"};
    return no(direct_by_udp() ? "UDP came first" : choice.ours ? "waits for its turn" : "the other side begins it");
  }
  if (name == "tcp-punch") {
    if (dials_.targets().empty()) return no(current_ && !current_->is_relay() ? "UDP came first" : "waits for its turn");
    std::string seen;
    for (const auto& t : dials_.targets())
      seen += (seen.empty() ? "" : "; ") + t.to.to_string() + " dialled " + std::to_string(t.tries) + " times: " +
              (t.seen.empty() ? "no answer" : t.seen);
    return {name, dials_.active() ? "trying" : "failed", seen};
  }
  return no("");
}

}  // namespace ginnel::peer
