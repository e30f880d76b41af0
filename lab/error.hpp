// How the lab fails. It is a test bench and not a product: whoever builds a network wants the first broken step to end
// it with one sentence, so set-up throws, and sandbox.cpp alone catches. What a scenario waits for is never thrown.
#pragma once
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace ginnel::lab {

struct LabError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// "what: No such file or directory", from errno.
[[noreturn]] inline void throw_errno(const std::string& what) { throw LabError(what + ": " + std::strerror(errno)); }

}  // namespace ginnel::lab
