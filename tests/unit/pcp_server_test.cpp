// PCP at the gateway: every check of RFC 6887 section 8.3, the nonce, lifetimes, deletion, quotas, what is said when
// state was lost. Knows core/portmap/service from outside, in virtual time; refuses sockets. RFC 6887.
#include "core/portmap/pcp_server.hpp"

#include <gtest/gtest.h>

#include "tests/support/portmap_gateway.hpp"

namespace ginnel::portmap {
namespace {

using test::lan;
using test::outside_at;
using test::tcp_protocol;
using test::udp_protocol;
using wire::PcpOpcode;
using wire::PcpRequest;
using wire::PcpResponse;
using wire::PcpResult;
using Octets = std::vector<uint8_t>;

const wire::PcpNonce mine = {1, 2, 3}, other = {9, 9, 9};

class PcpServerTest : public ::testing::Test {
 protected:
  PcpRequest request(const Address& from, uint32_t lifetime = 3600, uint16_t suggested = 0) {
    PcpRequest r;
    r.opcode = PcpOpcode::map;
    r.lifetime = lifetime;
    r.client = from.with_port(0);
    r.mapping = {mine, udp_protocol, from.port, Address::v4(0, 0, 0, 0, suggested)};
    return r;
  }
  static Octets bytes_of(const PcpRequest& r) {
    Octets room(wire::pcp_message_max);
    room.resize(wire::put_pcp_request(r, room).size());
    return room;
  }
  /// Asked from another port than the one that is mapped, as clients do.
  std::optional<PcpResponse> raw(const Address& from, Bytes bytes) {
    Octets answer = gateway.ask(from.with_port(50000), bytes);
    if (answer.empty()) return {};
    auto response = wire::parse_pcp_response(answer);
    EXPECT_TRUE(response);
    return response;
  }
  PcpResponse ask(const Address& from, const PcpRequest& r) {
    auto response = raw(from, bytes_of(r));
    EXPECT_TRUE(response);
    if (response && response->result != PcpResult::success) {
      EXPECT_EQ(response->mapping, r.mapping) << "an error repeats what was asked";
    }
    return response.value_or(PcpResponse{});
  }
  PcpResult result(const Address& from, const PcpRequest& r) { return ask(from, r).result; }

  test::PortmapGateway gateway;
};

TEST_F(PcpServerTest, Maps) {
  PcpResponse r = ask(lan(2), request(lan(2), 3600, 5000));
  EXPECT_EQ(r.result, PcpResult::success);
  EXPECT_EQ(r.opcode, PcpOpcode::map);
  EXPECT_EQ(r.lifetime, 3600u);
  EXPECT_EQ(r.mapping, (wire::PcpMapping{mine, udp_protocol, 40000, outside_at(5000)}));
  EXPECT_TRUE(gateway.engine.leads(udp_protocol, outside_at(5000), lan(2)));
}

TEST_F(PcpServerTest, AnnounceTellsTheEpoch) {
  gateway.wait(77s);
  PcpRequest announce;
  announce.client = lan(2, 0);
  PcpResponse r = ask(lan(2), announce);
  EXPECT_EQ(r.result, PcpResult::success);
  EXPECT_EQ(r.epoch, 77u);
  EXPECT_EQ(r.lifetime, 0u);
}

TEST_F(PcpServerTest, ClientAddressMustBeTheSource) {
  PcpRequest r = request(lan(3));
  EXPECT_EQ(result(lan(2), r), PcpResult::address_mismatch);
  r.client = *Address::parse("[2001:db8::1]:0");
  EXPECT_EQ(result(lan(2), r), PcpResult::address_mismatch);
  EXPECT_TRUE(gateway.engine.forwards.empty());
}

TEST_F(PcpServerTest, StrangersGetNoAnswer) {
  Address outside = Address::v4(203, 0, 113, 9, 40000);
  EXPECT_FALSE(raw(outside, bytes_of(request(outside))));
  EXPECT_FALSE(raw(Address::v4(192, 168, 2, 2, 1), bytes_of(request(Address::v4(192, 168, 2, 2, 1)))));
}

TEST_F(PcpServerTest, VersionsAreNegotiated) {
  for (uint8_t version : {1, 3, 77}) {
    Octets bytes = bytes_of(request(lan(2)));
    bytes[0] = version;
    Octets answer = gateway.ask(lan(2), bytes);
    ASSERT_EQ(answer.size(), wire::pcp_header_size);
    EXPECT_EQ(answer[0], 2) << "the closest we have";
    EXPECT_EQ(answer[1], 0x81);
    EXPECT_EQ(answer[3], 1);
  }
}

TEST_F(PcpServerTest, MalformedRequestsAreAnsweredOrIgnored) {
  Octets whole = bytes_of(request(lan(2)));
  EXPECT_FALSE(raw(lan(2), Bytes{}));
  EXPECT_FALSE(raw(lan(2), Bytes(whole).first(1)));
  Octets response = whole;
  response[1] |= 0x80;
  EXPECT_FALSE(raw(lan(2), response));
  for (size_t size : {2, 3, 23, 24, 59, 61, 1104}) {
    Octets cut = whole;
    cut.resize(size);
    Octets answer = gateway.ask(lan(2), cut);
    ASSERT_GE(answer.size(), wire::pcp_header_size) << size;
    EXPECT_EQ(answer[3], static_cast<uint8_t>(PcpResult::malformed_request)) << size;
    EXPECT_LE(answer.size(), wire::pcp_message_max);
  }
  EXPECT_TRUE(gateway.engine.forwards.empty());
}

TEST_F(PcpServerTest, OpcodesAndProtocolsThatWeLack) {
  PcpRequest r = request(lan(2));
  r.opcode = PcpOpcode::peer;
  r.peer = Address::v4(203, 0, 113, 5, 443);
  auto response = raw(lan(2), bytes_of(r));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->result, PcpResult::unsupp_opcode);
  r = request(lan(2));
  for (uint8_t protocol : {0, 1, 33, 132}) {
    r.mapping.protocol = protocol;
    EXPECT_EQ(result(lan(2), r), PcpResult::unsupp_protocol) << int(protocol);
  }
  r = request(lan(2, 0));
  EXPECT_EQ(result(lan(2, 0), r), PcpResult::unsupp_protocol) << "all ports: there is one address for everybody";
}

TEST_F(PcpServerTest, Options) {
  PcpRequest r = request(lan(2));
  r.options.third_party = lan(3, 0);
  EXPECT_EQ(result(lan(2), r), PcpResult::unsupp_option);
  r.options.third_party = lan(2, 0);
  EXPECT_EQ(result(lan(2), r), PcpResult::malformed_request) << "section 13.1: not of oneself";
  r.options = {{}, false, {{128, Address::v4(203, 0, 113, 5, 0)}}};
  EXPECT_EQ(result(lan(2), r), PcpResult::unsupp_option) << "better none than one without the filter";
  Octets unknown = bytes_of(request(lan(2)));
  unknown.insert(unknown.end(), {77, 0, 0, 0});
  EXPECT_EQ(raw(lan(2), unknown)->result, PcpResult::unsupp_option);
  EXPECT_TRUE(gateway.engine.forwards.empty());
}

TEST_F(PcpServerTest, PreferFailure) {
  ask(lan(3), request(lan(3), 3600, 5000));
  PcpRequest r = request(lan(2), 3600, 5000);
  EXPECT_NE(ask(lan(2), r).mapping.external, outside_at(5000)) << "without: another port";
  r = request(lan(2, 40001), 3600, 5000);
  r.options.prefer_failure = true;
  EXPECT_EQ(result(lan(2, 40001), r), PcpResult::cannot_provide_external);
  r.mapping.external = Address::v4(198, 51, 100, 99, 6000);
  EXPECT_EQ(result(lan(2, 40001), r), PcpResult::cannot_provide_external) << "not our address";
  r.mapping.external = outside_at(80);
  EXPECT_EQ(result(lan(2, 40001), r), PcpResult::cannot_provide_external) << "a low port";
  r.mapping.external = outside_at(6000);
  EXPECT_EQ(ask(lan(2, 40001), r).mapping.external, outside_at(6000));
}

TEST_F(PcpServerTest, RenewalNeedsTheNonce) {  // what miniupnpd 2.3.1 does not check
  ask(lan(2), request(lan(2), 3600, 5000));
  gateway.wait(10s);
  PcpRequest forged = request(lan(2), 86400, 5000);
  forged.mapping.nonce = other;
  PcpResponse r = ask(lan(2), forged);
  EXPECT_EQ(r.result, PcpResult::not_authorized);
  EXPECT_EQ(r.lifetime, 3590u) << "section 11.3: as long as the owner's lasts";
  forged.lifetime = 0;
  EXPECT_EQ(result(lan(2), forged), PcpResult::not_authorized);
  EXPECT_TRUE(gateway.engine.leads(udp_protocol, outside_at(5000), lan(2)));
  EXPECT_EQ(ask(lan(2), request(lan(2))).lifetime, 3600u);
}

TEST_F(PcpServerTest, LifetimesAreBounded) {
  struct {
    uint32_t asked, given;
  } cases[] = {{1, 120},         {119, 120},         {120, 120},          {86'400, 86'400},
               {86'401, 86'400}, {1u << 31, 86'400}, {UINT32_MAX, 86'400}};
  for (const auto& c : cases) EXPECT_EQ(ask(lan(2), request(lan(2), c.asked)).lifetime, c.given) << c.asked;
  gateway.wait(24h);
  EXPECT_TRUE(gateway.engine.forwards.empty());
}

TEST_F(PcpServerTest, Deletes) {
  EXPECT_EQ(result(lan(2), request(lan(2), 0)), PcpResult::success) << "what is not there is deleted";
  ask(lan(2), request(lan(2), 3600, 5000));
  PcpRequest gone = request(lan(2), 0, 5000);
  PcpResponse r = ask(lan(2), gone);
  EXPECT_EQ(r.result, PcpResult::success);
  EXPECT_EQ(r.lifetime, 0u);
  EXPECT_TRUE(gateway.engine.forwards.empty());
}

TEST_F(PcpServerTest, DeletesAll) {
  auto map = [&](uint8_t protocol, uint16_t port, const wire::PcpNonce& nonce) {
    PcpRequest r = request(lan(2, port));
    r.mapping.protocol = protocol;
    r.mapping.nonce = nonce;
    EXPECT_EQ(result(lan(2), r), PcpResult::success);
  };
  map(udp_protocol, 4001, mine);
  map(udp_protocol, 4002, mine);
  map(tcp_protocol, 4001, mine);
  map(udp_protocol, 4003, other);
  ask(lan(3), request(lan(3)));
  PcpRequest all = request(lan(2, 0), 0);
  EXPECT_EQ(result(lan(2), all), PcpResult::success);
  EXPECT_EQ(gateway.engine.forwards.size(), 3u) << "of UDP, with this nonce";
  all.mapping.protocol = 0;
  EXPECT_EQ(result(lan(2), all), PcpResult::success);
  EXPECT_EQ(gateway.engine.forwards.size(), 2u);
  EXPECT_EQ(result(lan(2), all), PcpResult::not_authorized) << "what is left has another nonce";
  EXPECT_TRUE(gateway.engine.leads(udp_protocol, outside_at(40000), lan(3)));
}

TEST_F(PcpServerTest, QuotaAndExhaustion) {
  auto config = test::service_config();
  config.limits = {.per_host = 2, .total = 3};
  test::PortmapGateway small(config);
  auto ask_small = [&](const Address& from) {
    return wire::parse_pcp_response(small.ask(from, bytes_of(request(from))))->result;
  };
  EXPECT_EQ(ask_small(lan(2, 1)), PcpResult::success);
  EXPECT_EQ(ask_small(lan(2, 2)), PcpResult::success);
  EXPECT_EQ(ask_small(lan(2, 3)), PcpResult::user_ex_quota);
  EXPECT_EQ(ask_small(lan(3, 1)), PcpResult::success);
  EXPECT_EQ(ask_small(lan(4, 1)), PcpResult::no_resources);
  small.service->set_external(small.now, {});
  EXPECT_EQ(ask_small(lan(2, 1)), PcpResult::network_failure);
}

TEST_F(PcpServerTest, SaysWhenItForgot) {
  gateway.wait(10min);
  gateway.service->set_external(gateway.now, Address::v4(198, 51, 100, 8, 0));
  std::vector<Instant> pcp, nat_pmp;
  for (int i = 0; i < 3000; ++i) {
    for (const auto& sent : gateway.wait(100ms)) {
      if (sent.from != Socket::requests) continue;
      EXPECT_EQ(sent.to, announcement_group);
      if (sent.bytes[0] == 2) {
        auto response = wire::parse_pcp_response(sent.bytes);
        ASSERT_TRUE(response);
        EXPECT_EQ(response->opcode, PcpOpcode::announce);
        EXPECT_LE(response->epoch, 300u) << "it begins anew";
        pcp.push_back(gateway.now);
      } else {
        nat_pmp.push_back(gateway.now);
      }
    }
  }
  ASSERT_EQ(pcp.size(), 10u);
  EXPECT_EQ(pcp, nat_pmp);
  EXPECT_LE(pcp[1] - pcp[0], 300ms);
  EXPECT_GE(pcp[9] - pcp[8], 60s) << "250 ms, doubling";
}

TEST_F(PcpServerTest, AFloodOfRequestsWaitsInABoundedQueue) {
  Octets bytes = bytes_of(request(lan(2)));
  for (int i = 0; i < 1000; ++i) {
    Datagram in{Socket::requests, lan(2), bytes};
    gateway.service->handle(gateway.now, in);
  }
  EXPECT_EQ(gateway.drain().size(), 64u);
}

}  // namespace
}  // namespace ginnel::portmap
