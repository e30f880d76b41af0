// The techniques that need somebody to be reachable, between real programs: a forward made by hand, a mapping that a
// real miniupnpd makes, and reversal. And a web server, an sshd, and a gigabyte with its checksum over each kind of path.
// Both homes have symmetric NATs wherever nothing but the technique in question could connect them.
#include <deque>

#include "lab/agent.hpp"
#include "lab/topology.hpp"
#include "tests/lab/harness.hpp"
#include "tests/lab/miniupnpd.hpp"
#include "tests/lab/services.hpp"
#include "tests/lab/stream.hpp"
#include "tests/lab/two_homes.hpp"

namespace ginnel::lab {
namespace {

constexpr uint64_t kMb = 1'000'000;
const char* const kPublic = "25.1.1.20";  // miniupnpd refuses documentation addresses

void expect_intact(const Transfer::Outcome& outcome, const std::string& technique) {
  EXPECT_EQ(outcome.fault, "");
  std::printf("  %s: %.0f MB in %.2f s: %.0f Mbit/s, longest gap %.0f ms\n", technique.c_str(),
              static_cast<double>(outcome.bytes) / 1e6, outcome.seconds, outcome.mbit_s(), outcome.longest_gap_ms);
}

/// A server, a home with a service, and somebody who dials it from a place of his own.
struct Picture {
  Picture(SiteOptions home, const Words& expose_words, const std::function<void(Site&)>& arrange = {}) {
    home.address = kPublic;
    a = &lab.add_site("home-a", home);
    if (arrange) arrange(*a);
    server_agent.emplace(start_server(server, ginnel_binary()));
    expose.emplace(
        start_expose(a->machine(), ginnel_binary(), "8000", server_agent->ready().text("url"), "expose", expose_words));
    ticket = expose->ready(20s).text("ticket");
    source = start_source(a->machine(), 8000);
  }
  /// Dials from there and moves so much; the path must be that one in the end, on both sides.
  void reaches_by(const Host& from, const std::string& technique, const std::string& transport,
                  uint64_t bytes = 50 * kMb) {
    Agent connect = start_connect(from, ginnel_binary(), ticket, "127.0.0.1:9000", "connect-" + from.name());
    connect.ready(20s);
    EXPECT_TRUE(connect.wait_path(technique, in(15s))) << connect.said();
    EXPECT_TRUE(expose->wait_path(technique, in(5s))) << expose->said();
    expect_intact(Transfer(from, 9000, bytes).finish(in(90s)), technique + " " + transport);
    EXPECT_EQ(connect.last_path()->text("technique"), technique) << connect.last_path()->line;
    EXPECT_EQ(connect.last_path()->text("transport"), transport) << connect.last_path()->line;
  }

  Lab lab{ginnel_binary()};
  const Host& server = lab.add_host("server", "203.0.113.10");
  Site* a = nullptr;
  std::optional<Agent> server_agent, expose;
  std::string ticket;
  Process source;
};

const SiteOptions kSymmetric{.nat = "symmetric"};
SiteOptions blocked(const char* nat) { return {.nat = nat, .udp_blocked = true}; }

void forward_by_hand(Site& site) {
  site.gateway().nft(
      "table ip byhand { chain prerouting { type nat hook prerouting priority dstnat; policy accept; "
      "iifname \"wan\" meta l4proto { tcp, udp } th dport 4000 dnat ip to " +
      site.machine().address + ":41000; }; }");
}

TEST(LabTechniques, PortForward) {
  in_sandbox([] {
    Picture net(kSymmetric, {"--forward", std::string(kPublic) + ":4000=41000"}, forward_by_hand);
    net.reaches_by(net.lab.add_site("home-b", {.nat = "symmetric", .address = "192.0.2.40"}).machine(), "port-forward",
                   "udp");
    SiteOptions b = blocked("symmetric");
    b.address = "192.0.2.41";
    net.reaches_by(net.lab.add_site("home-c", b).machine(), "port-forward", "tcp");
  });
}

TEST(LabTechniques, PortMappingByMiniupnpd) {
  in_sandbox([] {
    std::optional<Miniupnpd> daemon;
    Picture net(kSymmetric, {}, [&](Site& site) { daemon.emplace(site.gateway()); });
    const Event* mapped = net.expose->wait_for([](const Event& e) { return e.is("port_mapped"); }, in(10s));
    ASSERT_TRUE(mapped) << net.expose->said();
    EXPECT_EQ(mapped->text("method"), "pcp");
    EXPECT_TRUE(mapped->text("outside").starts_with(kPublic)) << mapped->line;
    net.reaches_by(net.lab.add_site("home-b", {.nat = "symmetric", .address = "192.0.2.40"}).machine(), "port-mapping",
                   "udp");
    SiteOptions b = blocked("symmetric");
    b.address = "192.0.2.41";
    net.reaches_by(net.lab.add_site("home-c", b).machine(), "port-mapping", "tcp");
    EXPECT_NE(daemon->rules().find("dnat"), std::string::npos);
    net.expose->process().kill(SIGTERM);
    EXPECT_EQ(net.expose->process().wait(in(5s)), 0);
    EXPECT_EQ(daemon->rules().find("dnat"), std::string::npos) << "it was not given back: " << daemon->rules();
  });
}

TEST(LabTechniques, NoPortMappingAsksNobody) {
  in_sandbox([] {
    std::optional<Miniupnpd> daemon;
    Picture net(kSymmetric, {"--no-port-mapping"}, [&](Site& site) { daemon.emplace(site.gateway()); });
    net.reaches_by(net.lab.add_site("home-b", {.nat = "symmetric", .address = "192.0.2.40"}).machine(), "relay", "udp");
    EXPECT_EQ(daemon->rules().find("dnat"), std::string::npos) << daemon->rules();
  });
}

TEST(LabTechniques, Reversal) {
  in_sandbox([] {
    Picture net(kSymmetric, {});
    net.reaches_by(net.lab.add_host("open", "192.0.2.50"), "reversal", "udp");
  });
}

TEST(LabTechniques, ReversalByTcp) {
  in_sandbox([] {
    Picture net(blocked("symmetric"), {});
    net.reaches_by(net.lab.add_host("open", "192.0.2.50"), "reversal", "tcp");
  });
}

/// A web server and an sshd in a home, a service each.
struct RealServices {
  RealServices(Picture& net, const std::string& name)
      : net(net), www(scratch() + "/www-" + name), ssh(scratch() + "/ssh-" + name) {
    run({.argv = {"sh", "-c", "mkdir -p " + www + " && head -c 20000000 /dev/urandom > " + www + "/file"}});
    sum = run({.argv = {"sha256sum", www + "/file"}}).substr(0, 64);
    web = start_web(machine, 8080, www);
    EXPECT_TRUE(machine.wait_listening(8080, in(20s)));
    tickets.push_back(start("8080"));
    if (what_sshd_lacks().empty()) {
      sshd = start_sshd(machine, ssh);
      tickets.push_back(start("2222"));
    }
  }
  std::string start(const std::string& port) {
    return exposes
        .emplace_back(
            start_expose(machine, ginnel_binary(), port, net.server_agent->ready().text("url"), "expose-" + port))
        .ready(20s)
        .text("ticket");
  }
  /// The file, by HTTP and by ssh, from there, each over that kind of path.
  void reached_by(const Host& from, const std::string& technique, const std::string& transport,
                  const Words& extra = {}) {
    for (size_t i = 0; i < tickets.size(); ++i) {
      Agent connect = start_connect(from, ginnel_binary(), tickets[i], "127.0.0.1:9100",
                                    "real-" + std::to_string(i) + from.name(), extra);
      connect.ready(20s);
      EXPECT_TRUE(connect.wait_path(technique, in(15s))) << connect.said();
      const Command by_http{.argv = {"sh", "-c", "curl -sS --fail http://127.0.0.1:9100/file | sha256sum"}};
      const Command by_ssh =
          ssh_login(ssh, {"-p", "9100", "root@127.0.0.1", "sha256sum < " + www + "/file; cat " + www + "/file"});
      const std::string got = from.run(i == 0 ? by_http : by_ssh, 60s);
      EXPECT_EQ(got.substr(0, 64), sum) << technique;
      EXPECT_EQ(got.size(), i == 0 ? 68 : 68 + 20'000'000u);
      EXPECT_EQ(connect.last_path()->text("technique"), technique) << connect.last_path()->line;
      EXPECT_EQ(connect.last_path()->text("transport"), transport) << connect.last_path()->line;
    }
  }

  Picture& net;
  const Host& machine = net.a->machine();
  std::string www, ssh, sum;
  Process web, sshd;
  std::deque<Agent> exposes;
  std::vector<std::string> tickets;  ///< HTTP, and ssh where it can run
};

TEST(LabTechniques, RealServicesOverEachKindOfPath) {
  in_sandbox([] {
    {
      std::optional<Miniupnpd> daemon;
      Picture net({.nat = "home"}, {}, [&](Site& site) { daemon.emplace(site.gateway()); });
      const Host& b = net.lab.add_site("home-b", {.nat = "symmetric", .address = "192.0.2.40"}).machine();
      RealServices(net, "mapped").reached_by(b, "port-mapping", "udp");
    }
    Picture net({.nat = "home"}, {});
    RealServices services(net, "punched");
    services.reached_by(net.lab.add_site("home-c", {.nat = "home", .address = "192.0.2.41"}).machine(), "udp-punch",
                        "udp");
    SiteOptions b = blocked("home");
    b.address = "192.0.2.42";
    const Host& c = net.lab.add_site("home-d", b).machine();
    services.reached_by(c, "tcp-punch", "tcp");
    services.reached_by(net.lab.add_host("open", "192.0.2.50"), "reversal", "udp");
    services.reached_by(c, "relay", "tcp", {"--relay-only"});
  });
}

TEST(LabTechniques, AGigabyteOverEachKindOfPath) {
  in_sandbox([] {
    constexpr uint64_t kGb = 1'000'000'000;
    {
      std::optional<Miniupnpd> daemon;
      Picture net({.nat = "home"}, {}, [&](Site& site) { daemon.emplace(site.gateway()); });
      net.reaches_by(net.lab.add_site("home-b", {.nat = "symmetric", .address = "192.0.2.40"}).machine(),
                     "port-mapping", "udp", kGb);
    }
    Picture net({.nat = "home"}, {});
    net.reaches_by(net.lab.add_site("home-c", {.nat = "home", .address = "192.0.2.41"}).machine(), "udp-punch", "udp",
                   kGb);
    SiteOptions b = blocked("home");
    b.address = "192.0.2.42";
    const Host& c = net.lab.add_site("home-d", b).machine();
    net.reaches_by(c, "tcp-punch", "tcp", kGb);
    net.reaches_by(net.lab.add_host("open", "192.0.2.50"), "reversal", "udp", kGb);
    net.lab.core().nft(
        "table ip between { chain forward { type filter hook forward priority -5; policy accept; ip saddr "
        "192.0.2.42 ip daddr 25.1.1.20 drop; ip saddr 25.1.1.20 ip daddr 192.0.2.42 drop; }; }");
    Agent connect = start_connect(c, ginnel_binary(), net.ticket, "127.0.0.1:9001", "connect-relayed");
    connect.ready(20s);
    expect_intact(Transfer(c, 9001, kGb).finish(in(90s)), "relay tcp");
    EXPECT_EQ(connect.last_path()->text("technique"), "relay");
    EXPECT_EQ(connect.last_path()->text("transport"), "tcp");
  });
}

}  // namespace
}  // namespace ginnel::lab
