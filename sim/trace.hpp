// What happened in a simulated world, one line an event: virtual milliseconds, who, what. Knows lengths and kinds of
// packets and never their bytes, because ciphertext differs between runs (GnuTLS draws its own randomness) and nothing
// else may. Off unless asked for: a run of which nobody reads the trace should not pay for it.
#pragma once
#include <cstdio>
#include <string>
#include <string_view>

#include "base/instant.hpp"

namespace ginnel::sim {

class Trace {
 public:
  bool on = false;
  bool packets = true;  ///< a line for each packet too

  void line(Instant now, std::string_view who, std::string_view what, std::string_view detail = {}) {
    if (!on) return;
    char head[64];
    int n = std::snprintf(head, sizeof head, "%12.6f ", to_ms(now.time_since_epoch() - 1h));
    text_.append(head, static_cast<size_t>(n)).append(who).append(" ").append(what);
    if (!detail.empty()) text_.append(" ").append(detail);
    text_.push_back('\n');
  }
  void packet(Instant now, std::string_view who, const char* what, std::string_view with, size_t size, size_t segment) {
    if (!on || !packets) return;
    line(now, who, what, std::string(with) + " " + std::to_string(size) + "/" + std::to_string(segment));
  }

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace ginnel::sim
