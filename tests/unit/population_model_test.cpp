// The population's model file: what it says, and what is said of a wrong one.
#include <gtest/gtest.h>

#include <numeric>

#include "sim/population/model.hpp"

namespace ginnel::sim::population {
namespace {

const std::string network = R"(
[network]
square = 60
fixed_line = [2, 15]
mobile_line = [15, 45]
fixed_jitter = 2
mobile_jitter = 15
fixed_loss = [0, 0.01]
mobile_loss = [0, 0.02]
broken_ipv6 = 0.01
answers_443 = 0.3
)";
const std::string variant = R"(
[[variant]]
name = "base"
symmetric = 1.0
port_mapping = 1.0
)";
const std::string open_half = R"(
[[class]]
name = "open"
share = 0.5
mapping = "none"
filtering = "none"
tcp = "open"
source = "a test"
)";
std::string symmetric_half(const std::string& more = "") {
  return R"(
[[class]]
name = "hard"
share = 0.5
mapping = "endpoint-dependent"
filtering = "address-and-port-dependent"
ports = "sequential"
tcp = "reset"
ipv6 = 0.25
measured = ["share", "ipv6"]
source = "a test"
)" + more;
}

/// The sentence about a wrong file.
std::string wrong(const std::string& text) {
  auto model = read_model(text, "m.toml");
  return model ? "" : model.error().text;
}

TEST(PopulationModel, OfTheProjectIsGood) {
  auto model = load_model(std::string(GINNEL_SOURCE_DIR) + "/sim/population/model.toml");
  ASSERT_TRUE(model) << model.error().text;
  EXPECT_EQ(model->classes.size(), 15u);
  for (const char* name : {"base", "pessimistic", "optimistic"}) EXPECT_TRUE(model->variant(name)) << name;
  EXPECT_FALSE(model->variant("rosy"));
  double symmetric = 0;
  for (const Class& c : model->classes) symmetric += c.mapping == Mapping::dependent ? c.share : 0;
  EXPECT_NEAR(symmetric, 0.17, 1e-9);
}

TEST(PopulationModel, ReadsAClass) {
  auto model = read_model(open_half + symmetric_half() + variant + network, "m.toml");
  ASSERT_TRUE(model) << model.error().text;
  const Class& hard = model->classes[1];
  EXPECT_EQ(hard.name, "hard");
  EXPECT_EQ(hard.mapping, Mapping::dependent);
  EXPECT_EQ(hard.filtering, nat::Depends::on_address_and_port);
  EXPECT_EQ(hard.ports, nat::PortChoice::sequential);
  EXPECT_EQ(hard.tcp, TcpManner::reset);
  EXPECT_EQ(hard.ipv6, 0.25);
  EXPECT_EQ(hard.measured, (std::vector<std::string>{"share", "ipv6"}));
  EXPECT_EQ(hard.kind(), "EDM-sequential");
  EXPECT_EQ(model->classes[0].kind(), "open");
  EXPECT_EQ(model->network.mobile_line.high, 45);
}

TEST(PopulationModel, AVariantMovesTheShares) {
  auto model = read_model(open_half + symmetric_half() + variant + network, "m.toml");
  ASSERT_TRUE(model);
  std::vector<double> shares = model->shares({"worse", 3, 1});
  EXPECT_NEAR(shares[0], 0.25, 1e-12);
  EXPECT_NEAR(shares[1], 0.75, 1e-12);
}

TEST(PopulationModel, SaysWhatIsWrongAndWhere) {
  std::string tail = variant + network;
  EXPECT_TRUE(wrong("[[class").starts_with("m.toml:1: This is not TOML: ")) << wrong("[[class");
  EXPECT_EQ(wrong(""), "m.toml: There is no [[class]]: one at least is needed.");
  EXPECT_EQ(wrong(open_half + tail), "m.toml: The shares of all classes make 0.500000: they must make 1.");
  EXPECT_EQ(wrong(open_half + open_half + tail), "m.toml: There are two of [[class]] named \"open\".");
  EXPECT_EQ(wrong(open_half + symmetric_half("colour = 3") + tail),
            "m.toml:20: class 2 colour: Nobody knows what that is.");
  EXPECT_EQ(wrong(open_half + symmetric_half("hairpin = 1.5") + tail),
            "m.toml:20: class 2 hairpin: This is a number from 0 to 1.");
  EXPECT_EQ(wrong(open_half + symmetric_half("udp = \"no\"") + tail), "m.toml:20: class 2 udp: This is true or false.");
  EXPECT_EQ(wrong(open_half + variant), "m.toml: There is no [network]: it says how far everybody is.");
  EXPECT_EQ(wrong("hello = 1\n" + open_half), "m.toml:1: hello: Nobody knows what that is.");
}

TEST(PopulationModel, RefusesWordsItDoesNotKnow) {
  auto with = [](std::string from, const std::string& to) {
    std::string text = open_half + symmetric_half() + variant + network;
    return wrong(text.replace(text.find(from), from.size(), to));
  };
  EXPECT_EQ(with("\"sequential\"", "\"odd\""),
            "m.toml:15: class 2 ports: This is one of block, preserve, random, sequential.");
  EXPECT_EQ(with("tcp = \"reset\"", "tcp = \"open\""),
            "m.toml:16: class 2 tcp: It is open where there is no NAT, and only there.");
  EXPECT_EQ(with("\"ipv6\"]", "\"weather\"]"),
            "m.toml:18: class 2 measured: Each of the list is the name of another key of the class.");
  EXPECT_EQ(with("[2, 15]", "[15, 2]"),
            "m.toml:28: network fixed_line: The first is not to be more than the second.");
}

TEST(PopulationModel, AFileThatIsNotThere) {
  auto model = load_model("/nowhere/model.toml");
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().text, "/nowhere/model.toml: This file cannot be read.");
}

}  // namespace
}  // namespace ginnel::sim::population
