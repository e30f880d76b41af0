// What came of many pairs, counted: how many became direct, by which technique, how fast, at what cost. Knows numbers;
// refuses to know how they are shown (report.hpp, picture.hpp).
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sim/population/meeting.hpp"

namespace ginnel::sim::population {

/// Of some values, once they are all there.
class Spread {
 public:
  void add(double value) { values_.push_back(value); }
  void sort();
  size_t count() const { return values_.size(); }
  /// The value below which that part of all lies; 0 if there are none. After sort().
  double quantile(double part) const;
  double mean() const;

 private:
  std::vector<double> values_;
};

struct Share {
  uint64_t pairs = 0, direct = 0;
  double rate() const { return pairs == 0 ? 0 : static_cast<double>(direct) / static_cast<double>(pairs); }
};

/// A technique with its transport, "tcp-punch", "public, tcp"; as the docs name it.
std::string technique_of(const Outcome& outcome);

struct Tally {
  Tally(const Model& model, const std::vector<Outcome>& outcomes);

  Share all, natted;  ///< natted: both behind a NAT or a firewall
  uint64_t failed = 0;  ///< no byte came back
  std::map<std::string, std::pair<uint64_t, uint64_t>> techniques;  ///< of all, of natted pairs
  std::map<std::string, Share> kinds;                               ///< "EIM x open"
  Spread first_byte, direct, from_relay;                            ///< ms; of direct pairs but the first
  // Of searches: a pair that needed one.
  struct Search {
    uint64_t pairs = 0;
    Spread from_relay, probes, sockets;
  };
  std::map<std::string, Search> found;  ///< by technique: prediction, birthday
  uint64_t searched = 0;                ///< pairs that searched, found or not
  Spread probes;                        ///< of pairs that searched
  Spread bytes, relayed;
};

}  // namespace ginnel::sim::population
