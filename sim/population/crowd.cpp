#include "sim/population/crowd.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

namespace ginnel::sim::population {

std::vector<Outcome> meet_all(const Model& model, const Variant& variant, const CrowdConfig& config) {
  std::vector<Outcome> out(config.pairs);
  std::atomic<size_t> next{0};
  auto work = [&] {
    for (size_t i; (i = next.fetch_add(1)) < out.size();)
      out[i] = meet(model, draw_pair(model, variant, config.seed, i), config.with);
  };
  std::vector<std::jthread> others(std::max(1u, config.threads) - 1);
  for (std::jthread& thread : others) thread = std::jthread(work);
  work();
  others.clear();
  return out;
}

}  // namespace ginnel::sim::population
