// Networks as a person writes them down: what a file becomes, which addresses are filled in, and the sentence, with
// file and line, for each mistake.
#include <gtest/gtest.h>

#include <filesystem>

#include "lab/plan_file.hpp"

namespace ginnel::lab {
namespace {

namespace fs = std::filesystem;

Plan parsed(const std::string& text) {
  auto plan = parse_plan(text, "lab.toml");
  EXPECT_TRUE(plan) << plan.error().text;
  return plan ? *plan : Plan{};
}

std::string error_of(const std::string& text) {
  auto plan = parse_plan(text, "lab.toml");
  EXPECT_FALSE(plan) << text;
  if (plan) return "";
  EXPECT_EQ(plan.error().code, Errc::usage);
  return plan.error().text;
}

TEST(LabPlan, FillsInWhatWasLeftOut) {
  const Plan plan = parsed(R"(
[host.server]
[host.mirror]
[nat.home]
[host.alice]
behind = "home"
[host.bob]
behind = "home"
)");
  EXPECT_EQ(plan.host("server")->addresses, std::vector<std::string>{"203.0.113.10"});
  EXPECT_EQ(plan.host("mirror")->addresses, std::vector<std::string>{"203.0.113.11"});
  EXPECT_EQ(plan.nat("home")->address, "198.51.100.10");
  EXPECT_EQ(plan.nat("home")->inside, "192.168.1.0/24");
  EXPECT_EQ(plan.nat("home")->kind.text, "home");
  EXPECT_EQ(plan.host("alice")->addresses, std::vector<std::string>{"192.168.1.2"});
  EXPECT_EQ(plan.host("bob")->addresses, std::vector<std::string>{"192.168.1.3"});
}

TEST(LabPlan, LeavesGivenAddressesToThoseWhoHaveThem) {
  const Plan plan = parsed(R"(
[host.one]
[host.two]
address = "203.0.113.10"
[nat.home]
inside = "10.1.0.0/16"
[host.a]
behind = "home"
[host.b]
behind = "home"
address = "10.1.0.2"
)");
  EXPECT_EQ(plan.host("one")->addresses, std::vector<std::string>{"203.0.113.11"});
  EXPECT_EQ(plan.host("a")->addresses, std::vector<std::string>{"10.1.0.3"});
}

TEST(LabPlan, LeavesGivenIpv6AddressesToThoseWhoHaveThem) {
  const Plan plan = parsed(R"(
[host.one]
ipv6 = true
[host.two]
address = "2001:DB8:0::10"
)");
  EXPECT_EQ(plan.host("one")->addresses.back(), "2001:db8::11");
  EXPECT_EQ(plan.host("two")->addresses, std::vector<std::string>{"2001:db8::10"}) << "in one spelling";
}

TEST(LabPlan, NatsStandBehindEachOther) {
  const Plan plan = parsed(R"(
[nat.flat]
behind = "carrier"
[nat.carrier]
kind = "ginnel:cgn"
[host.alice]
behind = "flat"
)");
  ASSERT_EQ(plan.nats.size(), 2u);
  EXPECT_EQ(plan.nats[0].name, "carrier") << "the outer one is built first";
  EXPECT_EQ(plan.nats[0].inside, "100.64.0.0/24");
  EXPECT_EQ(plan.nats[1].address, "100.64.0.2");
  EXPECT_EQ(plan.nats[1].inside, "192.168.1.0/24");
}

TEST(LabPlan, RoutersGetPublicNetworks) {
  const Plan plan = parsed("[nat.office]\nkind = \"fw\"\n[host.alice]\nbehind = \"office\"\n");
  EXPECT_EQ(plan.nat("office")->inside, "192.0.2.248/29");
  EXPECT_EQ(plan.host("alice")->addresses, std::vector<std::string>{"192.0.2.250"});
}

TEST(LabPlan, Ipv6) {
  const Plan plan = parsed(R"(
[host.server]
ipv6 = true
[nat.both]
ipv6 = "firewall"
[host.alice]
behind = "both"
[nat.six]
ipv4 = false
ipv6 = "open"
[host.bob]
behind = "six"
)");
  EXPECT_EQ(plan.host("server")->addresses, (std::vector<std::string>{"203.0.113.10", "2001:db8::12"}));
  EXPECT_EQ(plan.host("alice")->addresses, (std::vector<std::string>{"192.168.1.2", "2001:db8:1::2"}));
  EXPECT_EQ(plan.host("bob")->addresses, std::vector<std::string>{"2001:db8:2::2"});
  EXPECT_TRUE(plan.nat("six")->address.empty());
}

TEST(LabPlan, LinksAndEvents) {
  const Plan plan = parsed(R"(
seed = 42
[host.server]
link = "delay=10ms"
link_up = "delay=10ms,loss=1%"
[[event]]
at = "2s"
do = "mend server"
[[event]]
at = "1s"
do = "cut server"
)");
  EXPECT_EQ(plan.seed, 42u);
  EXPECT_EQ(link::to_text(plan.host("server")->link.down), "delay=10ms");
  EXPECT_EQ(link::to_text(plan.host("server")->link.up), "delay=10ms,loss=1%");
  ASSERT_EQ(plan.changes.size(), 2u);
  EXPECT_EQ(plan.changes[0].change.to_string(), "cut server") << "by time";
  EXPECT_EQ(plan.changes[1].at, 2s);
}

TEST(LabPlan, EveryExampleIsOne) {
  int seen = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(GINNEL_SOURCE_DIR) / "examples/lab")) {
    if (entry.path().extension() != ".toml") continue;
    const auto plan = plan_of({.file = entry.path().string()});
    EXPECT_TRUE(plan) << plan.error().text;
    ++seen;
  }
  EXPECT_GE(seen, 4);
}

TEST(LabPlan, SaysWhatIsWrongAndWhere) {
  const struct {
    const char *text, *sentence;
  } rows[] = {
      {"[host.server\n", "lab.toml:1: "},
      {"[hosts.server]\n", "lab.toml:1: hosts: There is no such key; there is host, nat, event and seed."},
      {"seed = \"x\"\n", "lab.toml:1: seed: This is a number from 0 up."},
      {"\n[host.server]\naddres = \"1.2.3.4\"\n",
       "lab.toml:3: [host.server] addres: There is no such key; there is address, behind, ipv6, link."},
      {"[host.server]\naddress = 7\n",
       "lab.toml:2: [host.server] address: This is a text in quotes, or a list of them."},
      {"[host.server]\naddress = [7]\n", "lab.toml:2: [host.server] address: Each of the list is a text in quotes."},
      {"[host.server]\nipv6 = \"yes\"\n", "lab.toml:2: [host.server] ipv6: This is true or false."},
      {"[host.server]\nlink = \"dealy=1ms\"\n", "lab.toml:2: [host.server] link: A line has no \"dealy\":"},
      {"[host.server]\nlink_up = \"loss=1\"\n", "lab.toml:2: [host.server] link_up: A line's \"loss\""},
      {"[nat.home]\nkind = \"hoem\"\n", "lab.toml:2: [nat.home] kind: There is no NAT \"hoem\":"},
      {"[nat.home]\nipv6 = \"maybe\"\n", "lab.toml:2: [nat.home] ipv6: \"ipv6\" of a NAT is off,"},
      {"[[event]]\nat = \"soon\"\ndo = \"cut x\"\n", "lab.toml:2: [[event]] at: A moment is written like 2.5s"},
      {"[[event]]\nat = \"1s\"\ndo = \"cutt x\"\n", "lab.toml:3: [[event]] do: There is no event \"cutt\":"},
      {"[[event]]\nat = \"1s\"\n", "lab.toml:1: [[event]] do: An event is one of cut NODE,"},
      {"[event]\nat = \"1s\"\n", "lab.toml:1: event: Write [[event]] and its keys below."},
      {"host = 3\n", "lab.toml:1: host: Write [host.NAME] and its keys below."},
      {"host.x = 3\n", "lab.toml:1: host.x: Write [host.NAME] and its keys below."},
      {"[host.Server]\n", "lab.toml:1: \"Server\" is no name for a node:"},
      {"[host.core]\n", "lab.toml:1: \"core\" is the lab's own name: choose another."},
      {"[nat.x]\n[host.x]\n", "lab.toml:2: \"x\" is there twice: every host and NAT has a name of its own."},
      {"[host.alice]\nbehind = \"home\"\n",
       "lab.toml:1: \"alice\" is behind \"home\", but there is no NAT of that name."},
      {"[nat.a]\nbehind = \"b\"\n[nat.b]\nbehind = \"a\"\n", "lab.toml:1: \"a\" is behind itself:"},
      {"[host.a]\naddress = \"203.0.113.300\"\n", "lab.toml:1: \"a\" has the address 203.0.113.300, which is none."},
      {"[host.a]\naddress = \"203.0.113.9\"\n[host.b]\naddress = \"203.0.113.9\"\n",
       "lab.toml:3: \"b\" has the address 203.0.113.9, which is taken."},
      {"[host.a]\naddress = \"192.0.2.1\"\n", "lab.toml:1: \"a\" has the address 192.0.2.1, which is taken."},
      {"[nat.a]\n[host.x]\nbehind = \"a\"\naddress = \"192.168.1.1\"\n",
       "lab.toml:2: \"x\" has the address 192.168.1.1, which is \"a\"'s own."},
      {"[nat.a]\naddress = \"2001:db8::1\"\n",
       "lab.toml:1: \"a\" has the address 2001:db8::1, which is no IPv4 address."},
      {"[nat.a]\ninside = \"192.168.1.1/24\"\n", "lab.toml:1: \"a\" has inside 192.168.1.1/24: write a network"},
      {"[nat.a]\ninside = \"192.168.1.0/31\"\n", "lab.toml:1: \"a\" has inside 192.168.1.0/31: write a network"},
      {"[nat.a]\n[host.x]\nbehind = \"a\"\naddress = \"10.0.0.2\"\n",
       "lab.toml:2: \"x\" has 10.0.0.2, which is not in \"a\"'s 192.168.1.0/24."},
      {"[nat.a]\ninside = \"10.0.0.0/29\"\n[host.b]\nbehind = \"a\"\n[host.c]\nbehind = \"a\"\n[host.d]\nbehind = "
       "\"a\"\n[host.e]\nbehind = \"a\"\n[host.f]\nbehind = \"a\"\n[host.g]\nbehind = \"a\"\n",
       "lab.toml:13: \"g\" gets no address: 10.0.0.0/29 is full."},
      {"[nat.a]\nipv4 = false\n", "lab.toml:1: \"a\" has neither IPv4 nor IPv6."},
      {"[nat.a]\n[nat.b]\nbehind = \"a\"\nipv6 = \"open\"\n", "lab.toml:2: \"b\" has IPv6, but \"a\" has none."},
      {"[nat.a]\ninside = \"10.0.0.0/24\"\n[nat.b]\nbehind = \"a\"\ninside = \"10.0.0.0/16\"\n",
       "lab.toml:3: \"b\" has the same network inside and outside: 10.0.0.0/16."},
      {"[host.a]\n[[event]]\nat = \"1s\"\ndo = \"cut b\"\n",
       "lab.toml:2: There is no node \"b\" for the event \"cut b\"."},
      {"[host.a]\n[[event]]\nat = \"1s\"\ndo = \"reboot a\"\n",
       "lab.toml:2: There is no NAT \"a\" for the event \"reboot a\"."},
      {"[host.a]\n[[event]]\nat = \"1s\"\ndo = \"heal a b\"\n",
       "lab.toml:2: There is no node \"b\" for the event \"heal a b\"."},
  };
  for (const auto& row : rows) {
    const std::string error = error_of(row.text);
    EXPECT_TRUE(error.starts_with(row.sentence)) << row.text << "gave\n" << error << "\nnot\n" << row.sentence;
  }
}

TEST(LabPlanFlags, SayTheSameAsAFile) {
  const auto plan = plan_of({.nats = {"home=symmetric@cgn", "cgn"},
                             .hosts = {"server=203.0.113.99", "alice@home"},
                             .links = {"home=delay=5ms"},
                             .events = {"2.5s cut home"}});
  ASSERT_TRUE(plan) << plan.error().text;
  EXPECT_EQ(plan->nat("home")->behind, "cgn");
  EXPECT_EQ(plan->nat("home")->kind.text, "symmetric");
  EXPECT_EQ(plan->nat("cgn")->kind.text, "home");
  EXPECT_EQ(plan->host("server")->addresses, std::vector<std::string>{"203.0.113.99"});
  EXPECT_EQ(plan->host("alice")->behind, "home");
  EXPECT_EQ(link::to_text(plan->nat("home")->link.up), "delay=5ms");
  EXPECT_EQ(plan->changes.at(0).at, 2500ms);
}

TEST(LabPlanFlags, WithoutAnyThereIsTheUsualLab) {
  const auto plan = plan_of({.links = {"home-a=loss=1%"}});
  ASSERT_TRUE(plan) << plan.error().text;
  EXPECT_TRUE(plan->host("server") && plan->host("alice") && plan->host("bob"));
  EXPECT_EQ(link::to_text(plan->nat("home-a")->link.down), "loss=1%");
}

TEST(LabPlanFlags, SayWhatIsWrong) {
  const auto error = [](const PlanFlags& flags) {
    const auto plan = plan_of(flags);
    return plan ? std::string("none") : plan.error().text;
  };
  EXPECT_EQ(error({.file = "/nowhere.toml"}), "/nowhere.toml cannot be read: is it there, and yours?");
  EXPECT_TRUE(error({.nats = {"home=hoem"}}).starts_with("--nat home=hoem: There is no NAT \"hoem\":"));
  EXPECT_EQ(error({.hosts = {"a@b"}}), "--host a@b: \"a\" is behind \"b\", but there is no NAT of that name.");
  EXPECT_EQ(error({.links = {"nobody=loss=1%"}}), "--link nobody=loss=1%: There is no node \"nobody\".");
  EXPECT_EQ(error({.links = {"server=loss=2"}}),
            "--link server=loss=2: A line's \"loss\" is a share such as 1%, not \"2\".");
  EXPECT_EQ(error({.events = {"cut"}}), "--event cut: Write a time and an event, such as \"2s cut home\".");
  EXPECT_EQ(error({.events = {"1s cut nobody"}}), "--event: There is no node \"nobody\" for the event \"cut nobody\".");
}

}  // namespace
}  // namespace ginnel::lab
