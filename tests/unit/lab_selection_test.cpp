// Requirements as a person names them on the command line.
#include <gtest/gtest.h>

#include "lab/conform/selection.hpp"

namespace ginnel::lab {
namespace {

std::vector<std::string> selected(const std::vector<std::string>& words) {
  const auto selection = Selection::parse(words);
  EXPECT_TRUE(selection) << selection.error().text;
  std::vector<std::string> out;
  if (!selection) return out;
  const auto filter = selection->filter();
  for (const auto* each : conform::requirements()) {
    if (filter(*each)) out.push_back(each->id());
  }
  EXPECT_EQ(out.size(), selection->size());
  return out;
}

TEST(LabSelection, WithoutWordsItIsEverything) { EXPECT_EQ(selected({}).size(), conform::requirements().size()); }

TEST(LabSelection, OneRequirementInEverySpelling) {
  for (const char* word : {"5382-2a", "RFC 5382 REQ-2a", "rfc5382 req2a", "5382 2A"})
    EXPECT_EQ(selected({word}), std::vector<std::string>{"RFC 5382 REQ-2a"}) << word;
  for (const char* word : {"7857-2.3", "RFC 7857 section 2.3"})
    EXPECT_EQ(selected({word}), std::vector<std::string>{"RFC 7857 section 2.3"}) << word;
  EXPECT_EQ(selected({"5382-4 crossed"}), std::vector<std::string>{"RFC 5382 REQ-4 crossed"});
}

TEST(LabSelection, EveryIdNamesItself) {
  for (const auto* each : conform::requirements())
    EXPECT_EQ(selected({each->id()}), std::vector<std::string>{each->id()});
}

TEST(LabSelection, ADocumentAndMore) {
  const auto all = selected({"6888", "4787-1", "6888-1"});
  EXPECT_EQ(all.front(), "RFC 4787 REQ-1");
  EXPECT_GT(all.size(), 10u);
  for (size_t i = 1; i < all.size(); ++i) EXPECT_TRUE(all[i].starts_with("RFC 6888 ")) << all[i];
}

TEST(LabSelection, WhatThereIsNot) {
  for (const char* word : {"4787-99", "", "rfc", "1234", "REQ-1", "../../etc"}) {
    const auto selection = Selection::parse({"4787-1", word});
    ASSERT_FALSE(selection) << word;
    EXPECT_EQ(selection.error().code, Errc::usage);
    EXPECT_TRUE(selection.error().text.starts_with("There is no requirement \"" + std::string(word) + "\";"));
  }
}

}  // namespace
}  // namespace ginnel::lab
