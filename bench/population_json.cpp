#include "bench/population_json.hpp"

#include <boost/json/src.hpp>

namespace ginnel::sim::population {

namespace json = boost::json;

namespace {

json::object share(const Share& s) { return {{"pairs", s.pairs}, {"direct", s.direct}, {"rate", s.rate()}}; }

json::object spread(const Spread& s) {
  return {{"count", s.count()},
          {"median", s.quantile(0.5)},
          {"p95", s.quantile(0.95)},
          {"p99", s.quantile(0.99)},
          {"mean", s.mean()}};
}

}  // namespace

std::string to_json(const std::string& variant, const std::string& level, uint64_t seed, const Tally& t) {
  json::object techniques, kinds, searches;
  for (auto& [name, counts] : t.techniques) techniques[name] = {{"all", counts.first}, {"natted", counts.second}};
  for (auto& [name, counts] : t.kinds) kinds[name] = share(counts);
  for (auto& [name, s] : t.found)
    searches[name] = {{"pairs", s.pairs},
                      {"from_relay_ms", spread(s.from_relay)},
                      {"probes", spread(s.probes)},
                      {"sockets", spread(s.sockets)}};
  json::object out = {{"event", "population"},
                      {"variant", variant},
                      {"level", level},
                      {"seed", seed},
                      {"all", share(t.all)},
                      {"natted", share(t.natted)},
                      {"failed", t.failed},
                      {"techniques", std::move(techniques)},
                      {"kinds", std::move(kinds)},
                      {"first_byte_ms", spread(t.first_byte)},
                      {"direct_ms", spread(t.direct)},
                      {"from_relay_ms", spread(t.from_relay)},
                      {"searches", std::move(searches)},
                      {"searched", t.searched},
                      {"probes", spread(t.probes)},
                      {"bytes", spread(t.bytes)},
                      {"relayed", spread(t.relayed)}};
  return json::serialize(out);
}

}  // namespace ginnel::sim::population
