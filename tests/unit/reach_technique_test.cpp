// The name of what made a path: a table of situations, each seen from both ends, which must say the same.
#include "core/reach/technique.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace ginnel::reach {
namespace {

using wire::Candidate;
using wire::CandidateType;
using wire::Transport;

/// One end: its interfaces, and more candidates than those of its interfaces.
struct End {
  std::vector<std::string> interfaces;
  std::vector<std::pair<CandidateType, std::string>> others = {};
  Transport others_by = Transport::udp;
};

struct Row {
  std::string situation;
  End dialler, target;
  std::string dialler_at, target_at;  ///< as the other end sees it
  std::string expected;
  bool tcp = false;
};

constexpr auto forwarded = CandidateType::forwarded;
constexpr auto mapped = CandidateType::mapped;
constexpr auto reflexive = CandidateType::server_reflexive;

std::vector<Address> interfaces_of(const End& end) {
  std::vector<Address> out;
  for (auto& text : end.interfaces) out.push_back(Address::parse(text).value().with_port(0));
  return out;
}
std::vector<Candidate> candidates_of(const End& end) {
  std::vector<Candidate> out;
  for (auto& text : end.interfaces) out.push_back({CandidateType::host, 1, Address::parse(text).value()});
  for (auto& [type, text] : end.others) out.push_back({type, 1, Address::parse(text).value(), end.others_by});
  return out;
}
std::string seen_by(bool dialler, const Row& row, bool mapped_known = true) {
  const End &own = dialler ? row.dialler : row.target, &other = dialler ? row.target : row.dialler;
  auto interfaces = interfaces_of(own);
  auto ours = candidates_of(own), theirs = candidates_of(other);
  DirectPath path{dialler, row.tcp, Address::parse(dialler ? row.target_at : row.dialler_at).value(), {}};
  if (mapped_known) path.mapped = Address::parse(dialler ? row.dialler_at : row.target_at);
  return std::string(technique(path, {interfaces, ours, theirs}));
}

const End home{{"192.168.1.5:4000"}, {{reflexive, "198.51.100.1:61000"}}};
const End neighbour{{"192.168.1.6:4000"}, {{reflexive, "198.51.100.1:61001"}}};
const End far{{"10.0.0.7:4000"}, {{reflexive, "203.0.113.7:50000"}}};
const End open{{"203.0.113.9:4000"}};
const End also_open{{"203.0.113.10:4000"}};
const End forward{{"10.0.0.7:4000"}, {{reflexive, "203.0.113.7:50000"}, {forwarded, "203.0.113.7:4000"}}};
const End mapping{{"10.0.0.7:4000"}, {{reflexive, "203.0.113.7:50000"}, {mapped, "203.0.113.7:4000"}}};
const End six{{"192.168.1.5:4000", "[2001:db8:1::5]:4000"}}, far_six{{"10.0.0.7:4000", "[2001:db8:2::7]:4000"}};
const End two_sixes{{"[2001:db8:1::6]:4000", "[2001:db8:9::6]:4000"}};
const End here{{"127.0.0.1:4000"}}, also_here{{"127.0.0.1:5000"}};
/// In the net between a home router and the carrier's: its own address is private and not translated towards the home.
const End between{{"100.64.0.9:4000"}, {{reflexive, "198.51.100.1:62000"}}};
const End in_a_home{{"192.168.1.5:4000"}, {{reflexive, "198.51.100.1:61000"}, {mapped, "100.64.0.7:4000"}}};

const Row rows[] = {
    {"one network", home, neighbour, "192.168.1.5:4000", "192.168.1.6:4000", "lan"},
    {"one network, TCP", home, neighbour, "192.168.1.5:4000", "192.168.1.6:9000", "lan", true},
    {"one machine", here, also_here, "127.0.0.1:4000", "127.0.0.1:5000", "lan"},
    {"one network, but a NAT between two parts of it", between, in_a_home, "100.64.0.9:4000", "100.64.0.7:51000", "lan"},
    {"the same the other way round", in_a_home, between, "100.64.0.7:51000", "100.64.0.9:4000", "lan"},
    {"a port mapping of a home router, used from the net between", between, in_a_home, "100.64.0.9:4000",
     "100.64.0.7:4000", "port-mapping"},
    {"private addresses that nobody announced", open, also_open, "10.1.1.1:1", "10.2.2.2:2", "lan"},
    {"one network of IPv6", six, two_sixes, "[2001:db8:1::5]:4000", "[2001:db8:1::6]:4000", "lan"},
    {"one of two networks, left by the other", six, two_sixes, "[2001:db8:1::5]:4000", "[2001:db8:9::6]:4000", "ipv6"},
    {"a private network of IPv6 that both announce", {{"[fd00::5]:4000"}}, {{"[fd00:0:0:1::6]:4000"}}, "[fd00::5]:4000",
     "[fd00:0:0:1::6]:4000", "lan"},
    {"from a public address of IPv6 to a private one", six, {{"[fd00::6]:4000"}}, "[2001:db8:1::5]:4000",
     "[fd00::6]:4000", "lan"},
    {"IPv6 across the world", six, far_six, "[2001:db8:1::5]:4000", "[2001:db8:2::7]:4000", "ipv6"},
    {"IPv6 across the world, TCP", six, far_six, "[2001:db8:1::5]:4000", "[2001:db8:2::7]:4000", "ipv6", true},

    {"the target has a public address", home, open, "198.51.100.1:61000", "203.0.113.9:4000", "public"},
    {"both have", also_open, open, "203.0.113.10:4000", "203.0.113.9:4000", "public"},
    {"only the dialler has", open, home, "203.0.113.9:4000", "198.51.100.1:61000", "reversal"},
    {"only the dialler has, the target's NAT took another port", open, home, "203.0.113.9:4000", "198.51.100.1:777",
     "reversal"},
    {"the target has a forward", home, forward, "198.51.100.1:61000", "203.0.113.7:4000", "port-forward"},
    {"the target asked its router", home, mapping, "198.51.100.1:61000", "203.0.113.7:4000", "port-mapping"},
    {"a public dialler uses the forward", open, forward, "203.0.113.9:4000", "203.0.113.7:4000", "port-forward"},
    {"the dialler has a forward", forward, home, "203.0.113.7:4000", "198.51.100.1:61000", "reversal"},
    {"the dialler asked its router", mapping, home, "203.0.113.7:4000", "198.51.100.1:61000", "reversal"},
    {"a forward that was not used", home, forward, "198.51.100.1:61000", "203.0.113.7:50000", "udp-punch"},
    {"a forward of UDP says nothing about TCP", home, forward, "198.51.100.1:61000", "203.0.113.7:4000", "tcp-punch",
     true},
    {"a forward of TCP", home,
     {{"10.0.0.7:4000"}, {{forwarded, "203.0.113.7:4000"}}, Transport::tcp}, "198.51.100.1:61000", "203.0.113.7:4000",
     "port-forward", true},
    {"a forward, used from inside the same network", {{"10.0.0.8:4000"}, {{reflexive, "203.0.113.7:50001"}}}, forward,
     "10.0.0.8:4000", "203.0.113.7:4000", "port-forward"},

    {"both behind NATs", home, far, "198.51.100.1:61000", "203.0.113.7:50000", "udp-punch"},
    {"both behind NATs, other ports than the server saw", home, far, "198.51.100.1:1", "203.0.113.7:2", "udp-punch"},
    {"both behind NATs, TCP", home, far, "198.51.100.1:61000", "203.0.113.7:50000", "tcp-punch", true},
    {"nobody's address is known from outside", {{"192.168.1.5:4000"}}, {{"10.0.0.7:4000"}}, "198.51.100.1:61000",
     "203.0.113.7:50000", "udp-punch"},
    {"one NAT, through its outside", home, neighbour, "198.51.100.1:61000", "198.51.100.1:61001", "hairpin"},
    {"one NAT, which shows its inside to one of them", home, neighbour, "192.168.1.1:61000", "198.51.100.1:61001",
     "hairpin"},
};

TEST(ReachTechnique, BothEndsGiveTheSameName) {
  for (const Row& row : rows) {
    EXPECT_EQ(seen_by(true, row), row.expected) << "dialler: " << row.situation;
    EXPECT_EQ(seen_by(false, row), row.expected) << "target: " << row.situation;
  }
}

// Before the first answer we do not know how the other side sees us; a name is given all the same.
TEST(ReachTechnique, WithoutOurOwnAddressItIsANameOfTheList) {
  const std::vector<std::string> known = {"lan", "ipv6", "hairpin", "public", "port-forward", "port-mapping", "reversal",
                                          "udp-punch", "tcp-punch"};
  for (const Row& row : rows)
    for (bool dialler : {true, false}) {
      std::string name = seen_by(dialler, row, false);
      EXPECT_NE(std::find(known.begin(), known.end(), name), known.end()) << row.situation << ": " << name;
    }
  EXPECT_EQ(seen_by(true, rows[0], false), "lan");
  Row far_apart{"", six, far_six, "[2001:db8:1::5]:4000", "[2001:db8:2::7]:4000", ""};
  EXPECT_EQ(seen_by(true, far_apart, false), "ipv6");
  Row near{"", six, two_sixes, "[2001:db8:1::5]:4000", "[2001:db8:1::6]:4000", ""};
  EXPECT_EQ(seen_by(true, near, false), "lan") << "our interfaces tell";
}

}  // namespace
}  // namespace ginnel::reach
