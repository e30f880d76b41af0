// A running `ginnel nat` is shown and changed: mappings, reboot, addresses, forwards, captures; and when it ends, the
// kernel is as it was before.
#include <csignal>
#include <fstream>
#include <iterator>

#include "base/bytes.hpp"
#include "tests/lab/harness.hpp"
#include "tests/lab/nat_world.hpp"
#include "tests/lab/probe_socket.hpp"

namespace ginnel::lab {
namespace {

constexpr const char* kServer = "203.0.113.9";
constexpr const char* kStranger = "203.0.113.10";

struct Shown {
  Event whole;
  size_t count(const std::string& what) const {
    size_t n = 0;
    for (size_t from = 0; (from = whole.line.find(what, from)) != std::string::npos; ++from) ++n;
    return n;
  }
};
Shown show(const NatHome& home) { return {{now(), home.command("show --json")}}; }

/// Does what a stranger sends to `mapped` arrive at the inside socket?
bool reachable(UdpProbe& stranger, const Address& mapped, UdpProbe& inside) {
  stranger.send(mapped, "knock");
  const auto got = inside.receive(300ms);
  return got && got->text == "knock";
}

TEST(LabNatControl, ShowsMappingsAndCounts) {
  in_sandbox([] {
    NatWorld world;
    Host& server = world.outside("server", {kServer});
    NatHome& home = world.home("home", {.nat = {"--preset", "home"}});
    UdpProbe asked(server, at(kServer, 7001)), asker(home.machine(), at("0.0.0.0", 40000));
    asker.send(asked.address());
    ASSERT_TRUE(asked.receive());
    UdpProbe stranger(server, at(kServer, 7009));
    stranger.send(at(home.address(), 40000));
    EXPECT_TRUE(asker.silent());
    Shown shown = show(home);
    EXPECT_EQ(shown.whole.text("event"), "show");
    EXPECT_EQ(shown.whole.text("preset"), "home");
    EXPECT_EQ(shown.whole.text("outside"), "wan");
    EXPECT_EQ(shown.whole.number("mapping_count"), 1);
    EXPECT_EQ(shown.count(R"("protocol":"udp","inside":"10.0.0.2:40000","outside":"198.51.100.20:40000")"), 1u);
    EXPECT_GE(shown.whole.number("expires_s"), 100);
    EXPECT_EQ(shown.whole.number("filtered"), 1);
    const std::string text = home.command("show");
    EXPECT_NE(text.find("10.0.0.2:40000"), std::string::npos) << text;
    EXPECT_NE(text.find("filtered 1"), std::string::npos) << text;
  });
}

TEST(LabNatControl, ALargeTableIsShownWhole) {
  in_sandbox([] {
    NatWorld world;
    Host& server = world.outside("server", {kServer});
    NatHome& home = world.home("home", {.nat = {"--preset", "symmetric"}});
    UdpProbe asker(home.machine(), at("0.0.0.0", 40000));
    UdpProbe last(server, at(kServer, 9999));
    std::optional<Shown> all;  // the gateway's device drops what comes too fast: until enough has passed
    const auto fill = [&] {
      for (uint16_t port = 1; port <= 1700; ++port) asker.send(at(kServer, static_cast<uint16_t>(10'000 + port)));
      EXPECT_TRUE(wait_until([&] { return asker.send(last.address()), last.receive(100ms).has_value(); }, in(5s)));
      all.emplace(show(home));
      return all->whole.number("mapping_count") > 1000;
    };
    EXPECT_TRUE(wait_until(fill, in(10s)));
    const Shown& shown = *all;
    const size_t listed = shown.count("\"inside\":\"10.0.0.2:40000\"");
    EXPECT_EQ(static_cast<double>(listed), shown.whole.number("mapping_count"));
    EXPECT_GT(listed, 1000u);  // more than two answers' worth
  });
}

TEST(LabNatControl, ARebootDropsMappingsAndKeepsForwards) {
  in_sandbox([] {
    NatWorld world;
    Host& server = world.outside("server", {kServer, kStranger});
    NatHome& home = world.home("home", {.nat = {"--preset", "full-cone", "--forward", "udp:5300=10.0.0.3:53"}});
    UdpProbe asked(server, at(kServer, 7001)), stranger(server, at(kStranger, 7001));
    UdpProbe asker(home.machine(0), at("0.0.0.0", 40000)), service(home.machine(1), at("0.0.0.0", 53));
    const auto map = [&] {
      asker.send(asked.address());
      const auto got = asked.receive();
      return got ? got->from : Address{};
    };
    for (bool by_signal : {false, true}) {
      const Address mapped = map();
      EXPECT_TRUE(reachable(stranger, mapped, asker));
      const size_t seen = home.agent().events().size();
      by_signal ? home.agent().process().kill(SIGHUP) : static_cast<void>(home.command("reboot"));
      EXPECT_TRUE(home.agent().wait_for([](const Event& e) { return e.is("reboot"); }, in(5s), seen));
      EXPECT_FALSE(reachable(stranger, mapped, asker));
      EXPECT_TRUE(reachable(stranger, at(home.address(), 5300), service));
    }
  });
}

TEST(LabNatControl, ForwardsComeAndGo) {
  in_sandbox([] {
    NatWorld world;
    Host& server = world.outside("server", {kServer});
    NatHome& home =
        world.home("home", {.nat = {"--forward", "tcp:8080=10.0.0.3:80", "--forward", "udp:5300=10.0.0.3:53"}});
    TcpProbe web(home.machine(1), at("0.0.0.0", 80));
    web.listen();
    const auto reached = [&](uint16_t port) {
      TcpProbe client(server, at("0.0.0.0", 0));
      if (client.connect(at(home.address(), port), 300ms) != 0) return false;
      auto accepted = web.accept();
      return accepted && accepted->peer().ip_to_string() == kServer && accepted->write("hi") && client.read(2) == "hi";
    };
    EXPECT_TRUE(reached(8080));
    EXPECT_FALSE(reached(8081));
    home.command("forward tcp:8081=10.0.0.3:80");
    EXPECT_TRUE(reached(8081));
    EXPECT_THROW(home.command("forward tcp:8081=10.0.0.2:80"), std::exception);
    home.command("forward --remove tcp:8081");
    EXPECT_FALSE(reached(8081));
    EXPECT_THROW(home.command("forward --remove tcp:8081"), std::exception);
    EXPECT_EQ(show(home).count("\"udp:5300=10.0.0.3:53\""), 1u);
    UdpProbe service(home.machine(1), at("0.0.0.0", 53)), stranger(server, at(kServer, 9000));
    EXPECT_TRUE(reachable(stranger, at(home.address(), 5300), service));
    service.send(stranger.address(), "answer");
    const auto got = stranger.receive();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->from, at(home.address(), 5300));
    // ... also from inside, through the hairpin
    TcpProbe neighbour(home.machine(0), at("0.0.0.0", 0));
    ASSERT_EQ(neighbour.connect(at(home.address(), 8080)), 0);
    EXPECT_EQ(web.accept()->peer().ip_to_string(), home.address());
  });
}

TEST(LabNatControl, FollowsTheAddressOfItsInterface) {
  in_sandbox([] {
    NatWorld world;
    Host& server = world.outside("server", {kServer});
    NatHome& home = world.home("home", {.nat = {"--forward", "udp:5300=10.0.0.3:53"}});
    UdpProbe asked(server, at(kServer, 7001)), asker(home.machine(), at("0.0.0.0", 40000));
    UdpProbe service(home.machine(1), at("0.0.0.0", 53));
    const auto seen_as = [&] {
      asker.send(asked.address());
      const auto got = asked.receive(500ms);
      return got ? got->from.ip_to_string() : "nobody";
    };
    EXPECT_EQ(seen_as(), "198.51.100.20");
    world.net().ip("route add 198.51.100.77/32 dev p1");
    home.gateway().ip("addr add 198.51.100.77/32 dev wan\naddr del 198.51.100.20/32 dev wan");
    const Event* told = home.agent().wait_for(
        [](const Event& e) { return e.is("address") && e.line.find("[\"198.51.100.77\"]") != std::string::npos; },
        in(5s));
    ASSERT_TRUE(told);
    EXPECT_EQ(seen_as(), "198.51.100.77");
    UdpProbe stranger(server, at(kServer, 9000));
    EXPECT_TRUE(reachable(stranger, at("198.51.100.77", 5300), service));
    EXPECT_FALSE(reachable(stranger, at("198.51.100.20", 5300), service));
  });
}

TEST(LabNatControl, TakesAnotherAddressOnCommand) {
  in_sandbox([] {
    NatWorld world;
    Host& server = world.outside("server", {kServer});
    NatHome& home =
        world.home("home", {.publics = {"198.51.100.20", "198.51.100.21"}, .nat = {"--public", "198.51.100.20"}});
    UdpProbe asked(server, at(kServer, 7001)), asker(home.machine(), at("0.0.0.0", 40000));
    const auto seen_as = [&] {
      asker.send(asked.address());
      const auto got = asked.receive(500ms);
      return got ? got->from.ip_to_string() : "nobody";
    };
    EXPECT_EQ(seen_as(), "198.51.100.20");
    home.command("address 198.51.100.21");
    EXPECT_EQ(seen_as(), "198.51.100.21");
    EXPECT_THROW(home.command("address 198.51.100.99"), std::exception);
    EXPECT_EQ(seen_as(), "198.51.100.21");
    // The address that is not ours to translate is the gateway's own again.
    EXPECT_NE(server.run("ping -c 1 -W 2 198.51.100.20").find(" 0% packet loss"), std::string::npos);
  });
}

// ---- captures

struct Captured {
  Address source, destination;
  uint8_t protocol = 0;
};

/// Reads a classic pcap file; anything wrong with it is a failed expectation.
std::vector<Captured> read_pcap(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  const auto word = [&](size_t at) {
    uint32_t out = 0;
    if (at + 4 <= content.size()) std::memcpy(&out, &content[at], 4);
    return out;
  };
  EXPECT_EQ(word(0), 0xa1b2c3d4u);
  EXPECT_EQ(word(4), 0x00040002u);
  EXPECT_EQ(word(20), 101u);  // raw IP
  std::vector<Captured> out;
  size_t place = 24;
  while (place + 16 + 20 <= content.size()) {
    const uint32_t size = word(place + 8);
    EXPECT_EQ(size, word(place + 12));
    const Bytes packet = as_bytes(content).subspan(place + 16, std::min<size_t>(size, content.size() - place - 16));
    EXPECT_EQ(packet.size(), size);
    EXPECT_EQ(packet[0], 0x45);
    EXPECT_EQ(packet[2] << 8 | packet[3], static_cast<int>(size));
    uint32_t sum = 0;
    for (size_t i = 0; i < 20; i += 2) sum += static_cast<uint32_t>(packet[i] << 8 | packet[i + 1]);
    EXPECT_EQ((sum & 0xffff) + (sum >> 16), 0xffffu);
    out.push_back({Address::from_ip(packet.subspan(12, 4), 0), Address::from_ip(packet.subspan(16, 4), 0), packet[9]});
    place += 16 + size;
  }
  EXPECT_EQ(place, content.size());
  return out;
}

TEST(LabNatControl, CapturesOfBothSidesAreReadable) {
  in_sandbox([] {
    NatWorld world;
    Host& server = world.outside("server", {kServer});
    const std::string outside = scratch() + "/outside.pcap", inside = scratch() + "/inside.pcap";
    NatHome& home = world.home("home", {.nat = {"--capture-outside", outside}});
    UdpProbe asked(server, at(kServer, 7001)), asker(home.machine(), at("0.0.0.0", 40000));
    const auto ask = [&] {
      asker.send(asked.address());
      const auto got = asked.receive();
      if (got) asked.send(got->from);
      EXPECT_TRUE(asker.receive());
    };
    ask();
    home.command("capture inside " + inside);
    ask();
    home.command("capture inside off");
    ask();
    home.command("capture outside off");
    const auto in = read_pcap(inside), out = read_pcap(outside);
    ASSERT_EQ(in.size(), 2u);
    EXPECT_EQ(in[0].source.ip_to_string(), "10.0.0.2");
    EXPECT_EQ(in[0].destination.ip_to_string(), kServer);
    EXPECT_EQ(in[1].destination.ip_to_string(), "10.0.0.2");
    ASSERT_EQ(out.size(), 6u);
    for (size_t i = 0; i < out.size(); i += 2) {
      EXPECT_EQ(out[i].source.ip_to_string(), home.address());
      EXPECT_EQ(out[i + 1].destination.ip_to_string(), home.address());
      EXPECT_EQ(out[i].protocol, 17);
    }
    EXPECT_THROW(home.command("capture inside /no/such/place"), std::exception);
  });
}

// ---- the end

/// Everything of the kernel that the gateway touches.
std::string kernel_state(const Host& host) {
  std::string out;
  for (const char* command : {"ip rule", "ip -6 rule", "ip route show table all", "ip -6 route show table all",
                              "ip neigh show proxy", "ip -o link", "sh -c ip_ntable",
                              "sysctl net.ipv4.conf.lan.forwarding net.ipv4.conf.wan.forwarding net.ipv4.ip_forward "
                              "net.ipv4.icmp_errors_use_inbound_ifaddr net.ipv4.conf.all.rp_filter"}) {
    std::string text =
        command == std::string_view("sh -c ip_ntable") ? host.run("ip ntable show dev wan") : host.run(command);
    for (size_t at = 0; at < text.size();) {  // counters and ages are not state
      size_t end = std::min(text.find('\n', at), text.size());
      std::string line = text.substr(at, end - at);
      at = end + 1;
      if (line.find("refcnt") == line.npos && line.find("reachable") == line.npos)
        out += line.substr(0, line.find(" qlen")) + "\n";
    }
  }
  return out;
}

TEST(LabNatEnd, PutsEverythingBack) {
  in_sandbox([] {
    NatWorld world;
    world.outside("server", {kServer});
    NatHome& home = world.home("home", {.start = false});
    const std::string before = kernel_state(home.gateway());
    for (int signal : {SIGTERM, SIGINT}) {
      home.start();
      EXPECT_NE(kernel_state(home.gateway()), before);
      home.agent().process().kill(signal);
      EXPECT_EQ(home.agent().process().wait(in(5s)), signal == SIGINT ? 130 : 0);
      EXPECT_EQ(kernel_state(home.gateway()), before);
    }
  });
}

TEST(LabNatEnd, AKilledGatewayLeavesNothingHarmfulAndTheNextClearsIt) {
  in_sandbox([] {
    NatWorld world;
    Host& server = world.outside("server", {kServer});
    NatHome& home = world.home("home");
    const std::string rules = home.gateway().run("ip rule");
    home.stop(SIGKILL);
    // The machine works: it is reached at its address, and reaches others.
    EXPECT_NE(server.run("ping -c 1 -W 2 " + home.address()).find(" 0% packet loss"), std::string::npos);
    EXPECT_NE(home.gateway().run(std::string("ping -c 1 -W 2 ") + kServer).find(" 0% packet loss"), std::string::npos);
    EXPECT_NE(home.machine().run("ping -c 1 -W 2 10.0.0.1").find(" 0% packet loss"), std::string::npos);
    EXPECT_EQ(home.gateway().run("ip -o link").find("ginnel"), std::string::npos);
    home.start();
    const auto lines = [](const std::string& text) { return std::count(text.begin(), text.end(), '\n'); };
    EXPECT_EQ(lines(home.gateway().run("ip rule")), lines(rules));
    EXPECT_NE(home.machine().run(std::string("ping -c 1 -W 2 ") + kServer).find(" 0% packet loss"), std::string::npos);
    home.stop();
    EXPECT_EQ(home.gateway().run("ip rule").find("proto 152"), std::string::npos);
    EXPECT_EQ(home.gateway().run("ip rule").substr(0, 2), "0:");
  });
}

TEST(LabNatEnd, SaysSoWhenItsDeviceIsDeleted) {
  in_sandbox([] {
    NatWorld world;
    world.outside("server", {kServer});
    NatHome& home = world.home("home");
    home.gateway().ip("link del ginnel-out0");
    EXPECT_EQ(home.agent().process().wait(in(5s)), 9);
    EXPECT_NE(home.agent().said().find("deleted"), std::string::npos);
  });
}

}  // namespace
}  // namespace ginnel::lab
