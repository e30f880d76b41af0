#include "lab/sandbox.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "lab/error.hpp"

namespace ginnel::lab {
namespace {

constexpr int kWorld = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC;

/// Why no sandbox could be made; travels from the keeper to the caller over a pipe.
struct NoSandbox : LabError {
  using LabError::LabError;
};

void write_file(const char* path, const std::string& text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  const bool ok = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  if (fd >= 0) ::close(fd);
  errno = error;
  if (!ok) throw NoSandbox(std::string("cannot write ") + path + ": " + std::strerror(error) + "; run as root");
}

void enter_namespaces() {
  if (::geteuid() == 0 && ::unshare(kWorld) == 0) return;
  const std::string uid = std::to_string(::geteuid());
  const std::string gid = std::to_string(::getegid());
  if (::unshare(CLONE_NEWUSER) != 0) {
    throw NoSandbox(std::string("this kernel or container does not let us make namespaces (") + std::strerror(errno) +
                    "); run as root, or allow them: sysctl -w kernel.unprivileged_userns_clone=1 (Debian), "
                    "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), docker run --privileged");
  }
  write_file("/proc/self/setgroups", "deny");
  write_file("/proc/self/uid_map", "0 " + uid + " 1");
  write_file("/proc/self/gid_map", "0 " + gid + " 1");
  if (::unshare(kWorld) != 0) {
    throw NoSandbox(std::string("user namespaces are allowed here, but not with a network of their own (") +
                    std::strerror(errno) + "); run as root");
  }
}

void mount_or_throw(const char* what, const char* where, const char* type, unsigned long flags, const char* data) {
  if (::mount(what, where, type, flags, data) == 0) return;
  throw NoSandbox(std::string("cannot mount ") + where + " in the sandbox: " + std::strerror(errno) + "; run as root");
}

/// /run becomes ours: /run/netns for `ip netns`, /run/sshd for sshd, and the scratch directory.
void furnish() {
  mount_or_throw("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  mount_or_throw("ginnel-lab", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=80%");
  for (const char* dir : {"/run/netns", "/run/sshd", scratch().c_str()}) ::mkdir(dir, 0755);
  const int hosts = ::open(hosts_file().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (hosts >= 0) ::close(hosts);
  ::mount(hosts_file().c_str(), "/etc/hosts", nullptr, MS_BIND, nullptr);  // without it names are merely unknown
  // Where a container masks parts of /proc the kernel refuses a new one; the old one then still serves /proc/self.
  ::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
}

int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

/// Dies with the process that forked us.
void tie_to_parent(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
}

int run_body(const std::function<int()>& body) {
  add_sbin_to_path();
  int code = 1;
  try {
    code = body();
  } catch (const LabError& e) {
    std::fflush(stdout);
    std::fprintf(stderr, "lab: %s\n", e.what());
    code = static_cast<int>(e.code);
  } catch (const std::exception& e) {
    std::fflush(stdout);
    std::fprintf(stderr, "lab: %s\n", e.what());
  }
  std::fflush(nullptr);
  return code;
}

[[noreturn]] void be_init(const std::function<int()>& body, const sigset_t& callers_mask, int report, int keeper_life) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  pollfd life{keeper_life, 0, 0};  // getppid() cannot tell whether the keeper is dead already: it is 0 here
  if (::poll(&life, 1, 0) != 0) ::_exit(1);
  try {
    furnish();
  } catch (const NoSandbox& e) {
    if (::write(report, e.what(), std::strlen(e.what())) < 0) ::_exit(1);
    ::_exit(exit_no_sandbox);
  }
  ::close(report);
  const pid_t child = ::fork();
  if (child == 0) {
    tie_to_parent(1);
    ::sigprocmask(SIG_SETMASK, &callers_mask, nullptr);
    ::_exit(run_body(body));
  }
  for (int status = 0;;) {
    const pid_t ended = ::wait(&status);
    if (ended == child) ::_exit(code_of(status));
    if (ended < 0 && errno != EINTR) ::_exit(1);
  }
}

/// Waits for `child` and for the signals that end us; on one of those does `on_signal` and goes on waiting.
int wait_watching(pid_t child, const sigset_t& watched, const std::function<void(int)>& on_signal) {
  int interrupted = 0;
  while (true) {
    int status = 0;
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) return interrupted ? 128 + interrupted : code_of(status);
    if (ended < 0 && errno != EINTR) return 1;
    const int signal = ::sigwaitinfo(&watched, nullptr);
    if (signal <= 0 || signal == SIGCHLD) continue;
    interrupted = signal;
    on_signal(signal);
  }
}

[[noreturn]] void be_keeper(const std::function<int()>& body, const sigset_t& watched, const sigset_t& callers_mask,
                            int report, pid_t caller) {
  pid_t init = -1;
  int life[2];
  try {
    enter_namespaces();
    tie_to_parent(caller);  // after the user namespace: entering one forgets it
    if (::pipe2(life, O_CLOEXEC) != 0) throw NoSandbox(std::string("cannot make a pipe: ") + std::strerror(errno));
    init = ::fork();
    if (init < 0) throw NoSandbox(std::string("cannot start the sandbox's init: ") + std::strerror(errno));
  } catch (const NoSandbox& e) {
    if (::write(report, e.what(), std::strlen(e.what())) < 0) ::_exit(1);
    ::_exit(exit_no_sandbox);
  }
  if (init == 0) {
    ::close(life[1]);
    be_init(body, callers_mask, report, life[0]);
  }
  ::close(report);
  // When init is dead and waited for, the kernel has ended every process of its namespace.
  ::_exit(wait_watching(init, watched, [init](int) { ::kill(init, SIGKILL); }));
}

}  // namespace

const std::string& scratch() {
  static const std::string path = "/run/lab";
  return path;
}

std::string state_home(const std::string& host) {
  const std::string states = scratch() + "/state";
  ::mkdir(states.c_str(), 0700);
  return states + "/" + host;
}

void add_sbin_to_path() {
  const char* path = ::getenv("PATH");
  ::setenv("PATH", ((path ? path : "/usr/bin:/bin") + std::string(":/usr/sbin:/sbin")).c_str(), 1);
}

const std::string& hosts_file() {
  static const std::string path = scratch() + "/hosts";
  return path;
}

int run_in_sandbox(const std::function<int()>& body, std::string* why) {
  std::fflush(nullptr);
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) throw_errno("cannot make a pipe");
  sigset_t watched, before;
  ::sigemptyset(&watched);
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) ::sigaddset(&watched, signal);
  ::sigprocmask(SIG_BLOCK, &watched, &before);

  const pid_t caller = ::getpid();
  const pid_t keeper = ::fork();
  if (keeper < 0) throw_errno("cannot fork");
  if (keeper == 0) {
    ::close(report[0]);
    be_keeper(body, watched, before, report[1], caller);
  }
  ::close(report[1]);
  const int code = wait_watching(keeper, watched, [keeper](int) { ::kill(keeper, SIGTERM); });

  std::string reason;
  char chunk[1024];
  for (ssize_t n; (n = ::read(report[0], chunk, sizeof chunk)) > 0;) reason.append(chunk, static_cast<size_t>(n));
  ::close(report[0]);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (why) *why = reason;
  return code;
}

}  // namespace ginnel::lab
