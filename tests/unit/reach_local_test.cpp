// All that this node knows of how it can be reached, put together: which candidates, in which place, and what is said of
// its NAT.
#include "core/reach/local.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/seeded_rng.hpp"
#include "tests/support/stun_answers.hpp"
#include "wire/tcp_frame.hpp"

namespace ginnel::reach {
namespace {

using wire::Candidate;
using wire::CandidateType;
using wire::NatMapping;
using wire::Transport;

const Address server = Address::v4(203, 0, 113, 1, 3478), server6 = *Address::parse("[2001:db8:1::1]:3478");
const Address inside = Address::v4(10, 0, 0, 5, 0), outside = Address::v4(198, 51, 100, 1, 61'000);
const Address second_port = Address::v4(0, 0, 0, 0, 3479);

class ReachLocal : public ::testing::Test {
 protected:
  ReachLocal() {
    local.set_udp_ports(4000, 6000);
    local.set_interfaces({inside});
  }
  std::vector<Action> poll() {
    std::vector<Action> out;
    while (auto action = local.poll_action(now, room)) out.push_back(*action);
    return out;
  }
  /// Answers all that is asked by UDP now: the main port with one address, the second with another, fresh sockets with
  /// their number as port.
  size_t answer_all(const Address& main, std::optional<Address> second = {}) {
    size_t n = 0;
    while (auto action = local.poll_action(now, room)) {
      auto* ask = std::get_if<Transmit>(&*action);
      if (!ask || ask->tcp != 0) continue;
      EXPECT_EQ(ask->segment, ask->bytes.size());
      test::StunAnswer what{main};
      if (second) what.other = second_port;
      if (ask->to.port == second_port.port) what = {second};
      if (ask->socket != 0) what = {main.with_port(static_cast<uint16_t>(ask->socket))};
      auto made = test::answer_to(test::id_of(ask->bytes), what);
      local.reflexive.handle_response(now, ask->socket, ask->to, made.message());
      ++n;
    }
    return n;
  }
  /// The TCP port is open and known to look so.
  void learn_tcp(const Address& mapped) {
    local.ask_tcp(now);
    auto actions = poll();
    local.tcp.handle_listening(now, Address{}.with_port(5000));
    for (Action& action : poll()) actions.push_back(action);
    for (const Action& action : actions)
      if (auto* connect = std::get_if<ConnectTcp>(&action)) {
        local.tcp.handle_connected(now, connect->id);
        poll();
        auto made = test::answer_to(test::id_of(wire::next_tcp_frame(room).packet), {mapped});
        local.tcp.handle_stun(now, connect->id, made.message());
      }
  }
  std::optional<Candidate> find(CandidateType type, Transport transport = Transport::udp, SocketId fresh = 0) {
    for (const Candidate& c : local.candidates(fresh))
      if (c.type == type && c.transport == transport) return c;
    return {};
  }

  test::SeededRng rng;
  TcpIds ids;
  SocketIds socket_ids;
  Local local{ids, socket_ids, rng};
  Instant now{1h};
  std::vector<uint8_t> room = std::vector<uint8_t>(100);
};

TEST_F(ReachLocal, KnowsItsInterfacesFromTheStart) {
  ASSERT_EQ(local.candidates().size(), 1u);
  EXPECT_EQ(local.candidates()[0].address, inside.with_port(4000));
  EXPECT_EQ(local.nat(), wire::NatView{});
  EXPECT_TRUE(local.has_udp(false) && local.has_udp(true));
  EXPECT_FALSE(local.next_deadline());
}

TEST_F(ReachLocal, WhatTheServerSeesIsACandidateBelowTheHost) {
  local.set_servers(now, {server}, {});
  EXPECT_EQ(answer_all(outside), 1u);
  auto reflexive = find(CandidateType::server_reflexive);
  ASSERT_TRUE(reflexive);
  EXPECT_EQ(reflexive->address, outside);
  EXPECT_LT(reflexive->priority, find(CandidateType::host)->priority);
}

TEST_F(ReachLocal, WithoutTranslationThereIsOneCandidateAndNoNat) {
  local.set_interfaces({outside.with_port(0)});
  local.set_servers(now, {server}, {});
  answer_all(outside.with_port(4000), outside.with_port(4000));
  EXPECT_EQ(local.candidates().size(), 1u) << "the same address twice is one";
  EXPECT_EQ(local.candidates()[0].type, CandidateType::host);
  EXPECT_EQ(local.nat().udp, NatMapping::none);
}

TEST_F(ReachLocal, TheNatsMappingIsSaid) {
  local.set_servers(now, {server}, {});
  answer_all(outside, outside);
  EXPECT_EQ(local.nat().udp, NatMapping::endpoint_independent);
  EXPECT_EQ(local.nat().tcp, NatMapping::unknown);
  EXPECT_FALSE(local.nat().udp_blocked);
  local.set_udp_blocked(true);
  EXPECT_TRUE(local.nat().udp_blocked);
}

TEST_F(ReachLocal, TheServerInUseIsAskedRatherThanTheFirstOfItsAddresses) {
  Address other = Address::v4(203, 0, 113, 2, 3478);
  local.set_servers(now, {server, other, server6}, {});
  std::vector<Address> asked;
  for (const Action& action : poll()) asked.push_back(std::get<Transmit>(action).to);
  EXPECT_EQ(asked, (std::vector{server, server6}));
  local.set_servers(now, {server, other, server6}, other);
  asked.clear();
  for (const Action& action : poll()) asked.push_back(std::get<Transmit>(action).to);
  EXPECT_EQ(asked, (std::vector{other}));
}

TEST_F(ReachLocal, AFamilyThatTheServerLeftIsNotAskedAnyMore) {
  local.set_servers(now, {server, server6}, {});
  EXPECT_EQ(poll().size(), 2u);
  local.set_servers(now, {server6}, {});
  for (int i = 0; i < 10; ++i) {
    for (const Action& action : poll()) EXPECT_TRUE(std::get<Transmit>(action).to.v6);
    now = local.next_deadline()->when;
    local.reflexive.handle_timeout(now);
  }
}

TEST_F(ReachLocal, AFamilyWithoutASocketOfOursIsNotAsked) {
  local.set_udp_ports(4000, 0);
  local.set_servers(now, {server6, server}, server6);
  for (const Action& action : poll()) EXPECT_FALSE(std::get<Transmit>(action).to.v6);
  EXPECT_FALSE(local.has_udp(true));
}

TEST_F(ReachLocal, TcpIsAskedFromAServerOfIpv4IfThereIsOne) {
  local.ask_tcp(now);
  EXPECT_TRUE(poll().empty()) << "no server is known";
  local.set_servers(now, {server6, server}, server6);
  poll();
  local.ask_tcp(now);
  EXPECT_EQ(poll().size(), 2u) << "a listener of each family";
  local.tcp.handle_listening(now, Address{}.with_port(5000));
  auto actions = poll();
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_EQ(std::get<ConnectTcp>(actions[0]).to, server);
}

TEST_F(ReachLocal, TheTcpPortIsACandidateOfItsOwn) {
  local.set_servers(now, {server}, {});
  learn_tcp(outside.with_port(9));
  auto host = find(CandidateType::host, Transport::tcp);
  ASSERT_TRUE(host);
  EXPECT_EQ(host->address, inside.with_port(5000));
  auto reflexive = find(CandidateType::server_reflexive, Transport::tcp);
  ASSERT_TRUE(reflexive);
  EXPECT_EQ(reflexive->address, outside.with_port(9));
  EXPECT_EQ(local.nat().tcp, NatMapping::unknown);
  local.tcp.reset();
  EXPECT_FALSE(find(CandidateType::server_reflexive, Transport::tcp));
  learn_tcp(inside.with_port(5000));
  EXPECT_EQ(local.nat().tcp, NatMapping::none);
}

TEST_F(ReachLocal, AFreshSocketsAddressStandsInThePlaceOfTheMainOnes) {
  local.set_servers(now, {server}, {});
  answer_all(outside);
  local.reflexive.learn(now, 7);
  EXPECT_EQ(find(CandidateType::server_reflexive, Transport::udp, 7)->address, outside) << "while nothing is known of it";
  EXPECT_EQ(answer_all(outside), 1u);
  EXPECT_EQ(find(CandidateType::server_reflexive, Transport::udp, 7)->address, outside.with_port(7));
  EXPECT_EQ(find(CandidateType::server_reflexive, Transport::udp, 8)->address, outside) << "not a socket of ours";
  EXPECT_EQ(find(CandidateType::server_reflexive)->address, outside);
  size_t n = 0;
  for (auto& c : local.candidates(7)) n += c.type == CandidateType::server_reflexive;
  EXPECT_EQ(n, 1u);
}

TEST_F(ReachLocal, ForwardsAndMappingsAreCandidatesWithACap) {
  std::vector<Arranged> many;
  for (uint16_t port = 1; port <= 100; ++port) many.push_back({CandidateType::forwarded, Transport::udp, outside.with_port(port)});
  many[1] = {CandidateType::mapped, Transport::tcp, outside.with_port(2)};
  local.set_arranged(many);
  EXPECT_EQ(local.candidates().size(), 1 + Local::arranged_max);
  EXPECT_TRUE(find(CandidateType::forwarded));
  EXPECT_TRUE(find(CandidateType::mapped, Transport::tcp));
  local.set_arranged({});
  EXPECT_EQ(local.candidates().size(), 1u);
}

TEST_F(ReachLocal, AllTogetherFitsAMessage) {
  std::vector<Address> many;
  for (uint8_t i = 0; i < 100; ++i) many.push_back(Address::v4(10, 0, 1, i, 0));
  local.set_interfaces(many);
  local.set_servers(now, {server, server6}, {});
  answer_all(outside);
  learn_tcp(outside.with_port(9));
  std::vector<Arranged> arranged;
  for (uint16_t port = 1; port <= 100; ++port) arranged.push_back({CandidateType::forwarded, Transport::udp, outside.with_port(port)});
  local.set_arranged(arranged);
  EXPECT_LE(local.candidates().size(), wire::candidates_max);
  EXPECT_TRUE(find(CandidateType::server_reflexive)) << "the most useful one is among them";
  EXPECT_TRUE(find(CandidateType::server_reflexive, Transport::tcp));
}

TEST_F(ReachLocal, LoopbackIsOfferedBesideAServerOnThisMachineOnly) {
  local.set_interfaces({Address::v4(127, 0, 0, 1, 0)});
  local.set_servers(now, {server}, {});
  EXPECT_TRUE(local.candidates().empty());
  EXPECT_FALSE(local.server_is_here());
  local.set_servers(now, {server.with_port(1), Address::v4(127, 0, 0, 1, 3478)}, Address::v4(127, 0, 0, 1, 3478));
  EXPECT_TRUE(local.server_is_here());
  EXPECT_EQ(local.candidates().size(), 1u);
}

}  // namespace
}  // namespace ginnel::reach
