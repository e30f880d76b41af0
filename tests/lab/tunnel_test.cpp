// Application connections through the real binary: many at once, half-closed, unread, and a real ssh. They share one
// session, and none of them can harm another.
#include <sys/stat.h>

#include "tests/lab/harness.hpp"
#include "tests/lab/services.hpp"
#include "tests/lab/stream.hpp"
#include "tests/lab/two_homes.hpp"

namespace ginnel::lab {
namespace {

constexpr uint64_t kMb = 1'000'000;

TEST(LabTunnel, FiftyParallelCurlsShareOneSession) {
  in_sandbox([] {
    TwoHomes net;
    const std::string www = scratch() + "/www", got = scratch() + "/got";
    ::mkdir(www.c_str(), 0755);
    ::mkdir(got.c_str(), 0755);
    run({.argv = {"sh", "-c", "head -c 1000000 /dev/urandom > " + www + "/file"}});
    Process web = start_web(net.a.machine(), 8000, www);
    ASSERT_TRUE(net.a.machine().wait_listening(8000, in(20s)));
    Agent connect = net.connect();
    std::vector<Process> curls;
    for (int i = 0; i < 50; ++i) {
      curls.push_back(net.b.machine().start(Command{
          .argv = words("curl -sS --fail -o " + got + "/" + std::to_string(i) + " http://127.0.0.1:9000/file")}));
    }
    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ(curls[static_cast<size_t>(i)].wait(in(60s)), 0) << i;
      EXPECT_NO_THROW(run({.argv = {"cmp", www + "/file", got + "/" + std::to_string(i)}})) << i;
    }
    net.expose.pump();
    int peers = 0;
    for (const Event& e : net.expose.events()) peers += e.is("peer");
    EXPECT_LE(peers, 1) << "each connection seems to have its own session";
  });
}

TEST(LabTunnel, HalfCloseIsCarried) {
  in_sandbox([] {
    TwoHomes net;
    Process counter = start_counter(net.a.machine(), 8000);
    Agent connect = net.connect();
    for (const uint64_t bytes : {uint64_t{0}, uint64_t{1}, 5 * kMb}) {
      EXPECT_EQ(send_and_half_close(net.b.machine(), 9000, bytes, in(20s)), expected_count(bytes));
    }
  });
}

TEST(LabTunnel, ASlowReaderSlowsOnlyItself) {
  in_sandbox([] {
    TwoHomes net;
    Process source = start_source(net.a.machine(), 8000);
    Agent connect = net.connect();
    Process sluggard = start_sluggard(net.b.machine(), 9000, 1000 * kMb);
    ASSERT_EQ(sluggard.read_line(in(10s)), "asked");
    const auto outcome = Transfer(net.b.machine(), 9000, 100 * kMb).finish(in(60s));
    EXPECT_EQ(outcome.fault, "");
    EXPECT_LT(outcome.seconds, 20);
    for (Agent* agent : {&connect, &net.expose, &net.server_agent}) {
      const size_t mb = agent->process().resident_bytes() / kMb;
      std::printf("  %s holds %zu MB\n", agent->name().c_str(), mb);
      EXPECT_LT(mb, 200u);
    }
  });
}

TEST(LabTunnel, SshThroughProxyCommand) {
  in_sandbox([] {
    if (auto lack = what_sshd_lacks(); !lack.empty()) GTEST_SKIP() << lack;
    TwoHomes net;
    const std::string ssh = scratch() + "/ssh";
    Process sshd = start_sshd(net.a.machine(), ssh);
    Agent expose = start_expose(net.a.machine(), ginnel_binary(), "2222", net.url, "expose-ssh");
    const std::string proxy = "ProxyCommand=" + ginnel_binary() + " connect " + expose.ready(20s).text("ticket") +
                              " --stdio --state " + scratch() + "/state-ssh";
    EXPECT_EQ(net.b.machine().run(ssh_login(ssh, {"-o", proxy, "root@home-a", "echo ok"}), 30s), "ok\n");
    const Command bulk = ssh_login(ssh, {"-o", proxy, "root@home-a", "head -c 20000000 /dev/zero"});
    EXPECT_EQ(net.b.machine().run(bulk, 60s).size(), 20'000'000u);
  });
}

}  // namespace
}  // namespace ginnel::lab
