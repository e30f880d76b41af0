// The changes of a plan at their moments, on a network that stands. Whoever runs it waits until due() and calls
// run_due(); a change that fails is told of and does not stop those behind it.
#pragma once
#include <functional>
#include <vector>

#include "lab/change.hpp"
#include "lab/error.hpp"
#include "lab/time.hpp"
#include "lab/topology.hpp"

namespace ginnel::lab {

class Script {
 public:
  /// `told` hears of each change when it has happened; `problem` is empty, or why it has not.
  using Told = std::function<void(const TimedChange& change, const std::string& problem)>;

  Script(std::vector<TimedChange> changes, Time start, Told told)
      : changes_(std::move(changes)), start_(start), told_(std::move(told)) {}

  /// Of the next change; Time::max() if there is none.
  Time due() const { return next_ == changes_.size() ? Time::max() : start_ + changes_[next_].at; }

  void run_due(Lab& lab) {
    while (due() <= now()) {
      const TimedChange& change = changes_[next_++];
      std::string problem;
      try {
        lab.apply(change.change);
      } catch (const LabError& error) {
        problem = error.what();
      }
      told_(change, problem);
    }
  }

 private:
  std::vector<TimedChange> changes_;
  size_t next_ = 0;
  Time start_;
  Told told_;
};

}  // namespace ginnel::lab
