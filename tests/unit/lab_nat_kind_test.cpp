// Kinds of NAT as text, and the nftables rules that they become. Whether the rules do what the names say is tested with
// packets (tests/lab/nat_kinds_test.cpp).
#include "lab/nat_kind.hpp"

#include <gtest/gtest.h>

namespace ginnel::lab {
namespace {

using Strangers = NatKind::Strangers;

NatKind parsed(std::string_view text) {
  auto kind = parse_nat_kind(text);
  EXPECT_TRUE(kind) << kind.error().text;
  return kind ? *kind : NatKind{};
}

bool says(const std::string& rules, std::string_view what) { return rules.find(what) != std::string::npos; }

TEST(LabNatKind, KernelIsTheDefault) {
  const NatKind kind = parsed("symmetric");
  EXPECT_TRUE(kind.is_kernel());
  EXPECT_EQ(kind.text, "symmetric");
  EXPECT_EQ(kind.mapping, NatKind::Mapping::random);
  EXPECT_EQ(nat_rules(kind), nat_rules(parsed("kernel:symmetric")));
}

TEST(LabNatKind, GinnelTakesAnyPresetAndKnobs) {
  const NatKind kind = parsed("ginnel:symmetric+hairpin=off+timers.udp_two_way=30+ipv6=firewall");
  EXPECT_FALSE(kind.is_kernel());
  EXPECT_EQ(kind.preset, "symmetric");
  ASSERT_EQ(kind.knobs.size(), 2u);
  EXPECT_EQ(kind.knobs[0], std::pair(std::string("hairpin"), std::string("off")));
  EXPECT_EQ(kind.knobs[1].first, "timers.udp_two_way");
  EXPECT_EQ(kind.ipv6, Ipv6::firewall);
  EXPECT_TRUE(kind.translates());
}

TEST(LabNatKind, KnobsOfTheKernel) {
  EXPECT_EQ(parsed("home").strangers, Strangers::drop);
  EXPECT_EQ(parsed("home+strangers=reset").strangers, Strangers::reset);
  EXPECT_EQ(parsed("linux-open").strangers, Strangers::accept);
  EXPECT_FALSE(parsed("fw").translates());
  EXPECT_FALSE(parsed("none").translates());
}

TEST(LabNatKind, EachHasRulesOfItsOwn) {
  std::vector<std::string> seen;
  for (const auto& name : kernel_kinds()) {
    const std::string rules = nat_rules(parsed(name));
    EXPECT_TRUE(says(rules, "set blocked")) << name;
    EXPECT_EQ(std::count(seen.begin(), seen.end(), rules), 0) << name << " is another's twin";
    seen.push_back(rules);
  }
}

TEST(LabNatKind, RulesSayWhatTheNamePromises) {
  EXPECT_TRUE(says(nat_rules(parsed("home")), "masquerade\n"));
  EXPECT_TRUE(says(nat_rules(parsed("symmetric")), "masquerade fully-random"));
  EXPECT_FALSE(says(nat_rules(parsed("fw")), "masquerade"));
  EXPECT_TRUE(says(nat_rules(parsed("udp-blocked")), "add element inet lab blocked { udp }"));
  EXPECT_TRUE(says(nat_rules(parsed("strict")), "tcp dport { 80, 443 } accept"));
  EXPECT_TRUE(says(nat_rules(parsed("cone")), "@in"));
  EXPECT_FALSE(says(nat_rules(parsed("prcone")), "@in"));
  EXPECT_TRUE(says(nat_rules(parsed("home+strangers=reset")), "tcp reset"));
  EXPECT_TRUE(says(nat_rules(parsed("home+ipv6=broken")), "meta nfproto ipv6 drop"));
}

TEST(LabNatKind, SaysWhatIsWrong) {
  const struct {
    const char *text, *sentence;
  } rows[] = {
      {"full-cone",
       "There is no NAT \"full-cone\": write ginnel:PRESET, or kernel: and one of none, fw, home, linux-open, "
       "symmetric, "
       "cone, arcone, prcone, udp-blocked, strict."},
      {"linux:home",
       "There is no NAT \"linux:home\": write ginnel:PRESET, or kernel: and one of none, fw, home, linux-open, "
       "symmetric, cone, arcone, prcone, udp-blocked, strict."},
      {"ginnel:", "\"ginnel:\" wants the name of a preset, such as ginnel:symmetric."},
      {"home+", "A knob of a NAT is written KNOB=VALUE, not \"\"."},
      {"home+strangers", "A knob of a NAT is written KNOB=VALUE, not \"strangers\"."},
      {"home+strangers=eaten", "A NAT's knob \"strangers\" is drop, reset or accept, not \"eaten\"."},
      {"home+hairpin=on", "A kernel NAT has no knob \"hairpin\": it has strangers and ipv6."},
      {"ginnel:rfc+ipv6=open", "`ginnel nat` firewalls IPv6: it cannot be open behind \"ginnel:rfc+ipv6=open\"."},
      {"home+ipv6=maybe", "\"ipv6\" of a NAT is off, firewall, open or broken, not \"maybe\"."},
  };
  for (const auto& row : rows) {
    const auto kind = parse_nat_kind(row.text);
    ASSERT_FALSE(kind) << row.text;
    EXPECT_EQ(kind.error().text, row.sentence);
  }
}

}  // namespace
}  // namespace ginnel::lab
