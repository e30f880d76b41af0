// Port mapping between real programs: our client's hands against Debian's miniupnpd, our gateway's hands against its
// upnpc and natpmpc, and ours against each other. In every picture a stranger's packet must come through the mapping,
// and none after it was given back. RFC 6887, RFC 6886, UPnP IGD.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>

#include "app/portmap_hands.hpp"
#include "app/portmap_service_hands.hpp"
#include "drive/entropy.hpp"
#include "drive/interface_monitor.hpp"
#include "lab/error.hpp"
#include "lab/topology.hpp"
#include "tests/lab/harness.hpp"
#include "tests/lab/miniupnpd.hpp"
#include "wire/ip.hpp"

namespace ginnel::lab {
namespace {

/// Not a documentation address, as elsewhere in the lab: miniupnpd and upnpc refuse to work with those.
const char* const kPublic = "25.1.1.20";

int udp_socket(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const sockaddr_in at{.sin_family = AF_INET, .sin_port = htons(port)};
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) throw_errno("bind");
  return fd;
}

void say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

/// Says "got TEXT" for each datagram on this port.
Process start_listener(const Host& host, uint16_t port) {
  Process out = host.start([port]() -> int {
    const int fd = udp_socket(port);
    say("ready");
    for (char text[64];;) {
      const ssize_t n = ::recv(fd, text, sizeof text, 0);
      if (n < 0) return 1;
      say("got " + std::string(text, static_cast<size_t>(n)));
    }
  });
  EXPECT_EQ(out.read_line(in(5s)), "ready");
  return out;
}

/// Does a packet that a stranger sends there reach the listener?
bool comes_through(const Host& stranger, const Address& to, Process& listener, Duration patience) {
  static int number = 0;
  const std::string text = "packet " + std::to_string(++number);
  stranger.run(Command{.body = [&] {
    const int fd = udp_socket(0);
    sockaddr_in raw{.sin_family = AF_INET, .sin_port = htons(to.port)};
    ::inet_pton(AF_INET, to.ip_to_string().c_str(), &raw.sin_addr);
    return ::sendto(fd, text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&raw), sizeof raw) > 0 ? 0 : 1;
  }});
  const Time deadline = in(patience);
  while (auto line = listener.read_line(deadline))
    if (*line == "got " + text) return true;
  return false;
}

// ---- our two ends as processes

/// The client, telling its events line by line: "mapped udp 4000 25.1.1.20:4000 pcp".
Process start_client(const Host& host, const std::vector<portmap::Wanted>& wanted) {
  return host.start([wanted] {
    Loop loop;
    Entropy entropy;
    app::PortmapHands hands(loop, entropy, [](const portmap::ClientEvent& event) {
      auto name = [](const portmap::Wanted& w) {
        return std::string(w.protocol == wire::ip_protocol_udp ? " udp " : " tcp ") + std::to_string(w.port);
      };
      if (auto* m = std::get_if<portmap::Mapped>(&event))
        say("mapped" + name(m->inside) + " " + m->external.to_string() + " " +
            std::string(portmap::to_string(m->method)));
      else if (auto* u = std::get_if<portmap::Unmapped>(&event))
        say("unmapped" + name(u->inside) + " " + u->why);
      else if (auto* c = std::get_if<portmap::Capabilities>(&event))
        for (size_t i = 0; i < 3; ++i)
          say("capability " + std::string(portmap::to_string(static_cast<portmap::Method>(i))) + " " +
              std::string(portmap::to_string(c->methods[i].presence)) + " " + c->methods[i].why);
      else
        say("no mapping");
    });
    InterfaceMonitor monitor(loop, [&] { hands.network_changed(); });
    loop.on_signal({SIGTERM}, [&](int) { hands.close([&] { loop.stop(); }); });
    hands.want(wanted);
    loop.run();
    return 0;
  });
}

/// Forwards as elements of an nft map of the gateway.
struct NftEngine : portmap::ForwardEngine {
  static constexpr const char* rules = R"(
table ip portmap {
  map forwards { type inet_proto . inet_service : ipv4_addr . inet_service; }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "wan" dnat ip to meta l4proto . th dport map @forwards
  }
}
)";
  static bool edit(const char* verb, const portmap::Forward& f) {
    try {
      run_with_input(Command{.argv = words("nft -f -"), .err = {Stream::null}},
                     std::string(verb) + " element ip portmap forwards { " + std::to_string(f.protocol) + " . " +
                         std::to_string(f.outside.port) + " : " + f.inside.ip_to_string() + " . " +
                         std::to_string(f.inside.port) + " }\n");
      return true;
    } catch (const LabError&) {
      return false;
    }
  }
  bool add_forward(const portmap::Forward& f) override { return edit("add", f); }
  void remove_forward(const portmap::Forward& f) override { edit("delete", f); }
};

/// The gateway's service, telling leases line by line: "mapped udp 4000 192.168.1.2:4000 upnp".
Process start_service(const Host& gateway) {
  Process out = gateway.start([] {
    Loop loop;
    Entropy entropy;
    NftEngine engine;
    const Address inside = Address::v4(192, 168, 1, 1, 0);
    auto hands = app::PortmapServiceHands::open(
        loop, {.inside = inside, .networks = {{inside, 24}}}, engine, entropy, [](const portmap::LeaseEvent& event) {
          using What = portmap::LeaseEvent::What;
          const auto& f = event.lease.forward;
          say(std::string(event.what == What::mapped    ? "mapped "
                          : event.what == What::expired ? "expired "
                                                        : "unmapped ") +
              (f.protocol == wire::ip_protocol_udp ? "udp " : "tcp ") + std::to_string(f.outside.port) + " " +
              f.inside.to_string() + " " + std::string(portmap::to_string(event.lease.method)));
        });
    if (!hands) {
      say(hands.error().text);
      return 1;
    }
    (*hands)->set_external(*Address::parse(std::string(kPublic) + ":0"));
    loop.on_signal({SIGTERM}, [&](int) {
      (*hands)->close();
      loop.stop();
    });
    say("ready");
    loop.run();
    return 0;
  });
  EXPECT_EQ(out.read_line(in(5s)), "ready");
  return out;
}

/// Reads on until a line begins so.
std::optional<std::string> wait_line(Process& process, const std::string& begins, Duration patience = 10s) {
  const Time deadline = in(patience);
  std::string said;
  while (auto line = process.read_line(deadline)) {
    if (line->starts_with(begins)) return line;
    said += *line + "\n";
  }
  ADD_FAILURE() << "no line begins with \"" << begins << "\"; it said:\n" << said;
  return {};
}

size_t count(const std::string& text, const std::string& part) {
  size_t out = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++out;
  return out;
}

// ---- pictures

const portmap::Wanted kUdp{wire::ip_protocol_udp, 4000}, kTcp{wire::ip_protocol_tcp, 4000};

std::string ask(const Host& host, const std::string& command);

struct Home {
  Lab lab;
  const Host& stranger = lab.add_host("stranger", "203.0.113.10");
  Site& site = lab.add_site("home", {.address = kPublic, .machines = 2});
  const Host& gateway = site.gateway();
  const Host& machine = site.machine(0);

  /// A gateway that restarts in its first two seconds cannot be told from one whose answers overtook each other.
  void wait_age() {
    EXPECT_TRUE(wait_until(
        [&] {
          const std::string said = ask(machine, "natpmpc");
          const size_t at = said.find("epoch = ");
          return at != said.npos && std::stoi(said.substr(at + 8)) >= 4;
        },
        in(15s)));
  }
};

struct MiniupnpdHome : Home {
  /// So that one protocol is tried by itself.
  void forbid(const std::string& what) {
    gateway.nft("table ip forbid { chain input { type filter hook input priority -10; " + what + " drop; }; }");
  }

  Miniupnpd daemon{gateway};
};

void client_against_miniupnpd(const std::string& method, const std::string& forbidden) {
  MiniupnpdHome home;
  if (!forbidden.empty()) home.forbid(forbidden);
  Process listener = start_listener(home.machine, 4000);
  const Address external = *Address::parse(std::string(kPublic) + ":4000");
  EXPECT_FALSE(comes_through(home.stranger, external, listener, 300ms));
  const Time begin = now();
  Process client = start_client(home.machine, {kUdp, kTcp});
  EXPECT_EQ(wait_line(client, "mapped udp"), "mapped udp 4000 " + external.to_string() + " " + method);
  std::printf("  %s: mapped after %.0f ms\n", method.c_str(), ms_since(begin));
  EXPECT_EQ(wait_line(client, "mapped tcp"), "mapped tcp 4000 " + external.to_string() + " " + method);
  EXPECT_TRUE(comes_through(home.stranger, external, listener, 2s));
  EXPECT_EQ(count(home.daemon.rules(), "dport 4000"), 2u) << home.daemon.rules();
  client.kill(SIGTERM);
  EXPECT_EQ(client.wait(in(5s)), 0);
  EXPECT_EQ(count(home.daemon.rules(), "dport 4000"), 0u) << "it was not given back: " << home.daemon.rules();
}

const char* const kPcp = "udp dport 5351 @th,64,8 2";

TEST(LabPortmap, ClientAgainstMiniupnpdByPcp) {
  in_sandbox([] { client_against_miniupnpd("pcp", ""); });
}
TEST(LabPortmap, ClientAgainstMiniupnpdByNatPmp) {
  in_sandbox([] { client_against_miniupnpd("nat-pmp", kPcp); });
}
TEST(LabPortmap, ClientAgainstMiniupnpdByUpnp) {
  in_sandbox([] { client_against_miniupnpd("upnp", "udp dport 5351"); });
}

TEST(LabPortmap, MiniupnpdSpeaksAllThree) {
  in_sandbox([] {
    MiniupnpdHome home;
    Process client = start_client(home.machine, {kUdp});
    EXPECT_EQ(wait_line(client, "capability pcp"), "capability pcp present ");
    EXPECT_EQ(wait_line(client, "capability nat-pmp"), "capability nat-pmp present ");
    EXPECT_EQ(wait_line(client, "capability upnp"), "capability upnp present ");
  });
}

TEST(LabPortmap, MappingsSurviveARestartOfMiniupnpd) {
  in_sandbox([] {
    MiniupnpdHome home;
    Process client = start_client(home.machine, {kUdp});
    ASSERT_TRUE(wait_line(client, "mapped udp"));
    home.wait_age();
    const auto mapped = [&] { return home.daemon.rules().find("dport 4000") != std::string::npos; };
    EXPECT_TRUE(mapped());
    home.daemon.kill();
    home.gateway.nft("flush chain inet filter prerouting_miniupnpd\nflush chain inet filter miniupnpd");
    EXPECT_FALSE(mapped());
    const Time begin = now();
    home.daemon.start();
    EXPECT_TRUE(wait_until(mapped, in(15s))) << "the new epoch was not noticed";
    std::printf("  mapped again %.0f ms after the restart\n", ms_since(begin));
  });
}

TEST(LabPortmap, TwoHostsAtMiniupnpdGetDifferentPorts) {
  in_sandbox([] {
    MiniupnpdHome home;
    Process first = start_client(home.machine, {kUdp});
    ASSERT_TRUE(wait_line(first, "mapped udp"));
    Process second = start_client(home.site.machine(1), {kUdp});
    auto line = wait_line(second, "mapped udp");
    ASSERT_TRUE(line);
    EXPECT_EQ(line->find(":4000 "), std::string::npos) << *line;
  });
}

// ---- our gateway

struct OurHome : Home {
  OurHome() {
    gateway.nft(NftEngine::rules);
    service = start_service(gateway);
  }
  std::string forwards() { return gateway.run("nft list map ip portmap forwards"); }
  Process service;
};

/// Runs a client of somebody else's and gives what it said, whatever its exit code.
std::string ask(const Host& host, const std::string& command) {
  Process p = host.start(Command{.argv = words(command), .out = {Stream::pipe}, .err = {Stream::null}});
  std::string out = p.read_all(in(20s));
  p.wait(in(5s));
  return out;
}

void expect_has(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "\"" << part << "\" is not in:\n" << text;
}

/// "http://192.168.1.1:PORT", as upnpc found it.
std::string base_of(const std::string& said) {
  const size_t at = said.find("/igd1.xml"), begin = said.rfind("http://", at);
  EXPECT_NE(at, said.npos) << said;
  return at == said.npos ? "" : said.substr(begin, at - begin);
}

TEST(LabPortmap, UpnpcAgainstOurGateway) {
  in_sandbox([] {
    OurHome home;
    Process listener = start_listener(home.machine, 4000);
    std::string said = ask(home.machine, "upnpc -s");  // the only one that searches: that takes two seconds
    expect_has(said, "Found valid IGD");
    const std::string upnpc = "upnpc -u " + base_of(said) + "/igd1.xml ";
    expect_has(said, "ExternalIPAddress = 25.1.1.20");
    expect_has(said, "Status : Connected");
    said = ask(home.machine, upnpc + "-e game -a 192.168.1.2 4000 5000 udp 600");
    expect_has(said, "external 25.1.1.20:5000 UDP is redirected to internal 192.168.1.2:4000");
    EXPECT_EQ(home.service.read_line(in(5s)), "mapped udp 5000 192.168.1.2:4000 upnp");
    EXPECT_TRUE(comes_through(home.stranger, *Address::parse("25.1.1.20:5000"), listener, 2s));
    said = ask(home.machine, upnpc + "-l");
    expect_has(said, "UDP  5000->192.168.1.2:4000  'game'");
    expect_has(ask(home.machine, upnpc + "-a 192.168.1.3 4000 5001 udp"), "code 718");  // nobody maps for others
    expect_has(ask(home.site.machine(1), upnpc + "-a 192.168.1.3 4000 5000 udp"),
               "code 718");  // nor takes what is given
    ask(home.site.machine(1), upnpc + "-d 5000 udp");
    expect_has(home.forwards(), "5000");
    ask(home.machine, upnpc + "-d 5000 udp");
    EXPECT_EQ(home.service.read_line(in(5s)), "unmapped udp 5000 192.168.1.2:4000 upnp");
    EXPECT_FALSE(comes_through(home.stranger, *Address::parse("25.1.1.20:5000"), listener, 300ms));
  });
}

TEST(LabPortmap, UpnpcFindsTheSecondVersionToo) {
  in_sandbox([] {
    OurHome home;
    // AddAnyPortMapping is of WANIPConnection:2; upnpc takes the first device that it hears of, so the other is named.
    std::string said = ask(home.machine, "upnpc -s");
    const std::string url = base_of(said) + "/igd2.xml";
    said = ask(home.machine, "upnpc -u " + url + " -n 192.168.1.2 4000 5000 tcp 600");
    expect_has(said, "external 25.1.1.20:5000 TCP is redirected to internal 192.168.1.2:4000");
    said = ask(home.site.machine(1), "upnpc -u " + url + " -n 192.168.1.3 4000 5000 tcp 600");
    expect_has(said, "external 25.1.1.20:4000 TCP is redirected to internal 192.168.1.3:4000");
    // It asks for everybody's, which needs a right that nobody here has.
    expect_has(ask(home.machine, "upnpc -u " + url + " -L"), "606 (Action not authorized)");
    ask(home.machine, "upnpc -u " + url + " -N 4990 5010 tcp");
    EXPECT_EQ(home.forwards().find(" 5000"), std::string::npos) << home.forwards();
  });
}

TEST(LabPortmap, NatpmpcAgainstOurGateway) {
  in_sandbox([] {
    OurHome home;
    Process listener = start_listener(home.machine, 4000);
    expect_has(ask(home.machine, "natpmpc"), "Public IP address : 25.1.1.20");
    std::string said = ask(home.machine, "natpmpc -a 5000 4000 udp 600");
    expect_has(said, "Mapped public port 5000 protocol UDP to local port 4000 liftime 600");
    EXPECT_EQ(home.service.read_line(in(5s)), "mapped udp 5000 192.168.1.2:4000 nat-pmp");
    EXPECT_TRUE(comes_through(home.stranger, *Address::parse("25.1.1.20:5000"), listener, 2s));
    ask(home.machine, "natpmpc -a 0 4000 udp 0");
    EXPECT_EQ(home.service.read_line(in(5s)), "unmapped udp 5000 192.168.1.2:4000 nat-pmp");
  });
}

void both_ours(const std::string& method, const std::string& forbidden) {
  OurHome home;
  if (!forbidden.empty())
    home.gateway.nft("table ip forbid { chain input { type filter hook input priority -10; " + forbidden +
                     " drop; }; }");
  Process listener = start_listener(home.machine, 4000);
  const Time begin = now();
  Process client = start_client(home.machine, {kUdp, kTcp});
  EXPECT_EQ(wait_line(client, "mapped udp"), "mapped udp 4000 25.1.1.20:4000 " + method);
  std::printf("  %s: mapped after %.0f ms\n", method.c_str(), ms_since(begin));
  EXPECT_EQ(wait_line(client, "mapped tcp"), "mapped tcp 4000 25.1.1.20:4000 " + method);
  EXPECT_TRUE(comes_through(home.stranger, *Address::parse("25.1.1.20:4000"), listener, 2s));
  client.kill(SIGTERM);
  EXPECT_EQ(client.wait(in(5s)), 0);
  EXPECT_EQ(home.forwards().find(" 4000 :"), std::string::npos) << home.forwards();
}

TEST(LabPortmap, OursAgainstOursByPcp) {
  in_sandbox([] { both_ours("pcp", ""); });
}
TEST(LabPortmap, OursAgainstOursByNatPmp) {
  in_sandbox([] { both_ours("nat-pmp", kPcp); });
}
TEST(LabPortmap, OursAgainstOursByUpnp) {
  in_sandbox([] { both_ours("upnp", "udp dport 5351"); });
}

TEST(LabPortmap, OurGatewayRestartsAndIsHeard) {
  in_sandbox([] {
    OurHome home;
    Process client = start_client(home.machine, {kUdp});
    ASSERT_TRUE(wait_line(client, "mapped udp"));
    home.wait_age();
    home.service.stop(SIGKILL);
    home.gateway.nft("flush map ip portmap forwards");
    home.service = start_service(home.gateway);
    EXPECT_EQ(home.service.read_line(in(5s)), "mapped udp 4000 192.168.1.2:4000 pcp") << "by its announcement";
  });
}

TEST(LabPortmap, DefaultGatewayAndItsChanges) {
  in_sandbox([] {
    Home home;
    const auto look = [&] {
      std::string out;
      Process p = home.machine.start([] {
        for (const DefaultGateway& g : default_gateways())
          say(g.gateway.ip_to_string() + " " + g.local.ip_to_string() + " " + g.interface + " " +
              std::to_string(g.metric));
        return 0;
      });
      while (auto line = p.read_line(in(5s))) out += *line + "; ";
      return out;
    };
    EXPECT_EQ(look(), "192.168.1.1 192.168.1.2 lan 0; ");
    home.machine.sysctl("net/ipv6/conf/lan/disable_ipv6", "0");
    home.machine.ip(
        "addr add 192.168.1.77/24 dev lan\naddr add 2001:db8:1::2/64 dev lan nodad\n"
        "route add 10.9.0.0/16 via 192.168.1.9\nroute add default via 192.168.1.8 metric 50\n"
        "route add default dev lan metric 60\nroute add default via 192.168.1.7 table 99\n"
        "route add ::/0 via fe80::1 dev lan");
    EXPECT_EQ(look(),
              "192.168.1.1 192.168.1.2 lan 0; 192.168.1.8 192.168.1.2 lan 50; fe80::1 2001:db8:1::2 lan 1024; ");
    home.machine.ip(
        "route del default via 192.168.1.1\nroute change default via 192.168.1.8 metric 50 src 192.168.1.77");
    EXPECT_EQ(look(), "192.168.1.8 192.168.1.77 lan 50; fe80::1 2001:db8:1::2 lan 1024; ");
    home.machine.ip(
        "route del default via 192.168.1.8\nroute add default nexthop via 192.168.1.5 nexthop via 192.168.1.6");
    EXPECT_EQ(look(), "192.168.1.5 192.168.1.2 lan 0; fe80::1 2001:db8:1::2 lan 1024; ");
    home.machine.ip("link set lan down");
    EXPECT_EQ(look(), "");
  });
}

}  // namespace
}  // namespace ginnel::lab
