// NAT-PMP at the gateway: address, mapping, deletion, results, and PCP beside it on one port. Knows
// core/portmap/service from outside, in virtual time; refuses sockets. RFC 6886.
#include "core/portmap/nat_pmp_server.hpp"

#include <gtest/gtest.h>

#include "tests/support/portmap_gateway.hpp"

namespace ginnel::portmap {
namespace {

using test::lan;
using test::outside_at;
using test::tcp_protocol;
using test::udp_protocol;
using wire::NatPmpOpcode;
using wire::NatPmpRequest;
using wire::NatPmpResponse;
using wire::NatPmpResult;

class NatPmpServerTest : public ::testing::Test {
 protected:
  NatPmpResponse ask(const Address& from, const NatPmpRequest& request) {
    std::array<uint8_t, wire::nat_pmp_message_max> room;
    auto response = wire::parse_nat_pmp_response(gateway.ask(from, wire::put_nat_pmp_request(request, room)));
    EXPECT_TRUE(response);
    return response.value_or(NatPmpResponse{});
  }
  NatPmpResponse map(const Address& from, uint16_t external = 0, uint32_t lifetime = 7200,
                     NatPmpOpcode opcode = NatPmpOpcode::map_udp) {
    return ask(from.with_port(50000), {opcode, from.port, external, lifetime});
  }

  test::PortmapGateway gateway;
};

TEST_F(NatPmpServerTest, TellsItsAddressAndEpoch) {
  gateway.wait(9s);
  NatPmpResponse r = ask(lan(2), {});
  EXPECT_EQ(r.address, test::gateway_outside);
  EXPECT_EQ(r.epoch, 9u);
  gateway.service->set_external(gateway.now, {});
  r = ask(lan(2), {});
  EXPECT_EQ(r.result, NatPmpResult::network_failure);
  EXPECT_TRUE(r.address.is_unspecified());
  EXPECT_EQ(map(lan(2)).result, NatPmpResult::network_failure);
}

TEST_F(NatPmpServerTest, Maps) {
  NatPmpResponse r = map(lan(2), 5000);
  EXPECT_EQ(r, (NatPmpResponse{NatPmpOpcode::map_udp, NatPmpResult::success, 0, {}, 40000, 5000, 7200}));
  EXPECT_TRUE(gateway.engine.leads(udp_protocol, outside_at(5000), lan(2)));
  r = map(lan(2), 5000, 7200, NatPmpOpcode::map_tcp);
  EXPECT_EQ(r.external_port, 5000);
  EXPECT_TRUE(gateway.engine.leads(tcp_protocol, outside_at(5000), lan(2)));
}

TEST_F(NatPmpServerTest, AnotherPortIfThatIsTaken) {
  map(lan(2), 5000);
  NatPmpResponse r = map(lan(3), 5000);
  EXPECT_EQ(r.result, NatPmpResult::success);
  EXPECT_NE(r.external_port, 5000);
  EXPECT_EQ(map(lan(2), 6000).external_port, 5000) << "what one has, one keeps";
}

TEST_F(NatPmpServerTest, DeletesOneAndAll) {
  map(lan(2, 4001));
  map(lan(2, 4002));
  map(lan(2, 4001), 0, 7200, NatPmpOpcode::map_tcp);
  map(lan(3, 4003));
  NatPmpResponse r = map(lan(2, 4001), 0, 0);
  EXPECT_EQ(r, (NatPmpResponse{NatPmpOpcode::map_udp, NatPmpResult::success, 0, {}, 4001, 0, 0}));
  EXPECT_EQ(gateway.engine.forwards.size(), 3u);
  EXPECT_EQ(map(lan(2, 4001), 0, 0).result, NatPmpResult::success) << "again";
  EXPECT_EQ(map(lan(2, 0), 0, 0).result, NatPmpResult::success);
  EXPECT_EQ(gateway.engine.forwards.size(), 2u) << "all of UDP, of this host";
  EXPECT_EQ(map(lan(2, 0), 0, 0, NatPmpOpcode::map_tcp).result, NatPmpResult::success);
  EXPECT_EQ(gateway.engine.forwards.size(), 1u);
}

TEST_F(NatPmpServerTest, NothingForPortZero) {
  EXPECT_EQ(map(lan(2, 0), 5000).result, NatPmpResult::refused);
  EXPECT_TRUE(gateway.engine.forwards.empty());
}

TEST_F(NatPmpServerTest, LifetimesAreBounded) {
  struct {
    uint32_t asked, given;
  } cases[] = {{1, 120}, {7200, 7200}, {86'401, 86'400}, {UINT32_MAX, 86'400}};
  for (const auto& c : cases) EXPECT_EQ(map(lan(2), 0, c.asked).lifetime, c.given) << c.asked;
}

TEST_F(NatPmpServerTest, Quota) {
  auto config = test::service_config();
  config.limits.per_host = 1;
  gateway.service.emplace(gateway.now, config, gateway.engine, gateway.rng);
  gateway.service->set_external(gateway.now, test::gateway_outside);
  gateway.drain();
  EXPECT_EQ(map(lan(2, 1)).result, NatPmpResult::success);
  NatPmpResponse r = map(lan(2, 2));
  EXPECT_EQ(r.result, NatPmpResult::out_of_resources);
  EXPECT_EQ(r.internal_port, 2);
  EXPECT_EQ(r.external_port, 0);
}

TEST_F(NatPmpServerTest, CannotTouchWhatPcpGave) {
  wire::PcpRequest pcp;
  pcp.opcode = wire::PcpOpcode::map;
  pcp.lifetime = 3600;
  pcp.client = lan(2, 0);
  pcp.mapping = {{1}, udp_protocol, 40000, outside_at(5000)};
  std::array<uint8_t, wire::pcp_message_max> room;
  gateway.ask(lan(2), wire::put_pcp_request(pcp, room));
  map(lan(2, 40000), 0, 0);
  map(lan(2, 0), 0, 0);
  EXPECT_TRUE(gateway.engine.leads(udp_protocol, outside_at(5000), lan(2)));
  EXPECT_NE(map(lan(2), 5000).external_port, 5000);
}

TEST_F(NatPmpServerTest, WhatItCannotRead) {
  auto raw = [&](std::vector<uint8_t> bytes) { return gateway.ask(lan(2), bytes); };
  EXPECT_TRUE(raw({0}).empty());
  EXPECT_TRUE(raw({0, 128}).empty()) << "a response";
  EXPECT_TRUE(raw({0, 1, 0, 0, 0x16}).empty()) << "cut off";
  EXPECT_EQ(raw({0, 9}), (std::vector<uint8_t>{0, 137, 0, 5, 0, 0, 0, 0}));
  Address stranger = Address::v4(203, 0, 113, 9, 1);
  EXPECT_TRUE(gateway.ask(stranger, std::vector<uint8_t>{0, 0}).empty());
}

}  // namespace
}  // namespace ginnel::portmap
