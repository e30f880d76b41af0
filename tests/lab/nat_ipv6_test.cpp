// IPv6 beside `ginnel nat`: forwarded untranslated, closed to what the inside did not begin.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "tests/lab/harness.hpp"
#include "tests/lab/nat_world.hpp"
#include "tests/lab/probe_socket.hpp"

namespace ginnel::lab {
namespace {

constexpr const char* kServer = "203.0.113.9";
constexpr const char* kServer6 = "2001:db8:9::9";
constexpr const char* kMachine6 = "2001:db8:1::2";

/// Gives the hosts IPv6 before the gateway starts: a prefix inside, routed to the home by the net.
void add_ipv6(NatWorld& world, Host& server, NatHome& home) {
  const Host* all[] = {&world.net(), &server, &home.gateway(), &home.machine()};
  for (const Host* host : all) {
    host->sysctl("net/ipv6/conf/all/disable_ipv6", "0");
    host->sysctl("net/ipv6/conf/default/accept_dad", "0");
  }
  world.net().sysctl("net/ipv6/conf/all/forwarding", "1");
  world.net().ip("addr add fe80::1/64 dev p0 nodad\naddr add fe80::1/64 dev p1 nodad");
  server.ip(std::string("addr add ") + kServer6 +
            "/128 dev wan nodad\naddr add fe80::9/64 dev wan nodad\nroute add default via fe80::1 dev wan");
  home.gateway().ip(
      "addr add fe80::20/64 dev wan nodad\naddr add 2001:db8:1::1/64 dev lan nodad\nroute add default via fe80::1 dev "
      "wan");
  home.machine().ip(std::string("addr add ") + kMachine6 + "/64 dev lan nodad\nroute add default via 2001:db8:1::1");
  world.net().ip(std::string("route add ") + kServer6 +
                 "/128 via fe80::9 dev p0\nroute add 2001:db8:1::/64 via fe80::20 dev p1");
}

TEST(LabNatIpv6, PassesUntranslatedAndOnlyWhatTheInsideBegan) {
  in_sandbox([] {
    NatWorld world;
    Host& server = world.outside("server", {kServer}, 1400);
    NatHome& home = world.home("home", {.machines = 1, .start = false});
    add_ipv6(world, server, home);
    home.start();
    const Host& machine = home.machine();

    UdpProbe asked(server, at(kServer6, 7001)), asker(machine, at(kMachine6, 40000));
    asked.send(asker.address(), "too early");
    EXPECT_TRUE(asker.silent());
    asker.send(asked.address(), "hello");
    const auto question = asked.receive();
    ASSERT_TRUE(question);
    EXPECT_EQ(question->from, asker.address());
    asked.send(question->from, "answer");
    EXPECT_TRUE(asker.receive());
    EXPECT_NE(machine.run(std::string("ping -c 1 -W 2 ") + kServer6).find(" 0% packet loss"), std::string::npos);

    TcpProbe listener(server, at(kServer6, 7002)), client(machine, at(kMachine6, 41000));
    listener.listen();
    ASSERT_EQ(client.connect(listener.address()), 0);
    auto accepted = listener.accept();
    ASSERT_TRUE(accepted);
    const std::string text(60'000, 't');
    ASSERT_TRUE(client.write(text));  // larger than the path's 1400 takes: the router's word has to come through
    EXPECT_EQ(accepted->read(text.size()), text);

    TcpProbe inside(machine, at(kMachine6, 41001)), stranger(server, at(kServer6, 9000));
    inside.listen();
    EXPECT_NE(stranger.connect(inside.address(), 300ms), 0);

    // IPv4 goes on beside it.
    UdpProbe asked4(server, at(kServer, 7001)), asker4(machine, at("0.0.0.0", 40000));
    asker4.send(asked4.address());
    const auto got = asked4.receive();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->from.ip_to_string(), home.address());
  });
}

}  // namespace
}  // namespace ginnel::lab
