// A client among liars: answers from elsewhere, answers to nothing, descriptions that lead away, endless and senseless
// ones, forged announcements. Whatever they do, it sends to nobody but the gateway, believes nobody but the gateway,
// asks for bounded things, and goes on. reliability.md 5.2 in tests; RFC 6887 section 8.4, RFC 6886 section 3.
#include <gtest/gtest.h>

#include "core/portmap/client/client.hpp"
#include "tests/support/portmap_world.hpp"
#include "wire/igd.hpp"
#include "wire/nat_pmp.hpp"
#include "wire/ssdp.hpp"

namespace ginnel::portmap {
namespace {

using test::gateway_inside;
using test::lan;
using test::Octets;
using test::outside_at;
using test::PortmapWorld;
using test::tcp_protocol;
using test::udp_protocol;

const Wanted udp{udp_protocol, 4000};
const Address server_port = gateway_inside.with_port(5351);
const Address evil = Address::v4(203, 0, 113, 66, 6666);

class Hostile : public ::testing::Test {
 protected:
  Hostile() { world.pcp = world.nat_pmp = world.upnp = false; }

  Octets pcp_mapped(Bytes request, const std::function<void(wire::PcpResponse&)>& twist) {
    wire::PcpResponse response{wire::pcp_version, wire::PcpOpcode::map, wire::PcpResult::success, 3600, 5};
    auto incoming = wire::parse_pcp_request(request);
    response.mapping = std::get<wire::PcpRequest>(incoming).mapping;
    response.mapping.external = Address::v4(198, 51, 100, 99, 4444);
    twist(response);
    Octets room(wire::pcp_message_max);
    room.resize(wire::put_pcp_response(response, room).size());
    return room;
  }
  /// PCP is real, but MAP is answered by `liar`.
  void lie_about_map(std::function<void(PortmapWorld::Host&, Bytes request)> liar) {
    world.pcp = true;
    world.on_datagram = [this, liar](PortmapWorld::Host& host, const Address& to, Bytes bytes) {
      if (to.port != 5351 || bytes[0] != 2 || bytes[1] != 1) return false;
      liar(host, bytes);
      return true;
    };
  }
  void answer_search(const std::string& location, const Address& from = gateway_inside.with_port(1900)) {
    world.on_datagram = [this, location, from](PortmapWorld::Host& host, const Address& to, Bytes bytes) {
      auto search = wire::parse_ssdp(bytes);
      if (to.port != 1900 || !search) return false;
      world.inject(host, from,
                   as_bytes(wire::ssdp_text({wire::SsdpKind::response, search->target, "uuid:x", location, 0, 60})));
      return true;
    };
  }
  std::string description(const std::string& control, const std::string& base = "") {
    return "<root>" + (base.empty() ? "" : "<URLBase>" + base + "</URLBase>") +
           "<device><serviceList><service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>"
           "<controlURL>" +
           control + "</controlURL></service></serviceList></device></root>";
  }
  /// The description, and after that SOAP by `soap`.
  void serve(std::function<ClientInput(const HttpAsk&)> get, std::function<ClientInput(const HttpAsk&)> post = {}) {
    answer_search("http://192.168.1.1:5000/root.xml");
    world.on_http = [this, get, post](const HttpAsk& ask) -> std::optional<ClientInput> {
      asked.push_back(ask);
      if (ask.method == "GET") return get(ask);
      return post ? std::optional(post(ask)) : std::nullopt;
    };
  }
  std::string upnp_problem(PortmapWorld::Host& host) {
    world.run(10s);
    EXPECT_TRUE(host.mapped.empty());
    auto told = host.all<NoMapping>();
    return told.empty() ? "nothing told" : told[0].methods[2].why;
  }
  static std::string action_of(const HttpAsk& ask) {
    return wire::parse_soap_call(as_bytes(ask.body)).value_or(wire::SoapCall{}).action;
  }
  static ClientInput soap(const HttpAsk& ask, wire::SoapArguments values) {
    return HttpAnswer{ask.id, 200, wire::soap_answer("urn:x", action_of(ask), values)};
  }
  static ClientInput fault(const HttpAsk& ask, uint16_t code) {
    return HttpAnswer{ask.id, 500, wire::soap_fault(code, "no")};
  }

  PortmapWorld world;
  std::vector<HttpAsk> asked;
};

// ---- datagrams

TEST_F(Hostile, OnlyTheGatewaysAddressAndPortCount) {
  lie_about_map([&](auto& host, Bytes request) {
    Octets answer = pcp_mapped(request, [](auto&) {});
    for (const Address& from :
         {evil, evil.with_port(5351), server_port.with_port(5350), server_port.with_port(53), lan(9, 5351)})
      world.inject(host, from, answer);
    EXPECT_TRUE(host.mapped.empty());
    world.inject(host, server_port, answer);
  });
  auto& host = world.add_host();
  world.run(1s);
  EXPECT_EQ(host.external(udp), Address::v4(198, 51, 100, 99, 4444));
}

TEST_F(Hostile, OnlyAnswersToOurQuestionCount) {
  lie_about_map([&](auto& host, Bytes request) {
    for (const Octets& wrong : {pcp_mapped(request, [](auto& r) { r.mapping.nonce[0] ^= 1; }),
                                pcp_mapped(request, [](auto& r) { r.mapping.internal_port = 4001; }),
                                pcp_mapped(request, [](auto& r) { r.mapping.protocol = tcp_protocol; }),
                                pcp_mapped(request, [](auto& r) { r.opcode = wire::PcpOpcode::peer; }),
                                pcp_mapped(request, [](auto& r) { r.opcode = wire::PcpOpcode::announce; })})
      world.inject(host, server_port, wrong);
    Octets request_again(request.begin(), request.end());
    world.inject(host, server_port, request_again);
  });
  auto& host = world.add_host();
  world.run(10s);
  EXPECT_TRUE(host.mapped.empty());
  EXPECT_EQ(host.all<NoMapping>().at(0).methods[0].why, "no answer");
}

TEST_F(Hostile, UnsolicitedAnswersAreNothing) {
  auto& host = world.add_host(2, {});
  Octets room(wire::pcp_message_max);
  for (int opcode = 0; opcode < 3; ++opcode)
    world.inject(host, server_port,
                 wire::put_pcp_response({wire::pcp_version, static_cast<wire::PcpOpcode>(opcode)}, room));
  world.run(1h);
  EXPECT_TRUE(host.events.empty());
  EXPECT_EQ(host.datagrams, 0u);
}

TEST_F(Hostile, SenselessLifetimes) {
  struct {
    uint32_t given;
    bool mapped;
  } cases[] = {{0, false}, {1, true}, {7, true}, {1u << 31, true}, {UINT32_MAX, true}};
  for (const auto& c : cases) {
    PortmapWorld::Host& host = world.add_host();
    lie_about_map([&](auto& h, Bytes request) {
      world.inject(h, server_port, pcp_mapped(request, [&](auto& r) { r.lifetime = c.given; }));
    });
    size_t before = host.datagrams;
    world.run(1h);
    EXPECT_EQ(!host.all<Mapped>().empty(), c.mapped) << c.given;
    EXPECT_LT(host.datagrams - before, 4000u) << "it may not drive us mad";
    if (c.mapped) {
      EXPECT_EQ(host.all<Mapped>().at(0).lifetime,
                std::min<Duration>(std::chrono::seconds(c.given), lifetime_believed));
    }
    host.client->close(world.now);
    world.run(2s);
  }
}

TEST_F(Hostile, SenselessAddresses) {
  for (const char* address : {"0.0.0.0:4444", "127.0.0.1:4444", "224.0.0.1:4444", "255.255.255.255:4444",
                              "0.1.2.3:4444", "198.51.100.9:0", "[::]:4444", "[::1]:4444", "[ff02::1]:4444"}) {
    PortmapWorld::Host& host = world.add_host();
    lie_about_map([&](auto& h, Bytes request) {
      world.inject(h, server_port,
                   pcp_mapped(request, [&](auto& r) { r.mapping.external = *Address::parse(address); }));
    });
    world.run(10s);
    EXPECT_TRUE(host.all<Mapped>().empty()) << address;
    host.client->close(world.now);
    world.run(2s);
  }
}

TEST_F(Hostile, EveryByteOfAnAnswerMayBeWrong) {
  lie_about_map([&](auto& host, Bytes request) {
    Octets good = pcp_mapped(request, [](auto&) {});
    for (size_t at = 0; at < good.size(); ++at) {
      for (uint8_t bits : {0x01, 0x80, 0xff}) {
        Octets bad = good;
        bad[at] ^= bits;
        world.inject(host, server_port, bad);
      }
    }
    for (size_t size = 0; size < good.size(); ++size) world.inject(host, server_port, Bytes(good).first(size));
  });
  auto& host = world.add_host();
  world.run(2h);
  EXPECT_LT(host.datagrams, 7200u) << "less than one a second";
  EXPECT_LT(host.events.size(), 3000u);
}

TEST_F(Hostile, AFloodOfAnnouncementsDoesNotBecomeAFloodOfOurs) {
  world.pcp = true;
  auto& host = world.add_host();
  world.run(10s);
  ASSERT_TRUE(host.external(udp));
  size_t before = host.datagrams;
  Octets room(wire::pcp_message_max);
  for (uint32_t i = 0; i < 60'000; ++i) {  // a minute, a thousand a second, each with another epoch
    Bytes forged = wire::put_pcp_response(
        {wire::pcp_version, wire::PcpOpcode::announce, wire::PcpResult::success, 0, i % 2 ? 0u : 1'000'000'000u}, room);
    world.inject(host, server_port, forged, Socket::announcements);
    world.run(1ms);
  }
  EXPECT_LE(host.datagrams - before, 30u);
  EXPECT_TRUE(host.external(udp)) << "and the mapping stands";
}

TEST_F(Hostile, WhoOnlyAnnouncesIsNotThere) {
  auto& host = world.add_host();
  Octets room(wire::pcp_message_max);
  for (int i = 0; i < 20; ++i) {
    world.run(50ms);
    world.inject(host, server_port, wire::put_pcp_response({}, room), Socket::announcements);
  }
  world.run(2s);
  EXPECT_EQ(host.all<NoMapping>().size(), 1u);
  EXPECT_EQ(host.all<Capabilities>().at(0).methods[0].presence, Presence::absent);
}

TEST_F(Hostile, AnEpochThatGoesBackOnlyMakesItAskAgain) {
  world.nat_pmp = true;
  auto& host = world.add_host();
  world.run(10s);
  for (int i = 0; i < 20; ++i) {
    world.boot();
    world.run(30s);
    EXPECT_TRUE(world.engine.leads(udp_protocol, outside_at(4000), lan(2, 4000)));
  }
  EXPECT_EQ(host.all<Mapped>().size(), 1u);
}

TEST_F(Hostile, NatPmpThatTellsNoAddress) {
  world.on_datagram = [&](auto& host, const Address& to, Bytes bytes) {
    if (to.port != 5351 || bytes[0] != 0 || bytes[1] == 0) return false;
    std::array<uint8_t, 16> room;  // maps, but never says where
    world.inject(host, server_port,
                 wire::put_nat_pmp_response(
                     {wire::NatPmpOpcode::map_udp, wire::NatPmpResult::success, 9, {}, 4000, 4000, 3600}, room));
    return true;
  };
  auto& host = world.add_host();
  Octets room(16);
  wire::NatPmpResponse hello{wire::NatPmpOpcode::public_address, wire::NatPmpResult::network_failure, 9};
  world.run(10ms);
  world.inject(host, server_port, wire::put_nat_pmp_response(hello, room));
  world.run(10s);
  EXPECT_TRUE(host.mapped.empty());
  EXPECT_EQ(host.all<NoMapping>().at(0).methods[1].why, "the gateway tells no outside address");
}

TEST_F(Hostile, NatPmpThatAnnouncesSenselessAddresses) {
  world.nat_pmp = true;
  auto& host = world.add_host();
  world.run(2s);
  Octets room(16);
  for (const char* address : {"0.0.0.0:0", "0.1.2.3:0", "127.0.0.1:0", "224.0.0.1:0", "255.255.255.255:0"}) {
    wire::NatPmpResponse announced{wire::NatPmpOpcode::public_address, wire::NatPmpResult::success, 2,
                                   *Address::parse(address)};
    world.inject(host, server_port, wire::put_nat_pmp_response(announced, room), Socket::announcements);
    EXPECT_EQ(host.external(udp), outside_at(4000)) << address;
  }
}

// ---- SSDP

TEST_F(Hostile, SearchAnswersFromOthersAreNothing) {
  answer_search("http://203.0.113.66/root.xml", evil.with_port(1900));
  EXPECT_EQ(upnp_problem(world.add_host()), "no answer");
  answer_search("http://192.168.1.1:5000/root.xml", lan(66, 1900));
  EXPECT_EQ(upnp_problem(world.add_host(3)), "no answer");
  EXPECT_EQ(world.hosts.back().calls, 0u);
}

TEST_F(Hostile, LocationsThatLeadAway) {
  for (const char* location :
       {"http://203.0.113.66/root.xml", "http://192.168.1.66:5000/root.xml", "https://192.168.1.1/r.xml",
        "file:///etc/passwd", "http://192.168.1.1@203.0.113.66/", "http://router.example/root.xml",
        "http://127.0.0.1:5000/root.xml", "http://192.168.1.1:0/", "x"}) {
    answer_search(location);
    auto& host = world.add_host();
    EXPECT_EQ(upnp_problem(host), "the gateway names a description elsewhere") << location;
    EXPECT_EQ(host.calls, 0u) << location;
    host.client->close(world.now);
    world.run(2s);
  }
}

TEST_F(Hostile, ManyLocationsAreNotAllFollowed) {
  world.on_datagram = [&](auto& host, const Address& to, Bytes) {
    if (to.port != 1900) return false;
    for (int i = 0; i < 1000; ++i)
      world.inject(host, gateway_inside.with_port(1900),
                   as_bytes(wire::ssdp_text({wire::SsdpKind::response, "a", "b",
                                             "http://192.168.1.1:" + std::to_string(1000 + i) + "/", 0, 60})));
    return true;
  };
  auto& host = world.add_host();
  EXPECT_EQ(upnp_problem(host), "connection refused");
  EXPECT_LE(host.calls, IgdMapper::places_max);
}

// ---- HTTP and XML

TEST_F(Hostile, DescriptionsThatAreNone) {
  std::string deep, laughs = "<!DOCTYPE r [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]><root><device>&b;</device></root>";
  for (int i = 0; i < 10'000; ++i) deep += "<a>";
  struct {
    unsigned status;
    std::string body, problem;
  } cases[] = {
      {404, "", "the gateway answers with HTTP status 404"},
      {302, description("/ctl"), "the gateway answers with HTTP status 302"},  // a redirect is not followed
      {200, "", "the gateway's description cannot be read"},
      {200, "<root><device>", "the gateway's description cannot be read"},
      {200, deep, "the gateway's description cannot be read"},
      {200, laughs, "the gateway's description cannot be read"},
      {200, std::string(10'000'000, ' '), "the gateway answers with HTTP status 200"},
      {200, "<root><device/></root>", "the gateway's description names no service that maps ports"},
      {200, description("http://203.0.113.66/ctl"), "the gateway's description names no service that maps ports"},
      {200, description("//203.0.113.66/ctl"), "the gateway's description names no service that maps ports"},
      {200, description("/ctl\r\nX: y"), "the gateway's description names no service that maps ports"},
      {200, description("https://192.168.1.1/ctl"), "the gateway's description names no service that maps ports"},
  };
  for (const auto& c : cases) {
    serve([&](const HttpAsk& ask) { return HttpAnswer{ask.id, c.status, c.body}; });
    auto& host = world.add_host();
    EXPECT_EQ(upnp_problem(host), c.problem) << c.body.substr(0, 100);
    host.client->close(world.now);
    world.run(2s);
  }
}

TEST_F(Hostile, ABaseElsewhereIsIgnored) {
  serve([&](const HttpAsk& ask) { return HttpAnswer{ask.id, 200, description("/ctl1/ip", "http://203.0.113.66/")}; });
  world.upnp = true;
  auto& host = world.add_host();
  world.run(2s);
  EXPECT_EQ(host.external(udp), outside_at(4000));
}

TEST_F(Hostile, HandsThatNeverAnswer) {  // slow drips end in the hands' own limit; this is the belt
  answer_search("http://192.168.1.1:5000/root.xml");
  auto& host = world.add_host();
  bool forgotten = false;
  std::array<uint8_t, 1500> room;
  for (int i = 0; i < 1000; ++i) {
    world.now += 10ms;
    host.client->handle_timeout(world.now);
    while (auto action = host.client->poll_action(world.now, room)) {
      if (auto* send = std::get_if<SendDatagram>(&*action); send && send->to.port == 1900)
        world.on_datagram(host, send->to, send->bytes);
      forgotten |= std::holds_alternative<HttpForget>(*action);
    }
    if (host.client->next_deadline() && host.client->next_deadline()->when > world.now + 5min) break;
  }
  EXPECT_TRUE(forgotten);
  EXPECT_LE(world.now - Instant(1h), 6s);
}

TEST_F(Hostile, AQuestionThatLostItsNetworkIsForgotten) {
  answer_search("http://192.168.1.1:5000/root.xml");
  world.on_http = [](const HttpAsk& ask) { return HttpFailed{ask.id, "later than this test"}; };
  auto& host = world.add_host();
  world.run(0ms);
  ASSERT_EQ(host.calls, 1u);
  host.client->set_network(world.now, {});
  std::array<uint8_t, 1500> room;
  auto action = host.client->poll_action(world.now, room);
  EXPECT_TRUE(action && std::holds_alternative<HttpForget>(*action));
}

TEST_F(Hostile, AnswersToForgottenQuestionsAreNothing) {
  world.upnp = true;
  auto& host = world.add_host();
  for (HttpId id = 0; id < 50; ++id) {
    world.give(host, HttpAnswer{id, 200, description("/ctl")});
    world.give(host, HttpFailed{id, "x"});
  }
  world.run(2s);
  EXPECT_EQ(host.external(udp), outside_at(4000));
}

// ---- SOAP

TEST_F(Hostile, SenselessOutsideAddresses) {
  for (const char* address : {"", "0.0.0.0", "127.0.0.1", "224.0.0.1", "router", "198.51.100.7:80", "::1", "1.2.3"}) {
    serve(
        [&](const HttpAsk& ask) {
          return HttpAnswer{ask.id, 200, description("/ctl")};
        },
        [&](const HttpAsk& ask) {
          return soap(ask, {{action_of(ask) == "GetExternalIPAddress" ? "NewExternalIPAddress" : "x", address}});
        });
    auto& host = world.add_host();
    world.run(10s);
    EXPECT_TRUE(host.all<Mapped>().empty()) << address;
    EXPECT_EQ(host.all<NoMapping>().at(0).methods[2].why, "the gateway has no outside address") << address;
    host.client->close(world.now);
    world.run(2s);
  }
}

class SoapQuirks : public Hostile {
 protected:
  /// Real devices, each with what it does not like about an AddPortMapping; 0: it takes it.
  void device(std::function<uint16_t(const wire::SoapArguments&)> judge) {
    serve(
        [&](const HttpAsk& ask) {
          return HttpAnswer{ask.id, 200, description("/ctl")};
        },
        [this, judge](const HttpAsk& ask) -> ClientInput {
          auto call = *wire::parse_soap_call(as_bytes(ask.body));
          if (call.action == "GetExternalIPAddress") return soap(ask, {{"NewExternalIPAddress", "198.51.100.7"}});
          if (call.action != "AddPortMapping") return soap(ask, {});
          ++adds;
          uint16_t error = judge(call.arguments);
          return error ? fault(ask, error) : soap(ask, {});
        });
  }
  static std::string value(const wire::SoapArguments& a, const char* name) {
    return std::string(*wire::soap_value(a, name));
  }
  int adds = 0;
};

TEST_F(SoapQuirks, OnlyPermanentLeases) {
  for (uint16_t code : {725, 402, 501}) {
    adds = 0;
    device([&](auto& a) { return value(a, "NewLeaseDuration") == "0" ? uint16_t{0} : code; });
    auto& host = world.add_host();
    world.run(2s);
    EXPECT_EQ(host.external(udp), outside_at(4000)) << code;
    EXPECT_EQ(adds, 2);
    world.run(1h);
    EXPECT_GE(adds, 7) << "a mapping without an end is looked after every ten minutes";
    EXPECT_LE(adds, 9);
    host.client->close(world.now);
    world.run(2s);
  }
}

TEST_F(SoapQuirks, TakenPorts) {
  device([&](auto& a) { return value(a, "NewExternalPort") == "4000" ? uint16_t{718} : uint16_t{0}; });
  auto& host = world.add_host();
  world.run(2s);
  ASSERT_TRUE(host.external(udp));
  EXPECT_GE(host.external(udp)->port, 20000);
  EXPECT_EQ(adds, 2);
  world.run(3h);
  EXPECT_EQ(host.all<Mapped>().size(), 1u) << "the new port is kept";
}

TEST_F(SoapQuirks, EveryPortTaken) {
  device([](auto&) { return 718; });
  auto& host = world.add_host();
  EXPECT_EQ(upnp_problem(host), "the outside ports tried are taken");
  EXPECT_EQ(adds, IgdMapper::ports_tried);
}

TEST_F(SoapQuirks, ThePortIsTakenAwayAtRenewal) {
  bool stolen = false;
  device([&](auto& a) { return stolen && value(a, "NewExternalPort") == "4000" ? uint16_t{718} : uint16_t{0}; });
  auto& host = world.add_host();
  world.run(2s);
  EXPECT_EQ(host.external(udp), outside_at(4000));
  stolen = true;
  world.run(80min);
  ASSERT_TRUE(host.external(udp));
  EXPECT_NE(host.external(udp), outside_at(4000)) << "the new one must be told";
}

TEST_F(SoapQuirks, ErrorsThatCannotBeHelpedEndAtOnce) {
  struct {
    uint16_t code;
    const char* problem;
  } cases[] = {{606, "the gateway does not allow it"},
               {728, "the gateway has no room"},
               {727, "the gateway answers with UPnP error 727 (no)"},
               {724, "the gateway answers with UPnP error 724 (no)"},
               {65535, "the gateway answers with UPnP error 65535 (no)"},
               {402, "the gateway answers with UPnP error 402 (no)"},
               {725, "the gateway answers with UPnP error 725 (no)"}};
  for (const auto& c : cases) {
    adds = 0;
    device([&](auto&) { return c.code; });
    auto& host = world.add_host();
    EXPECT_EQ(upnp_problem(host), c.problem);
    EXPECT_LE(adds, 2) << c.code;
    host.client->close(world.now);
    world.run(2s);
  }
}

TEST_F(SoapQuirks, CallsThatAreNotAnswered) {
  serve(
      [&](const HttpAsk& ask) {
        return HttpAnswer{ask.id, 200, description("/ctl")};
      },
      [&](const HttpAsk& ask) {
        return HttpFailed{ask.id, "no answer in time"};
      });
  auto& host = world.add_host();
  EXPECT_EQ(upnp_problem(host), "no answer in time");
  EXPECT_LE(asked.size(), 4u) << "looked for once more, in case it restarted; no more";
}

TEST_F(SoapQuirks, SecondVersionWithoutAddAny) {
  serve(
      [&](const HttpAsk& ask) {
        std::string text = description("/ctl");
        text.replace(text.find(":1</"), 2, ":2");
        return HttpAnswer{ask.id, 200, text};
      },
      [&](const HttpAsk& ask) -> ClientInput {
        if (action_of(ask) == "GetExternalIPAddress") return soap(ask, {{"NewExternalIPAddress", "198.51.100.7"}});
        return action_of(ask) == "AddAnyPortMapping" ? fault(ask, 401) : soap(ask, {});
      });
  auto& host = world.add_host();
  world.run(2s);
  EXPECT_EQ(host.external(udp), outside_at(4000));
}

TEST_F(SoapQuirks, AddAnyThatGivesNonsense) {
  for (const char* port : {"", "0", "65536", "-1", "x"}) {
    serve(
        [&](const HttpAsk& ask) {
          std::string text = description("/ctl");
          text.replace(text.find(":1</"), 2, ":2");
          return HttpAnswer{ask.id, 200, text};
        },
        [&](const HttpAsk& ask) -> ClientInput {
          if (action_of(ask) == "GetExternalIPAddress") return soap(ask, {{"NewExternalIPAddress", "198.51.100.7"}});
          return soap(ask, {{"NewReservedPort", port}});
        });
    auto& host = world.add_host();
    EXPECT_EQ(upnp_problem(host), "the gateway grants no possible port") << port;
    host.client->close(world.now);
    world.run(2s);
  }
}

}  // namespace
}  // namespace ginnel::portmap
