// `ginnel lab ...` as a person uses it, by the real binary: labs that stay, programs in them, events by hand and by
// script, nothing left behind. Each test once as whoever runs it, and if that is root, once as nobody in particular.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/result.hpp"
#include "lab/agent.hpp"
#include "lab/error.hpp"
#include "lab/sandbox.hpp"

namespace ginnel::lab {
namespace {

namespace fs = std::filesystem;

struct Outcome {
  int code = -1;
  std::string out, errors;
};

/// The parameter: as an ordinary user.
class LabCommands : public testing::TestWithParam<bool> {
 protected:
  LabCommands() {
    std::string pattern = (fs::temp_directory_path() / "ginnel-lab-test-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw_errno("mkdtemp");
    directory_ = pattern;
    fs::permissions(directory_, fs::perms(0777));
    name_ = "test-" + std::to_string(::getpid());
  }
  ~LabCommands() override {
    lab({"down", "--name", name_});
    fs::remove_all(directory_);
  }

  void SetUp() override {
    if (GetParam() && ::geteuid() != 0) GTEST_SKIP() << "we are an ordinary user already";
    if (const Outcome list = lab({"run", "--host", "x", "--", "true"}); list.code == static_cast<int>(Errc::permission))
      GTEST_SKIP() << list.errors;
  }

  Process start(Words arguments) const {
    Words command{GINNEL_BINARY, "lab"};
    if (GetParam()) command.insert(command.begin(), {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"});
    command.insert(command.end(), arguments.begin(), arguments.end());
    return spawn({.argv = command,
                  .env = {{"HOME", directory_.string()}, {"SHELL", "/bin/sh"}},
                  .directory = directory_.string(),
                  .in = {Stream::pipe},
                  .out = {Stream::pipe},
                  .err = {Stream::pipe}});
  }
  Outcome lab(const Words& arguments, Duration patience = 40s) const {
    Process process = start(arguments);
    process.close_input();
    const Time deadline = in(patience);
    Outcome out;
    out.out = process.read_all(deadline);
    out.errors = process.read_errors(deadline);
    out.code = process.wait(deadline).value_or(-1);
    return out;
  }
  /// With --name.
  Outcome named(Words arguments) const {
    arguments.insert(arguments.begin() + 1, {"--name", name_});
    return lab(arguments);
  }
  std::string file(const std::string& text) const {
    const fs::path path = directory_ / "lab.toml";
    std::ofstream(path) << text;
    return path.string();
  }
  /// A dead one may wait for a lazy parent.
  static bool is_alive(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string stat{std::istreambuf_iterator<char>(file), {}};
    const size_t name_end = stat.rfind(')');
    return name_end != std::string::npos && stat.substr(name_end, 3) != ") Z";
  }
  static int count(const std::string& text, const std::string& word) {
    int out = 0;
    for (size_t at = 0; (at = text.find(word, at)) != std::string::npos; ++at) ++out;
    return out;
  }

  fs::path directory_;
  std::string name_;
};

INSTANTIATE_TEST_SUITE_P(, LabCommands, testing::Bool(),
                         [](const auto& info) { return info.param ? "AsNobody" : "AsOurselves"; });

TEST_P(LabCommands, ALabStaysAndProgramsRunInIt) {
  const Outcome up = named({"up"});
  ASSERT_EQ(up.code, 0) << up.errors;
  EXPECT_NE(up.out.find("ginnel lab exec --name " + name_ + " alice ping -c 3 server"), std::string::npos) << up.out;
  EXPECT_NE(lab({"list"}).out.find(name_), std::string::npos);

  const Outcome ping = named({"exec", "alice", "ping", "-c", "1", "-W", "5", "server"});
  EXPECT_EQ(ping.code, 0) << ping.out << ping.errors;
  const Outcome inside = named({"exec", "bob", "sh", "-c", "hostname; id -u; pwd; echo $XDG_STATE_HOME; exit 7"});
  EXPECT_EQ(inside.code, 7);
  EXPECT_EQ(inside.out, "bob\n0\n" + directory_.string() + "\n/run/lab/state/bob\n");
  EXPECT_EQ(named({"exec", "bob", "sh", "-c", "kill -9 $$"}).code, 128 + 9);
  EXPECT_EQ(named({"exec", "bob", "no-such-program"}).code, 127);

  const Outcome twice = named({"up"});
  EXPECT_EQ(twice.code, static_cast<int>(Errc::in_use));
  EXPECT_NE(twice.errors.find("is up already"), std::string::npos);

  EXPECT_EQ(named({"down"}).code, 0);
  EXPECT_EQ(lab({"list"}).out.find(name_), std::string::npos);
  EXPECT_EQ(named({"exec", "alice", "true"}).code, static_cast<int>(Errc::unreachable));
}

TEST_P(LabCommands, AShellReadsItsCommands) {
  ASSERT_EQ(named({"up"}).code, 0);
  Process shell = start({"shell", "--name", name_, "alice"});
  shell.write("hostname\nexit 3\n");
  EXPECT_EQ(shell.read_line(in(10s)), "alice");
  EXPECT_EQ(shell.wait(in(10s)), 3);
}

TEST_P(LabCommands, EventsByHand) {
  ASSERT_EQ(named({"up"}).code, 0);
  const auto reaches = [&] { return named({"exec", "alice", "ping", "-c", "1", "-W", "1", "server"}).code == 0; };
  EXPECT_TRUE(reaches());
  EXPECT_EQ(named({"event", "cut", "home-a"}).code, 0);
  EXPECT_FALSE(reaches());
  EXPECT_EQ(named({"event", "mend", "home-a"}).code, 0);
  EXPECT_TRUE(reaches());
  EXPECT_EQ(named({"event", "link", "alice", "delay=1ms,loss=100%"}).code, 0);
  EXPECT_FALSE(reaches());
  EXPECT_EQ(named({"event", "link", "alice", "none"}).code, 0);
  EXPECT_EQ(named({"event", "address", "home-a", "198.51.100.99"}).code, 0);
  EXPECT_TRUE(reaches());
  EXPECT_NE(lab({"list"}).out.find("198.51.100.99"), std::string::npos);

  const Outcome unknown = named({"event", "cut", "nobody"});
  EXPECT_EQ(unknown.code, static_cast<int>(Errc::usage));
  EXPECT_NE(unknown.errors.find("There is no \"nobody\" in this lab"), std::string::npos) << unknown.errors;
  EXPECT_EQ(named({"event", "cutt", "home-a"}).code, static_cast<int>(Errc::usage));
  EXPECT_NE(named({"event"}).errors.find("An event is one of cut NODE"), std::string::npos);
  const Outcome taken = named({"event", "address", "home-a", "203.0.113.10"});
  EXPECT_EQ(taken.code, static_cast<int>(Errc::usage));
  EXPECT_NE(taken.errors.find("203.0.113.10 is taken by \"server\""), std::string::npos) << taken.errors;
  EXPECT_TRUE(reaches()) << "and nothing has changed";
}

TEST_P(LabCommands, RunTakesItDownAgain) {
  const std::string path = file("[host.server]\n[nat.home]\n[host.alice]\nbehind = \"home\"\n");
  const Outcome run =
      lab({"run", path, "--", "alice:", "sh", "-c", "hostname; ping -c 1 -W 5 server >/dev/null; exit $?"});
  EXPECT_EQ(run.code, 0) << run.errors;
  EXPECT_EQ(run.out, "alice\n");
  EXPECT_EQ(lab({"run", path, "--", "hostname"}).out, "server\n") << "the first host of the file";
  EXPECT_EQ(lab({"run", path, "--", "home:", "hostname"}).out, "home\n") << "a NAT is a machine, too";
  EXPECT_EQ(lab({"run", path, "--", "sh", "-c", "exit 42"}).code, 42);
  EXPECT_EQ(lab({"run", path, "hostname"}).code, static_cast<int>(Errc::usage));
  EXPECT_EQ(lab({"run", path, "--", "bob:", "hostname"}).code, static_cast<int>(Errc::usage));
  EXPECT_EQ(lab({"run", path, "--"}).code, static_cast<int>(Errc::usage));
}

// The same file, the same failure: pings that leave one after the other, and a script that cuts and mends.
TEST_P(LabCommands, AScriptIsReplayed) {
  const std::string path = file(R"(
[host.server]
[nat.home]
[host.alice]
behind = "home"
[[event]]
at = "1s"
do = "cut home"
[[event]]
at = "2.5s"
do = "mend home"
)");
  for (int i = 0; i < 2; ++i) {
    // until it has seen answers, then none, then answers again
    const Outcome run = lab({"run", "-v", path, "--", "alice:", "sh", "-c",
                             "ask() { ping -c 1 -W 1 server >/dev/null; }; n=0; "
                             "until ask; do n=$((n+1)); [ $n -lt 20 ] || exit 1; done; echo answered; "
                             "while ask; do n=$((n+1)); [ $n -lt 5000 ] || exit 2; done; echo silent; "
                             "until ask; do n=$((n+1)); [ $n -lt 5020 ] || exit 3; done; echo answered"});
    EXPECT_EQ(run.code, 0) << run.errors;
    EXPECT_EQ(run.out, "answered\nsilent\nanswered\n");
    EXPECT_EQ(run.errors, "lab: 1.00 s  cut home\nlab: 2.50 s  mend home\n");
  }
}

TEST_P(LabCommands, NothingIsLeftWhenItsProcessesAreKilled) {
  for (const bool outermost : {true, false}) {
    const Outcome up = named({"up", "--json"});
    ASSERT_EQ(up.code, 0) << up.errors;
    const Event ready{now(), up.out};
    EXPECT_TRUE(ready.is("ready"));
    // a program that would outlive it
    Process program = start({"exec", "--name", name_, "alice", "sh", "-c", "echo here; cat"});
    ASSERT_EQ(program.read_line(in(10s)), "here");
    pid_t victim = static_cast<pid_t>(ready.number("pid"));
    if (!outermost) {  // its only child is the sandbox's keeper
      std::ifstream children("/proc/" + std::to_string(victim) + "/task/" + std::to_string(victim) + "/children");
      if (!(children >> victim)) GTEST_SKIP() << "this kernel does not tell of children";
    }
    ASSERT_EQ(::kill(victim, SIGKILL), 0);
    EXPECT_EQ(program.wait(in(10s)), 128 + SIGKILL) << "it dies with the lab";
    EXPECT_TRUE(wait_until([&] { return lab({"list"}).out.find(name_) == std::string::npos; }, in(10s)));
    EXPECT_TRUE(wait_until([&] { return !is_alive(victim); }, in(10s)));
  }
}

TEST_P(LabCommands, BadFilesEndWithOneSentence) {
  const struct {
    const char *text, *sentence;
  } rows[] = {
      {"[host.a]\nlink = \"loss=2\"\n",
       "lab.toml:2: [host.a] link: A line's \"loss\" is a share such as 1%, not \"2\"."},
      {"[nat.a]\nkind = \"cone+strangers=reset\"\nkinder = 1\n", "lab.toml:3: [nat.a] kinder: There is no such key;"},
      {"[host.a\n", "lab.toml:1: "},
  };
  for (const auto& row : rows) {
    const Outcome up = named({"up", file(row.text)});
    EXPECT_EQ(up.code, static_cast<int>(Errc::usage));
    EXPECT_NE(up.errors.find(row.sentence), std::string::npos) << up.errors;
    EXPECT_EQ(count(up.errors, "\n"), 1) << up.errors;
  }
  EXPECT_EQ(lab({"up", "--name", "no/name"}).code, static_cast<int>(Errc::usage));
  const Outcome preset = named({"up", "--nat", "x=ginnel:no-such-preset"});
  EXPECT_EQ(preset.code, static_cast<int>(Errc::usage));
  EXPECT_NE(preset.errors.find("no-such-preset"), std::string::npos) << preset.errors;
}

TEST_P(LabCommands, FlagsInPlaceOfAFile) {
  const Outcome run =
      lab({"run", "--nat", "home=symmetric@cgn", "--nat", "cgn", "--host", "server", "--host", "alice@home", "--link",
           "home=delay=10ms", "--", "alice:", "ping", "-c", "1", "-W", "5", "server"});
  EXPECT_EQ(run.code, 0) << run.out << run.errors;
}

TEST_P(LabCommands, AGinnelGatewayShowsItsMappings) {
  const Outcome up = named({"up", "--nat", "gw=ginnel:rfc", "--host", "server", "--host", "alice@gw"});
  if (up.errors.find("/dev/net/tun may not be opened") != std::string::npos) GTEST_SKIP() << up.errors;
  ASSERT_EQ(up.code, 0) << up.errors;
  EXPECT_EQ(named({"exec", "alice", "ping", "-c", "1", "-W", "5", "server"}).code, 0);
  const Outcome show = named({"exec", "gw", GINNEL_BINARY, "nat", "show"});
  EXPECT_EQ(show.code, 0) << show.errors;
  EXPECT_NE(show.out.find("icmp"), std::string::npos) << show.out;
  EXPECT_EQ(named({"event", "reboot", "gw"}).code, 0);
  EXPECT_EQ(named({"exec", "gw", GINNEL_BINARY, "nat", "show"}).out.find("icmp"), std::string::npos);
}

TEST_P(LabCommands, TheExamplesStand) {
  std::vector<std::pair<std::string, Process>> running;
  for (const auto& entry : fs::directory_iterator(fs::path(GINNEL_SOURCE_DIR) / "examples/lab")) {
    for (const char* host : {"alice:", "bob:"}) {
      running.emplace_back(entry.path().filename().string() + " " + host,
                           start({"run", entry.path(), "--", host, "ping", "-c", "1", "-W", "5", "server"}));
    }
  }
  EXPECT_GE(running.size(), 2 * 4u);
  for (auto& [what, run] : running) EXPECT_EQ(run.wait(in(40s)), 0) << what << " " << run.read_errors(in(1s));
}

TEST_P(LabCommands, AnothersLabIsNotOurs) {
  if (::geteuid() != 0) GTEST_SKIP() << "it needs two users, and only root can be both";
  ASSERT_EQ(named({"up"}).code, 0);
  Words command{GINNEL_BINARY, "lab", "exec", "--name", name_, "alice", "true"};
  if (!GetParam()) command.insert(command.begin(), {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"});
  Process theirs = spawn({.argv = command, .err = {Stream::null}});
  EXPECT_EQ(theirs.wait(in(10s)), static_cast<int>(Errc::unreachable));
}

}  // namespace
}  // namespace ginnel::lab
