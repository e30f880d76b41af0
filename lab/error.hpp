// How the lab fails. Whoever builds a network wants the first broken step to end it with one sentence, so set-up
// throws, and only sandbox.cpp and the commands catch. What a scenario waits for is never thrown.
#pragma once
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

#include "base/result.hpp"

namespace ginnel::lab {

struct LabError : std::runtime_error {
  explicit LabError(const std::string& sentence, Errc why = Errc::internal) : runtime_error(sentence), code(why) {}

  Errc code;  ///< what the command line ends with
};

/// "what: No such file or directory", from errno.
[[noreturn]] inline void throw_errno(const std::string& what) { throw LabError(what + ": " + std::strerror(errno)); }

}  // namespace ginnel::lab
