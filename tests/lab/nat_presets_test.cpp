// Does `ginnel nat` behave as its presets and knobs say, seen from sockets on a real kernel? Two outside addresses with
// two ports each ask what RFC 4787 section 4 and 5 ask; what the knobs claim is read from the program itself.
#include <cerrno>
#include <map>

#include "tests/lab/harness.hpp"
#include "tests/lab/nat_world.hpp"
#include "tests/lab/probe_socket.hpp"

namespace ginnel::lab {
namespace {

constexpr const char* kOne = "203.0.113.9";
constexpr const char* kTwo = "203.0.113.10";
constexpr Duration kQuiet = 150ms;

using Claims = std::map<std::string, std::string>;

Claims claims_of(const std::string& preset) {
  Claims out;
  Process knobs = spawn({.argv = {ginnel_program(), "nat", "knobs", "--preset", preset, "--json"}});
  while (auto line = knobs.read_line(in(10s))) {
    const Event event{now(), *line};
    out[event.text("name")] = event.text("value");
  }
  return out;
}

std::string depends(bool on_address, bool on_port) {
  return on_port ? "address-and-port-dependent" : on_address ? "address-dependent" : "endpoint-independent";
}

/// One gateway, two machines behind it, and an observer with two addresses.
class Watched {
 public:
  explicit Watched(const Claims& claims, const std::string& preset)
      : observer(world.outside("observer", {kOne, kTwo})),
        home(world.home("home", {.publics = publics(claims), .nat = {"--preset", preset}})),
        target_(publics(claims).back()) {
    for (const char* ip : {kOne, kTwo})
      for (uint16_t port : {7001, 7002}) udp_.emplace_back(observer, at(ip, port));
    for (const char* ip : {kOne, kTwo})
      for (uint16_t port : {7001, 7002}) tcp_.emplace_back(observer, at(ip, port)).listen();
  }

  UdpProbe& udp(size_t i) { return udp_.at(i); }

  /// Where a datagram to the observer's i-th socket seems to come from.
  Address seen(UdpProbe& from, size_t i) {
    from.send(udp(i).address());
    const auto got = udp(i).receive();
    return got ? got->from : Address{};
  }
  Address seen_tcp(const Host& machine, uint16_t port, size_t i) {
    kept_.emplace_back(machine, at("0.0.0.0", port));
    if (kept_.back().connect(tcp_.at(i).address()) != 0) return {};
    const auto accepted = tcp_.at(i).accept();
    return accepted ? accepted->peer() : Address{};
  }

  std::string udp_mapping(uint16_t port) {
    UdpProbe socket(home.machine(), at("0.0.0.0", port));
    const Address first = seen(socket, 0), same_ip = seen(socket, 1), other_ip = seen(socket, 2);
    EXPECT_FALSE(first.is_unspecified());
    return depends(other_ip != first, same_ip != first);
  }
  std::string udp_filtering(uint16_t port) {
    UdpProbe socket(home.machine(), at("0.0.0.0", port));
    const Address mapped = seen(socket, 0);
    udp(0).send(mapped);
    EXPECT_TRUE(socket.receive()) << "the answer itself";
    udp(1).send(mapped, "other port");
    const bool other_port = !socket.silent(kQuiet);
    udp(2).send(mapped, "other address");
    const bool other_address = !socket.silent(kQuiet);
    EXPECT_TRUE(other_port || !other_address);
    return depends(!other_address, !other_port);
  }
  std::string tcp_mapping(uint16_t port) {
    const Address first = seen_tcp(home.machine(), port, 0), same_ip = seen_tcp(home.machine(), port, 1),
                  other_ip = seen_tcp(home.machine(), port, 2);
    EXPECT_FALSE(first.is_unspecified());
    return depends(other_ip != first, same_ip != first);
  }
  std::string tcp_filtering(uint16_t port) {
    TcpProbe listener(home.machine(), at("0.0.0.0", port));
    listener.listen();
    const Address mapped = seen_tcp(home.machine(), port, 0);
    const auto reached_from = [&](const char* ip) {
      TcpProbe stranger(observer, at(ip, 9100));
      return stranger.connect(mapped, kQuiet) == 0 && listener.accept(kQuiet);
    };
    const bool other_port = reached_from(kOne), other_address = reached_from(kTwo);
    return depends(!other_address, !other_port);
  }

  /// What the second machine is seen as by the first, through the outside.
  std::string hairpin() {
    UdpProbe a(home.machine(0), at("0.0.0.0", 45001)), b(home.machine(1), at("0.0.0.0", 45002));
    const Address a_outside = seen(a, 0), b_outside = seen(b, 0);
    b.send(a_outside);
    a.send(b_outside);
    while (a.receive(kQuiet)) continue;  // the first ones may have met a closed filter
    b.send(a_outside, "hairpin");
    const auto got = a.receive(kQuiet);
    if (!got) return "off";
    return got->from.ip_to_string() == home.machine(1).address ? "internal-source" : "external-source";
  }

  std::string unsolicited_syn(const std::string& claim) {
    TcpProbe stranger(observer, at(kTwo, 9200));
    const int error = stranger.connect(at(target_, 33333), kQuiet);
    if (error == ETIMEDOUT) return claim == "icmp-after-6s" ? claim : "silent";
    return error == ECONNREFUSED ? "rst" : "errno " + std::to_string(error);
  }
  std::string unsolicited_udp() {
    UdpProbe stranger(observer, at(kTwo, 9201));
    stranger.connect(at(target_, 33333));
    stranger.send(at(target_, 33333));
    return stranger.take_error(kQuiet) == 0 ? "silent" : "icmp";
  }

  static std::vector<std::string> publics(const Claims& claims) {
    if (claims.at("basic") == "on") return {"198.51.100.20", "198.51.100.21", "198.51.100.22"};  // one for each machine
    return {"198.51.100.20"};
  }

  NatWorld world;
  Host& observer;
  NatHome& home;

 private:
  std::string target_;  ///< a public address that is nobody's inside
  std::deque<UdpProbe> udp_;
  std::deque<TcpProbe> tcp_;
  std::deque<TcpProbe> kept_;  ///< open connections, so that their mappings are alive
};

void expect_ports_chosen(Watched& watched, const Claims& claims) {
  const std::string& choice = claims.at("ports");
  UdpProbe socket(watched.home.machine(), at("0.0.0.0", 40000));
  std::vector<uint16_t> ports;
  for (size_t i = 0; i < 4; ++i) ports.push_back(watched.seen(socket, i).port);
  if (choice.starts_with("preserve") || claims.at("basic") == "on") {
    EXPECT_EQ(ports[0], 40000);
    UdpProbe rival(watched.home.machine(1), at("0.0.0.0", 40000));
    const uint16_t to_the_same = watched.seen(rival, 0).port;
    EXPECT_EQ(to_the_same == 40000, claims.at("basic") == "on") << "two hosts on one outside port";
  } else if (choice == "sequential") {
    for (size_t i = 1; i < 4; ++i) EXPECT_EQ(ports[i], ports[i - 1] + 1);
  } else if (choice == "block") {
    const int block = std::stoi(claims.at("ports.block")), first = std::stoi(claims.at("ports.first"));
    UdpProbe next(watched.home.machine(), at("0.0.0.0", 40001));
    EXPECT_EQ((watched.seen(next, 0).port - first) / block, (ports[0] - first) / block);
  } else {
    EXPECT_EQ(choice, "random");
    EXPECT_FALSE(ports[1] == ports[0] + 1 && ports[2] == ports[1] + 1);
    EXPECT_NE(ports[0], 40000);  // one in 64512 that this is chance
  }
}

class LabNatPreset : public testing::TestWithParam<const char*> {};

TEST_P(LabNatPreset, BehavesAsItClaims) {
  in_sandbox([preset = GetParam()] {
    Claims claims = claims_of(preset);
    ASSERT_GT(claims.size(), 40u);
    Watched watched(claims, preset);
    expect_ports_chosen(watched, claims);
    EXPECT_EQ(watched.udp_mapping(41000), claims["udp.mapping"]);
    EXPECT_EQ(watched.udp_filtering(41001), claims["udp.filtering"]);
    EXPECT_EQ(watched.tcp_mapping(42000), claims["tcp.mapping"]);
    EXPECT_EQ(watched.tcp_filtering(42001), claims["tcp.filtering"]);
    EXPECT_EQ(watched.hairpin(), claims["hairpin"]);
    EXPECT_EQ(watched.unsolicited_syn(claims["unsolicited_syn"]), claims["unsolicited_syn"]);
    EXPECT_EQ(watched.unsolicited_udp(), claims["unsolicited_udp"]);
  });
}

INSTANTIATE_TEST_SUITE_P(Every, LabNatPreset,
                         testing::Values("rfc", "home", "linux", "full-cone", "restricted", "port-restricted",
                                         "symmetric", "symmetric-sequential", "cgn", "basic", "strict"),
                         [](const auto& info) {
                           std::string name = info.param;
                           name.erase(std::remove(name.begin(), name.end(), '-'), name.end());
                           return name;
                         });

TEST(LabNatKnobs, EveryPairOfMappingAndFilterIsSeenFromSockets) {
  in_sandbox([] {
    const Claims claims = claims_of("rfc");
    Watched watched(claims, "rfc");
    const char* words[] = {"endpoint-independent", "address-dependent", "address-and-port-dependent"};
    uint16_t port = 41000;
    for (const char* mapping : words) {
      watched.home.command(std::string("set udp.mapping=") + mapping);
      watched.home.command(std::string("set tcp.mapping=") + mapping);
      for (const char* filtering : words) {
        SCOPED_TRACE(std::string(mapping) + ", " + filtering);
        watched.home.command(std::string("set udp.filtering=") + filtering);
        watched.home.command(std::string("set tcp.filtering=") + filtering);
        EXPECT_EQ(watched.udp_mapping(port++), mapping);
        EXPECT_EQ(watched.udp_filtering(port++), filtering);
        EXPECT_EQ(watched.tcp_mapping(port++), mapping);
        EXPECT_EQ(watched.tcp_filtering(port++), filtering);
      }
    }
  });
}

TEST(LabNatKnobs, HairpinTakesEachOfItsValues) {
  in_sandbox([] {
    Watched watched(claims_of("rfc"), "rfc");
    for (const char* value : {"external-source", "internal-source", "off"}) {
      watched.home.command(std::string("set hairpin=") + value);
      EXPECT_EQ(watched.hairpin(), value);
    }
  });
}

TEST(LabNatKnobs, UnexpectedPacketsAreAnsweredAsSaid) {
  in_sandbox([] {
    Watched watched(claims_of("rfc"), "rfc");
    watched.home.command("set unsolicited_syn=rst");
    EXPECT_EQ(watched.unsolicited_syn("rst"), "rst");
    watched.home.command("set unsolicited_syn=icmp");  // 3/3: the kernel tells connect() the same as of a reset
    EXPECT_EQ(watched.unsolicited_syn("icmp"), "rst");
    watched.home.command("set unsolicited_syn=silent");
    EXPECT_EQ(watched.unsolicited_syn("silent"), "silent");
    watched.home.command("set unsolicited_udp=icmp");
    EXPECT_EQ(watched.unsolicited_udp(), "icmp");
    watched.home.command("set timers.unsolicited_syn=1");
    watched.home.command("set unsolicited_syn=icmp-after-6s");
    TcpProbe stranger(watched.observer, at(kTwo, 9300));
    const Time start = now();
    EXPECT_EQ(stranger.connect(at(watched.home.address(), 33334), 5s), ECONNREFUSED);  // RFC 5382 REQ-4, in short
    EXPECT_GT(ms_since(start), 950);
  });
}

}  // namespace
}  // namespace ginnel::lab
