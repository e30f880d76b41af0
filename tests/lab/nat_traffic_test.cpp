// `ginnel nat` on a real kernel: ordinary traffic of ordinary programs through it, under several presets.
#include <cerrno>

#include "tests/lab/harness.hpp"
#include "tests/lab/nat_world.hpp"
#include "tests/lab/probe_socket.hpp"

namespace ginnel::lab {
namespace {

constexpr const char* kServer = "203.0.113.9";

/// What every gateway has to do, whatever its behaviour.
void expect_ordinary_traffic(const std::string& preset) {
  SCOPED_TRACE(preset);
  NatWorld world;
  Host& server = world.outside("server", {kServer});
  NatHome& home = world.home("home", {.nat = {"--preset", preset}});
  const Host& machine = home.machine();

  EXPECT_NE(machine.run(std::string("ping -c 2 -i 0.2 -W 2 ") + kServer).find(" 0% packet loss"), std::string::npos);

  UdpProbe asked(server, at(kServer, 7001)), asker(machine, at("0.0.0.0", 40000));
  asker.send(asked.address(), "hello");
  const auto question = asked.receive();
  ASSERT_TRUE(question);
  EXPECT_EQ(question->text, "hello");
  EXPECT_EQ(question->from.ip_to_string(), home.address());
  asked.send(question->from, "well");
  const auto answer = asker.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->text, "well");
  EXPECT_EQ(answer->from, asked.address());

  TcpProbe listener(server, at(kServer, 7002)), client(machine, at("0.0.0.0", 41000));
  listener.listen();
  ASSERT_EQ(client.connect(listener.address()), 0);
  auto accepted = listener.accept();
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->peer().ip_to_string(), home.address());
  ASSERT_TRUE(client.write("question"));
  EXPECT_EQ(accepted->read(8), "question");
  client.half_close();  // a half-closed connection goes on in the other direction
  EXPECT_TRUE(accepted->at_end());
  ASSERT_TRUE(accepted->write("answer"));
  EXPECT_EQ(client.read(6), "answer");

  TcpProbe doomed(machine, at("0.0.0.0", 41001));
  ASSERT_EQ(doomed.connect(listener.address()), 0);
  auto other = listener.accept();
  ASSERT_TRUE(other);
  other->reset();
  EXPECT_TRUE(doomed.was_reset());

  TcpProbe refused(machine, at("0.0.0.0", 41002));
  EXPECT_EQ(refused.connect(at(kServer, 7999)), ECONNREFUSED);
  UdpProbe deaf(machine, at("0.0.0.0", 40001));  // nobody listens: the ICMP error finds back
  deaf.connect(at(kServer, 7999));
  deaf.send(at(kServer, 7999));
  EXPECT_EQ(deaf.take_error(), ECONNREFUSED);
}

TEST(LabNatTraffic, PassesUnderEveryPreset) {
  for (const char* preset : {"rfc", "home", "linux", "full-cone", "restricted", "port-restricted", "symmetric",
                             "symmetric-sequential", "cgn", "basic", "strict"})
    in_sandbox([preset] { expect_ordinary_traffic(preset); });
}

TEST(LabNatTraffic, TheGatewayItselfIsAnInsideHost) {
  in_sandbox([] {
    NatWorld world;
    Host& server = world.outside("server", {kServer});
    NatHome& home = world.home("home");
    UdpProbe asked(server, at(kServer, 7001)), asker(home.gateway(), at("0.0.0.0", 40000));
    asker.send(asked.address());
    const auto question = asked.receive();
    ASSERT_TRUE(question);
    EXPECT_EQ(question->from.ip_to_string(), home.address());
    asked.send(question->from, "well");
    EXPECT_TRUE(asker.receive());
    // ... and reachable for the others by its inside address.
    UdpProbe service(home.gateway(), at("0.0.0.0", 5353)), user(home.machine(), at("0.0.0.0", 40000));
    user.send(at("10.0.0.1", 5353));
    const auto query = service.receive();
    ASSERT_TRUE(query);
    EXPECT_EQ(query->from.ip_to_string(), "10.0.0.2");
  });
}

TEST(LabNatTraffic, NobodyOutsideGetsInsideByTheInsideAddress) {
  in_sandbox([] {
    NatWorld world;
    Host& server = world.outside("server", {kServer});
    NatHome& home = world.home("home");
    world.net().ip("route add 10.0.0.0/24 via " + home.address() + " dev p1 onlink");
    UdpProbe stranger(server, at(kServer, 7001)), asker(home.machine(), at("0.0.0.0", 40000)),
        service(home.gateway(), at("0.0.0.0", 5351));
    for (const char* ip : {"10.0.0.1", "10.0.0.2"}) {
      stranger.send(at(ip, 40000), "knock");
      stranger.send(at(ip, 5351), "knock");
    }
    EXPECT_TRUE(asker.silent());
    EXPECT_TRUE(service.silent());
    EXPECT_EQ((Event{now(), home.command("show --json")}.number("bad address")), 4);
    // Nor does the gateway carry anything for others from outside to outside.
    world.net().ip("route add 192.0.2.99/32 via " + home.address() + " dev p1 onlink");
    stranger.send(at("192.0.2.99", 1));
    EXPECT_TRUE(wait_until(
        [&] {
          return Event{now(), home.command("show --json")}.number("bad address") == 5;
        },
        in(2s)));
  });
}

TEST(LabNatTraffic, StrictReversePathFiltersAreNoObstacle) {
  in_sandbox([] {
    NatWorld world;
    Host& server = world.outside("server", {kServer});
    NatHome& home = world.home("home", {.nat = {"--preset", "full-cone"}, .start = false});
    for (const char* value : {"1", "2", "0"}) {
      for (const char* which : {"all", "default", "lan", "wan"})
        home.gateway().sysctl(std::string("net/ipv4/conf/") + which + "/rp_filter", value);
      home.start();
      UdpProbe asked(server, at(kServer, 7001)), asker(home.machine(0), at("0.0.0.0", 40000)),
          neighbour(home.machine(1), at("0.0.0.0", 40000));
      asker.send(asked.address());
      const auto question = asked.receive();
      ASSERT_TRUE(question) << value;
      asked.send(question->from);
      EXPECT_TRUE(asker.receive()) << value;
      neighbour.send(question->from, "hairpin");
      EXPECT_TRUE(asker.receive()) << value;
      UdpProbe own(home.gateway(), at("0.0.0.0", 40001));
      own.send(asked.address());
      const auto from_gateway = asked.receive();
      ASSERT_TRUE(from_gateway) << value;
      asked.send(from_gateway->from);
      EXPECT_TRUE(own.receive()) << value;
      home.stop();
    }
  });
}

TEST(LabNatTraffic, LargeTransfersArriveWhole) {
  in_sandbox([] {
    NatWorld world;
    Host& server = world.outside("server", {kServer});
    NatHome& home = world.home("home");
    const std::string directory = scratch() + "/www";
    server.run(Command{.argv = {"sh", "-c",
                                "mkdir -p " + directory + " && cd " + directory +
                                    " && head -c 64M /dev/urandom > file && openssl req -x509 -newkey rsa:2048 -nodes "
                                    "-keyout key.pem -out cert.pem -subj /CN=server -days 2 2>/dev/null"}});
    Process web = server.start(Command{
        .argv = {"openssl", "s_server", "-quiet", "-accept", "443", "-WWW", "-cert", "cert.pem", "-key", "key.pem"},
        .directory = directory,
        .err = {Stream::null}});
    ASSERT_TRUE(server.wait_listening(443, in(10s)));
    const std::string sum = server.run("sha256sum " + directory + "/file").substr(0, 64);
    home.machine().run(Command{.argv = {"curl", "-sk", "--max-time", "60", "-o", scratch() + "/got",
                                        std::string("https://") + kServer + "/file"}},
                       70s);
    EXPECT_EQ(home.machine().run("sha256sum " + scratch() + "/got").substr(0, 64), sum);
    // The packets that carried it were large: segmentation was left to the end of the way.
    const Event shown{now(), home.command("show --json")};
    EXPECT_GT(shown.number("large_packets"), 100);
    EXPECT_EQ(shown.number("not_taken"), 0);
  });
}

}  // namespace
}  // namespace ginnel::lab
