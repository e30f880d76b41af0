// Wrong use of the command line: each case ends with one clear sentence on stderr and an exit code of its own
// (base/result.hpp). Runs on the loopback of this machine; no sandbox needed.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/result.hpp"
#include "lab/agent.hpp"
#include "lab/error.hpp"

namespace ginnel::lab {
namespace {

namespace fs = std::filesystem;

class LabWrongUse : public testing::Test {
 protected:
  struct Outcome {
    int code = -1;
    std::string errors;
  };

  LabWrongUse() {
    std::string pattern = (fs::temp_directory_path() / "ginnel-wrong-use-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw_errno("mkdtemp");
    directory_ = pattern;
  }
  ~LabWrongUse() override { fs::remove_all(directory_); }

  std::string state(const std::string& name) const { return (directory_ / name).string(); }

  /// Starts `ginnel ARGUMENTS --json --state NAME`.
  Process start(const std::string& name, Words arguments) const {
    arguments.insert(arguments.begin(), GINNEL_BINARY);
    for (const auto& word : {std::string("--json"), std::string("--state"), state(name)}) arguments.push_back(word);
    return spawn({.argv = arguments, .out = {Stream::pipe}, .err = {Stream::pipe}});
  }

  /// Runs one that is expected to give up by itself.
  Outcome fail(const std::string& name, Words arguments) const {
    Process process = start(name, std::move(arguments));
    const auto code = process.wait(in(40s));
    if (!code) process.stop();
    return {code.value_or(-1), process.read_errors(in(1s))};
  }

  /// A field of its first "ready" line.
  static std::string ready(Process& process, const char* field) {
    while (auto line = process.read_line(in(10s))) {
      const Event event{now(), *line};
      if (event.is("ready")) return event.text(field);
    }
    ADD_FAILURE() << "never ready: " << process.read_errors(in(100ms));
    return "";
  }

  static uint16_t free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    ::bind(fd, reinterpret_cast<const sockaddr*>(&at), size);
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
    ::close(fd);
    return ntohs(at.sin_port);
  }

  /// Lines that are not events: with --stdio these go to stderr, too.
  static int sentences(const std::string& errors) {
    std::istringstream lines(errors);
    int count = 0;
    for (std::string line; std::getline(lines, line);) count += !line.starts_with('{');
    return count;
  }

  static void expect(const Outcome& outcome, Errc code) {
    EXPECT_EQ(outcome.code, static_cast<int>(code)) << outcome.errors;
    EXPECT_EQ(sentences(outcome.errors), 1) << outcome.errors;
    EXPECT_GT(outcome.errors.size(), 20u) << "a sentence, please: " << outcome.errors;
  }

  /// A server and an `expose` of a port where nobody listens.
  struct Running {
    std::string listen, url, ticket;
    Process server, expose;
  };
  Running run_service() const {
    Running r;
    r.listen = "127.0.0.1:" + std::to_string(free_port());
    r.server = start("server", {"server", "--listen", r.listen});
    r.url = ready(r.server, "url");
    r.expose = start("expose", {"expose", std::to_string(free_port()), "--server", r.url});
    r.ticket = ready(r.expose, "ticket");
    return r;
  }

  fs::path directory_;
};

TEST_F(LabWrongUse, Usage) {
  EXPECT_EQ(fail("x", {"connect"}).code, static_cast<int>(Errc::usage));
  EXPECT_EQ(fail("x", {"expose"}).code, static_cast<int>(Errc::usage));
  EXPECT_EQ(fail("x", {"no-such-command"}).code, static_cast<int>(Errc::usage));
  EXPECT_EQ(fail("x", {"server", "--no-such-option"}).code, static_cast<int>(Errc::usage));
}

TEST_F(LabWrongUse, BadProxy) {
  Running r = run_service();
  expect(fail("x", {"connect", r.ticket, "--proxy", "socks5://127.0.0.1:1080"}), Errc::usage);
  expect(fail("x", {"ping", r.ticket, "--proxy", "http://127.0.0.1:0"}), Errc::usage);
  expect(fail("x", {"expose", "8000", "--server", r.url, "--proxy", "http://a b:80"}), Errc::usage);
}

TEST_F(LabWrongUse, BadCertificate) {
  const std::string listen = "127.0.0.1:" + std::to_string(free_port());
  expect(fail("x", {"server", "--listen", listen, "--tls-cert", state("none.pem")}), Errc::usage);
  expect(fail("x", {"server", "--listen", listen, "--tls-cert", state("none.pem"), "--tls-key", state("none.pem")}), Errc::usage);
}

TEST_F(LabWrongUse, BadTicket) {
  expect(fail("x", {"connect", "this-is-no-ticket"}), Errc::bad_ticket);
  Running r = run_service();
  std::string typo = r.ticket;
  typo[typo.size() / 2 + 20] = typo[typo.size() / 2 + 20] == 'a' ? 'b' : 'a';
  expect(fail("x", {"connect", typo}), Errc::bad_ticket);
  expect(fail("x", {"connect", r.ticket.substr(0, r.ticket.size() - 5)}), Errc::bad_ticket);
}

TEST_F(LabWrongUse, BadServerUrl) {
  expect(fail("x", {"expose", "8000", "--server", "ginnel-server://not-a-key@127.0.0.1:1"}), Errc::bad_ticket);
}

TEST_F(LabWrongUse, ServerDoesNotAnswer) {
  Running r = run_service();
  r.expose.stop();
  r.server.stop();
  expect(fail("x", {"connect", r.ticket, "--listen", "127.0.0.1:0"}), Errc::unreachable);
}

TEST_F(LabWrongUse, ServerNameIsUnknown) {
  Running r = run_service();
  const std::string url = r.url.substr(0, r.url.find('@')) + "@no-such-host.invalid:3478";
  expect(fail("x", {"expose", "8000", "--server", url}), Errc::unreachable);
}

TEST_F(LabWrongUse, AnotherServerAnswers) {
  Running r = run_service();
  r.expose.stop();
  r.server.stop();
  Process impostor = start("impostor", {"server", "--listen", r.listen});
  EXPECT_NE(ready(impostor, "url"), r.url);
  expect(fail("x", {"connect", r.ticket, "--listen", "127.0.0.1:0"}), Errc::wrong_key);
  expect(fail("y", {"expose", "8000", "--server", r.url}), Errc::wrong_key);
}

TEST_F(LabWrongUse, TargetRefuses) {
  Running r = run_service();
  expect(fail("x", {"connect", r.ticket, "--stdio"}), Errc::refused);
}

TEST_F(LabWrongUse, PortTaken) {
  Running r = run_service();
  expect(fail("x", {"server", "--listen", r.listen}), Errc::in_use);
  expect(fail("x", {"connect", r.ticket, "--listen", r.listen}), Errc::in_use);
}

TEST_F(LabWrongUse, KeyFileIsOpenToOthers) {
  Process server = start("s", {"server", "--listen", "127.0.0.1:" + std::to_string(free_port())});
  ready(server, "url");
  server.stop(SIGTERM);
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(state("s"))) {
    if (entry.is_regular_file()) fs::permissions(entry, fs::perms(0644)), ++files;
  }
  EXPECT_GT(files, 0);
  expect(fail("s", {"server", "--listen", "127.0.0.1:" + std::to_string(free_port())}), Errc::permission);
}

}  // namespace
}  // namespace ginnel::lab
