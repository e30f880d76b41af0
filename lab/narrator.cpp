#include "lab/narrator.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace ginnel::lab {
namespace {

constexpr const char* kPlain = "\033[0m";
constexpr const char* kDim = "\033[2m";
constexpr const char* kGreen = "\033[32m";
constexpr const char* kRed = "\033[31m";
constexpr const char* kClearLine = "\r\033[K";
constexpr int kBar = 24;

}  // namespace

Narrator::Narrator(Style style)
    : style_(style), terminal_(style == Style::human && ::isatty(STDOUT_FILENO) && !::getenv("NO_COLOR")) {}

void Narrator::clear_progress() {
  if (progressing_) std::fputs(kClearLine, stdout);
  progressing_ = false;
}

void Narrator::step(const std::string& what, const std::string& detail, const Facts& facts, Mood mood) {
  const double ms = ms_since(start_);
  if (style_ == Style::json) {
    std::string line = "{\"event\":\"step\",\"step\":" + quoted(what) + ",\"t_ms\":" + number(ms);
    for (const auto& [key, value] : facts) line += "," + quoted(key) + ":" + value;
    std::printf("%s}\n", line.c_str());
  } else if (style_ == Style::human) {
    clear_progress();
    const char* colour = !terminal_ ? "" : mood == Mood::good ? kGreen : mood == Mood::bad ? kRed : "";
    std::printf("%s%6.2f s%s  %s%-19s%s %s\n", terminal_ ? kDim : "", ms / 1000, terminal_ ? kPlain : "", colour,
                what.c_str(), terminal_ ? kPlain : "", detail.c_str());
  }
  std::fflush(stdout);
}

void Narrator::step_for_programs(const std::string& what, const Facts& facts) {
  if (style_ == Style::json) step(what, "", facts);
}

void Narrator::progress(double share, const std::string& text) {
  if (!terminal_) return;
  const int full = static_cast<int>(std::clamp(share, 0.0, 1.0) * kBar);
  std::string bar;
  for (int i = 0; i < kBar; ++i) bar += i < full ? "█" : "░";
  std::printf("%s%s%6.2f s%s  %s %3.0f %%  %s", kClearLine, kDim, ms_since(start_) / 1000, kPlain, bar.c_str(),
              share * 100, text.c_str());
  std::fflush(stdout);
  progressing_ = true;
}

void Narrator::say(const std::string& text) {
  if (style_ != Style::human) return;
  clear_progress();
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

std::string Narrator::quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

std::string Narrator::number(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

}  // namespace ginnel::lab
