// URLs that a gateway may name, and those it may not. Knows wire/http_url; refuses to dial. RFC 3986 sections 3 and 5.
#include "wire/http_url.hpp"

#include <gtest/gtest.h>

namespace ginnel::wire {
namespace {

TEST(HttpUrl, Allowed) {
  struct {
    const char *text, *again;
  } cases[] = {
      {"http://192.168.1.1:5000/root.xml", "http://192.168.1.1:5000/root.xml"},
      {"HTTP://192.168.1.1", "http://192.168.1.1:80/"},
      {"http://192.168.1.1?x=y", "http://192.168.1.1:80/?x=y"},
      {"http://192.168.1.1:80/a?b#c", "http://192.168.1.1:80/a?b"},
      {"http://[2001:db8::1]/a", "http://[2001:db8::1]:80/a"},
      {"http://[2001:db8::1]:8080/a", "http://[2001:db8::1]:8080/a"},
  };
  for (const auto& c : cases) {
    auto url = parse_http_url(c.text);
    ASSERT_TRUE(url) << c.text;
    EXPECT_EQ(url->to_string(), c.again);
    EXPECT_EQ(parse_http_url(url->to_string()), url);
  }
}

TEST(HttpUrl, Refused) {
  const std::string long_path = "http://192.168.1.1/" + std::string(http_url_max, 'a');
  for (const std::string& text : {std::string(),
                                  std::string("192.168.1.1/"),
                                  std::string("https://192.168.1.1/"),
                                  std::string("file:///etc/passwd"),
                                  std::string("http://router.example/"),
                                  std::string("http://user@192.168.1.1/"),
                                  std::string("http://192.168.1.1@evil/"),
                                  std::string("http://192.168.1.1:0/"),
                                  std::string("http://192.168.1.1:65536/"),
                                  std::string("http://192.168.1.1:/"),
                                  std::string("http://192.168.1.1:8o/"),
                                  std::string("http://192.168.1/"),
                                  std::string("http://3232235777/"),
                                  std::string("http:///path"),
                                  std::string("http://[::1/"),
                                  std::string("http://::1/"),
                                  std::string("http://192.168.1.1/a b"),
                                  std::string("http://192.168.1.1/a\r\nX: y"),
                                  std::string("http://192.168.1.1/\0", 20),
                                  std::string("http://192.168.1.1\0/", 20),
                                  std::string("http://192.168.1.1/\x80"),
                                  long_path})
    EXPECT_FALSE(parse_http_url(text)) << text;
}

TEST(HttpUrl, Resolves) {
  const HttpUrl base = *parse_http_url("http://192.168.1.1:5000/dir/root.xml?x");
  struct {
    const char *reference, *result;
  } cases[] = {
      {"/ctl", "http://192.168.1.1:5000/ctl"},
      {"ctl", "http://192.168.1.1:5000/dir/ctl"},
      {"ctl/a:b", "http://192.168.1.1:5000/dir/ctl/a:b"},
      {"?y", "http://192.168.1.1:5000/dir/?y"},
      {"", "http://192.168.1.1:5000/dir/root.xml?x"},
      {"http://192.168.1.9/c", "http://192.168.1.9:80/c"},
      {"//192.168.1.9/c", "http://192.168.1.9:80/c"},
  };
  for (const auto& c : cases) {
    auto url = resolve_http_url(base, c.reference);
    ASSERT_TRUE(url) << c.reference;
    EXPECT_EQ(url->to_string(), c.result);
  }
  for (const char* bad : {"https://192.168.1.1/", "javascript:x", "/a b", "/a\nb", "//evil.example/"})
    EXPECT_FALSE(resolve_http_url(base, bad)) << bad;
  EXPECT_FALSE(resolve_http_url(base, std::string(http_url_max + 1, 'a')));
  EXPECT_FALSE(resolve_http_url(base, std::string(http_url_max, 'a'))) << "with the folder it is too long";
}

}  // namespace
}  // namespace ginnel::wire
