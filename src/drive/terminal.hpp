// Who reads the output: a person at a terminal, or a file or program.
#pragma once
#include <unistd.h>

namespace ginnel {

inline bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO); }

}  // namespace ginnel
