#include "drive/process_limits.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <csignal>

namespace ginnel {

uint64_t raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  rlimit wish{limit.rlim_max, limit.rlim_max};
  if (::setrlimit(RLIMIT_NOFILE, &wish) == 0) limit = wish;
  return limit.rlim_cur;
}

void forbid_core_dumps() { ::prctl(PR_SET_DUMPABLE, 0); }

void ignore_sigpipe() { std::signal(SIGPIPE, SIG_IGN); }

}  // namespace ginnel
