// TCP between peers, seen from one node: who may connect to us, what becomes of connections that prove nothing, crossing
// dials, and that none is left open.
#include <gtest/gtest.h>

#include "tests/support/node_bench.hpp"

namespace ginnel::test {
namespace {

using wire::Candidate;
using wire::CandidateType;
using wire::Transport;

const Address stranger = Address::v4(198, 51, 100, 66, 6666);
const Address tcp_address = Address::v4(198, 51, 100, 77, 7200), other_tcp = Address::v4(198, 51, 100, 78, 7200);
const Candidate tcp_candidate{CandidateType::server_reflexive, 5, tcp_address, Transport::tcp};
const Candidate other_candidate{CandidateType::server_reflexive, 5, other_tcp, Transport::tcp};

class NodeTcp : public ::testing::Test {
 protected:
  void SetUp() override { bench.start(); }
  void TearDown() override {
    for (auto& offence : bench.server.offences) ADD_FAILURE() << offence;
  }
  /// Somebody connects to our port.
  TcpId accepted(const Address& from = stranger) {
    bench.server.give(bench.now, TcpAccepted{next_, from, bench.server.outside.with_port(45'000)});
    return next_++;
  }
  Puppet& dialled() {
    Puppet& p = bench.add_dialler();
    bench.run(100ms);
    EXPECT_EQ(p.told.size(), 1u);
    p.say(p.candidates(1, 1));
    bench.run(20ms);
    return p;
  }
  /// The node dials and a round with TCP is under way: it dials these addresses.
  Puppet& punching(std::vector<Candidate> candidates) {
    Puppet& p = bench.add_target();
    bench.run(100ms);
    p.say(p.candidates(1, 1, {}));
    bench.run(1100ms);
    EXPECT_TRUE(p.told.back().second.tcp);
    answer_round(p, std::move(candidates));
    return p;
  }
  void answer_round(Puppet& p, std::vector<Candidate> candidates) {
    auto answer = p.candidates(++generation_, p.told.back().second.generation, std::move(candidates));
    answer.tcp = true;
    p.say(answer);
    bench.run(20ms);
  }
  void connect(TcpId id) {
    bench.server.give(bench.now, TcpConnected{id, bench.server.outside.with_port(45'000)});
    bench.run(20ms);
  }
  bool open(TcpId id) const { return bench.server.tcp.contains(id); }

  NodeBench bench;
  TcpId next_ = 1u << 31;
  uint32_t generation_ = 1;
};

// ---- strangers

TEST_F(NodeTcp, WhoSaysNothingIsClosedAfterFiveSeconds) {
  TcpId id = accepted();
  bench.run(peer::Node::stranger_patience - 1ms);
  EXPECT_TRUE(open(id));
  bench.run(1ms);
  EXPECT_FALSE(open(id));
}

TEST_F(NodeTcp, WhoseFirstWordIsNoCheckOfAPeerIsClosedAtOnce) {
  Puppet& p = dialled();
  std::vector<Octets> wrong = {
      {0x16, 3, 1, 0, 0},                                   // TLS
      Octets(1200, 0xc0),                                   // QUIC
      Octets(100, wire::relay_first_byte),                  // a relay frame
      Octets(20, 0),                                        // looks like STUN
      p.check("nobody00"),                                  // a check for somebody else
      p.check(p.told.back().second.ufrag.substr(0, 4)),     // half a name
  };
  auto ask = answer_to({}, {stranger});
  wrong.push_back(ask.bytes);
  for (size_t i = 0; i < wrong.size(); ++i) {
    TcpId id = accepted();
    bench.server.tcp_packet(bench.now, id, wrong[i]);
    bench.run(1ms);
    EXPECT_FALSE(open(id)) << i;
  }
  EXPECT_TRUE(bench.node.link().up());
}

TEST_F(NodeTcp, BrokenFramingEndsAConnection) {
  for (Octets bytes : {Octets{0, 0, 1}, Octets{0xff, 0xff, 1, 2, 3}}) {
    TcpId id = accepted();
    uint64_t before = bench.node.malformed();
    bench.server.give(bench.now, TcpReceived{id, bytes});
    bench.run(1ms);
    EXPECT_FALSE(open(id));
    EXPECT_EQ(bench.node.malformed(), before + 1);
  }
  Puppet& p = dialled();
  TcpId id = accepted();
  bench.server.tcp_packet(bench.now, id, p.check());
  bench.run(10ms);
  ASSERT_TRUE(open(id));
  Octets bytes{0, 0};
  bench.server.give(bench.now, TcpReceived{id, bytes});
  bench.run(10ms);
  EXPECT_FALSE(open(id));
  EXPECT_EQ(bench.peer()->ice().find(Carrier::tcp(id, stranger)), nullptr);
}

TEST_F(NodeTcp, AFrameThatComesInPiecesIsWaitedFor) {
  Puppet& p = dialled();
  TcpId id = accepted();
  Octets check = p.check(), stream(2);
  wire::put_tcp_frame_header(stream.data(), check.size());
  stream.insert(stream.end(), check.begin(), check.end());
  for (size_t size = 0; size < stream.size(); ++size) {
    Octets piece(stream.begin(), stream.begin() + static_cast<ptrdiff_t>(size));
    Input in = TcpReceived{id, piece};
    bench.node.handle(bench.now, in);
    ASSERT_EQ(std::get<TcpReceived>(in).consumed, 0u);
  }
  EXPECT_TRUE(bench.peer()->ice().pairs().size() <= 1);
  bench.server.give(bench.now, TcpReceived{id, stream});
  bench.run(10ms);
  EXPECT_TRUE(bench.peer()->ice().find(Carrier::tcp(id, stranger)));
}

TEST_F(NodeTcp, ManyStrangersMakeRoomForWhoComesLater) {
  Puppet& p = dialled();
  std::vector<TcpId> ids;
  for (int i = 0; i < 1000; ++i) {
    ids.push_back(accepted());
    bench.run(1ms);
    ASSERT_LE(bench.peer_tcp(), peer::Node::strangers_max);
  }
  TcpId ours = accepted(tcp_address);
  bench.server.tcp_packet(bench.now, ours, p.check());
  bench.run(10ms);
  EXPECT_TRUE(open(ours)) << "those who say nothing cannot keep a peer out";
  EXPECT_FALSE(open(ids[ids.size() - peer::Node::strangers_max])) << "the oldest made room";
  EXPECT_TRUE(open(ids.back()));
}

TEST_F(NodeTcp, APeersConnectionIsAdoptedCheckedAndUsed) {
  Puppet& p = dialled();
  bench.reachable.insert(tcp_address);
  TcpId id = accepted(tcp_address);
  bench.server.tcp_packet(bench.now, id, p.check());
  bench.run(1s);
  EXPECT_TRUE(open(id));
  size_t answers = 0, checks = 0;
  for (auto& d : bench.direct)
    if (d.tcp == id) (d.request ? checks : answers) += 1;
  EXPECT_EQ(answers, 1u);
  EXPECT_GE(checks, 1u);
  EXPECT_EQ(bench.techniques().back(), "tcp-punch");
  EXPECT_EQ(bench.peer()->path().transport, "tcp");
}

TEST_F(NodeTcp, WhoKnowsTheNameButNotThePasswordIsGivenUp) {
  Puppet& p = dialled();
  TcpId id = accepted();
  bench.server.tcp_packet(bench.now, id, p.check({}, "not the password of this peer"));
  bench.run(100ms);
  for (auto& d : bench.direct) EXPECT_TRUE(d.request) << "what is not signed gets no answer";
  bench.run(20s);
  EXPECT_FALSE(open(id)) << "it answered no check of ours";
  EXPECT_EQ(bench.techniques().back(), "relay");
}

TEST_F(NodeTcp, OnePeerHasOnlySoManyConnections) {
  Puppet& p = dialled();
  std::vector<TcpId> ids;
  for (int i = 0; i < 50; ++i) {
    ids.push_back(accepted(tcp_address.with_port(static_cast<uint16_t>(7000 + i))));
    bench.server.tcp_packet(bench.now, ids.back(), p.check());
    bench.run(1ms);
  }
  EXPECT_EQ(bench.peer_tcp(), peer::Peer::tcp_max);
  for (size_t i = 0; i < peer::Peer::tcp_max; ++i) EXPECT_TRUE(open(ids[i]));
  bench.run(30s);
  EXPECT_EQ(bench.peer_tcp(), 0u) << "none of them answers";
}

TEST_F(NodeTcp, AConnectionForWhichThereIsNoPairIsClosed) {
  Puppet& p = dialled();
  for (uint16_t i = 0; i < 100; ++i) {  // the peer roams: each of its checks is a new address
    Octets check = p.check();
    bench.server.give(bench.now, Datagrams{Address::v4(198, 51, 100, 200, 1000 + i), check, check.size()});
    bench.run(1ms);
  }
  ASSERT_EQ(bench.peer()->ice().pairs().size(), ice::Agent::pairs_max);
  TcpId id = accepted();
  bench.server.tcp_packet(bench.now, id, p.check());
  bench.run(10ms);
  EXPECT_FALSE(open(id));
}

TEST_F(NodeTcp, PacketsBehindTheEndOfAConnectionDoNotBringItBack) {
  Puppet& p = dialled();
  TcpId id = accepted();
  Octets check = p.check(), stream;
  for (int i = 0; i < 3; ++i) {
    size_t at = stream.size();
    stream.resize(at + 2);
    wire::put_tcp_frame_header(stream.data() + at, check.size());
    stream.insert(stream.end(), check.begin(), check.end());
  }
  bench.server.give(bench.now, TcpReceived{id, stream});
  bench.run(10ms);
  bench.server.give(bench.now, TcpClosed{id, "reset"});
  bench.server.tcp[id] = stranger;  // the hands are confused
  bench.server.give(bench.now, TcpReceived{id, stream});
  bench.server.tcp.erase(id);
  bench.run(1s);
  EXPECT_FALSE(bench.peer()->ice().find(Carrier::tcp(id, stranger)));
}

// ---- dialling

TEST_F(NodeTcp, ADialThatConnectsIsCheckedAndEndsTheOthers) {
  punching({tcp_candidate, other_candidate});
  auto first = bench.dials_to(tcp_address), second = bench.dials_to(other_tcp);
  ASSERT_EQ(first.size(), 1u);
  ASSERT_EQ(second.size(), 1u);
  bench.reachable = {tcp_address, other_tcp};
  connect(first[0]);
  bench.run(100ms);
  EXPECT_TRUE(open(first[0]));
  EXPECT_FALSE(open(second[0])) << "there is a direct path: enough";
  EXPECT_EQ(bench.techniques().back(), "tcp-punch");
}

TEST_F(NodeTcp, ARefusedDialIsTriedAgainUntilTheRoundIsOver) {
  punching({tcp_candidate});
  for (int i = 0; i < 100; ++i) {
    TcpId last = bench.server.dials.back().second.id;
    if (bench.server.dials.back().second.to == tcp_address && open(last))
      bench.server.give(bench.now, TcpClosed{last, "refused"});
    bench.run(100ms);
  }
  size_t tries = bench.dials_to(tcp_address).size();
  EXPECT_GE(tries, 20u);
  EXPECT_LE(tries, static_cast<size_t>(ice::TcpDials::tries_max));
  EXPECT_EQ(bench.peer_tcp(), 0u);
}

TEST_F(NodeTcp, OfTwoCrossingConnectionsTheDiallerKeepsOne) {
  Puppet& p = punching({tcp_candidate});
  TcpId ours = bench.dials_to(tcp_address).at(0);
  bench.reachable.insert(tcp_address);
  TcpId theirs = accepted(tcp_address);
  bench.server.give(bench.now, TcpConnected{ours, bench.server.outside});
  bench.server.tcp_packet(bench.now, theirs, p.check());
  bench.run(1s);
  EXPECT_EQ(bench.peer_tcp(), 1u);
  EXPECT_EQ(bench.peer()->path().transport, "tcp");
}

TEST_F(NodeTcp, WhoIsDialledLeavesTheChoiceToTheDialler) {
  Puppet& p = dialled();
  bench.reachable.insert(tcp_address);
  for (int i = 0; i < 2; ++i) {
    TcpId id = accepted(tcp_address);
    bench.server.tcp_packet(bench.now, id, p.check());
  }
  bench.run(1s);
  EXPECT_EQ(bench.peer_tcp(), 2u);
}

TEST_F(NodeTcp, AnAddressWhoseConnectionWasSpareIsDialledAgainWhenItIsNeeded) {
  Puppet& p = punching({tcp_candidate});
  bench.reachable.insert(tcp_address);
  TcpId theirs = accepted(tcp_address);
  bench.server.tcp_packet(bench.now, theirs, p.check());
  bench.server.give(bench.now, TcpConnected{bench.dials_to(tcp_address).at(0), bench.server.outside});
  bench.run(1s);
  ASSERT_EQ(bench.peer_tcp(), 1u);
  TcpId kept = 0;
  for (auto& [id, to] : bench.server.tcp)
    if (to == tcp_address) kept = id;
  bench.server.give(bench.now, TcpClosed{kept, "reset"});  // and then the one that was kept ends as well
  Instant ended = bench.now;
  for (int i = 0; i < 60 && bench.dials_to(tcp_address, ended).empty(); ++i) {
    bench.run(1s);
    auto last = p.told.back().second;
    if (last.tcp && last.opened == 0) answer_round(p, {tcp_candidate});
  }
  EXPECT_FALSE(bench.dials_to(tcp_address, ended).empty());
}

TEST_F(NodeTcp, OfManyDialsThatConnectSomeAreKeptAndTheRestNotDialledAgain) {
  std::vector<Candidate> many;
  for (uint16_t i = 0; i < 7; ++i)
    many.push_back({CandidateType::host, 1, tcp_address.with_port(static_cast<uint16_t>(8000 + i)), Transport::tcp});
  punching(many);
  Instant connected = bench.now;
  for (auto& candidate : many) bench.server.give(bench.now, TcpConnected{bench.dials_to(candidate.address).at(0), {}});
  bench.run(5s);
  EXPECT_EQ(bench.peer_tcp(), peer::Peer::tcp_max);
  for (auto& candidate : many) EXPECT_TRUE(bench.dials_to(candidate.address, connected + 1ms).empty());
}

TEST_F(NodeTcp, ForbiddenAddressesAreNotDialled) {
  std::vector<Candidate> bad;
  for (const char* text : {"127.0.0.1:22", "0.0.0.0:22", "224.0.0.1:22", "255.255.255.255:22", "192.0.2.1:0", "[::1]:22"})
    bad.push_back({CandidateType::host, 1, Address::parse(text).value(), Transport::tcp});
  punching(bad);
  bench.run(10s);
  EXPECT_EQ(bench.server.dials.size(), bench.dials_to(bench.server.address).size());
}

// ---- the end

TEST_F(NodeTcp, APeerThatGoesLeavesNothingOpen) {
  for (bool by_us : {true, false}) {
    NodeBench b;
    b.start();
    Puppet& p = b.add_dialler();
    b.run(100ms);
    auto ask = p.candidates(1, 0, {tcp_candidate, {CandidateType::server_reflexive, 1, tcp_address}});
    ask.fresh = ask.tcp = true;
    p.say(ask);
    b.run(50ms);  // a fresh socket, a dial under way
    b.server.give(b.now, TcpAccepted{1u << 31, tcp_address});
    b.server.tcp_packet(b.now, 1u << 31, p.check());  // an adopted connection
    b.run(10ms);
    auto again = p.candidates(2, 0, {tcp_candidate});
    again.fresh = true;
    b.server.answers_stun = false;
    p.say(again);
    b.run(20ms);  // and a wish that waits
    ASSERT_EQ(b.server.udp.size(), 2u);
    ASSERT_EQ(b.peer_tcp(), 2u);
    if (by_us)
      b.node.close_peer(b.now, b.node.peers()[0], quic::Code::closing, "");
    else
      p.session->close(quic::Code::closing, "");
    b.run(5ms);
    EXPECT_TRUE(b.node.peers().empty());
    EXPECT_TRUE(b.server.udp.empty()) << "every OpenUdp has its CloseUdp";
    EXPECT_EQ(b.peer_tcp(), 0u) << "every ConnectTcp its CloseTcp";
    b.run(20s);
    EXPECT_TRUE(b.server.tcp.empty()) << "nobody punches any more";
    EXPECT_EQ(b.server.listening[0], 0);
    for (auto& offence : b.server.offences) ADD_FAILURE() << offence;
  }
}

TEST_F(NodeTcp, WhatAPeerHeldIsClosedInTheSameDrain) {
  Puppet& p = dialled();
  TcpId id = accepted(tcp_address);
  bench.server.tcp_packet(bench.now, id, p.check());
  bench.run(10ms);
  bench.node.close_peer(bench.now, bench.node.peers()[0], quic::Code::closing, "");
  Octets room(room_size);
  bool closed = false;
  while (auto action = bench.node.poll_action(bench.now, room))
    if (auto* close = std::get_if<CloseTcp>(&*action)) closed |= close->id == id;
  EXPECT_TRUE(closed) << "the hands come back only when something happens";
  bench.server.tcp.erase(id);
}

}  // namespace
}  // namespace ginnel::test
