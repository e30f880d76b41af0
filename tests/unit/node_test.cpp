// The node that owns link and peers: what it tells, whom it believes, what it turns away.
#include "core/peer/node.hpp"

#include <gtest/gtest.h>

#include "core/peer/grant.hpp"
#include "tests/support/fake_server.hpp"
#include "tests/support/rendezvous_world.hpp"

namespace ginnel::test {
namespace {

using peer::Node;
using peer::PeerId;

const wire::ServiceId ours = {1}, foreign = {2};
const Address stranger = Address::v4(198, 51, 100, 7, 7777);

class NodeTest : public ::testing::Test {
 protected:
  peer::NodeConfig config() {
    peer::NodeConfig c;
    c.server = {server_key.public_key(), "server.example", 3478};
    c.services = {ours};
    c.udp4_port = 40'000;
    c.peers_max = 3;
    return c;
  }
  wire::Incoming incoming(wire::RouteNumber route, uint8_t session, wire::ServiceId service = ours) {
    return {route, dialler_key.public_key(), service, {session}};
  }
  void TearDown() override {
    EXPECT_TRUE(node.link().up());
    for (auto& offence : server.offences) ADD_FAILURE() << offence;
  }
  SeededRng rng;
  Instant now{1h};
  crypto::Identity server_key = crypto::Identity::generate(rng), key = crypto::Identity::generate(rng),
                   dialler_key = crypto::Identity::generate(rng);
  Node node{config(), key, rng};
  FakeServer server{node, server_key, rng};
};

TEST_F(NodeTest, RegistersItsServicesAsSoonAsTheLinkIsUp) {
  server.connect(now);
  ASSERT_FALSE(server.heard<wire::Register>().empty());
  EXPECT_EQ(server.heard<wire::Register>()[0].services, std::vector{ours});
}

TEST_F(NodeTest, AnIntroductionForAServiceWeDoNotHaveIsRefused) {
  server.connect(now);
  server.say(now, incoming(11, 1, foreign));
  EXPECT_TRUE(node.peers().empty());
  ASSERT_EQ(server.heard<wire::RouteClosed>().size(), 1u);
  EXPECT_EQ(server.heard<wire::RouteClosed>()[0].route, 11u);
}

TEST_F(NodeTest, MorePeersThanTheLimitAreRefused) {
  server.connect(now);
  for (uint8_t i = 0; i < 5; ++i) server.say(now, incoming(11 + 2 * i, i));
  EXPECT_EQ(node.peers().size(), 3u);
  EXPECT_EQ(server.count<peer::PeerArrived>(), 3u);
  ASSERT_EQ(server.heard<wire::RouteClosed>().size(), 2u);
  EXPECT_EQ(server.heard<wire::RouteClosed>()[0].code, wire::SignalCode::too_many);
  EXPECT_EQ(server.heard<wire::RouteClosed>()[0].route, 17u);
}

TEST_F(NodeTest, ASessionIntroducedAgainKeepsItsPeerAndGetsTheNewRoute) {
  server.connect(now);
  server.say(now, incoming(11, 1));
  server.say(now, incoming(13, 1));
  EXPECT_EQ(node.peers().size(), 1u);
  EXPECT_EQ(server.count<peer::PeerArrived>(), 1u);
  ASSERT_EQ(server.heard<wire::RouteClosed>().size(), 1u);
  EXPECT_EQ(server.heard<wire::RouteClosed>()[0].route, 11u);
}

TEST_F(NodeTest, AnIntroducedPeerThatSaysNothingIsForgotten) {
  server.connect(now);
  server.say(now, incoming(11, 1));
  for (int i = 0; i < 15; ++i) {
    now += 1s;
    server.pump(now);
  }
  EXPECT_TRUE(node.peers().empty());
}

TEST_F(NodeTest, RelayFramesFromAnybodyButTheServerAreIgnored) {
  server.connect(now);
  server.sent.clear();
  Octets unknown(wire::relay_header_size);
  wire::put_relay_header(unknown.data(), wire::unknown_route);
  server.give(now, Datagrams{stranger, unknown, 4});
  server.give(now, Datagrams{server.address.with_port(1), unknown, 4});
  server.pump(now);
  EXPECT_TRUE(server.sent.empty());
  server.give(now, Datagrams{server.address, unknown, 4});  // "I do not know that route": is it still our server?
  server.pump(now);
  EXPECT_FALSE(server.sent.empty());
}

TEST_F(NodeTest, AStrayPacketGetsASmallerResetAndAResetGetsNone) {
  server.connect(now);
  for (size_t size = 0; size <= 1500; size += size < 100 ? 1 : 100) {
    Octets packet(size, 0x45);
    server.sent.clear();
    server.give(now, Datagrams{stranger, packet, std::max<size_t>(size, 1)});
    server.pump(now);
    ASSERT_LE(server.sent.size(), 1u);
    if (size >= 100) {
      EXPECT_EQ(server.sent.size(), 1u) << size;
    }
    if (server.sent.empty()) continue;
    EXPECT_EQ(server.sent[0].first, stranger);
    EXPECT_LT(server.sent[0].second.size(), size);
  }
  // Two nodes that both lost their memory stop answering each other.
  Octets ball(1200, 0x45);
  int rallies = 0;
  for (; rallies < 2000; ++rallies) {
    server.sent.clear();
    server.give(now, Datagrams{stranger, ball, ball.size()});
    server.pump(now);
    if (server.sent.empty()) break;
    ball = server.sent[0].second;
  }
  EXPECT_LE(rallies, 50);
}

TEST_F(NodeTest, StrayHandshakesAndGarbageGetNothing) {
  server.connect(now);
  server.sent.clear();
  for (unsigned first = 0; first < 256; ++first) {
    Octets packet(1200, 0xa5);
    packet[0] = static_cast<uint8_t>(first);
    bool may_answer = first >= 0x40 && first < 0x80;  // a short header
    server.give(now, Datagrams{stranger, packet, packet.size()});
    server.pump(now);
    if (!may_answer) {
      EXPECT_TRUE(server.sent.empty()) << first;
    }
    server.sent.clear();
  }
  EXPECT_GT(node.malformed(), 0u);
  EXPECT_TRUE(node.link().up());
}

TEST_F(NodeTest, CandidatesAreWhatOthersCanReach) {
  server.connect(now);
  auto a = [](const char* text) { return *Address::parse(text); };
  server.give(now, Interfaces{{a("10.0.0.5:0"), a("127.0.0.1:0"), a("169.254.7.7:0"), a("[fe80::1]:0"),
                               a("[2001:db8::5]:0"), a("[::1]:0")}});
  std::vector<Address> found;
  for (auto& c : node.local().candidates()) found.push_back(c.address);
  EXPECT_EQ(found, std::vector{a("10.0.0.5:40000")}) << "no loopback, no link-local, no family without a socket";
  // The keepalive's answer adds the address that the server sees.
  server.sent.clear();
  now += 6s;
  server.pump(now);
  for (auto& [to, bytes] : std::vector(server.sent)) {
    auto ask = wire::parse_stun(bytes);
    if (!ask) continue;
    std::array<uint8_t, 64> room;
    wire::StunWriter out(room, wire::StunClass::success, wire::stun_binding, ask->id);
    out.xor_mapped_address(a("198.51.100.3:61000"));
    Bytes whole = out.finish();
    Octets answer(whole.begin(), whole.end()), forged = answer;
    server.give(now, Datagrams{stranger, forged, forged.size()});
    EXPECT_EQ(node.local().candidates().size(), 1u) << "only the server's word counts";
    server.give(now, Datagrams{server.address, answer, answer.size()});
  }
  auto all = node.local().candidates();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].type, wire::CandidateType::server_reflexive);
  EXPECT_EQ(all[1].address, a("198.51.100.3:61000"));
  EXPECT_GT(all[0].priority, all[1].priority) << "a host address before one behind a NAT";
}

TEST_F(NodeTest, LoopbackIsACandidateOnlyBesideALocalServer) {
  server.address = Address::v4(127, 0, 0, 1, 3478);
  server.connect(now);
  server.give(now, Interfaces{{Address::v4(127, 0, 0, 1, 0)}});
  ASSERT_EQ(node.local().candidates().size(), 1u);
  EXPECT_TRUE(node.local().candidates()[0].address.is_loopback());
}

TEST_F(NodeTest, ManyInterfacesDoNotCrowdOutTheRest) {
  server.connect(now);
  std::vector<Address> many;
  for (uint8_t i = 0; i < 200; ++i) many.push_back(Address::v4(10, 0, 0, i, 0));
  server.give(now, Interfaces{many});
  EXPECT_EQ(node.local().candidates().size(), reach::Local::hosts_max);
  node.set_arranged(now, {{wire::CandidateType::forwarded, wire::Transport::udp, Address::v4(198, 51, 100, 1, 9)}});
  EXPECT_EQ(node.local().candidates().size(), reach::Local::hosts_max + 1);
}

// ---- two nodes and a real server

class TwoNodes : public ::testing::Test {
 protected:
  void SetUp() override {
    peer::NodeConfig config;
    config.services = {peer::service_id(secret)};
    exposing = &world.add_node(1, config);
    dialling = &world.add_node(2);
    for (NodeAgent* agent : {exposing, dialling}) {
      Input in = Interfaces{{agent->address.with_port(0)}};
      agent->node.handle(world.now, in);
    }
    exposing->on_event = [this](const peer::NodeEvent& event) {
      auto* from = std::get_if<peer::FromPeer>(&event);
      if (!from) return;
      peer::Peer* p = exposing->node.use(from->peer);
      if (auto* hello = std::get_if<peer::PeerHello>(&from->event)) {
        auto no = peer::objection(secret, hello->capability, 0);
        no ? p->refuse(*no, "no") : p->admit(world.now);
      } else if (auto* readable = std::get_if<quic::StreamReadable>(&from->event)) {
        for (Bytes piece; !(piece = p->session()->received(readable->id)).empty();) {
          p->session()->send(readable->id, piece);  // an echo
          p->session()->consume(readable->id, piece.size());
        }
      }
    };
    dialling->on_event = [this](const peer::NodeEvent& event) {
      auto* from = std::get_if<peer::FromPeer>(&event);
      if (!from) return;
      if (auto* path = std::get_if<peer::PathChanged>(&from->event)) techniques.push_back(path->path.technique);
      if (auto* readable = std::get_if<quic::StreamReadable>(&from->event)) {
        peer::Peer* p = dialling->node.use(from->peer);
        for (Bytes piece; !(piece = p->session()->received(readable->id)).empty();
             p->session()->consume(readable->id, piece.size()))
          echoed += as_text(piece);
      }
    };
  }
  void TearDown() override { EXPECT_FALSE(world.stuck) << "a deadline in the past"; }
  PeerId dial(const peer::ServiceSecret& with) {
    wire::Ticket ticket{exposing->identity.public_key(), world.url(), peer::issue(with, {})};
    ticket.capability.service = peer::service_id(secret);
    return dialling->node.dial(world.now, ticket);
  }
  void say(PeerId id, std::string_view text) {
    auto* session = dialling->node.use(id)->session();
    if (!stream) stream = session->open_stream();
    session->send(*stream, as_bytes(text));
  }

  RendezvousWorld world;
  peer::ServiceSecret secret = world.rng.array<32>();
  NodeAgent *exposing = nullptr, *dialling = nullptr;
  std::vector<std::string> techniques;
  std::string echoed;
  std::optional<quic::StreamId> stream;
};

TEST(NodeByTcp, OnlyARealAnswerOfTheServerMakesItTryUdpAgain) {
  RendezvousWorld world;
  NodeAgent& agent = world.add_node(1);
  agent.udp = false;
  ASSERT_TRUE(world.run_until([&] { return agent.node.link().up(); }, 10s));
  ASSERT_NE(agent.node.link().carrier()->tcp, 0u);
  auto handshakes = [&] {
    return std::count_if(agent.sent_udp.begin(), agent.sent_udp.end(),
                         [](auto& sent) { return wire::packet_kind(sent.second) == wire::PacketKind::quic; });
  };
  auto before = handshakes();
  for (auto cls : {wire::StunClass::success, wire::StunClass::error}) {
    StunAnswer forged{stranger};
    forged.cls = cls;
    Octets bytes = answer_to({}, forged).bytes;
    Input in = Datagrams{world.server_address, bytes, bytes.size()};
    agent.node.handle(world.now, in);
    world.run(1s);
  }
  EXPECT_EQ(handshakes(), before) << "anybody can write the server's address on a packet";
  agent.udp = true;
  EXPECT_TRUE(world.run_until([&] { return agent.node.link().up() && agent.node.link().carrier()->tcp == 0; }, 20s));
}

TEST_F(TwoNodes, TalkThroughTheRelayFirstAndThenDirectly) {
  world.run(1s);
  PeerId id = dial(secret);
  ASSERT_TRUE(world.run_until([&] { return dialling->node.peer(id) && dialling->node.peer(id)->admitted(); }, 5s));
  say(id, "hello ");
  world.run(2s);
  say(id, "again");
  world.run(1s);
  EXPECT_EQ(echoed, "hello again");
  ASSERT_GE(techniques.size(), 2u);
  EXPECT_EQ(techniques.front(), "relay");
  EXPECT_EQ(techniques.back(), "public");
}

TEST_F(TwoNodes, FallBackOnTheRelayWithinTwoSecondsAndLoseNothing) {
  world.run(1s);
  PeerId id = dial(secret);
  ASSERT_TRUE(world.run_until([&] { return !techniques.empty() && techniques.back() == "public"; }, 5s));
  say(id, "a");
  world.run(500ms);
  world.direct = false;
  Instant cut = world.now;
  say(id, "b");
  ASSERT_TRUE(world.run_until([&] { return echoed == "ab"; }, 10s));
  EXPECT_LE(world.now - cut, 2s);
  EXPECT_EQ(techniques.back(), "relay");
}

TEST_F(TwoNodes, AServersRestartDoesNotEndTheirSession) {
  world.run(1s);
  PeerId id = dial(secret);
  world.run(2s);
  world.direct = false;
  world.run(5s);
  say(id, "before ");
  world.run(1s);
  world.restart();
  say(id, "after");
  ASSERT_TRUE(world.run_until([&] { return echoed == "before after"; }, 20s));
  EXPECT_EQ(dialling->count<peer::PeerGone>(), 0u);
  EXPECT_EQ(exposing->count<peer::PeerGone>(), 0u);
}

TEST_F(TwoNodes, AWrongTicketIsTurnedAwayBeforeAnyAddressIsTold) {
  world.run(1s);
  PeerId id = dial(world.rng.array<32>());
  world.run(3s);
  EXPECT_EQ(dialling->node.peer(id), nullptr);
  EXPECT_EQ(dialling->count<peer::PeerGone>(), 1u);
  bool refused = false;
  for (auto& [when, event] : dialling->events)
    if (auto* from = std::get_if<peer::FromPeer>(&event))
      if (auto* closed = std::get_if<peer::PeerClosed>(&from->event)) refused = closed->code == quic::Code::forbidden;
  EXPECT_TRUE(refused);
  EXPECT_EQ(std::count(techniques.begin(), techniques.end(), "public"), 0);
}

}  // namespace
}  // namespace ginnel::test
