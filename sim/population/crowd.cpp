#include "sim/population/crowd.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

namespace ginnel::sim::population {

std::vector<Outcome> meet_all(const Model& model, const Variant& variant, const CrowdConfig& config) {
  std::vector<Outcome> out(config.pairs);
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::string problem;  // guarded by mutex
  auto work = [&] {
    size_t i;
    try {
      while ((i = next.fetch_add(1)) < out.size())
        out[i] = meet(model, draw_pair(model, variant, config.seed, i), config.with);
    } catch (const std::exception& e) {
      next = out.size();
      std::lock_guard lock(mutex);
      problem = "pair " + std::to_string(i) + " of seed " + std::to_string(config.seed) + ": " + e.what();
    }
  };
  std::vector<std::jthread> others(std::max(1u, config.threads) - 1);
  for (std::jthread& thread : others) thread = std::jthread(work);
  work();
  others.clear();
  if (!problem.empty()) throw std::runtime_error(problem);
  return out;
}

}  // namespace ginnel::sim::population
