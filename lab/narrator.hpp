// Tells a person, or a program, what happens in a run of the lab: a line for each step with its second, or a JSON
// object. On a terminal a step has colour, and a progress line that renews itself stands below the last one.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "lab/time.hpp"

namespace ginnel::lab {

class Narrator {
 public:
  enum class Style { human, json, quiet };
  enum class Mood { plain, good, bad };
  /// Names and values for programs; a value is written as JSON already (quoted(), or a number).
  using Facts = std::vector<std::pair<std::string, std::string>>;

  explicit Narrator(Style style);

  void start_clock() { start_ = now(); }
  /// "0.42 s  server ready  203.0.113.10:3478"
  void step(const std::string& what, const std::string& detail, const Facts& facts = {}, Mood mood = Mood::plain);
  void step_for_programs(const std::string& what, const Facts& facts);  ///< only as JSON
  void progress(double share, const std::string& text);                 ///< 0..1; only on a terminal
  void say(const std::string& text);                                    ///< whole lines for a person only

  static std::string quoted(const std::string& text);
  static std::string number(double value, int digits = 1);

 private:
  void clear_progress();

  Style style_;
  bool terminal_;
  bool progressing_ = false;
  Time start_ = now();
};

}  // namespace ginnel::lab
