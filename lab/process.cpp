#include "lab/process.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <utility>

#include "lab/error.hpp"

namespace ginnel::lab {
namespace {

struct Ends {
  int ours = -1;
  int theirs = -1;
};

Ends open_stream(const Stream& stream, int number) {
  const bool input = number == STDIN_FILENO;
  switch (stream.kind) {
    case Stream::inherit:
      return {};
    case Stream::null:
      return {-1, ::open("/dev/null", (input ? O_RDONLY : O_WRONLY) | O_CLOEXEC)};
    case Stream::file: {
      int fd = ::open(stream.path.c_str(), (input ? O_RDONLY : O_WRONLY | O_CREAT | O_APPEND) | O_CLOEXEC, 0644);
      if (fd < 0) throw_errno("cannot open " + stream.path);
      return {-1, fd};
    }
    case Stream::pipe: {
      int fds[2];
      if (::pipe2(fds, O_CLOEXEC) != 0) throw_errno("cannot make a pipe");
      Ends ends = input ? Ends{fds[1], fds[0]} : Ends{fds[0], fds[1]};
      if (!input) ::fcntl(ends.ours, F_SETFL, O_NONBLOCK);
      return ends;
    }
  }
  return {};
}

void say(const std::string& text) {
  if (::write(STDERR_FILENO, text.data(), text.size()) < 0) ::_exit(126);
}

/// In the child: takes its place, and becomes the program. Never returns.
[[noreturn]] void become(const Command& command, int netns, const Ends (&ends)[3], pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(126);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int number = 0; number < 3; ++number) {
    if (ends[number].theirs >= 0) ::dup2(ends[number].theirs, number);
  }
  if (netns >= 0 && ::setns(netns, CLONE_NEWNET) != 0) {
    say("cannot enter the network namespace: " + std::string(std::strerror(errno)) + "\n");
    ::_exit(126);
  }
  if (!command.directory.empty() && ::chdir(command.directory.c_str()) != 0) ::_exit(126);
  for (const auto& [name, value] : command.env) ::setenv(name.c_str(), value.c_str(), 1);
  if (command.body) {
    ::close_range(3, ~0u, 0);  // without exec nothing else closes the pipes of its elder siblings
    int code = 125;
    try {
      code = command.body();
    } catch (const std::exception& e) {
      say(std::string("lab: ") + e.what() + "\n");
    }
    std::fflush(nullptr);
    ::_exit(code);
  }
  ::signal(SIGPIPE, SIG_DFL);
  std::vector<char*> argv;
  for (const auto& word : command.argv) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  ::execvp(argv[0], argv.data());
  say("cannot run " + command.argv[0] + ": " + std::strerror(errno) + "\n");
  ::_exit(127);
}

}  // namespace

Process spawn(const Command& command, int netns) {
  if (command.argv.empty() && !command.body) throw LabError("nothing to run");
  const Ends ends[3] = {open_stream(command.in, 0), open_stream(command.out, 1), open_stream(command.err, 2)};
  const pid_t parent = ::getpid();
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) throw_errno("cannot fork");
  if (pid == 0) become(command, netns, ends, parent);
  for (const auto& e : ends) {
    if (e.theirs >= 0) ::close(e.theirs);
  }
  Process process;
  process.pid_ = pid;
  process.in_ = ends[0].ours;
  process.out_ = {ends[1].ours, {}, ends[1].ours < 0};
  process.err_ = {ends[2].ours, {}, ends[2].ours < 0};
  return process;
}

Process& Process::operator=(Process&& other) noexcept {
  Process taken(std::move(other));
  swap(taken);
  return *this;
}

Process::~Process() {
  if (pid_ > 0 && !code_) stop();
  close_input();
  out_.close();
  err_.close();
}

void Process::swap(Process& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(in_, other.in_);
  std::swap(out_, other.out_);
  std::swap(err_, other.err_);
  std::swap(code_, other.code_);
}

void Process::Reader::fill() {
  char chunk[65536];
  while (!at_end) {
    const ssize_t n = ::read(fd, chunk, sizeof chunk);
    if (n > 0) {
      buffered.append(chunk, static_cast<size_t>(n));
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
      at_end = true;
    } else if (errno == EAGAIN) {
      return;
    }
  }
}

std::optional<std::string> Process::Reader::take_line() {
  const size_t end = buffered.find('\n');
  if (end == std::string::npos && (!at_end || buffered.empty())) return std::nullopt;
  std::string line = buffered.substr(0, end);
  buffered.erase(0, end == std::string::npos ? end : end + 1);
  return line;
}

std::string Process::Reader::drain(Time deadline) {
  for (fill(); !at_end && now() < deadline; fill()) {
    pollfd p{fd, POLLIN, 0};
    ::poll(&p, 1, poll_ms(deadline));
  }
  return std::exchange(buffered, {});
}

void Process::Reader::close() {
  if (fd >= 0) ::close(fd);
  fd = -1;
  at_end = true;
}

std::optional<std::string> Process::next_line() {
  if (auto line = out_.take_line()) return line;
  out_.fill();
  return out_.take_line();
}

std::optional<std::string> Process::read_line(Time deadline) {
  while (true) {
    if (auto line = next_line()) return line;
    if (out_.at_end || now() >= deadline) return std::nullopt;
    pollfd p{out_.fd, POLLIN, 0};
    ::poll(&p, 1, poll_ms(deadline));
  }
}

std::string Process::read_all(Time deadline) { return out_.drain(deadline); }
std::string Process::read_errors(Time deadline) { return err_.drain(deadline); }

bool Process::ended() {
  out_.fill();
  return out_.at_end && out_.buffered.empty();
}

bool Process::write(std::string_view text) {
  while (in_ >= 0 && !text.empty()) {
    const ssize_t n = ::write(in_, text.data(), text.size());
    if (n < 0 && errno != EINTR) return false;
    if (n > 0) text.remove_prefix(static_cast<size_t>(n));
  }
  return text.empty();
}

void Process::close_input() {
  if (in_ >= 0) ::close(std::exchange(in_, -1));
}

void Process::kill(int signal) {
  if (pid_ > 0 && !code_) ::kill(pid_, signal);
}

std::optional<int> Process::wait(Time deadline) {
  if (pid_ <= 0 || code_) return code_;
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  while (!code_) {
    int status = 0;
    const pid_t got = ::waitpid(pid_, &status, WNOHANG);
    if (got == pid_) {
      code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    } else if (got < 0) {
      code_ = 255;
    } else if (now() >= deadline) {
      break;
    } else {
      pollfd p{fd, POLLIN, 0};
      ::poll(&p, 1, poll_ms(deadline));
    }
  }
  ::close(fd);
  return code_;
}

int Process::stop(int signal) {
  if (pid_ <= 0) return code_.value_or(255);
  kill(signal);
  if (auto code = wait(in(10s))) return *code;
  kill(SIGKILL);
  return wait(in(10s)).value_or(255);
}

bool Process::running() { return pid_ > 0 && !wait(now()); }

size_t Process::resident_bytes() const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6)) * 1024;
  }
  return 0;
}

std::string run_with_input(Command command, const std::string& input, int netns, Duration patience) {
  command.in = {input.empty() ? Stream::null : Stream::pipe, {}};
  command.out = command.err = {Stream::pipe, {}};
  const Time deadline = in(patience);
  Process process = spawn(command, netns);
  process.write(input);
  process.close_input();
  std::string out = process.read_all(deadline);
  std::string errors = process.read_errors(deadline);
  auto code = process.wait(deadline);
  if (code == 0) return out;
  std::string name;
  for (const auto& word : command.argv) name += (name.empty() ? "" : " ") + word;
  throw LabError("`" + name + "` " + (code ? "ended with " + std::to_string(*code) : "did not end in time") +
                 (errors.empty() ? "" : ": " + errors.substr(0, errors.find_last_not_of('\n') + 1)) +
                 (input.empty() ? "" : "\nits input was:\n" + input));
}

std::string run(Command command, int netns, Duration patience) {
  return run_with_input(std::move(command), {}, netns, patience);
}

std::string own_binary() {
  char path[4096];
  const ssize_t n = ::readlink("/proc/self/exe", path, sizeof path);
  return n > 0 ? std::string(path, static_cast<size_t>(n)) : "ginnel";
}

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> out;
  for (size_t at = 0; (at = text.find_first_not_of(' ', at)) != text.npos;) {
    const size_t end = std::min(text.find(' ', at), text.size());
    out.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

}  // namespace ginnel::lab
