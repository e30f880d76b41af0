#include "core/path/choose.hpp"

#include <algorithm>

namespace ginnel::path {

namespace {

// What a way costs. The relay gets a quarter and 5 ms on top: it burdens a third machine, so it must be clearly better.
// TCP gets a tenth and 1 ms: one lost segment holds up all streams. Loss counts from where one lost check is no longer
// chance, and then heavily: a tenth of the packets lost is worse than a hundred milliseconds.
Duration cost(const Way& way) {
  Duration rtt = way.rtt.value_or(1s);
  if (way.carrier.is_relay()) rtt += rtt / 4 + 5ms;
  if (way.carrier.is_tcp()) rtt += rtt / 10 + 1ms;
  if (way.avoid) rtt += 5s;
  double lossy = std::max(0.0, way.loss - 0.1);
  return rtt + Duration(static_cast<int64_t>(lossy * 4e9));
}

}  // namespace

std::optional<Choice> choose(std::span<const Way> ways, const std::optional<Carrier>& current, Instant now,
                             std::optional<Instant> changed_mind_at) {
  if (ways.empty()) return {};
  const Way& best = *std::min_element(ways.begin(), ways.end(), [](auto& a, auto& b) { return cost(a) < cost(b); });
  auto in_use = std::find_if(ways.begin(), ways.end(), [&](const Way& w) { return current == w.carrier; });
  if (!current) return Choice{best.carrier, "first path"};
  if (in_use == ways.end()) return Choice{best.carrier, "the path in use stopped answering"};
  if (best.carrier == *current) return {};
  if (changed_mind_at && now - *changed_mind_at < dwell) return {};
  if (in_use->avoid) return Choice{best.carrier, "the path in use carries too little"};
  if (in_use->carrier.is_relay()) return Choice{best.carrier, "a direct path answers"};
  bool from_tcp = in_use->carrier.is_tcp() && best.carrier.kind == Carrier::Kind::udp;  // its malus is hysteresis enough
  if (from_tcp) return Choice{best.carrier, "a direct path by UDP answers"};
  Duration gain = cost(*in_use) - cost(best);
  if (gain < cost(*in_use) / 5 || gain < 2ms) return {};
  return Choice{best.carrier, best.carrier.is_relay() ? "the relay is faster" : "this path is faster"};
}

}  // namespace ginnel::path
