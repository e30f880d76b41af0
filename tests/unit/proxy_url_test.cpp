// Settings for an HTTP proxy. Knows wire/proxy_url; refuses to know the environment. RFC 3986, RFC 7617.
#include "wire/proxy_url.hpp"

#include <gtest/gtest.h>

namespace ginnel::wire {
namespace {

TEST(ProxyUrl, Spellings) {
  struct {
    const char* written;
    HttpProxy read;
  } table[] = {
      {"http://proxy.example:3128", {"proxy.example", 3128, "", ""}},
      {" HTTP://Proxy.Example:3128/\n", {"proxy.example", 3128, "", ""}},
      {"proxy.example:3128", {"proxy.example", 3128, "", ""}},
      {"http://10.0.0.1", {"10.0.0.1", 80, "", ""}},
      {"http://[2001:db8::1]:8080", {"2001:db8::1", 8080, "", ""}},
      {"http://ann@proxy.example:3128", {"proxy.example", 3128, "ann", ""}},
      {"http://ann:secret@proxy.example:3128", {"proxy.example", 3128, "ann", "secret"}},
      {"http://a%6Ene:p%40ss%3aw:rd@proxy.example:3128", {"proxy.example", 3128, "anne", "p@ss:w:rd"}},
      {"http://ann:p@ss@proxy.example:3128", {"proxy.example", 3128, "ann", "p@ss"}},
  };
  for (auto& row : table) {
    auto proxy = parse_proxy_url(row.written);
    ASSERT_TRUE(proxy) << row.written << ": " << proxy.error().text;
    EXPECT_EQ(*proxy, row.read) << row.written;
  }
}

TEST(ProxyUrl, WrongOnesGetASentenceThatDoesNotRepeatThem) {
  for (const char* wrong :
       {"", "http://", "socks5://secret.example:1080", "https://secret.example:443", "http://secret example:80",
        "http://secret.example:0", "http://secret.example:70000", "http://secret.example:80/path",
        "http://secret%zz:x@proxy.example:80", "http://secret%4:x@proxy.example:80",
        "http://secret%0d%0aX:x@proxy.example:80", "http://sec%3Aret:x@proxy.example:80", "http://2001:db8::1:80"}) {
    auto proxy = parse_proxy_url(wrong);
    ASSERT_FALSE(proxy) << wrong;
    EXPECT_EQ(proxy.error().code, Errc::usage);
    EXPECT_TRUE(proxy.error().text.ends_with('.')) << proxy.error().text;
    EXPECT_EQ(proxy.error().text.find("secret"), std::string::npos) << proxy.error().text;
  }
}

TEST(ProxyUrl, ForPeopleItHasNoPassword) {
  EXPECT_EQ(parse_proxy_url("http://ann:secret@proxy.example:3128")->to_string(), "http://proxy.example:3128");
  EXPECT_EQ(parse_proxy_url("http://[::1]:3128")->to_string(), "http://[::1]:3128");
}

TEST(ProxyUrl, WhoWantsNone) {
  struct {
    const char *list, *host;
    bool exempt;
  } table[] = {
      {"", "relay.example.org", false},
      {"*", "relay.example.org", true},
      {"relay.example.org", "relay.example.org", true},
      {"Relay.Example.Org", "relay.example.org", true},
      {"example.org", "relay.example.org", true},
      {".example.org", "relay.example.org", true},
      {"*.example.org", "relay.example.org", true},
      {".example.org", "example.org", true},
      {"ample.org", "relay.example.org", false},
      {"relay.example.org:443", "relay.example.org", true},
      {"localhost, 127.0.0.1 ,example.org", "relay.example.org", true},
      {"localhost 127.0.0.1\texample.net", "relay.example.org", false},
      {",,. *. ,", "relay.example.org", false},
      {"192.0.2.1", "192.0.2.1", true},
      {"192.0.2.1:3478", "192.0.2.1", true},
      {"192.0.2", "192.0.2.1", false},
      {"2.1", "192.0.2.1", false},
      {"192.0.2.0/24", "192.0.2.1", true},
      {"192.0.2.0/25", "192.0.2.128", false},
      {"0.0.0.0/0", "192.0.2.1", true},
      {"192.0.2.0/33", "192.0.2.1", false},
      {"192.0.2.0/", "192.0.2.1", false},
      {"192.0.2.0/24", "relay.example.org", false},
      {"::1", "::1", true},
      {"[2001:db8::1]", "2001:db8::1", true},
      {"2001:db8::/32", "2001:db8:1::1", true},
      {"2001:db8::/32", "2001:db9::1", false},
      {"0.0.0.0/0", "2001:db8::1", false},
  };
  for (auto& row : table) EXPECT_EQ(is_exempt(row.list, row.host), row.exempt) << row.list << " | " << row.host;
}

}  // namespace
}  // namespace ginnel::wire
