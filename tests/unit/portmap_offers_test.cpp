// A gateway that speaks only some of the three protocols, and one whose engine lost its power. RFC 6887 section 9 and
// RFC 6886 section 3.5: who asks in the other one is told so.
#include "tests/support/portmap_gateway.hpp"
#include "wire/nat_pmp.hpp"
#include "wire/pcp.hpp"

namespace ginnel::test {
namespace {

using portmap::Offers;

PortmapGateway offering(const Offers& offers) {
  portmap::ServiceConfig config = service_config();
  config.offers = offers;
  return PortmapGateway(config);
}

const uint8_t nat_pmp_ask[] = {0, 0};  // the public address
std::vector<uint8_t> pcp_ask() {       // ANNOUNCE
  std::vector<uint8_t> out(24);
  out[0] = 2;
  out[18] = out[19] = 0xff;  // ::ffff:192.168.1.5
  std::copy_n(lan(5).ip.begin(), 4, &out[20]);
  return out;
}

TEST(PortmapOffers, WhatIsNotSpokenIsRefusedInWhatIs) {
  PortmapGateway pcp = offering({true, false, false}), nat_pmp = offering({false, true, false});
  auto answer = pcp.ask(lan(5), nat_pmp_ask);
  ASSERT_GE(answer.size(), 4u);
  EXPECT_EQ(answer[0], 2);
  EXPECT_EQ(answer[3], 1);  // UNSUPP_VERSION
  EXPECT_EQ(pcp.ask(lan(5), pcp_ask())[3], 0);
  answer = nat_pmp.ask(lan(5), pcp_ask());
  ASSERT_GE(answer.size(), 4u);
  EXPECT_EQ(answer[0], 0);
  EXPECT_EQ(answer[3], 1);  // unsupported version
  EXPECT_EQ(nat_pmp.ask(lan(5), nat_pmp_ask)[3], 0);
}

TEST(PortmapOffers, UpnpAloneIsSilentAtTheOthersPort) {
  PortmapGateway upnp = offering({false, false, true});
  EXPECT_TRUE(upnp.ask(lan(5), nat_pmp_ask).empty());
  EXPECT_TRUE(upnp.ask(lan(5), pcp_ask()).empty());
  auto said = upnp.wait(10s);
  for (const auto& one : said) EXPECT_EQ(one.from, portmap::Socket::ssdp);
}

TEST(PortmapOffers, WithoutUpnpNobodyIsToldOfIt) {
  PortmapGateway pcp = offering({true, false, false});
  auto said = pcp.wait(1h);
  EXPECT_FALSE(said.empty()) << "it announces itself by PCP";
  for (const auto& one : said) {
    EXPECT_EQ(one.from, portmap::Socket::requests);
    EXPECT_EQ(one.bytes[0], 2);
  }
  pcp.give(portmap::Socket::ssdp, lan(5),
           as_bytes("M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: "
                    "ssdp:all\r\n\r\n"));
  EXPECT_TRUE(pcp.wait(5s).empty());
}

TEST(PortmapOffers, AResetEndsLeasesAndBeginsANewEpoch) {
  PortmapGateway all = offering({});
  all.wait(1h);
  const uint8_t map[] = {0, 1, 0, 0, 0x10, 0, 0x20, 0, 0, 0, 2, 0};  // UDP 4096 -> 8192
  ASSERT_EQ(all.ask(lan(5), map).size(), 16u);
  ASSERT_EQ(all.engine.forwards.size(), 1u);
  all.service->reset(all.now);
  EXPECT_TRUE(all.engine.forwards.empty());
  auto said = all.wait(0s);
  ASSERT_FALSE(said.empty());
  all.wait(3s);
  auto answer = all.ask(lan(5), nat_pmp_ask);
  ASSERT_EQ(answer.size(), 12u);
  EXPECT_LT(answer[7], 10);  // seconds since the epoch began
}

}  // namespace
}  // namespace ginnel::test
