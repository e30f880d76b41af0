// `ginnel nat --pcp --nat-pmp --upnp` asked by programs of others and by plain PCP: what is mapped leads in, what is
// given back does not, and nobody outside is heard.
#include <cstring>

#include "tests/lab/harness.hpp"
#include "tests/lab/nat_world.hpp"
#include "tests/lab/probe_socket.hpp"

namespace ginnel::lab {
namespace {

constexpr const char* kServer = "203.0.113.9";
/// upnpc and natpmpc refuse to work with addresses of documentation.
constexpr const char* kPublic = "25.1.1.20";

struct Home {
  explicit Home(const Words& nat)
      : server(world.outside("server", {kServer})), home(world.home("home", {.publics = {kPublic}, .nat = nat})) {}

  /// Does a stranger get in at this port of the public address?
  bool reached(uint16_t port) {
    UdpProbe stranger(server, at(kServer, 9000));
    stranger.send(at(kPublic, port), "knock");
    return service.receive(300ms).has_value();
  }
  const Event* lease(const std::string& what) {
    return home.agent().wait_for([&](const Event& e) { return e.is("lease") && e.text("what") == what; }, in(5s));
  }

  NatWorld world;
  Host& server;
  NatHome& home;
  UdpProbe service{home.machine(), at("0.0.0.0", 4000)};
};

std::string ask(const Host& host, const std::string& command) {
  Process p = host.start(Command{.argv = words(command), .err = {Stream::null}});
  std::string out = p.read_all(in(20s));
  p.wait(in(5s));
  return out;
}

std::string pcp_request(uint8_t opcode, uint32_t lifetime, const Address& client, uint16_t inside, uint16_t outside) {
  std::string out(opcode == 1 ? 60 : 24, '\0');
  const auto word = [&](size_t place, uint16_t value) {
    out[place] = static_cast<char>(value >> 8);
    out[place + 1] = static_cast<char>(value);
  };
  out[0] = 2;
  out[1] = static_cast<char>(opcode);
  word(4, static_cast<uint16_t>(lifetime >> 16));
  word(6, static_cast<uint16_t>(lifetime));
  word(18, 0xffff);
  std::memcpy(&out[20], client.ip.data(), 4);
  if (opcode != 1) return out;
  out.replace(24, 12, "twelve bytes");
  out[36] = 17;
  word(40, inside);
  word(42, outside);
  word(54, 0xffff);
  return out;
}

TEST(LabNatPortMapping, Pcp) {
  in_sandbox([] {
    Home picture({"--pcp"});
    UdpProbe client(picture.home.machine(), at("10.0.0.2", 41000));
    EXPECT_FALSE(picture.reached(5000));
    client.send(at("10.0.0.1", 5351), pcp_request(1, 600, client.address(), 4000, 5000));
    auto answer = client.receive();
    ASSERT_TRUE(answer && answer->text.size() == 60);
    EXPECT_EQ(answer->text[3], 0);
    EXPECT_EQ(answer->from, at("10.0.0.1", 5351));
    EXPECT_EQ(answer->text.substr(56, 4), std::string("\x19\x01\x01\x14"));  // 25.1.1.20
    const Event* told = picture.lease("mapped");
    ASSERT_TRUE(told);
    EXPECT_EQ(told->text("outside"), "25.1.1.20:5000");
    EXPECT_TRUE(picture.reached(5000));
    const std::string shown = picture.home.command("show --json");
    EXPECT_NE(shown.find(R"("by":"pcp")"), std::string::npos) << shown;

    // A power cut: the lease is gone, and an announcement says so.
    picture.home.command("reboot");
    EXPECT_TRUE(picture.lease("unmapped"));
    EXPECT_FALSE(picture.reached(5000));

    // NAT-PMP was not asked for: the answer is in PCP (RFC 6887 section 9).
    client.send(at("10.0.0.1", 5351), std::string(2, '\0'));
    answer = client.receive();
    ASSERT_TRUE(answer && answer->text.size() >= 4);
    EXPECT_EQ(answer->text[0], 2);
    EXPECT_EQ(answer->text[3], 1);

    // Nobody outside is heard, whatever address he tries.
    UdpProbe stranger(picture.server, at(kServer, 41000));
    picture.world.net().ip(std::string("route add 10.0.0.0/24 via ") + kPublic + " dev p1 onlink");
    for (const char* ip : {kPublic, "10.0.0.1"})
      stranger.send(at(ip, 5351), pcp_request(1, 600, stranger.address(), 4000, 5001));
    EXPECT_TRUE(stranger.silent(300ms));
  });
}

TEST(LabNatPortMapping, NatPmpByNatpmpc) {
  in_sandbox([] {
    Home picture({"--nat-pmp"});
    const Host& machine = picture.home.machine();
    EXPECT_NE(ask(machine, "natpmpc").find("Public IP address : 25.1.1.20"), std::string::npos);
    const std::string said = ask(machine, "natpmpc -a 5000 4000 udp 600");
    EXPECT_NE(said.find("Mapped public port 5000"), std::string::npos) << said;
    EXPECT_TRUE(picture.lease("mapped"));
    EXPECT_TRUE(picture.reached(5000));
    ask(machine, "natpmpc -a 0 4000 udp 0");
    EXPECT_TRUE(picture.lease("unmapped"));
    EXPECT_FALSE(picture.reached(5000));
  });
}

TEST(LabNatPortMapping, UpnpByUpnpc) {
  in_sandbox([] {
    Home picture({"--upnp"});
    const Host& machine = picture.home.machine();
    std::string said = ask(machine, "upnpc -e game -a 10.0.0.2 4000 5000 udp 600");
    EXPECT_NE(said.find("external 25.1.1.20:5000 UDP is redirected to internal 10.0.0.2:4000"), std::string::npos)
        << said;
    EXPECT_TRUE(picture.reached(5000));
    said = ask(machine, "upnpc -d 5000 udp");
    EXPECT_TRUE(picture.lease("unmapped")) << said;
    EXPECT_FALSE(picture.reached(5000));
  });
}

TEST(LabNatPortMapping, LeasesMoveAlongWhenTheAddressChanges) {
  in_sandbox([] {
    Home picture({"--pcp", "--nat-pmp"});
    const Host& machine = picture.home.machine();
    ask(machine, "natpmpc -a 5000 4000 udp 600");
    EXPECT_TRUE(picture.reached(5000));
    picture.world.net().ip("route add 25.1.1.77/32 dev p1");
    picture.home.gateway().ip(std::string("addr add 25.1.1.77/32 dev wan\naddr del ") + kPublic + "/32 dev wan");
    ASSERT_TRUE(picture.home.agent().wait_for(
        [](const Event& e) { return e.is("address") && e.line.find("[\"25.1.1.77\"]") != std::string::npos; }, in(5s)));
    UdpProbe stranger(picture.server, at(kServer, 9001));
    stranger.send(at("25.1.1.77", 5000), "knock");
    EXPECT_TRUE(picture.service.receive(500ms));
    EXPECT_NE(ask(machine, "natpmpc").find("25.1.1.77"), std::string::npos);
  });
}

}  // namespace
}  // namespace ginnel::lab
