// A peer with a valid key and ticket that means no good: what it can make a node send, open, keep and answer is bounded.
#include <gtest/gtest.h>

#include <functional>
#include <iostream>

#include "tests/support/node_bench.hpp"

namespace ginnel::test {
namespace {

using wire::Candidate;
using wire::CandidateType;
using wire::Transport;

const Address victim = Address::v4(192, 0, 2, 99, 53);

class NodeHostile : public ::testing::Test {
 protected:
  void SetUp() override { bench.start(); }
  void TearDown() override {
    for (auto& offence : bench.server.offences) ADD_FAILURE() << offence;
  }
  /// As many addresses as a message holds, no two messages the same.
  static std::vector<Candidate> crowd(uint32_t n) {
    std::vector<Candidate> out;
    for (uint32_t i = 0; i < wire::candidates_max; ++i) {
      auto address = Address::v4(192, 0, static_cast<uint8_t>(n >> 8), static_cast<uint8_t>(n), static_cast<uint16_t>(1 + i));
      out.push_back({CandidateType::server_reflexive, i, address, i % 4 ? Transport::udp : Transport::tcp});
    }
    return out;
  }
  /// 10,000 messages in ten seconds; what the node did is printed, and must be little.
  void flood(Puppet& p, const std::function<wire::Candidates(uint32_t)>& message) {
    bench.run(100ms);
    size_t told = p.told.size(), direct = bench.direct.size(), dials = bench.server.dials.size();
    size_t pairs = 0, sockets = 0, tcp = 0;
    for (uint32_t i = 1; i <= 10'000; ++i) {
      p.say(message(i));
      if (i % 10 != 0) continue;
      bench.run(10ms);
      ASSERT_TRUE(bench.peer()) << "it breaks no rule: it is only ignored";
      pairs = std::max(pairs, bench.peer()->ice().pairs().size());
      sockets = std::max(sockets, bench.server.udp.size());
      tcp = std::max(tcp, bench.peer_tcp());
      for (SocketId s : bench.peer()->sockets()) ASSERT_TRUE(bench.server.udp.contains(s));
    }
    told = p.told.size() - told;
    direct = bench.direct.size() - direct;
    dials = bench.server.dials.size() - dials;
    std::cout << "10,000 messages in 10 s: " << told << " answers, " << direct << " packets, " << dials << " dials, "
              << bench.server.sockets_opened << " sockets opened (" << sockets << " at once), " << pairs << " pairs\n";
    EXPECT_LE(told, 60u);
    EXPECT_LE(direct, 2'000u);
    EXPECT_LE(dials, 400u);
    EXPECT_LE(bench.server.sockets_opened, 30u);
    EXPECT_LE(sockets, peer::Peer::fresh_sockets_max + 1);
    EXPECT_LE(tcp, ice::TcpDials::targets_max + peer::Peer::tcp_max);
    EXPECT_LE(pairs, ice::Agent::pairs_max);
    EXPECT_FALSE(p.closed);
  }
  NodeBench bench;
};

TEST_F(NodeHostile, ADiallersTenThousandCandidatesMessages) {
  flood(bench.add_dialler(), [&](uint32_t i) {
    auto m = bench.puppets[0].candidates(i * 7919, 0, crowd(i));  // generations jump
    m.fresh = m.tcp = true;
    return m;
  });
}

TEST_F(NodeHostile, ATargetsTenThousandCandidatesMessages) {
  flood(bench.add_target(), [&](uint32_t i) {
    auto m = bench.puppets[0].candidates(i * 7919, 0, crowd(i));
    m.fresh = i % 2, m.tcp = true;
    m.nat.udp_blocked = i % 3 == 0;
    return m;
  });
}

TEST_F(NodeHostile, TenThousandTimesTheRightAnswer) {
  Puppet& p = bench.add_target();
  bench.run(100ms);
  p.say(p.candidates(1, 1));
  bench.run(1100ms);  // a round with TCP: the node waits to dial
  flood(p, [&](uint32_t i) {
    auto m = p.candidates(2 + i / 2, p.told.back().second.generation, crowd(i));
    m.tcp = true;
    return m;
  });
}

TEST_F(NodeHostile, AfterAFloodTheLastWordIsHeeded) {
  Puppet& p = bench.add_dialler();
  bench.run(100ms);
  for (uint32_t i = 1; i <= 100; ++i) p.say(p.candidates(i, 0, crowd(i)));
  p.say(p.candidates(101, 0, {{CandidateType::server_reflexive, 1, victim}}));
  bench.run(3s);
  EXPECT_EQ(p.told.back().second.opened, 101u);
}

TEST_F(NodeHostile, AWishForAFreshSocketBeforeTheWelcome) {
  bench.admits = false;
  Puppet& p = bench.add_dialler();
  bench.run(50ms);
  auto ask = p.candidates(1, 0, {{CandidateType::server_reflexive, 1, victim}});
  ask.fresh = ask.tcp = true;
  p.say(ask);
  bench.run(50ms);
  EXPECT_TRUE(bench.direct.empty()) << "nothing is sent to addresses that a stranger names";
  EXPECT_EQ(bench.server.sockets_opened, 0u);
  bench.peer()->admit(bench.now);
  bench.run(100ms);
  ASSERT_EQ(p.told.size(), 1u) << "one answer, when the socket is there";
  EXPECT_TRUE(p.told[0].second.fresh);
  EXPECT_EQ(p.told[0].second.opened, 1u);
}

TEST_F(NodeHostile, WithoutARightTicketNoAddressIsToldOrTried) {
  auto forged = peer::issue(bench.rng.array<32>(), {});
  forged.service = peer::service_id(bench.secret);
  Puppet& p = bench.add_dialler(forged);
  p.on_connected = [&] {
    for (uint32_t i = 1; i <= 50; ++i) p.say(p.candidates(i, 0, crowd(i)));
  };
  bench.run(3s);
  EXPECT_TRUE(p.closed);
  EXPECT_TRUE(p.told.empty());
  EXPECT_TRUE(bench.direct.empty());
  EXPECT_EQ(bench.server.sockets_opened + bench.peer_tcp(), 0u);
  EXPECT_TRUE(bench.node.peers().empty());
}

TEST_F(NodeHostile, WhoDoesNotHearUsMakesUsKeepLittle) {
  Puppet& p = bench.add_dialler();
  bench.run(100ms);
  p.say(p.candidates(1, 1));
  bench.run(100ms);
  p.deaf = true;  // it acknowledges nothing any more
  size_t most = 0;
  for (uint16_t i = 1; i <= 500; ++i) {  // while our network changes all the time
    bench.node.set_arranged(bench.now, {{CandidateType::forwarded, Transport::udp, bench.server.outside.with_port(i)}});
    bench.run(20ms);
    ASSERT_TRUE(bench.peer() && bench.peer()->session());
    most = std::max(most, bench.peer()->session()->unacknowledged(0));
  }
  EXPECT_LE(most, peer::Peer::unheard_max + wire::peer_message_size_max);
  EXPECT_GT(most, peer::Peer::unheard_max) << "the test is not too tame";
  p.deaf = false;
  bench.run(5s);
  auto& candidates = p.told.back().second.candidates;
  EXPECT_TRUE(std::any_of(candidates.begin(), candidates.end(), [&](auto& c) { return c.address == bench.server.outside.with_port(500); }))
      << "the last word is said when it is heard again";
}

TEST_F(NodeHostile, ACheckOnASocketOfAnotherPeerIsNotTaken) {
  Puppet& one = bench.add_dialler();
  bench.run(100ms);
  Puppet& other = bench.add_dialler();
  bench.run(100ms);
  auto ask = one.candidates(1, 0, {{CandidateType::server_reflexive, 1, victim}});
  ask.fresh = true;
  one.say(ask);
  bench.run(100ms);
  ASSERT_EQ(bench.server.udp.size(), 1u);
  SocketId socket = *bench.server.udp.begin();
  Octets check = other.check();
  bench.server.give(bench.now, Datagrams{victim, check, check.size(), socket});
  check = other.check();
  bench.server.give(bench.now, Datagrams{victim, check, check.size(), 4711});  // nor on one that nobody has
  bench.run(20ms);
  for (peer::PeerId id : bench.node.peers())
    for (auto& pair : bench.node.peer(id)->ice().pairs())
      if (pair.carrier.kind == Carrier::Kind::udp && pair.carrier.local != 0) {
        EXPECT_EQ(pair.carrier.local, socket);
        EXPECT_EQ(bench.node.peer(id)->ice().ufrag(), one.told.back().second.ufrag);
      }
  check = one.check();
  bench.server.give(bench.now, Datagrams{victim, check, check.size(), socket});
  bench.run(20ms);
  EXPECT_GE(bench.checks_to(victim, {}, socket), 1u) << "its owner's is";
}

TEST_F(NodeHostile, ManyPeersTogetherGetOnlySoManySockets) {
  size_t most = 0;
  for (int i = 0; i < 50; ++i) {
    Puppet& p = bench.add_dialler();
    bench.run(50ms);
    for (uint32_t round = 1; round <= 2; ++round) {
      auto ask = p.candidates(round, 0, {{CandidateType::server_reflexive, 1, victim}});
      ask.fresh = true;
      p.say(ask);
      bench.run(50ms);
      most = std::max(most, bench.server.udp.size());
    }
    EXPECT_EQ(p.told.back().second.opened, 2u) << "who gets none is answered all the same";
  }
  EXPECT_EQ(most, peer::Node::fresh_sockets_max);
  for (peer::PeerId id : bench.node.peers()) bench.node.close_peer(bench.now, id, quic::Code::closing, "");
  bench.run(100ms);
  EXPECT_TRUE(bench.server.udp.empty());
}

TEST_F(NodeHostile, GarbageInsteadOfMessagesEndsTheSessionAndLeavesNothing) {
  for (auto& garbage : {Octets{0, 0}, Octets{0xff, 0xff, 3}, Octets{0, 2, 3, 0}}) {
    Puppet& p = bench.add_dialler();
    bench.run(100ms);
    p.say_bytes(garbage);
    bench.run(100ms);
    ASSERT_TRUE(p.closed);
    EXPECT_EQ(p.closed->code, quic::Code::malformed);
    EXPECT_TRUE(bench.node.peers().empty());
  }
}

TEST_F(NodeHostile, HandsThatAnswerLateOrTwiceConfuseNobody) {
  Puppet& p = bench.add_dialler();
  bench.run(100ms);
  auto ask = p.candidates(1, 0, {{CandidateType::server_reflexive, 1, victim}});
  ask.fresh = true;
  p.say(ask);
  bench.run(100ms);
  SocketId socket = *bench.server.udp.begin();
  size_t asked = bench.server.sent.size();
  for (int i = 0; i < 3; ++i) {
    bench.server.give(bench.now, UdpOpened{socket, Address::v4(0, 0, 0, 0, 50'000)});
    bench.server.give(bench.now, UdpOpened{socket + 77, Address::v4(0, 0, 0, 0, 50'000)});
    bench.server.give(bench.now, UdpOpened{socket, {}});
    bench.server.give(bench.now, TcpConnected{999, {}});
    bench.server.give(bench.now, TcpClosed{999, ""});
    bench.server.give(bench.now, TcpListening{Address::v4(0, 0, 0, 0, 1)});
    bench.run(5ms);
  }
  for (size_t i = asked; i < bench.server.sent.size(); ++i)
    EXPECT_NE(wire::packet_kind(bench.server.sent[i].second), wire::PacketKind::stun)
        << "what is known, or closed, is not asked about";
  EXPECT_EQ(bench.node.local().tcp.port(false), 0);
}

TEST_F(NodeHostile, PacketsFromWhereNobodyIsAreIgnored) {
  Puppet& p = bench.add_dialler();
  bench.run(100ms);
  bench.direct.clear();
  for (const char* text : {"192.0.2.1:0", "0.0.0.0:53", "224.0.0.251:5353", "255.255.255.255:53", "[ff02::fb]:5353", "[::]:53"}) {
    Octets check = p.check(), stray(1200, 0x45);
    bench.server.give(bench.now, Datagrams{*Address::parse(text), check, check.size()});
    bench.server.give(bench.now, Datagrams{*Address::parse(text), stray, stray.size()});
    bench.run(20ms);
  }
  EXPECT_TRUE(bench.direct.empty());
  EXPECT_EQ(bench.node.malformed(), 12u);
}

TEST_F(NodeHostile, AfterItsNetworkWasGoneEverythingIsAskedAgain) {
  bench.server.give(bench.now, Interfaces{});
  bench.run(1s);
  size_t asked = bench.server.sent.size();
  bench.server.give(bench.now, Interfaces{{bench.inside}});
  bench.run(1ms);
  size_t stun = 0;
  for (size_t i = asked; i < bench.server.sent.size(); ++i)
    stun += wire::packet_kind(bench.server.sent[i].second) == wire::PacketKind::stun;
  EXPECT_GE(stun, 1u);
}

}  // namespace
}  // namespace ginnel::test
