// How `ginnel nat` starts, or says in one sentence why it does not: wrong words, missing permission, missing TUN. Also
// without any privilege outside a user namespace, by the dozen, and small.
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/result.hpp"
#include "lab/error.hpp"
#include "tests/lab/harness.hpp"
#include "tests/lab/nat_world.hpp"
#include "tests/lab/probe_socket.hpp"

namespace ginnel::lab {
namespace {

constexpr const char* kServer = "203.0.113.9";

struct Outcome {
  int code = -1;
  std::string errors;
};

/// Runs `ginnel nat WORDS` in the host to its end.
Outcome nat(const Host& host, const std::string& words_of_command, Words before = {}) {
  Words argv = std::move(before);
  for (const auto& word : words(ginnel_program() + " nat " + words_of_command)) argv.push_back(word);
  argv.insert(argv.end(), {"--state", scratch() + "/state-nat"});
  Process process = host.start(Command{.argv = argv, .err = {Stream::pipe}});
  const auto code = process.wait(in(10s));
  if (!code) process.stop();
  return {code.value_or(-1), process.read_errors(in(1s))};
}

void expect(const Outcome& outcome, Errc code, const std::string& part) {
  EXPECT_EQ(outcome.code, static_cast<int>(code)) << outcome.errors;
  EXPECT_NE(outcome.errors.find(part), std::string::npos) << outcome.errors;
  EXPECT_EQ(std::count(outcome.errors.begin(), outcome.errors.end(), '\n'), 1) << outcome.errors;
}

TEST(LabNatStart, WrongWordsGetOneSentence) {
  in_sandbox([] {
    NatWorld world;
    NatHome& home = world.home("home", {.start = false});
    const Host& gateway = home.gateway();
    const std::string both = "--inside lan --outside wan ";
    expect(nat(gateway, "--inside lam --outside wan"), Errc::usage, "no interface lam (--inside)");
    expect(nat(gateway, "--inside lan --outside wam"), Errc::usage, "wan");  // names those that are there
    expect(nat(gateway, "--inside lan,wan --outside wan"), Errc::usage, "inside and outside at once");
    expect(nat(gateway, "--inside lan"), Errc::usage, "--outside");
    expect(nat(gateway, "--inside lo --outside lan2"), Errc::usage, "no IPv4 address");
    expect(nat(gateway, both + "--public 198.51.100.99"), Errc::usage, "198.51.100.99 is not an address of wan");
    expect(nat(gateway, both + "--public 198.51.100"), Errc::usage, "\"198.51.100\" is not");
    expect(nat(gateway, both + "--preset symetric"), Errc::usage, "Did you mean symmetric");
    expect(nat(gateway, both + "--preset nonsense-word"), Errc::usage, "full-cone");
    expect(nat(gateway, both + "--set udp.filter=x"), Errc::usage, "Did you mean udp.filtering");
    expect(nat(gateway, both + "--set udp.filtering=x"), Errc::usage, "endpoint-independent");
    expect(nat(gateway, both + "--set udp.filtering"), Errc::usage, "no '='");
    expect(nat(gateway, both + "--set ports.first=70000"), Errc::usage, "0 to 65535");
    for (const char* forward : {"80=10.0.0.2:80", "tcp:80", "tcp:0=10.0.0.2:80", "tcp:80=10.0.0.2",
                                "sctp:80=10.0.0.2:80", "tcp:80=[::1]:80", "tcp:99999=10.0.0.2:80"})
      expect(nat(gateway, both + "--forward " + forward), Errc::usage, "udp:PORT=HOST:PORT");
    expect(nat(gateway, both + "--preset basic --forward tcp:80=10.0.0.2:80"), Errc::usage, "basic");
    expect(nat(gateway, both + "--capture-inside /no/such/dir/x"), Errc::usage, "/no/such/dir/x");
    EXPECT_EQ(gateway.run("ip rule").find("152"), std::string::npos);
    home.start();
    expect(nat(gateway, both + "--control " + home.control()), Errc::in_use, "in use");
    expect(nat(gateway, "show --control /nowhere.sock"), Errc::refused, "/nowhere.sock");
  });
}

TEST(LabNatStart, SaysWhatPermissionIsMissing) {
  in_sandbox([] {
    NatWorld world;
    NatHome& home = world.home("home", {.start = false});
    expect(nat(home.gateway(), "--inside lan --outside wan", {"setpriv", "--bounding-set=-net_admin"}),
           Errc::permission, "CAP_NET_ADMIN");
    if (::mount("none", "/dev/net", "tmpfs", 0, "mode=0755") != 0) throw_errno("cannot hide /dev/net");
    expect(nat(home.gateway(), "--inside lan --outside wan"), Errc::usage, "modprobe tun");
    if (::close(::creat("/dev/net/tun", 0)) != 0) throw_errno("cannot make a file");
    expect(nat(home.gateway(), "--inside lan --outside wan", {"setpriv", "--bounding-set=-dac_override"}),
           Errc::permission, "/dev/net/tun may not be opened");
    ::umount("/dev/net");
  });
}

TEST(LabNatStart, AUserNamespaceIsEnough) {
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string uid = std::to_string(::geteuid()), gid = std::to_string(::getegid());
    if (::unshare(CLONE_NEWUSER) != 0) ::_exit(exit_no_sandbox);
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << "0 " + uid + " 1";
    std::ofstream("/proc/self/gid_map") << "0 " + gid + " 1";
    ::_exit(run_in_sandbox([] {
      NatWorld world;
      Host& server = world.outside("server", {kServer});
      NatHome& home = world.home("home");
      UdpProbe asked(server, at(kServer, 7001)), asker(home.machine(), at("0.0.0.0", 40000));
      asker.send(asked.address());
      const auto question = asked.receive();
      if (!question || question->from.ip_to_string() != home.address()) return 1;
      asked.send(question->from);
      if (!asker.receive()) return 2;
      home.stop();
      return home.gateway().run("ip rule").find("152") == std::string::npos ? 0 : 3;
    }));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (code == exit_no_sandbox) GTEST_SKIP() << "no user namespaces here";
  EXPECT_EQ(code, 0);
}

/// User and system time so far (proc(5): fields 14 and 15), in clock ticks.
long cpu_ticks(const Process& process) {
  std::ifstream file("/proc/" + std::to_string(process.pid()) + "/stat");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;
  long user = 0, system = 0;
  fields >> user >> system;
  return user + system;
}

/// A line of /proc/PID/status in bytes.
size_t memory(const Process& process, const std::string& line_begins) {
  std::ifstream status("/proc/" + std::to_string(process.pid()) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(line_begins)) return std::stoul(line.substr(line_begins.size())) * 1024;
  }
  return 0;
}

TEST(LabNatStart, ManyStartFastAndStaySmall) {
  in_sandbox([] {
    constexpr int kGateways = 24;
    NatWorld world;
    Host& server = world.outside("server", {kServer});
    std::vector<double> starts;
    long before = 0;
    std::vector<NatHome*> homes;
    for (int i = 0; i < kGateways; ++i) {
      homes.push_back(
          &world.home("h" + std::to_string(i),
                      {.publics = {"198.51.100." + std::to_string(20 + i)}, .machines = 1, .start = false}));
      homes.back()->start();
      if (i == 0) before = cpu_ticks(homes[0]->agent().process());
      starts.push_back(homes.back()->agent().ready().number("t_ms"));
    }
    // The first has had nothing to do while the others started.
    EXPECT_LE(cpu_ticks(homes[0]->agent().process()) - before, 1) << "an idle gateway uses the processor";
    UdpProbe asked(server, at(kServer, 7001));
    for (NatHome* home : homes) {
      UdpProbe asker(home->machine(), at("0.0.0.0", 40000));
      asker.send(asked.address());
      const auto got = asked.receive();
      ASSERT_TRUE(got);
      EXPECT_EQ(got->from.ip_to_string(), home->address());
    }
    std::sort(starts.begin(), starts.end());
    EXPECT_LT(starts[kGateways / 2], 50) << "ms from the start of main() to ready, median";
    for (NatHome* home : homes) {
      EXPECT_LT(memory(home->agent().process(), "RssAnon:"), 3'000'000u) << "what each has for itself";
      EXPECT_LT(memory(home->agent().process(), "VmRSS:"), 15'000'000u) << "with libraries, which they share";
    }
  });
}

}  // namespace
}  // namespace ginnel::lab
