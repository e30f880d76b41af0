#include "lab/conform/report.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "lab/narrator.hpp"

namespace ginnel::lab {
namespace {

using conform::Level, conform::Outcome, conform::Result;

constexpr const char* clear_line = "\r\033[K";

std::string padded(std::string_view text, size_t width) {
  std::string out(text);
  out.resize(std::max(out.size(), width), ' ');
  return out;
}

std::string_view word_for_programs(Outcome outcome) {
  switch (outcome) {
    case Outcome::pass:
      return "pass";
    case Outcome::fail:
      return "fail";
    case Outcome::not_observable:
      return "not-observable";
    case Outcome::skipped:
      return "skipped";
  }
  return "";
}

size_t count(std::span<const Result> results, Outcome outcome, std::initializer_list<Level> levels) {
  size_t n = 0;
  for (const Result& each : results)
    for (Level level : levels) n += each.finding.outcome == outcome && each.requirement->level == level;
  return n;
}

struct Counts {
  size_t passed, musts_broken, shoulds_broken, unseen, skipped;
  explicit Counts(std::span<const Result> r)
      : passed(count(r, Outcome::pass, {Level::must, Level::should})),
        musts_broken(count(r, Outcome::fail, {Level::must})),
        shoulds_broken(count(r, Outcome::fail, {Level::should})),
        unseen(count(r, Outcome::not_observable, {Level::must, Level::should, Level::may})),
        skipped(count(r, Outcome::skipped, {Level::must, Level::should, Level::may})) {}
};

}  // namespace

ConformanceReport::ConformanceReport(const Style& style)
    : style_(style), terminal_(!style.json && ::isatty(STDOUT_FILENO) && !::getenv("NO_COLOR")) {}

void ConformanceReport::begin(const std::string& about, size_t requirements) {
  all_ = requirements;
  begun_ = now();
  if (style_.json) return;
  std::printf("%s\n", about.c_str());
  std::fflush(stdout);
}

void ConformanceReport::progress(const Result& result) {
  ++known_;
  const auto& r = *result.requirement;
  if (style_.json) {
    std::printf(R"({"event":"requirement","t_ms":%.0f,"rfc":%s,"name":%s,"level":%s,"result":%s,"evidence":%s})"
                "\n",
                ms_since(begun_), Narrator::quoted(std::string(r.rfc)).c_str(),
                Narrator::quoted(std::string(r.name)).c_str(), Narrator::quoted(std::string(r.word)).c_str(),
                Narrator::quoted(std::string(word_for_programs(result.finding.outcome))).c_str(),
                Narrator::quoted(result.finding.evidence).c_str());
    std::fflush(stdout);
  } else if (terminal_) {
    std::printf("%s%zu of %zu  %s", clear_line, known_, all_, r.id().c_str());
    std::fflush(stdout);
  }
}

void ConformanceReport::end(std::span<const Result> results) {
  if (terminal_) std::fputs(clear_line, stdout);
  if (!style_.json) table(results);
  summary(results);
  std::fflush(stdout);
}

void ConformanceReport::table(std::span<const Result> results) const {
  std::string_view document;
  for (const Result& each : results) {
    const auto& r = *each.requirement;
    if (r.rfc != document) std::printf("\n%s: a NAT\n", std::string(document = r.rfc).c_str());
    const std::string word(to_string(each.finding.outcome, r.level));
    const bool bad = each.finding.outcome == Outcome::fail && r.level != Level::may;
    const char* colour = !terminal_ || !bad ? "" : r.level == Level::must ? "\033[31m" : "\033[33m";
    std::printf("  %s%s%s%s %s%s\n", padded(r.name, 18).c_str(), colour, padded(word, 8).c_str(),
                *colour ? "\033[0m" : "", padded(r.word, 12).c_str(), std::string(r.sentence).c_str());
    if (style_.evidence || bad) std::printf("%28s%s\n", "", each.finding.evidence.c_str());
  }
}

void ConformanceReport::summary(std::span<const Result> results) const {
  const Counts n(results);
  if (style_.json) {
    std::printf(
        R"({"event":"done","t_ms":%.0f,"passed":%zu,"musts_broken":%zu,"shoulds_broken":%zu,"not_observable":%zu,"skipped":%zu})"
        "\n",
        ms_since(begun_), n.passed, n.musts_broken, n.shoulds_broken, n.unseen, n.skipped);
    return;
  }
  std::printf(
      "\n%zu met, %zu MUSTs broken, %zu recommendations not followed; %zu not to be seen from here, %zu skipped; %.0f "
      "s\n",
      n.passed, n.musts_broken, n.shoulds_broken, n.unseen, n.skipped, ms_since(begun_) / 1000);
}

}  // namespace ginnel::lab
