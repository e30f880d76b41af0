#include "lab/keeper.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <sstream>

#include "drive/fd.hpp"
#include "lab/control.hpp"
#include "lab/error.hpp"
#include "lab/sandbox.hpp"
#include "lab/script.hpp"
#include "lab/visit.hpp"

namespace ginnel::lab {
namespace {

constexpr const char* kReady = "ready\n";

void send_text(int fd, const std::string& text) {
  if (::write(fd, text.data(), text.size()) < 0) ::_exit(1);
}

void point_at(int number, const char* path, int flags) {
  const Fd file(::open(path, flags | O_CLOEXEC, 0644));
  if (!file || ::dup2(file.get(), number) < 0) throw_errno(std::string("cannot open ") + path);
}

// ---- inside: the process that is the lab

class Keeper {
 public:
  Keeper(const LabUp& options, const Plan& plan, const Fd& socket, pid_t outside)
      : options_(options), plan_(plan), socket_(socket), outside_(outside), lab_(options.binary, plan.seed) {
    lab_.build(plan_);
    open_for_questions(socket_);
  }

  void serve() {
    Script script(plan_.changes, start_, log);
    while (!ending_) {
      pollfd question{socket_.get(), POLLIN, 0};
      ::poll(&question, 1, script.due() == Time::max() ? -1 : poll_ms(script.due()));
      script.run_due(lab_);
      if (question.revents != 0) answer_one(socket_, [this](const std::string& text) { return answer(text); });
    }
  }

 private:
  /// stdout is a file in the scratch directory.
  static void log(const TimedChange& change, const std::string& problem) {
    std::printf("%.3f s  %s%s%s\n", to_ms(change.at) / 1000, change.change.to_string().c_str(),
                problem.empty() ? "" : ": ", problem.c_str());
    std::fflush(stdout);
  }

  std::string answer(const std::string& question) {
    try {
      const std::string verb = question.substr(0, question.find(' '));
      const std::string rest = verb.size() < question.size() ? question.substr(verb.size() + 1) : "";
      if (verb == "info") return good_answer(info());
      if (verb == "enter") return good_answer(lab_.host(rest).name());
      if (verb == "event") return happen(rest);
      if (verb == "down") ending_ = true;
      return ending_ ? good_answer("") : bad_answer(Errc::usage, "The lab does not know \"" + verb + "\".");
    } catch (const LabError& error) {
      return bad_answer(error.code, error.what());
    }
  }

  std::string happen(const std::string& text) {
    const auto change = parse_change(text);
    if (!change) return bad_answer(change.error().code, change.error().text);
    lab_.apply(*change);
    log({now() - start_, *change}, "");
    return good_answer("");
  }

  std::string info() const {
    std::ostringstream out;
    out << outside_ << "\n" << ms_since(start_) / 1000 << "\n";
    for (const auto& name : lab_.names()) {
      const NatPlan* nat = plan_.nat(name);
      const std::string& behind = nat ? nat->behind : plan_.host(name)->behind;
      out << name << "\t" << (nat ? nat->kind.text : "host") << "\t" << lab_.host(name).address << "\t" << behind
          << "\n";
    }
    return out.str();
  }

  const LabUp& options_;
  const Plan& plan_;
  const Fd& socket_;
  pid_t outside_;
  Lab lab_;
  Time start_ = now();
  bool ending_ = false;
};

int keep(const LabUp& options, const Plan& plan, const Fd& socket, pid_t outside, Fd& report) {
  try {
    Keeper keeper(options, plan, socket, outside);
    point_at(STDOUT_FILENO, (scratch() + "/lab.log").c_str(), O_WRONLY | O_CREAT | O_APPEND);
    point_at(STDERR_FILENO, (scratch() + "/lab.log").c_str(), O_WRONLY | O_APPEND);
    send_text(report.get(), kReady);
    report.reset();
    keeper.serve();
    return 0;
  } catch (const LabError& error) {
    if (report) send_text(report.get(), bad_answer(error.code, error.what()));
    return static_cast<int>(error.code);
  }
}

/// The process that is left behind: nobody's terminal, and the sandbox's caller.
[[noreturn]] void stay(const LabUp& options, const Plan& plan, const Fd& socket, Fd& report) {
  ::setsid();
  for (int number : {0, 1, 2}) point_at(number, "/dev/null", O_RDWR);
  const pid_t outside = ::getpid();
  std::string why;
  const int code = run_in_sandbox([&] { return keep(options, plan, socket, outside, report); }, &why);
  if (!why.empty()) send_text(report.get(), bad_answer(Errc::permission, why));
  ::_exit(code);
}

}  // namespace

std::optional<Error> bring_up(const LabUp& options, const Plan& plan) {
  if (!is_lab_name(options.name)) {
    return Error{Errc::usage,
                 "\"" + options.name + "\" is no name for a lab: use up to 32 letters, digits, dashes and dots."};
  }
  const auto socket = claim_name(options.name);
  if (!socket) return socket.error();
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("cannot make a pipe");
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) throw_errno("cannot fork");
  if (child == 0) stay(options, plan, *socket, writer);
  writer.reset();
  std::string said;
  char chunk[1024];
  while (said != kReady) {
    const ssize_t n = ::read(reader.get(), chunk, sizeof chunk);
    if (n <= 0) break;
    said.append(chunk, static_cast<size_t>(n));
  }
  if (said == kReady) return {};
  ::waitpid(child, nullptr, 0);
  const size_t end = said.find('\n');
  if (end == std::string::npos) return Error{Errc::internal, "The lab ended before it stood."};
  return Error{static_cast<Errc>(std::atoi(said.c_str())), said.substr(end + 1)};
}

Result<LabInfo> lab_info(const std::string& name) {
  const auto answer = ask_lab(name, "info");
  if (!answer) return answer.error();
  LabInfo out{.name = name};
  std::istringstream lines(answer->text);
  lines >> out.pid >> out.up_seconds;
  lines.ignore();
  for (std::string line; std::getline(lines, line);) {
    LabInfo::Node node;
    std::istringstream fields(line);
    std::getline(fields, node.name, '\t');
    std::getline(fields, node.kind, '\t');
    std::getline(fields, node.address, '\t');
    std::getline(fields, node.behind, '\t');
    out.nodes.push_back(std::move(node));
  }
  return out;
}

std::optional<Error> take_down(const std::string& name) {
  const auto info = lab_info(name);
  if (!info) return info.error();
  const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, info->pid, 0)));
  const auto answer = ask_lab(name, "down");
  if (!answer) return answer.error();
  pollfd end{process.get(), POLLIN, 0};  // when the sandbox's caller is gone, so is everything in it
  if (process) ::poll(&end, 1, 20'000);
  return {};
}

std::optional<Error> change_lab(const std::string& name, const Change& change) {
  const auto answer = ask_lab(name, "event " + change.to_string());
  if (!answer) return answer.error();
  return {};
}

Result<int> run_in_lab(const std::string& binary, const Plan& plan, const std::string& host,
                       const std::vector<std::string>& argv, bool tell) {
  const auto body = [&] {
    Lab lab(binary, plan.seed);
    lab.build(plan);
    Process program = lab.host(host).start(inhabitant(host, argv));
    Script script(plan.changes, now(), [tell](const TimedChange& change, const std::string& problem) {
      if (!tell && problem.empty()) return;
      std::fprintf(stderr, "lab: %.2f s  %s%s%s\n", to_ms(change.at) / 1000, change.change.to_string().c_str(),
                   problem.empty() ? "" : ": ", problem.c_str());
    });
    while (true) {
      if (const auto code = program.wait(std::min(script.due(), in(1h)))) return *code;
      script.run_due(lab);
    }
  };
  std::string why;
  const int code = run_in_sandbox(body, &why);
  if (!why.empty()) return Error{Errc::permission, why};
  return code;
}

}  // namespace ginnel::lab
