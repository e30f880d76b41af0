// The server with real sessions of agents, in virtual time: introductions, the relay's bytes, and hostile company.
#include "core/rendezvous/server.hpp"

#include <gtest/gtest.h>

#include "tests/support/rendezvous_world.hpp"

namespace ginnel::test {
namespace {

using rendezvous::LinkDown;
using rendezvous::LinkUp;
using rendezvous::ServerLimits;

const wire::ServiceId service = {1, 2, 3, 4, 5, 6, 7, 8}, unheard_of = {9};
const Address stranger = Address::v4(198, 51, 100, 7, 7777);

std::vector<uint8_t> relay_frame(wire::RouteNumber route, size_t size, uint8_t fill) {
  std::vector<uint8_t> out(size, fill);
  wire::put_relay_header(out.data(), route);
  return out;
}
void append(Octets& to, Bytes bytes, bool framed = false) {
  size_t at = to.size();
  if (framed) {
    to.resize(at + wire::tcp_frame_header_size);
    wire::put_tcp_frame_header(to.data() + at, bytes.size());
  }
  to.insert(to.end(), bytes.begin(), bytes.end());
}

class Rendezvous : public ::testing::Test {
 protected:
  explicit Rendezvous(ServerLimits limits = {}) : world(limits) {}
  void TearDown() override { EXPECT_FALSE(world.stuck) << "a deadline in the past"; }

  LinkAgent& up(uint8_t last, bool tcp = false, std::optional<crypto::Identity> key = {}) {
    LinkAgent& agent = world.add_link(last, std::move(key));
    agent.udp = !tcp;
    EXPECT_TRUE(world.run_until([&] { return agent.link.up(); }));
    EXPECT_EQ(agent.link.carrier()->tcp != 0, tcp);
    return agent;
  }
  LinkAgent& serving(uint8_t last, bool tcp = false, std::optional<crypto::Identity> key = {}) {
    LinkAgent& agent = up(last, tcp, std::move(key));
    agent.link.send(wire::Register{{service}});
    EXPECT_TRUE(world.run_until([&] { return agent.count<wire::Registered>() > 0; }));
    return agent;
  }
  /// What the target calls the route.
  wire::RouteNumber dial(LinkAgent& from, LinkAgent& to, wire::RouteNumber number = 2) {
    Instant begin = world.now;
    from.link.send(wire::Dial{number, to.identity.public_key(), service, {5}});
    EXPECT_TRUE(world.run_until([&] { return to.count<wire::Incoming>(begin) > 0; }));
    auto* incoming = to.last<wire::Incoming>(begin);
    if (!incoming) return 0;
    EXPECT_EQ(incoming->peer, from.identity.public_key());
    EXPECT_EQ(incoming->service, service);
    EXPECT_EQ(incoming->session, wire::SessionId{5});
    return incoming->route;
  }
  /// Agents on UDP ask by STUN every 5 s, as nodes do.
  void run_with_keepalives(std::vector<LinkAgent*> agents, Duration how_long) {
    for (Instant until = world.now + how_long; world.now < until; world.run(5s))
      for (LinkAgent* agent : agents) {
        std::array<uint8_t, 64> room;
        wire::StunWriter ask(room, wire::StunClass::request, wire::stun_binding, {1});
        Bytes whole = ask.finish();
        Octets bytes(whole.begin(), whole.end());
        world.give_server(agent->address, bytes);
      }
  }
  std::vector<RendezvousWorld::Sent> relayed() const {
    std::vector<RendezvousWorld::Sent> out;
    for (auto& s : world.sent) {
      size_t skip = s.tcp != 0 ? wire::tcp_frame_header_size : 0;
      if (s.bytes.size() > skip && s.bytes[skip] == wire::relay_first_byte) out.push_back(s);
    }
    return out;
  }
  void expect_train(const RendezvousWorld::Sent& s, wire::RouteNumber route, size_t count, size_t size, bool framed) {
    size_t head = framed ? wire::tcp_frame_header_size : 0;
    ASSERT_EQ(s.bytes.size(), count * (head + size));
    if (!framed) {
      EXPECT_EQ(s.segment, size);
    }
    for (size_t i = 0; i < count; ++i) {
      Bytes packet = Bytes(s.bytes).subspan(i * (head + size), head + size);
      if (framed) {
        EXPECT_EQ(Reader(packet).u16(), size) << i;
      }
      Octets expected = relay_frame(route, size, static_cast<uint8_t>('a' + i));
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), packet.begin() + head)) << i;
    }
  }
  RendezvousWorld world;
};

TEST_F(Rendezvous, RegisteringTellsTheAddressThatTheServerSees) {
  LinkAgent& agent = serving(1);
  EXPECT_EQ(agent.last<wire::Registered>()->observed, agent.address);
  EXPECT_EQ(world.server->service_count(), 1u);
  agent.link.send(wire::Register{{}});
  world.run(100ms);
  EXPECT_EQ(world.server->service_count(), 0u);
}

TEST_F(Rendezvous, ATrainFromUdpToUdpLeavesAsOneTrainFromTheSameBuffer) {
  LinkAgent &target = serving(1), &dialler = up(2);
  wire::RouteNumber number = dial(dialler, target);
  EXPECT_EQ(number % 2, 1u) << "odd numbers are the server's to choose";
  Octets buffer;
  for (uint8_t i = 0; i < 10; ++i) append(buffer, relay_frame(2, 1200, static_cast<uint8_t>('a' + i)));
  world.sent.clear();
  world.give_server(dialler.address, buffer, 1200);
  ASSERT_EQ(world.sent.size(), 1u);
  EXPECT_EQ(world.sent[0].to, target.address);
  EXPECT_EQ(world.sent[0].where, buffer.data()) << "no copy";
  expect_train(world.sent[0], number, 10, 1200, false);
  EXPECT_EQ(world.server->counters().relayed_packets, 10u);
  EXPECT_EQ(world.server->counters().relayed_bytes, 12'000u);
  world.run(100ms);
  EXPECT_EQ(target.frames.size(), 10u);

  Octets back = relay_frame(number, 300, 'b');
  world.sent.clear();
  world.give_server(target.address, back);
  ASSERT_EQ(world.sent.size(), 1u);
  EXPECT_EQ(world.sent[0].to, dialler.address);
  EXPECT_EQ(world.sent[0].bytes, relay_frame(2, 300, 'b'));
}

TEST_F(Rendezvous, ATrainForTwoPeersIsTakenApartAndKeepsItsOrder) {
  LinkAgent &one = serving(1), &other = serving(3), &dialler = up(2);
  wire::RouteNumber to_one = dial(dialler, one, 2), to_other = dial(dialler, other, 4);
  Octets buffer;
  for (wire::RouteNumber route : {2, 2, 4, 6, 2, 2}) append(buffer, relay_frame(route, 1000, 'x'));  // 6: no such route
  append(buffer, relay_frame(2, 100, 'x'));
  world.sent.clear();
  world.give_server(dialler.address, buffer, 1000);
  ASSERT_EQ(world.sent.size(), 3u);
  EXPECT_EQ(world.sent[0].bytes.size(), 2000u);
  EXPECT_EQ(wire::relay_route(world.sent[0].bytes), to_one);
  EXPECT_EQ(world.sent[1].to, other.address);
  EXPECT_EQ(wire::relay_route(world.sent[1].bytes), to_other);
  EXPECT_EQ(world.sent[2].bytes.size(), 2100u);
  EXPECT_EQ(world.sent[2].segment, 1000u);
  EXPECT_EQ(world.server->counters().unroutable, 1u);
}

TEST_F(Rendezvous, ATrainFromUdpToTcpIsFramed) {
  LinkAgent &target = serving(1, true), &dialler = up(2);
  wire::RouteNumber number = dial(dialler, target);
  Octets buffer;
  for (uint8_t i = 0; i < 10; ++i) append(buffer, relay_frame(2, 1200, static_cast<uint8_t>('a' + i)));
  world.sent.clear();
  world.give_server(dialler.address, buffer, 1200);
  ASSERT_EQ(world.sent.size(), 1u);
  EXPECT_EQ(world.sent[0].tcp, world.server_side(target));
  expect_train(world.sent[0], number, 10, 1200, true);
  world.run(100ms);
  EXPECT_EQ(target.frames.size(), 10u);
}

TEST_F(Rendezvous, AFullTrainFromUdpToTcpLosesNothing) {
  LinkAgent &target = serving(1, true), &dialler = up(2);
  dial(dialler, target);
  size_t segment = train_bytes_max / train_segments_max;
  Octets buffer;
  for (size_t i = 0; i < train_segments_max; ++i) append(buffer, relay_frame(2, segment, 'x'));
  world.give_server(dialler.address, buffer, segment);
  Octets tiny;  // the headers are a third of it
  for (int i = 0; i < 3000; ++i) append(tiny, relay_frame(2, 5, 'y'));
  world.give_server(dialler.address, tiny, 5);
  world.run(100ms);
  EXPECT_EQ(target.frames.size(), train_segments_max + 3000);
  EXPECT_FALSE(target.broken);
}

TEST_F(Rendezvous, FramesFromTcpToUdpLeaveAsOneTrain) {
  LinkAgent &target = serving(1), &dialler = up(2, true);
  wire::RouteNumber number = dial(dialler, target);
  Octets buffer;
  for (uint8_t i = 0; i < 10; ++i) append(buffer, relay_frame(2, 1200, static_cast<uint8_t>('a' + i)), true);
  append(buffer, Octets{4, 0xb0, 0x20});  // and the beginning of another
  Input in = TcpReceived{world.server_side(dialler), buffer};
  world.sent.clear();
  world.server->handle(world.now, in);
  world.drain_server();
  EXPECT_EQ(std::get<TcpReceived>(in).consumed, buffer.size() - 3);
  ASSERT_EQ(world.sent.size(), 1u);
  EXPECT_EQ(world.sent[0].to, target.address);
  EXPECT_TRUE(world.sent[0].where >= buffer.data() && world.sent[0].where < buffer.data() + buffer.size());
  expect_train(world.sent[0], number, 10, 1200, false);
}

TEST_F(Rendezvous, ManyFramesFromTcpLeaveInTrainsThatAKernelTakes) {
  LinkAgent &target = serving(1), &dialler = up(2, true);
  dial(dialler, target);
  Octets buffer;
  for (int i = 0; i < 70; ++i) append(buffer, relay_frame(2, 1200, 'x'), true);
  for (int i = 0; i < 70; ++i) append(buffer, relay_frame(2, 100, 'x'), true);
  world.sent.clear();
  world.give_server(TcpReceived{world.server_side(dialler), buffer});
  size_t bytes = 0;
  for (auto& s : world.sent) {
    EXPECT_LE(s.bytes.size(), train_bytes_max);
    EXPECT_LE((s.bytes.size() + s.segment - 1) / s.segment, train_segments_max);
    bytes += s.bytes.size();
  }
  EXPECT_EQ(bytes, 70u * 1300);
  EXPECT_LE(world.sent.size(), 5u);
}

TEST_F(Rendezvous, FramesFromTcpToTcpStayAsTheyAre) {
  LinkAgent &target = serving(1, true), &dialler = up(2, true);
  wire::RouteNumber number = dial(dialler, target);
  Octets buffer;
  for (uint8_t i = 0; i < 10; ++i) append(buffer, relay_frame(2, 1200, static_cast<uint8_t>('a' + i)), true);
  world.sent.clear();
  world.give_server(TcpReceived{world.server_side(dialler), buffer});
  ASSERT_EQ(world.sent.size(), 1u);
  EXPECT_EQ(world.sent[0].where, buffer.data()) << "no copy";
  EXPECT_EQ(world.sent[0].tcp, world.server_side(target));
  expect_train(world.sent[0], number, 10, 1200, true);
}

TEST_F(Rendezvous, APacketThatTcpFramingCannotCarryIsDroppedAndNotPassedOn) {
  LinkAgent &target = serving(1, true), &dialler = up(2);
  dial(dialler, target);
  for (size_t size : {wire::tcp_packet_max + 1, size_t{40'000}}) {
    Octets huge = relay_frame(2, size, 'x');
    world.give_server(dialler.address, huge);
  }
  world.run(100ms);
  EXPECT_FALSE(target.broken) << "a peer must not be able to break another's TCP connection";
  EXPECT_TRUE(target.frames.empty());
  EXPECT_EQ(world.server->counters().malformed, 2u);
  Octets largest = relay_frame(2, wire::tcp_packet_max, 'x');
  world.give_server(dialler.address, largest);
  world.run(100ms);
  EXPECT_EQ(target.frames.size(), 1u);
}

TEST_F(Rendezvous, DiallingNobodyFailsAndSaysSo) {
  LinkAgent &target = serving(1), &dialler = up(2);
  dialler.link.send(wire::Dial{2, target.identity.public_key(), unheard_of, {}});
  world.run(100ms);
  ASSERT_TRUE(dialler.last<wire::DialFailed>());
  EXPECT_EQ(dialler.last<wire::DialFailed>()->code, wire::SignalCode::not_here);
  EXPECT_EQ(dialler.last<wire::DialFailed>()->route, 2u);
  dialler.link.send(wire::Dial{3, target.identity.public_key(), service, {}});  // an odd number is not its to choose
  world.run(100ms);
  EXPECT_EQ(dialler.last<wire::DialFailed>()->code, wire::SignalCode::refused);
  EXPECT_EQ(target.count<wire::Incoming>(), 0u);
}

TEST_F(Rendezvous, NobodyRegistersForAnothersKey) {
  LinkAgent &target = serving(1), &thief = serving(3), &dialler = up(2);
  dial(dialler, target);
  EXPECT_EQ(thief.count<wire::Incoming>(), 0u) << "the same service id under another key is another service";
}

TEST_F(Rendezvous, TheNewestRegistrationWinsAndTheOlderIsTold) {
  crypto::Identity key = crypto::Identity::generate(world.rng);
  LinkAgent& old = serving(1, false, key);
  LinkAgent& young = serving(3, false, key);
  LinkAgent& dialler = up(2);
  world.run(100ms);
  ASSERT_TRUE(old.last<wire::Notice>());
  EXPECT_EQ(old.last<wire::Notice>()->code, wire::SignalCode::replaced);
  EXPECT_EQ(old.last<wire::Notice>()->service, service);
  dial(dialler, young);
  EXPECT_EQ(old.count<wire::Incoming>(), 0u);
  old.link.send(wire::Register{{}});  // what it lost it cannot take away
  world.run(100ms);
  EXPECT_EQ(world.server->service_count(), 1u);
}

TEST_F(Rendezvous, ClosingARouteTellsTheOtherEnd) {
  LinkAgent &target = serving(1), &dialler = up(2);
  wire::RouteNumber number = dial(dialler, target);
  Octets used = relay_frame(2, 100, 'x'), used_back = relay_frame(number, 100, 'x');
  world.give_server(dialler.address, used);
  world.give_server(target.address, used_back);
  ASSERT_EQ(relayed().size(), 2u);
  dialler.link.send(wire::RouteClosed{2, wire::SignalCode::peer_left});
  world.run(100ms);
  ASSERT_TRUE(target.last<wire::RouteClosed>());
  EXPECT_EQ(target.last<wire::RouteClosed>()->route, number);
  Octets frame = relay_frame(2, 100, 'x');
  world.sent.clear();
  world.give_server(dialler.address, frame);
  Octets back = relay_frame(number, 100, 'x');
  world.give_server(target.address, back);
  EXPECT_TRUE(relayed().empty());
}

TEST_F(Rendezvous, AnAgentThatFallsSilentIsGoneWithinFiftySecondsAndItsPeerIsTold) {
  LinkAgent &target = serving(1), &dialler = up(2);
  dial(dialler, target);
  target.cut = true;
  Instant cut = world.now;
  run_with_keepalives({&dialler}, 40s);
  EXPECT_EQ(dialler.count<wire::RouteClosed>(), 0u);
  EXPECT_EQ(world.server->agent_count(), 2u);
  run_with_keepalives({&dialler}, 15s);
  ASSERT_TRUE(dialler.last<wire::RouteClosed>());
  EXPECT_EQ(dialler.last<wire::RouteClosed>()->code, wire::SignalCode::peer_left);
  EXPECT_EQ(world.server->agent_count(), 1u);
  EXPECT_EQ(world.server->service_count(), 0u);
  EXPECT_LE(world.now - cut, 56s);
}

TEST_F(Rendezvous, AnAgentWhoseTcpConnectionEndsIsGoneAtOnce) {
  LinkAgent &target = serving(1, true), &dialler = up(2);
  dial(dialler, target);
  world.break_tcp(world.server_side(target), "reset");
  world.run(50ms);
  ASSERT_TRUE(dialler.last<wire::RouteClosed>());
  EXPECT_EQ(dialler.last<wire::RouteClosed>()->code, wire::SignalCode::peer_left);
}

TEST_F(Rendezvous, AnAgentIsFollowedToItsNewAddress) {
  LinkAgent &target = serving(1), &dialler = up(2);
  wire::RouteNumber number = dial(dialler, target);
  Address before = target.address;
  target.address = Address::v4(198, 51, 100, 20, 1234);
  target.link.send(wire::RouteClosed{999, wire::SignalCode::peer_left});  // any packet of its session
  world.run(100ms);
  EXPECT_EQ(target.last<wire::Registered>()->observed, target.address);
  Octets frame = relay_frame(2, 100, 'x');
  world.sent.clear();
  world.give_server(dialler.address, frame);
  ASSERT_EQ(relayed().size(), 1u);
  EXPECT_EQ(relayed()[0].to, target.address);
  Octets from_there = relay_frame(number, 100, 'y'), from_the_old = relay_frame(number, 100, 'z');
  world.sent.clear();
  world.give_server(target.address, from_there);
  ASSERT_EQ(relayed().size(), 1u);
  world.sent.clear();
  world.give_server(before, from_the_old);
  for (auto& s : world.sent) EXPECT_EQ(s.to, before) << "whoever has that address now speaks for nobody";
}

TEST_F(Rendezvous, ACapturedPacketThatIsSentAgainFromElsewhereMovesNobody) {
  LinkAgent &target = serving(1), &dialler = up(2);
  dial(dialler, target);
  target.link.send(wire::Register{{service}});
  world.run(100ms);
  for (auto captured = target.sent_udp.rbegin(); captured != target.sent_udp.rend(); ++captured) {
    Octets copy = captured->second;
    world.give_server(stranger, copy);
    Octets frame = relay_frame(2, 100, 'x');
    world.sent.clear();
    world.give_server(dialler.address, frame);
    ASSERT_EQ(relayed().size(), 1u);
    EXPECT_EQ(relayed()[0].to, target.address);
  }
}

TEST_F(Rendezvous, AFrameFromAStrangerIsAnsweredByFourBytesAtMostAndNeverALoop) {
  Octets train;
  for (int i = 0; i < 10; ++i) append(train, relay_frame(7, 100, 'x'));
  world.sent.clear();
  world.give_server(stranger, train, 100);
  ASSERT_EQ(world.sent.size(), 1u);
  EXPECT_EQ(world.sent[0].bytes, relay_frame(wire::unknown_route, 4, 0));
  EXPECT_EQ(world.server->counters().unroutable, 10u);
  Octets answer = world.sent[0].bytes;  // another ginnel server's answer, whose question was forged
  world.sent.clear();
  world.give_server(stranger, answer);
  EXPECT_TRUE(world.sent.empty()) << "two servers must not talk to each other for ever";
}

TEST_F(Rendezvous, StunIsAnsweredWithTheServersInstance) {
  std::array<uint8_t, 64> room;
  wire::StunWriter ask(room, wire::StunClass::request, wire::stun_binding, {1, 2, 3});
  ask.server_instance(0);
  Bytes whole = ask.finish();
  Octets bytes(whole.begin(), whole.end());
  world.give_server(stranger, bytes);
  ASSERT_EQ(world.sent.size(), 1u);
  auto message = wire::parse_stun(world.sent[0].bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->xor_mapped_address, stranger);
  EXPECT_EQ(message->server_instance, 1u);
}

TEST_F(Rendezvous, GarbageIsCountedAndGetsNoMoreThanItBrought) {
  serving(1);
  uint64_t garbage = 0;
  for (unsigned first = 0; first < 256; ++first) {
    for (size_t size = 0; size <= 64; ++size) {
      Octets bytes(size, 0xa5);
      if (size > 0) bytes[0] = static_cast<uint8_t>(first);
      garbage += wire::packet_kind(bytes) == wire::PacketKind::unknown && size > 0;
      world.sent.clear();
      world.give_server(stranger, bytes, std::max<size_t>(size, 1));
      size_t out = 0;
      for (auto& s : world.sent) out += s.bytes.size();
      ASSERT_LE(out, size) << first << " " << size;
    }
  }
  EXPECT_GE(world.server->counters().malformed, garbage);
  EXPECT_EQ(world.server->agent_count(), 1u);
}

TEST_F(Rendezvous, GarbageOnTcpEndsTheConnection) {
  for (Octets bytes : {Octets{0, 0}, Octets{0xff, 0xff, 1}, Octets{'G', 'E', 'T', ' ', '/'}}) {
    world.give_server(TcpAccepted{5, stranger});
    uint64_t before = world.server->counters().malformed;
    Input in = TcpReceived{5, bytes};
    world.server->handle(world.now, in);
    auto action = world.server->poll_action(world.now, {});
    ASSERT_TRUE(action);
    EXPECT_EQ(std::get<CloseTcp>(*action).id, 5u);
    EXPECT_EQ(world.server->counters().malformed, before + 1);
    world.drain_server();
  }
}

TEST_F(Rendezvous, AMalformedSignalEndsTheSession) {
  RawAgent& agent = world.add_raw(1);
  ASSERT_TRUE(world.run_until([&] { return agent.stream.has_value(); }));
  Octets unknown_type = {0, 3, 0xee, 1, 2};  // a later version's: skipped
  agent.say(unknown_type);
  world.run(100ms);
  EXPECT_FALSE(agent.closed);
  agent.say(Octets{0, 0});
  world.run(100ms);
  EXPECT_TRUE(agent.closed && agent.closed->code == quic::Code::malformed);
  EXPECT_EQ(world.server->counters().malformed, 1u);
  EXPECT_EQ(world.server->agent_count(), 0u);
}

TEST_F(Rendezvous, AnAgentThatNeverListensIsPutOutBeforeItsQueueGrows) {
  RawAgent& deaf = world.add_raw(1);
  ASSERT_TRUE(world.run_until([&] { return deaf.stream.has_value(); }));
  deaf.say(wire::Register{{service}});
  world.run(100ms);
  ASSERT_EQ(world.server->service_count(), 1u);
  deaf.manual = true;  // it acknowledges nothing
  RawAgent& caller = world.add_raw(2);
  ASSERT_TRUE(world.run_until([&] { return caller.stream.has_value(); }));
  PublicKey key = deaf.identity.public_key();
  size_t dials = 0;
  while (world.server->agent_count() == 2 && dials < 100'000) {
    for (int i = 0; i < 100; ++i, ++dials) caller.say(wire::Dial{2, key, service, {}});
    world.run(5ms);
  }
  EXPECT_EQ(world.server->agent_count(), 1u);
  EXPECT_LE(dials, 10'000u);
  EXPECT_FALSE(caller.closed) << "the one who listens stays";
}

TEST_F(Rendezvous, OneTcpConnectionHoldsOneAgent) {
  RawAgent& agent = world.add_raw(1, true);
  ASSERT_TRUE(world.run_until([&] { return agent.stream.has_value(); }));
  for (int i = 0; i < 3; ++i) {
    auto first = std::move(agent.session);
    agent.dial(world.now);
    world.run(2s);
    EXPECT_EQ(world.server->agent_count(), 1u);
    agent.session = std::move(first);
  }
  world.break_tcp(world.server_side(agent), "reset");
  world.run(10s);
  EXPECT_EQ(world.server->agent_count(), 0u);
  up(2, true);  // and the count of strangers is right still
}

TEST_F(Rendezvous, ATcpConnectionWhoseSessionEndedIsAStrangersAgain) {
  RawAgent& agent = world.add_raw(1, true);
  ASSERT_TRUE(world.run_until([&] { return agent.stream.has_value(); }));
  agent.session->close(quic::Code::closing, "");
  world.run(1s);
  EXPECT_EQ(world.server->agent_count(), 0u);
  EXPECT_NE(world.server_side(agent), 0u);
  world.run(10s);
  EXPECT_EQ(world.server_side(agent), 0u) << "and closed like one that says nothing";
  up(2, true);  // the count of strangers is right still
}

TEST_F(Rendezvous, PacketsOfAFormerLifeAreAnsweredByAReset) {
  LinkAgent& agent = serving(1);
  world.restart();
  Instant begin = world.now;
  agent.link.send(wire::Register{{service}});
  ASSERT_TRUE(world.run_until([&] { return agent.count<LinkUp>() == 2; }));
  EXPECT_EQ(agent.count<LinkDown>(), 1u);
  EXPECT_LE(world.now - begin, 500ms);
}

TEST_F(Rendezvous, AStoppingServerTellsItsAgents) {
  LinkAgent &udp = up(1), &tcp = up(2, true);
  world.server->shut_down();
  world.run(50ms);
  EXPECT_TRUE(udp.count<LinkDown>() == 1 && tcp.count<LinkDown>() == 1);
}

TEST(RendezvousAccess, AKeyThatIsNotAllowedIsRefused) {
  SeededRng rng(5);
  crypto::Identity friend_key = crypto::Identity::generate(rng);
  RendezvousWorld world({}, {friend_key.public_key()});
  LinkAgent& good = world.add_link(1, friend_key);
  RawAgent& bad = world.add_raw(2);
  RawAgent& bad_tcp = world.add_raw(3, true);
  world.run(1s);
  EXPECT_TRUE(good.link.up());
  for (RawAgent* agent : {&bad, &bad_tcp}) {
    ASSERT_TRUE(agent->closed);
    EXPECT_EQ(agent->closed->code, quic::Code::refused);
  }
  EXPECT_EQ(world.server->agent_count(), 1u);
}

TEST(RendezvousAccess, ARefusedAgentDoesNotHammerTheServer) {
  SeededRng rng(5);
  RendezvousWorld world({}, {crypto::Identity::generate(rng).public_key()});
  LinkAgent& bad = world.add_link(2);
  world.run(1min);
  EXPECT_LE(bad.count<LinkUp>(), 15u) << "each time costs the server a handshake";
  ASSERT_TRUE(bad.count<rendezvous::LinkFailed>());
  EXPECT_EQ(bad.last<rendezvous::LinkFailed>()->error.code, Errc::refused);
}

TEST(RendezvousLimits, ManyHalfOpenSessionsMeanThatAddressesProveThemselvesFirst) {
  RendezvousWorld world;
  SeededRng rng(9);
  auto forger =
      quic::Session::dial(world.now, world.server_key,
                          {.alpn = rendezvous::server_alpn, .expected_peer = world.server_key.public_key()}, 1, rng);
  Octets initial(1200);
  ASSERT_EQ(forger->write(world.now, initial, 1200, 0).size, 1200u);
  size_t retries = 0, most = 0;
  for (int i = 0; i < 10'000; ++i) {
    Octets copy = initial;
    world.sent.clear();
    world.give_server(Address::v4(10, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i), 1, 1000), copy);
    most = std::max(most, world.server->agent_count());
    size_t out = 0;
    for (auto& s : world.sent) out += s.bytes.size();
    bool retry = world.sent.size() == 1 && (world.sent[0].bytes[0] & 0xf0) == 0xf0;  // RFC 9000 section 17.2.5
    retries += retry;
    ASSERT_LE(out, retry ? initial.size() : 3 * initial.size());
  }
  EXPECT_EQ(most, ServerLimits{}.half_open_trusting);
  EXPECT_EQ(retries, 10'000 - most);
  LinkAgent& genuine = world.add_link(1);  // who proves its address comes in meanwhile
  EXPECT_TRUE(world.run_until([&] { return genuine.link.up(); }, 1s));
  world.run(10s);
  EXPECT_EQ(world.server->agent_count(), 1u) << "handshakes that go nowhere are forgotten";
}

TEST(RendezvousLimits, WhatIsAboveALimitIsShedAndCounted) {
  RendezvousWorld world({.agents = 3, .routes_per_agent = 2, .tcp_strangers = 5});
  std::vector<LinkAgent*> agents;
  for (uint8_t i = 1; i <= 3; ++i) agents.push_back(&world.add_link(i));
  ASSERT_TRUE(world.run_until([&] { return world.server->agent_count() == 3 && agents[2]->link.up(); }));
  LinkAgent& fourth = world.add_link(4);
  world.run(300ms);
  EXPECT_FALSE(fourth.link.up());
  EXPECT_GE(world.server->counters().shed, 1u);
  agents[0]->link.send(wire::Register{{service}});
  for (wire::RouteNumber n : {2, 4, 6})
    agents[1]->link.send(wire::Dial{n, agents[0]->identity.public_key(), service, {}});
  world.run(100ms);
  EXPECT_EQ(agents[0]->count<wire::Incoming>(), 2u);
  ASSERT_TRUE(agents[1]->last<wire::DialFailed>());
  EXPECT_EQ(agents[1]->last<wire::DialFailed>()->code, wire::SignalCode::too_many);
}

TEST(RendezvousLimits, TcpConnectionsThatSayNothingAreFewAndShortLived) {
  RendezvousWorld world({.tcp_strangers = 5});
  std::set<TcpId> open;
  std::vector<uint8_t> room(room_size);
  auto drain = [&] {
    while (auto action = world.server->poll_action(world.now, room))
      if (auto* close = std::get_if<CloseTcp>(&*action)) open.erase(close->id);
  };
  for (TcpId id = 1; id <= 20; ++id) {
    open.insert(id);
    Input in = TcpAccepted{id, stranger};
    world.server->handle(world.now, in);
    drain();
  }
  EXPECT_EQ(open.size(), 5u);
  EXPECT_EQ(world.server->counters().shed, 15u);
  for (Instant until = world.now + 11s; world.now < until; world.now += 1s) {
    world.server->handle_timeout(world.now);
    drain();
  }
  EXPECT_TRUE(open.empty());
  world.give_server(TcpAccepted{30, stranger});
  EXPECT_EQ(world.server->counters().shed, 15u) << "there is room again";
}

}  // namespace
}  // namespace ginnel::test
