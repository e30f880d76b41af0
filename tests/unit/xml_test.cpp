// XML with bounds: bombs, depth, DTDs, cuts, encodings. Knows wire/xml; refuses to know what documents mean. XML 1.0.
#include "wire/xml.hpp"

#include <gtest/gtest.h>

namespace ginnel::wire {
namespace {

std::optional<XmlElements> parse(std::string_view text, XmlBytes bytes = XmlBytes::strict) {
  return parse_xml(as_bytes(text), bytes);
}

std::string nested(size_t depth) {
  std::string out;
  for (size_t i = 0; i < depth; ++i) out += "<a>";
  for (size_t i = 0; i < depth; ++i) out += "</a>";
  return out;
}

TEST(Xml, FlatList) {
  auto e = parse("<?xml version='1.0'?>\n<s:a xmlns:s='x'> one <b c='d'>two &amp; &#51;</b> four<!-- no --><e/></s:a>");
  ASSERT_TRUE(e);
  EXPECT_EQ(*e, (XmlElements{{"a", "one  four", 0}, {"b", "two & 3", 1}, {"e", "", 1}}));
}

TEST(Xml, Children) {
  auto e = parse("<a><b><c/></b><d/><b2/><d/></a>");
  ASSERT_TRUE(e);
  ASSERT_TRUE(xml_child(*e, 0, "b"));
  EXPECT_EQ(xml_child(*e, 0, "c"), nullptr) << "a grandchild";
  EXPECT_EQ(xml_child(*e, 0, "d"), nullptr) << "which of two?";
  EXPECT_TRUE(xml_child(*e, 1, "c"));
  EXPECT_EQ(xml_child(*e, 3, "b2"), nullptr) << "a sibling";
}

TEST(Xml, NoDoctypeSoNoEntities) {
  EXPECT_FALSE(parse("<!DOCTYPE a><a/>"));
  EXPECT_FALSE(parse("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>"));
  EXPECT_FALSE(parse("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>"));
  std::string laughs = "<!DOCTYPE a [<!ENTITY l0 'ha'>";
  for (int i = 1; i < 10; ++i) {
    std::string n = std::to_string(i), before = "&l" + std::to_string(i - 1) + ";";
    laughs += "<!ENTITY l" + n + " '";
    for (int j = 0; j < 10; ++j) laughs += before;
    laughs += "'>";
  }
  EXPECT_FALSE(parse(laughs + "]><a>&l9;</a>"));
  EXPECT_FALSE(parse("<a>&x;</a>"));
}

TEST(Xml, Bounds) {
  EXPECT_TRUE(parse(nested(xml_depth_max)));
  EXPECT_FALSE(parse(nested(xml_depth_max + 1)));
  EXPECT_FALSE(parse(nested(9000)));
  auto wide = [](size_t count) {
    std::string out = "<a>";
    for (size_t i = 1; i < count; ++i) out += "<b/>";
    return out + "</a>";
  };
  EXPECT_TRUE(parse(wide(xml_elements_max)));
  EXPECT_FALSE(parse(wide(xml_elements_max + 1)));
  auto large = [](size_t size) { return "<a>" + std::string(size - 7, 'x') + "</a>"; };
  EXPECT_TRUE(parse(large(xml_size_max)));
  EXPECT_FALSE(parse(large(xml_size_max + 1)));
  EXPECT_FALSE(parse(large(10'000'000)));
}

TEST(Xml, NotWellFormed) {
  const std::string whole = "<a><b>x</b></a>";
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(parse(whole.substr(0, size))) << size;
  for (const char* text :
       {"<a></b>", "<a><b></a></b>", "<a/><b/>", "<a b=c/>", "<a b='1' b='2'/>", "x", "<a>&</a>", "<>"})
    EXPECT_FALSE(parse(text)) << text;
  EXPECT_FALSE(parse(std::string("<a>\0</a>", 8)));
}

TEST(Xml, Encodings) {
  EXPECT_EQ((*parse("<a>caf\xc3\xa9</a>"))[0].text, "caf\xc3\xa9");
  EXPECT_FALSE(parse("<a>caf\xe9</a>"));
  EXPECT_TRUE(parse("<a>caf\xe9</a>", XmlBytes::lenient));
  EXPECT_TRUE(parse("<?xml version='1.0' encoding='GB2312'?><a>\xd6\xd0</a>", XmlBytes::lenient));
  EXPECT_EQ((*parse("\r\n <?xml version='1.0'?><a/>\n\0\0"))[0].name, "a");
  EXPECT_TRUE(parse(std::string("<a/>\0\0", 6))) << "routers that count the end of a C string";
}

TEST(Xml, Escapes) {
  const std::string nasty = "<&>\"' ]]> &lt;";
  auto e = parse("<a>" + xml_escaped(nasty) + "</a>");
  ASSERT_TRUE(e);
  EXPECT_EQ((*e)[0].text, nasty);
  EXPECT_EQ(xml_escaped(std::string_view("a\0\n\x7f", 4)), "a   ");
}

}  // namespace
}  // namespace ginnel::wire
