// Two gateways on the way: one behind the other, and one at each end.
#include <cerrno>

#include "tests/lab/harness.hpp"
#include "tests/lab/nat_world.hpp"
#include "tests/lab/probe_socket.hpp"

namespace ginnel::lab {
namespace {

constexpr const char* kServer = "203.0.113.9";

TEST(LabNatSeries, OneBehindTheOther) {
  in_sandbox([] {
    NatWorld world;
    Host& server = world.outside("server", {kServer}, 1280);
    NatHome& outer = world.home("outer", {.publics = {"198.51.100.20"}, .prefix = "10.1.0."});
    NatHome& inner = world.home("inner", {.publics = {"10.1.0.50"}, .prefix = "192.168.1.", .behind = &outer});
    const Host& machine = inner.machine();
    EXPECT_NE(machine.run(std::string("ping -c 2 -i 0.2 -W 2 ") + kServer).find(" 0% packet loss"), std::string::npos);

    UdpProbe asked(server, at(kServer, 7001)), asker(machine, at("0.0.0.0", 40000));
    asker.send(asked.address());
    const auto question = asked.receive();
    ASSERT_TRUE(question);
    EXPECT_EQ(question->from, at("198.51.100.20", 40000));
    asked.send(question->from, "answer");
    EXPECT_TRUE(asker.receive());

    TcpProbe listener(server, at(kServer, 7002)), client(machine, at("0.0.0.0", 41000));
    listener.listen();
    ASSERT_EQ(client.connect(listener.address()), 0);
    auto accepted = listener.accept();
    ASSERT_TRUE(accepted);
    const std::string text(60'000, 't');
    ASSERT_TRUE(client.write(text));
    EXPECT_EQ(accepted->read(text.size()), text);

    // What the narrow line far outside says comes back through both.
    UdpProbe big(machine, at("0.0.0.0", 40001));
    big.always_set_df();
    big.connect(asked.address());
    big.send(asked.address(), std::string(1400, 'x'));
    EXPECT_EQ(big.take_error(), EMSGSIZE);
    EXPECT_EQ(big.path_mtu(), 1280);

    // A forward on the outer one reaches the inner one, whose forward reaches the machine.
    outer.command("forward udp:5300=10.1.0.50:5301");
    inner.command("forward udp:5301=192.168.1.2:53");
    UdpProbe service(machine, at("0.0.0.0", 53));
    asked.send(at("198.51.100.20", 5300), "far");
    const auto got = service.receive();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->from, asked.address());
  });
}

/// Both sides dial at once, from and to the ports that their gateways kept (RFC 5382 REQ-2a).
std::pair<int, int> dial_each_other(NatHome& a, NatHome& b, TcpProbe& from_a, TcpProbe& from_b, Duration patience) {
  from_a.begin_connect(at(b.address(), 42000));
  from_b.begin_connect(at(a.address(), 42000));
  const int first = from_a.await_connected(patience);
  return {first, from_b.await_connected(patience)};
}

TEST(LabNatSeries, TcpOpensFromBothSidesAtOnce) {
  in_sandbox([] {
    NatWorld world;
    NatHome& a = world.home("a", {.publics = {"198.51.100.20"}, .nat = {"--preset", "home"}});
    NatHome& b = world.home("b", {.publics = {"192.0.2.40"}, .nat = {"--preset", "rfc"}});
    TcpProbe from_a(a.machine(), at("0.0.0.0", 42000)), from_b(b.machine(), at("0.0.0.0", 42000));
    const auto outcome = dial_each_other(a, b, from_a, from_b, 5s);
    ASSERT_EQ(outcome, std::pair(0, 0));
    EXPECT_EQ(from_a.peer(), at(b.address(), 42000));
    ASSERT_TRUE(from_a.write("across"));
    EXPECT_EQ(from_b.read(6), "across");
    from_a.half_close();
    EXPECT_TRUE(from_b.at_end());
    ASSERT_TRUE(from_b.write("and back"));
    EXPECT_EQ(from_a.read(8), "and back");
  });
}

TEST(LabNatSeries, TcpDoesNotWhereAGatewayForbidsIt) {
  in_sandbox([] {
    NatWorld world;
    const Words broken = {"--preset", "home", "--set", "simultaneous_open=off"};
    NatHome& a = world.home("a", {.publics = {"198.51.100.20"}, .nat = broken});
    NatHome& b = world.home("b", {.publics = {"192.0.2.40"}, .nat = broken});
    TcpProbe from_a(a.machine(), at("0.0.0.0", 42000)), from_b(b.machine(), at("0.0.0.0", 42000));
    EXPECT_EQ(dial_each_other(a, b, from_a, from_b, 1500ms), std::pair(ETIMEDOUT, ETIMEDOUT));
  });
}

TEST(LabNatSeries, UdpIsPunchedThroughStrictFilters) {
  in_sandbox([] {
    NatWorld world;
    NatHome& a = world.home("a", {.publics = {"198.51.100.20"}, .nat = {"--preset", "port-restricted"}});
    NatHome& b = world.home("b", {.publics = {"192.0.2.40"}, .nat = {"--preset", "port-restricted"}});
    UdpProbe from_a(a.machine(), at("0.0.0.0", 42000)), from_b(b.machine(), at("0.0.0.0", 42000));
    from_a.send(at(b.address(), 42000), "opener");
    EXPECT_TRUE(from_b.silent());
    from_b.send(at(a.address(), 42000), "hello");
    const auto got = from_a.receive();
    ASSERT_TRUE(got);
    from_a.send(got->from, "well");
    EXPECT_TRUE(from_b.receive());
  });
}

/// facts of netfilter on an open INPUT: a stranger that came first occupies the port towards itself.
TEST(LabNatSeries, AStrangerThatCameFirstSpoilsTheHole) {
  in_sandbox([] {
    NatWorld world;
    NatHome& a = world.home("a", {.publics = {"198.51.100.20"}, .nat = {"--preset", "linux"}});
    Host& peer = world.outside("peer", {"192.0.2.40"});
    UdpProbe outside(peer, at("192.0.2.40", 42000)), inside(a.machine(), at("0.0.0.0", 42000));
    outside.send(at(a.address(), 42000), "too early");
    EXPECT_TRUE(inside.silent());
    inside.send(outside.address(), "late");
    const auto got = outside.receive();
    ASSERT_TRUE(got);
    EXPECT_NE(got->from.port, 42000);
  });
}

}  // namespace
}  // namespace ginnel::lab
