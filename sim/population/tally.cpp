#include "sim/population/tally.hpp"

#include <algorithm>
#include <numeric>

namespace ginnel::sim::population {

void Spread::sort() { std::sort(values_.begin(), values_.end()); }

double Spread::quantile(double part) const {
  if (values_.empty()) return 0;
  return values_[static_cast<size_t>(part * static_cast<double>(values_.size() - 1))];
}

double Spread::mean() const {
  if (values_.empty()) return 0;
  return std::accumulate(values_.begin(), values_.end(), 0.0) / static_cast<double>(values_.size());
}

std::string technique_of(const Outcome& outcome) {
  bool says_so = outcome.technique == "tcp-punch" || !outcome.tcp;
  return says_so ? outcome.technique : outcome.technique + ", tcp";
}

Tally::Tally(const Model& model, const std::vector<Outcome>& outcomes) {
  for (const Outcome& o : outcomes) {
    const Class &a = model.classes[o.kinds[0]], &b = model.classes[o.kinds[1]];
    bool both = a.natted() && b.natted();
    std::string one(a.kind()), other(b.kind());
    if (other < one) std::swap(one, other);
    Share& kind = kinds[one + " x " + other];
    for (Share* share : {&all, &kind, both ? &natted : nullptr}) {
      if (!share) continue;
      ++share->pairs;
      share->direct += o.is_direct();
    }
    bytes.add(o.bytes);
    relayed.add(o.relayed);
    if (o.searches > 0) {
      ++searched;
      probes.add(o.probes);
    }
    if (!o.connected) {
      ++failed;
      continue;
    }
    auto& technique = techniques[technique_of(o)];
    ++technique.first;
    technique.second += both;
    first_byte.add(o.first_byte);
    if (!o.is_direct()) continue;
    direct.add(o.direct);
    from_relay.add(o.from_relay);
    if (o.technique != "prediction" && o.technique != "birthday") continue;
    Search& search = found[o.technique];
    ++search.pairs;
    search.from_relay.add(o.from_relay);
    search.probes.add(o.probes);
    search.sockets.add(o.sockets);
  }
  for (Spread* spread : {&first_byte, &direct, &from_relay, &probes, &bytes, &relayed}) spread->sort();
  for (auto& [name, search] : found)
    for (Spread* spread : {&search.from_relay, &search.probes, &search.sockets}) spread->sort();
}

}  // namespace ginnel::sim::population
