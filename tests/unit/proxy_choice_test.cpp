// Which proxy is used: the command line before the environment, and the environment without complaint.
#include "app/proxy_choice.hpp"

#include <gtest/gtest.h>

namespace ginnel::app {
namespace {

class ProxyChoice : public testing::Test {
 protected:
  std::optional<HttpProxy> choose(const ProxyOptions& options) {
    auto chosen = choose_proxy(options, "relay.example.org", [this](const Report& r) { told.push_back(r); });
    EXPECT_TRUE(chosen) << chosen.error().text;
    return chosen ? *chosen : std::nullopt;
  }
  std::vector<Report> told;
};

TEST_F(ProxyChoice, WithoutAnySettingThereIsNone) { EXPECT_FALSE(choose({})); }

TEST_F(ProxyChoice, TheCommandLineCountsForEveryHost) {
  auto proxy = choose({"http://ours.example:1", "http://theirs.example:2", "*"});
  ASSERT_TRUE(proxy);
  EXPECT_EQ(proxy->host, "ours.example");
}

TEST_F(ProxyChoice, TheEnvironmentCountsUnlessItExemptsTheHost) {
  EXPECT_EQ(choose({"", "http://theirs.example:2", "example.net"})->host, "theirs.example");
  EXPECT_FALSE(choose({"", "http://theirs.example:2", "localhost,.example.org"}));
}

TEST_F(ProxyChoice, AnEnvironmentForOthersIsToldAndPassedOver) {
  EXPECT_FALSE(choose({"", "socks5://theirs.example:1080", ""}));
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].kind, Report::Kind::detail);
  EXPECT_EQ(told[0].event, "proxy_ignored");
}

TEST_F(ProxyChoice, AMistakeOnTheCommandLineIsOne) {
  auto chosen = choose_proxy({"socks5://ours.example:1080", "http://theirs.example:2", ""}, "relay.example.org",
                             [](const Report&) {});
  ASSERT_FALSE(chosen);
  EXPECT_EQ(chosen.error().code, Errc::usage);
  EXPECT_NE(chosen.error().text.find("--proxy"), std::string::npos);
}

}  // namespace
}  // namespace ginnel::app
