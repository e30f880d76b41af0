// What every group of rows does in each of its rounds: it says which one it is, and outlives a run that breaks.
#pragma once
#include <optional>
#include <string>

#include "bench/rows.hpp"
#include "lab/error.hpp"

namespace ginnel::bench {

inline std::string round_of(int i, const Plan& plan) {
  return "round " + std::to_string(i + 1) + " of " + std::to_string(plan.rounds);
}

/// What `run` gives; empty if it broke, and that is in the report then.
template <typename F>
auto attempt(Report& report, const std::string& what, F run) -> std::optional<decltype(run())> {
  try {
    return run();
  } catch (const lab::LabError& e) {
    report.notes.push_back(what + ": " + e.what());
    return std::nullopt;
  }
}

}  // namespace ginnel::bench
