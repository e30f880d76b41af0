// What a process asks of the system about itself, once, at the start.
#pragma once
#include <cstdint>

namespace ginnel {

/// Raises the soft limit of open descriptors to the hard one. Returns the limit now in force.
uint64_t raise_open_files();

/// Keys never reach a core file, and other processes of the same user cannot attach a debugger.
void forbid_core_dumps();

/// Writing to a closed pipe becomes an error instead of the end.
void ignore_sigpipe();

}  // namespace ginnel
