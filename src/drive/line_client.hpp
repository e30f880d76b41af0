// Asks a program of this machine over its unix-domain socket: a line out, a line back. Blocking, for commands that do
// nothing else.
#pragma once
#include <string>

#include "base/result.hpp"
#include "drive/fd.hpp"

namespace ginnel {

class LineClient {
 public:
  static constexpr int patience_ms = 10'000;  ///< for each line
  static constexpr size_t line_max = 16 * 1024 * 1024;

  /// Errc::refused if nobody listens there, permission.
  static Result<LineClient> open(const std::string& path);
  /// `line` without its end. Errc::unreachable if no answer comes.
  Result<std::string> ask(const std::string& line);

 private:
  LineClient(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  bool wait_for(short events);
  Error silent() const;

  Fd fd_;
  std::string path_, in_;
};

}  // namespace ginnel
