// Events of the lab as text: what is understood, and the sentence for each mistake.
#include <gtest/gtest.h>

#include "lab/change.hpp"

namespace ginnel::lab {
namespace {

TEST(LabChange, ReadsAndWritesEveryForm) {
  for (const char* text :
       {"cut home", "mend home", "blackhole home-a home-b", "blackhole home-a home-b one-way", "heal home-a home-b",
        "link home delay=20ms,loss=1%", "link home up rate=1mbit", "link home down none", "link home none",
        "reboot home", "address home 198.51.100.7", "block-udp home", "allow-udp home"}) {
    const auto change = parse_change(text);
    ASSERT_TRUE(change) << change.error().text;
    EXPECT_EQ(change->to_string(), text);
  }
}

TEST(LabChange, KeepsWhatItMeans) {
  const auto change = parse_change("  link   home  down  loss=5% ");
  ASSERT_TRUE(change);
  EXPECT_EQ(change->verb, Change::Verb::link);
  EXPECT_EQ(change->node, "home");
  EXPECT_EQ(change->direction, Change::Direction::down);
  EXPECT_DOUBLE_EQ(change->spec.loss, 0.05);
}

TEST(LabChange, SaysWhatIsWrong) {
  const struct {
    const char *text, *begin;
  } rows[] = {
      {"", "An event is one of cut NODE, mend NODE,"},
      {"cutt home", "There is no event \"cutt\": there is cut NODE,"},
      {"cut", "This event is written \"cut NODE\", not \"cut\"."},
      {"cut a b", "This event is written \"cut NODE\", not \"cut a b\"."},
      {"blackhole a", "This event is written \"blackhole NODE NODE [one-way]\", not \"blackhole a\"."},
      {"blackhole a b both", "This event is written \"blackhole NODE NODE [one-way]\", not \"blackhole a b both\"."},
      {"link home", "This event is written \"link NODE [up|down] SPEC|none\", not \"link home\"."},
      {"link home sideways loss=1%", "This event is written \"link NODE [up|down] SPEC|none\""},
      {"link home loss=1", "A line's \"loss\" is a share such as 1%, not \"1\"."},
      {"address home 300.1.1.1", "This event is written \"address NAT ADDRESS\", not \"address home 300.1.1.1\"."},
      {"address home 2001:db8::1", "This event is written \"address NAT ADDRESS\""},
  };
  for (const auto& row : rows) {
    const auto change = parse_change(row.text);
    ASSERT_FALSE(change) << row.text;
    EXPECT_TRUE(change.error().text.starts_with(row.begin)) << change.error().text;
    EXPECT_EQ(change.error().code, Errc::usage);
  }
}

TEST(LabChange, Moments) {
  EXPECT_EQ(*parse_moment("2.5s"), 2500ms);
  EXPECT_EQ(*parse_moment("0s"), 0ms);
  EXPECT_EQ(*parse_moment("300ms"), 300ms);
  EXPECT_EQ(*parse_moment("2m"), 120s);
  for (const char* text : {"", "2", "s", "-1s", "2 s", "2h", "nans", "infs", "90000s"}) {
    const auto moment = parse_moment(text);
    ASSERT_FALSE(moment) << text;
    EXPECT_EQ(moment.error().text, "A moment is written like 2.5s, 300ms or 2m, not \"" + std::string(text) + "\".");
  }
}

}  // namespace
}  // namespace ginnel::lab
