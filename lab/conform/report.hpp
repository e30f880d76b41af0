// What the conformance suite found, for people and for programs. Knows how a table and a JSON line look; refuses to
// know how anything was found out.
#pragma once
#include <span>
#include <string>

#include "core/conform/suite.hpp"
#include "lab/time.hpp"

namespace ginnel::lab {

class ConformanceReport {
 public:
  struct Style {
    bool json = false;
    bool evidence = false;  ///< also of what passed
  };
  explicit ConformanceReport(const Style& style);

  void begin(const std::string& about, size_t requirements);
  /// One more is known: a line for programs, a moving line for people at a terminal.
  void progress(const conform::Result& result);
  void end(std::span<const conform::Result> results);

 private:
  void table(std::span<const conform::Result> results) const;
  void summary(std::span<const conform::Result> results) const;

  Style style_;
  bool terminal_;
  size_t known_ = 0, all_ = 0;
  Time begun_ = now();
};

}  // namespace ginnel::lab
