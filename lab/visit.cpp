#include "lab/visit.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "drive/fd.hpp"
#include "lab/control.hpp"
#include "lab/error.hpp"
#include "lab/sandbox.hpp"

namespace ginnel::lab {
namespace {

/// The program's last steps before it is one: a name for the prompt, keys of its own. Never returns.
[[noreturn]] void move_in(const std::string& host, const std::vector<std::string>& argv) {
  if (::unshare(CLONE_NEWUTS) == 0) {
    if (::sethostname(host.data(), host.size()) != 0) std::perror("lab: sethostname");
  }
  ::setenv("XDG_STATE_HOME", state_home(host).c_str(), 1);
  ::setenv("GINNEL_LAB_HOST", host.c_str(), 1);
  add_sbin_to_path();
  ::signal(SIGPIPE, SIG_DFL);
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execvp(words[0], words.data());
  std::fprintf(stderr, "lab: cannot run %s: %s\n", argv[0].c_str(), std::strerror(errno));
  ::_exit(127);
}

bool same_user_namespace(pid_t other) {
  struct stat mine {
  }, theirs{};
  ::stat("/proc/self/ns/user", &mine);
  ::stat(("/proc/" + std::to_string(other) + "/ns/user").c_str(), &theirs);
  return mine.st_ino == theirs.st_ino;
}

/// This process sees what `keeper` sees; its children live where the lab's do, and end with it.
void enter_sandbox(pid_t keeper) {
  const Fd door(static_cast<int>(::syscall(SYS_pidfd_open, keeper, 0)));
  if (!door) throw_errno("cannot find the lab's process");
  int worlds = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC;
  if (!same_user_namespace(keeper)) worlds |= CLONE_NEWUSER;
  char here[4096];
  const bool somewhere = ::getcwd(here, sizeof here) != nullptr;
  if (::setns(door.get(), worlds) != 0) throw_errno("cannot enter the lab");
  if (!somewhere || ::chdir(here) != 0) {
    if (::chdir("/") != 0) throw_errno("cannot go to /");
  }
}

void enter_host(const std::string& host) {
  const Fd door(::open(("/run/netns/" + host).c_str(), O_RDONLY | O_CLOEXEC));
  if (!door || ::setns(door.get(), CLONE_NEWNET) != 0) throw_errno("cannot enter " + host);
}

/// What the terminal sends goes to the program; what a supervisor sends is passed on.
pid_t visitor = -1;
void pass_on(int signal) { ::kill(visitor, signal); }

int wait_for_visitor() {
  for (int signal : {SIGINT, SIGQUIT}) ::signal(signal, SIG_IGN);
  for (int signal : {SIGTERM, SIGHUP}) ::signal(signal, pass_on);
  int status = 0;
  while (::waitpid(visitor, &status, 0) < 0) {
    if (errno != EINTR) return 1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Command inhabitant(const std::string& host, const std::vector<std::string>& argv) {
  return {.in = {Stream::inherit}, .out = {Stream::inherit}, .body = [host, argv]() -> int { move_in(host, argv); }};
}

Result<int> visit(const std::string& lab, const std::string& host, const std::vector<std::string>& argv) {
  const auto answer = ask_lab(lab, "enter " + host);
  if (!answer) return answer.error();
  enter_sandbox(answer->keeper);
  enter_host(host);
  visitor = ::fork();
  if (visitor < 0) throw_errno("cannot fork");
  if (visitor > 0) return wait_for_visitor();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  move_in(host, argv);
}

}  // namespace ginnel::lab
