// Host candidates of interfaces: which, how many, in which order; and the priorities of all candidates, RFC 8445 section
// 5.1.2.1 and RFC 6544 section 4.2.
#include "core/reach/host.hpp"

#include <gtest/gtest.h>

#include <set>

namespace ginnel::reach {
namespace {

using wire::Candidate;
using wire::CandidateType;
using wire::Transport;

constexpr CandidateType best_first[] = {CandidateType::host, CandidateType::forwarded, CandidateType::mapped,
                                        CandidateType::peer_reflexive, CandidateType::server_reflexive};

Address ip(const char* text) { return Address::parse(std::string(text) + ":0").value(); }

std::vector<std::string> names(const std::vector<Candidate>& candidates) {
  std::vector<std::string> out;
  for (auto& c : candidates) out.push_back((c.transport == Transport::udp ? "udp " : "tcp ") + c.address.to_string());
  return out;
}

TEST(ReachHost, EveryInterfaceWithThePortsOfItsFamily) {
  auto all = host_candidates({ip("10.0.0.5"), ip("[2001:db8::5]"), ip("198.51.100.9")}, {{4000, 6000}, {4001, 6001}},
                             false, 10);
  EXPECT_EQ(names(all), (std::vector<std::string>{"udp 10.0.0.5:4000", "udp [2001:db8::5]:6000", "udp 198.51.100.9:4000",
                                                  "tcp 10.0.0.5:4001", "tcp [2001:db8::5]:6001", "tcp 198.51.100.9:4001"}));
  for (auto& c : all) EXPECT_EQ(c.type, CandidateType::host);
}

TEST(ReachHost, NoSocketNoCandidate) {
  std::vector<Address> both = {ip("10.0.0.5"), ip("[2001:db8::5]")};
  EXPECT_TRUE(host_candidates(both, {}, false, 10).empty());
  EXPECT_TRUE(host_candidates({}, {{1, 1}, {1, 1}}, false, 10).empty());
  EXPECT_EQ(names(host_candidates(both, {{0, 6000}, {}}, false, 10)), (std::vector<std::string>{"udp [2001:db8::5]:6000"}));
  EXPECT_EQ(names(host_candidates(both, {{}, {4001, 0}}, false, 10)), (std::vector<std::string>{"tcp 10.0.0.5:4001"}));
}

TEST(ReachHost, LinkLocalNeverAndLoopbackOnlyForNeighboursOnThisMachine) {
  std::vector<Address> odd = {ip("169.254.7.7"), ip("[fe80::1]"), ip("127.0.0.1"), ip("[::1]")};
  Ports ports{{4000, 6000}, {}};
  EXPECT_TRUE(host_candidates(odd, ports, false, 10).empty());
  EXPECT_EQ(names(host_candidates(odd, ports, true, 10)), (std::vector<std::string>{"udp 127.0.0.1:4000", "udp [::1]:6000"}));
}

TEST(ReachHost, TheCapIsOfEachTransportAndWhatIsSkippedDoesNotCount) {
  std::vector<Address> many(5, ip("169.254.7.7"));
  for (uint8_t i = 1; i < 100; ++i) many.push_back(Address::v4(10, 0, 0, i, 0));
  auto all = host_candidates(many, {{4000, 0}, {4001, 0}}, false, 3);
  EXPECT_EQ(names(all), (std::vector<std::string>{"udp 10.0.0.1:4000", "udp 10.0.0.2:4000", "udp 10.0.0.3:4000",
                                                  "tcp 10.0.0.1:4001", "tcp 10.0.0.2:4001", "tcp 10.0.0.3:4001"}))
      << "in the order of the interfaces";
}

TEST(ReachHost, PrioritiesAreDistinctAndInTheOrderOfInterfaces) {
  std::vector<Address> many;
  for (uint8_t i = 1; i <= 10; ++i) many.push_back(Address::v4(10, 0, 0, i, 0));
  std::set<uint32_t> seen;
  uint32_t last = UINT32_MAX;
  for (auto& c : host_candidates(many, {{4000, 0}, {4001, 0}}, false, 10)) {
    EXPECT_LT(c.priority, last);
    last = c.priority;
    EXPECT_TRUE(seen.insert(c.priority).second);
  }
}

TEST(ReachHost, PriorityIsMadeAsRfc8445Says) {
  // 2^24 * type preference + 2^8 * local preference + 256 - component.
  EXPECT_EQ(priority(CandidateType::host, Transport::udp, true, 0), 126u << 24 | 65535u << 8 | 255u);
  EXPECT_EQ(priority(CandidateType::server_reflexive, Transport::udp, false, 2), 100u << 24 | 64998u << 8 | 255u);
  // RFC 6544 section 4.2: local preference is 2^13 * direction + other; simultaneous open is 2 for a host, 6 behind a NAT.
  EXPECT_EQ(priority(CandidateType::host, Transport::tcp, true, 0), 126u << 24 | (2u << 13 | 8191u) << 8 | 255u);
  EXPECT_EQ(priority(CandidateType::server_reflexive, Transport::tcp, true, 0), 100u << 24 | (6u << 13 | 8191u) << 8 | 255u);
}

TEST(ReachHost, TheTypeDecidesFirstThenTheTransportThenTheFamily) {
  for (size_t nth : {0, 9}) {
    for (size_t other : {0, 9}) {
      for (size_t i = 0; i < std::size(best_first); ++i) {
        auto type = best_first[i];
        for (bool v6 : {false, true}) {
          if (i + 1 < std::size(best_first)) {
            EXPECT_GT(priority(type, Transport::tcp, v6, nth), priority(best_first[i + 1], Transport::udp, true, other));
          }
          EXPECT_GT(priority(type, Transport::udp, v6, nth), priority(type, Transport::tcp, true, other));
        }
        for (auto transport : {Transport::udp, Transport::tcp})
          EXPECT_GT(priority(type, transport, true, nth), priority(type, transport, false, other));
      }
    }
  }
  EXPECT_LE(priority(CandidateType::host, Transport::udp, true, 0), 0x7fffffffu) << "RFC 8445 section 5.1.2: 31 bits";
}

TEST(ReachHost, OursIsTheSameIpWhateverThePort) {
  std::vector<Address> interfaces = {ip("10.0.0.5"), ip("[2001:db8:0:1::5]")};
  EXPECT_TRUE(is_ours(interfaces, Address::v4(10, 0, 0, 5, 61'000)));
  EXPECT_FALSE(is_ours(interfaces, Address::v4(10, 0, 0, 6, 0)));
  EXPECT_FALSE(is_ours({}, {}));
}

TEST(ReachHost, OneNetworkOfIpv6IsA64) {
  EXPECT_TRUE(same_network(ip("[2001:db8:0:1::5]"), ip("[2001:db8:0:1:ffff::1]")));
  EXPECT_FALSE(same_network(ip("[2001:db8:0:1::5]"), ip("[2001:db8:0:2::5]")));
  EXPECT_FALSE(same_network(ip("10.0.0.5"), ip("10.0.0.6"))) << "of IPv4 the size is not known";
  EXPECT_FALSE(same_network(ip("[2001:db8:0:1::5]"), ip("10.0.0.6")));
}

}  // namespace
}  // namespace ginnel::reach
