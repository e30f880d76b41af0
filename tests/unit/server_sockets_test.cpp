// A server with more than one socket: agents are served where they come in, answers leave from where they are expected;
// STUN on all of them, and on TCP, for those who learn what their NAT does (RFC 5780) and how their TCP port looks.
#include <gtest/gtest.h>

#include "core/rendezvous/server.hpp"
#include "tests/support/rendezvous_world.hpp"
#include "tests/support/stun_answers.hpp"

namespace ginnel::test {
namespace {

using rendezvous::LinkDown;
using rendezvous::ServerLimits;

const wire::ServiceId service = {1, 2, 3};
const Address stranger = Address::v4(198, 51, 100, 7, 7777), stranger6 = *Address::parse("[2001:db8::7]:7777");
const Address main_face = Address::v4(203, 0, 113, 1, 3478);

class ServerSockets : public ::testing::Test {
 protected:
  explicit ServerSockets(ServerLimits limits = {}, std::set<PublicKey> allowed = {}) : world(limits, std::move(allowed)) {}
  void TearDown() override { EXPECT_FALSE(world.stuck) << "a deadline in the past"; }

  LinkAgent& up(uint8_t last, SocketId at) {
    LinkAgent& agent = world.add_link(last);
    agent.at = at;
    EXPECT_TRUE(world.run_until([&] { return agent.link.up(); }, 3s));
    EXPECT_EQ(agent.link.carrier()->tcp, 0u);
    return agent;
  }
  LinkAgent& serving(uint8_t last, SocketId at) {
    LinkAgent& agent = up(last, at);
    agent.link.send(wire::Register{{service}});
    EXPECT_TRUE(world.run_until([&] { return agent.count<wire::Registered>() > 0; }, 3s));
    return agent;
  }
  wire::RouteNumber dial(LinkAgent& from, LinkAgent& to) {
    from.link.send(wire::Dial{2, to.identity.public_key(), service, {5}});
    EXPECT_TRUE(world.run_until([&] { return to.count<wire::Incoming>() > 0; }, 3s));
    return to.last<wire::Incoming>() ? to.last<wire::Incoming>()->route : 0;
  }
  /// What the server sends for a relay frame of `from`.
  std::vector<RendezvousWorld::Sent> relayed(const LinkAgent& from, wire::RouteNumber route) {
    Octets frame(100, 'x');
    wire::put_relay_header(frame.data(), route);
    world.sent.clear();
    world.give_server(from.address, frame, 0, from.at);
    return world.sent;
  }
  static Octets request(std::optional<uint32_t> change = {}, uint16_t response_port = 0) {
    Octets room(100);
    wire::StunWriter out(room, wire::StunClass::request, wire::stun_binding, {1, 2, 3});
    if (change) out.change_request(*change);
    if (response_port) out.response_port(response_port);
    room.resize(out.finish().size());
    return room;
  }
  /// What the server says to a STUN request on that socket.
  std::vector<RendezvousWorld::Sent> asked(const Address& from, SocketId socket, Octets ask) {
    world.sent.clear();
    world.give_server(from, ask, 0, socket);
    return world.sent;
  }
  static Octets framed(const Octets& packet) {
    Octets out(wire::tcp_frame_header_size);
    wire::put_tcp_frame_header(out.data(), packet.size());
    out.insert(out.end(), packet.begin(), packet.end());
    return out;
  }
  void set_two_ports() {
    world.server->set_faces(false, {main_face, main_face.with_port(3479), {}, {}});
  }
  RendezvousWorld world;
};

// ---- sessions

TEST_F(ServerSockets, AnAgentIsServedOnTheSocketThatItChose) {
  for (SocketId at : {1, 2, 3}) {
    LinkAgent& agent = serving(static_cast<uint8_t>(at), at);
    world.sent.clear();
    agent.link.send(wire::Register{{service}});
    world.run(50ms);
    ASSERT_FALSE(world.sent.empty());
    for (auto& sent : world.sent) EXPECT_EQ(sent.socket, at) << "a NAT lets in what comes from there";
  }
}

TEST_F(ServerSockets, TheRelayJoinsAgentsOnDifferentSockets) {
  LinkAgent &target = serving(1, 1), &dialler = up(2, 0);
  wire::RouteNumber number = dial(dialler, target);
  auto there = relayed(dialler, 2);
  ASSERT_EQ(there.size(), 1u);
  EXPECT_EQ(there[0].to, target.address);
  EXPECT_EQ(there[0].socket, 1u);
  auto back = relayed(target, number);
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].to, dialler.address);
  EXPECT_EQ(back[0].socket, 0u);
}

TEST_F(ServerSockets, AnAgentThatMovesToAnotherSocketIsFollowedThere) {
  LinkAgent &target = serving(1, 0), &dialler = up(2, 0);
  wire::RouteNumber number = dial(dialler, target);
  size_t registered = target.count<wire::Registered>();
  for (SocketId at : {1, 0, 1}) {
    target.at = at;
    target.link.send(wire::RouteClosed{999, wire::SignalCode::peer_left});  // any packet of its session
    world.run(50ms);
    auto there = relayed(dialler, 2);
    ASSERT_EQ(there.size(), 1u);
    EXPECT_EQ(there[0].socket, at);
    EXPECT_EQ(there[0].to, target.address);
    ASSERT_EQ(relayed(target, number).size(), 1u);
  }
  EXPECT_EQ(target.count<wire::Registered>(), registered) << "its address is what it was";
  EXPECT_EQ(target.count<LinkDown>(), 0u);
  EXPECT_EQ(world.server->service_count(), 1u);
  EXPECT_EQ(world.server->agent_count(), 2u);
}

TEST_F(ServerSockets, AddressAndSocketMayChangeAtOnce) {
  LinkAgent &target = serving(1, 0), &dialler = up(2, 0);
  dial(dialler, target);
  target.address = Address::v4(198, 51, 100, 20, 1234);
  target.at = 1;
  target.link.send(wire::RouteClosed{999, wire::SignalCode::peer_left});
  world.run(50ms);
  EXPECT_EQ(target.last<wire::Registered>()->observed, target.address);
  auto there = relayed(dialler, 2);
  ASSERT_EQ(there.size(), 1u);
  EXPECT_EQ(there[0].to, target.address);
  EXPECT_EQ(there[0].socket, 1u);
}

TEST_F(ServerSockets, ACapturedPacketOnAnotherSocketMovesNobody) {
  LinkAgent &target = serving(1, 0), &dialler = up(2, 0);
  dial(dialler, target);
  for (auto captured = target.sent_udp.rbegin(); captured != target.sent_udp.rend(); ++captured) {
    Octets copy = captured->second;
    world.give_server(target.address, copy, 0, 1);
    auto there = relayed(dialler, 2);
    ASSERT_EQ(there.size(), 1u);
    EXPECT_EQ(there[0].socket, 0u);
  }
}

TEST_F(ServerSockets, AHandshakeGoesOnWhereItBegan) {
  RawAgent& agent = world.add_raw(1);
  agent.at = 1;
  world.sent.clear();
  ASSERT_TRUE(world.run_until([&] { return agent.stream.has_value(); }, 3s));
  for (auto& sent : world.sent) EXPECT_EQ(sent.socket, 1u);
}

TEST_F(ServerSockets, StunOnAnotherSocketDoesNotKeepASessionAlive) {
  LinkAgent& agent = serving(1, 0);
  for (Instant until = world.now + 55s; world.now < until; world.run(5s)) {
    Octets ask = request();
    world.give_server(agent.address, ask, 0, 1);
  }
  EXPECT_EQ(world.server->agent_count(), 0u) << "it proves nothing about the way that the agent uses";
  LinkAgent& other = serving(2, 1);
  for (Instant until = world.now + 55s; world.now < until; world.run(5s)) {
    Octets ask = request();
    world.give_server(other.address, ask, 0, 1);
  }
  EXPECT_EQ(world.server->agent_count(), 1u);
}

TEST_F(ServerSockets, StraysAreAnsweredFromTheSocketThatTheyHit) {
  Octets packet(1200, 0x45);
  auto reset = asked(stranger, 1, packet);
  ASSERT_EQ(reset.size(), 1u);
  EXPECT_EQ(reset[0].socket, 1u);
  EXPECT_EQ(reset[0].to, stranger);
  Octets frame(100, 'x');
  wire::put_relay_header(frame.data(), 7);
  auto unknown = asked(stranger, 1, frame);
  ASSERT_EQ(unknown.size(), 1u);
  EXPECT_EQ(unknown[0].socket, 1u);
  EXPECT_EQ(unknown[0].bytes.size(), wire::relay_header_size);
}

class TrustsNobody : public ServerSockets {
 protected:
  TrustsNobody() : ServerSockets({.half_open_trusting = 0}) {}
};

TEST_F(TrustsNobody, ARetryLeavesFromThatSocketToo) {
  LinkAgent& agent = world.add_link(1);
  agent.at = 1;
  world.sent.clear();
  ASSERT_TRUE(world.run_until([&] { return agent.link.up(); }, 3s));
  ASSERT_FALSE(world.sent.empty());
  for (auto& sent : world.sent) EXPECT_EQ(sent.socket, 1u);
}

class Closed : public ServerSockets {
 protected:
  Closed() : ServerSockets({}, {PublicKey{{1}}}) {}
};

TEST_F(Closed, TheWordThatAKeyIsNotServedReachesItsAgent) {
  RawAgent& agent = world.add_raw(1);
  agent.at = 1;
  ASSERT_TRUE(world.run_until([&] { return agent.closed.has_value(); }, 3s));
  EXPECT_EQ(agent.closed->code, quic::Code::refused);
}

// ---- STUN on several sockets

TEST_F(ServerSockets, ChangeRequestEndToEnd) {
  set_two_ports();
  struct Row { SocketId at; uint32_t change; std::optional<SocketId> from; };
  for (const Row& row : {Row{0, 0, 0}, Row{1, 0, 1}, Row{0, wire::stun_change_port, 1}, Row{1, wire::stun_change_port, 0},
                         Row{0, wire::stun_change_ip, {}}, Row{0, wire::stun_change_ip | wire::stun_change_port, {}}}) {
    auto sent = asked(stranger, row.at, request(row.change));
    ASSERT_EQ(sent.size(), row.from ? 1u : 0u) << row.at << " " << row.change;
    if (!row.from) continue;
    EXPECT_EQ(sent[0].socket, *row.from);
    EXPECT_EQ(sent[0].to, stranger);
    auto answer = wire::parse_stun(sent[0].bytes);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->xor_mapped_address, stranger);
    ASSERT_TRUE(answer->other_address);
    EXPECT_EQ(answer->other_address->port, row.at == 0 ? 3479 : 3478);
    EXPECT_TRUE(answer->other_address->is_unspecified()) << "there is no second address";
  }
}

TEST_F(ServerSockets, WithFourFacesEverythingChanges) {
  Address second = Address::v4(203, 0, 113, 2, 3478);
  world.server->set_faces(false, {main_face, main_face.with_port(3479), second, second.with_port(3479)});
  for (SocketId at = 0; at < 4; ++at)
    for (uint32_t change : {0u, wire::stun_change_port, wire::stun_change_ip, wire::stun_change_ip | wire::stun_change_port}) {
      auto sent = asked(stranger, at, request(change));
      ASSERT_EQ(sent.size(), 1u);
      SocketId expected = at ^ (change & wire::stun_change_port ? 1u : 0u) ^ (change & wire::stun_change_ip ? 2u : 0u);
      EXPECT_EQ(sent[0].socket, expected);
    }
}

TEST_F(ServerSockets, AServerWithOneSocketChangesNothing) {
  EXPECT_EQ(asked(stranger, 0, request()).size(), 1u);
  EXPECT_TRUE(asked(stranger, 0, request(wire::stun_change_port)).empty());
  auto plain = asked(stranger, 0, request(0));
  ASSERT_EQ(plain.size(), 1u);
  EXPECT_FALSE(wire::parse_stun(plain[0].bytes)->other_address);
}

TEST_F(ServerSockets, TheFamiliesHaveTheirOwnFaces) {
  set_two_ports();
  EXPECT_TRUE(asked(stranger6, 0, request(wire::stun_change_port)).empty());
  EXPECT_EQ(asked(stranger6, 0, request()).size(), 1u);
  world.server->set_faces(true, {*Address::parse("[2001:db8::1]:3478"), *Address::parse("[2001:db8::1]:3479"), {}, {}});
  auto sent = asked(stranger6, 0, request(wire::stun_change_port));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].socket, 1u);
}

TEST_F(ServerSockets, AnAnswerGoesToAnotherPortOfTheSenderIfItAsks) {
  set_two_ports();
  auto sent = asked(stranger, 0, request({}, 9999));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].to, stranger.with_port(9999));
}

// ---- STUN on TCP

TEST_F(ServerSockets, StunOnTcpIsAnsweredThereWithoutASession) {
  set_two_ports();
  world.give_server(TcpAccepted{5, stranger});
  for (int i = 0; i < 3; ++i) {
    Octets ask = framed(request());
    world.sent.clear();
    world.give_server(TcpReceived{5, ask});
    ASSERT_EQ(world.sent.size(), 1u);
    EXPECT_EQ(world.sent[0].tcp, 5u);
    Octets answer = world.sent[0].bytes;
    auto frame = wire::next_tcp_frame(answer);
    ASSERT_EQ(frame.packet.size() + wire::tcp_frame_header_size, answer.size());
    EXPECT_EQ(wire::parse_stun(frame.packet)->xor_mapped_address, stranger);
  }
  EXPECT_EQ(world.server->agent_count(), 0u);
}

TEST_F(ServerSockets, OnTcpNothingCanBeChanged) {
  set_two_ports();
  world.give_server(TcpAccepted{5, stranger});
  for (uint32_t change : {wire::stun_change_port, wire::stun_change_ip}) {
    Octets ask = framed(request(change));
    world.sent.clear();
    world.give_server(TcpReceived{5, ask});
    EXPECT_TRUE(world.sent.empty());
  }
  Octets ask = framed(request({}, 9999));
  world.give_server(TcpReceived{5, ask});
  ASSERT_EQ(world.sent.size(), 1u);
  EXPECT_EQ(world.sent[0].tcp, 5u) << "and certainly no other connection's port";
}

TEST_F(ServerSockets, WhoAsksByTcpIsLeftAloneWhileItPunchesAndNotForEver) {
  world.give_server(TcpAccepted{5, stranger});
  world.give_server(TcpAccepted{6, stranger.with_port(1)});
  Octets ask = framed(request());
  world.give_server(TcpReceived{5, ask});
  auto silent_until = world.now + 11s, asker_until = world.now + 31s;
  bool silent_closed = false, asker_closed = false;
  while (world.now < asker_until) {
    world.now += 1s;
    world.server->handle_timeout(world.now);
    Octets room(room_size);
    while (auto action = world.server->poll_action(world.now, room))
      if (auto* close = std::get_if<CloseTcp>(&*action)) {
        (close->id == 5 ? asker_closed : silent_closed) = true;
        bool in_time = close->id == 5 ? world.now + 10s >= asker_until : world.now <= silent_until;
        EXPECT_TRUE(in_time) << close->id;
      }
  }
  EXPECT_TRUE(silent_closed && asker_closed);
}

TEST_F(ServerSockets, AStunAskerMayBecomeAnAgent) {
  RawAgent& agent = world.add_raw(1, true);
  ASSERT_TRUE(world.run_until([&] { return world.server_side(agent) != 0; }, 1s));
  TcpId id = world.server_side(agent);
  Octets ask = framed(request());
  world.give_server(TcpReceived{id, ask});
  ASSERT_TRUE(world.run_until([&] { return agent.stream.has_value(); }, 3s));
  world.run(60s);
  EXPECT_EQ(world.server_side(agent), id) << "an agent's connection is not a stranger's";
}

class FewStrangers : public ServerSockets {
 protected:
  FewStrangers() : ServerSockets({.tcp_strangers = 4}) {}
};

TEST_F(FewStrangers, AskersByTcpCountAsStrangers) {
  for (TcpId id = 1; id <= 4; ++id) {
    world.give_server(TcpAccepted{id, stranger.with_port(static_cast<uint16_t>(id))});
    Octets ask = framed(request());
    world.give_server(TcpReceived{id, ask});
  }
  uint64_t shed = world.server->counters().shed;
  world.give_server(TcpAccepted{5, stranger});
  EXPECT_EQ(world.server->counters().shed, shed + 1);
  world.run(35s);
  world.give_server(TcpAccepted{6, stranger});
  EXPECT_EQ(world.server->counters().shed, shed + 1) << "they made room";
}

}  // namespace
}  // namespace ginnel::test
