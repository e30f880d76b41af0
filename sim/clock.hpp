// Virtual time: a queue of things to do, in the order of their instants and, within one instant, of their arrival in
// the queue. Knows nothing of networks; refuses to look at a real clock, so an hour costs what happens in it. The only
// maker of Instants beside drive/.
#pragma once
#include <cstdint>
#include <vector>

#include "base/instant.hpp"
#include "sim/job.hpp"

namespace ginnel::sim {

class Schedule {
 public:
  using Job = sim::Job;

  Instant now() const { return now_; }
  /// A time that is past counts as now; jobs of one instant run in the order in which they were given.
  void at(Instant when, Job job);
  void after(Duration delay, Job job) { at(now_ + delay, std::move(job)); }

  /// The next job that is due by `until`; without one the time becomes `until`, and the answer is no.
  bool step(Instant until);
  void run_until(Instant until) {
    while (step(until)) {
    }
  }
  void run_for(Duration how_long) { run_until(now_ + how_long); }
  /// Until `done()` says so, but no longer than `limit`; what done() said last.
  template <typename Done>
  bool run_until(Done done, Duration limit) {
    for (Instant until = now_ + limit; !done();)
      if (!step(until)) return done();
    return true;
  }
  /// How many jobs were done so far: what a run costs, in events.
  uint64_t done() const { return done_; }

 private:
  /// Small, because the heap moves them about; the job itself stays in its place.
  struct Entry {
    Instant when;
    uint64_t order;
    uint32_t place;
  };
  static bool later(const Entry& a, const Entry& b) { return a.when != b.when ? a.when > b.when : a.order > b.order; }

  Instant now_{1h};
  uint64_t next_order_ = 0;
  uint64_t done_ = 0;
  std::vector<Entry> heap_;
  std::vector<Job> jobs_;
  std::vector<uint32_t> free_;  ///< places in jobs_
};

}  // namespace ginnel::sim
