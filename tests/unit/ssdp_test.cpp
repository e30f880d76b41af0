// SSDP: the four messages both ways, what real devices send, and what nobody should believe. Knows wire/ssdp; refuses
// sockets. UPnP Device Architecture 1.1 section 1.
#include "wire/ssdp.hpp"

#include <gtest/gtest.h>

#include <string>

namespace ginnel::wire {
namespace {

using namespace std::string_literals;

constexpr const char* igd = "urn:schemas-upnp-org:device:InternetGatewayDevice:1";
constexpr const char* usn = "uuid:1-2-3::urn:schemas-upnp-org:device:InternetGatewayDevice:1";
constexpr const char* location = "http://192.168.1.1:5000/root.xml";

std::optional<SsdpMessage> parse(std::string_view text) { return parse_ssdp(as_bytes(text)); }

TEST(Ssdp, RoundTrips) {
  for (const auto& message :
       {SsdpMessage{SsdpKind::search, igd, {}, {}, 2, 0}, SsdpMessage{SsdpKind::search, "ssdp:all"},
        SsdpMessage{SsdpKind::alive, igd, usn, location, 0, 1800}, SsdpMessage{SsdpKind::byebye, igd, usn},
        SsdpMessage{SsdpKind::response, igd, usn, location, 0, 120}}) {
    std::string text = ssdp_text(message, "Linux/6 UPnP/1.1 ginnel/0");
    EXPECT_EQ(parse(text), message) << text;
  }
}

TEST(Ssdp, SearchText) {
  EXPECT_EQ(
      ssdp_text({SsdpKind::search, "ssdp:all", {}, {}, 1}),
      "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n");
}

TEST(Ssdp, AnswersAsDevicesWriteThem) {
  auto m = parse("HTTP/1.1 200 OK\r\nCache-Control:max-age = 1800, foo\r\nST:urn:x\r\nUsn :x\r\n\r\n");
  EXPECT_FALSE(m) << "a space before the colon hides a header from others";
  m = parse(
      "HTTP/1.0 200 Fine\ncache-control: no-cache, max-age =1800\nEXT:\nDate:\nserver: a\nLocation:  "
      "http://192.168.1.1/\nst: urn:x\nusn: uuid:y\n\nrubbish behind the headers");
  ASSERT_TRUE(m);
  EXPECT_EQ(*m, (SsdpMessage{SsdpKind::response, "urn:x", "uuid:y", "http://192.168.1.1/", 0, 1800}));
  EXPECT_TRUE(parse("HTTP/1.1 200 OK\r\nST: a\r\nUSN: b\r\nLOCATION: c\r\n")) << "without the empty line";
}

TEST(Ssdp, HeaderWithoutValue) {
  EXPECT_FALSE(parse("HTTP/1.1 200 OK\r\nST:\r\nUSN: b\r\nLOCATION: c\r\n\r\n"));
  EXPECT_FALSE(parse("HTTP/1.1 200 OK\r\nST: a\r\nUSN: b\r\nLOCATION:\r\n\r\n"));
  EXPECT_FALSE(parse("M-SEARCH * HTTP/1.1\r\nMAN: \"ssdp:discover\"\r\nST: \r\n\r\n"));
  EXPECT_FALSE(parse("M-SEARCH * HTTP/1.1\r\nMAN:\r\nST: a\r\n\r\n"));
}

TEST(Ssdp, NumbersFromTheWireAreBounded) {
  auto search = [](std::string mx) {
    return parse("M-SEARCH * HTTP/1.1\r\nMAN: \"ssdp:discover\"\r\nST: a\r\nMX: " + mx + "\r\n\r\n");
  };
  struct {
    const char* text;
    uint32_t value;
  } cases[] = {{"1", 1}, {"5", 5}, {"6", 5}, {"4294967295", 5}, {"99999999999999999999", 1}, {"-1", 1},
               {"0", 1}, {"x", 1}, {"", 1}};
  for (const auto& c : cases) {
    auto m = search(c.text);
    ASSERT_TRUE(m) << c.text;
    EXPECT_EQ(m->mx, c.value) << c.text;
  }
  for (const char* age : {"86401", "4294967295"}) {
    auto m = parse("HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=" + std::string(age) +
                   "\r\nST: a\r\nUSN: b\r\nLOCATION: c\r\n");
    ASSERT_TRUE(m);
    EXPECT_EQ(m->max_age, ssdp_max_age_max);
  }
  EXPECT_EQ(parse("HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age\r\nST: a\r\nUSN: b\r\nLOCATION: c\r\n")->max_age, 0u);
}

TEST(Ssdp, Nonsense) {
  const std::string good = ssdp_text({SsdpKind::response, igd, usn, location, 0, 1800});
  std::string many = good.substr(0, good.size() - 2);
  for (size_t i = 0; i < ssdp_headers_max; ++i) many += "X-" + std::to_string(i) + ": y\r\n";
  std::string large = good.substr(0, good.size() - 2) + "X: " + std::string(ssdp_message_max, 'y') + "\r\n\r\n";
  for (const std::string& text :
       {std::string(), std::string("\r\n"),
        std::string("HTTP/1.1 404 Not Found\r\nST: a\r\nUSN: b\r\nLOCATION: c\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nST: a\r\nUSN: b\r\nLOCATION: c\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nno colon\r\nST: a\r\nUSN: b\r\nLOCATION: c\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\n: no name\r\nST: a\r\nUSN: b\r\nLOCATION: c\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nST: a\r\n folded\r\nUSN: b\r\nLOCATION: c\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nST: a\r\nUSN: b\r\nLOCATION: c\r\nLocation: d\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nST: a\r\nUSN: b\r\nLOCATION: c\rd\r\n\r\n"),
        "HTTP/1.1 200 OK\r\nST: a\r\nUSN: b\r\nLOCATION: c\0\r\n\r\n"s,
        std::string("M-SEARCH * HTTP/1.1\r\nMAN: ssdp:discover\r\nST: a\r\n\r\n"),
        std::string("NOTIFY * HTTP/1.1\r\nNT: a\r\nUSN: b\r\nNTS: ssdp:update\r\nLOCATION: c\r\n\r\n"),
        std::string("NOTIFY * HTTP/1.1\r\nNT: a\r\nUSN: b\r\nNTS: ssdp:alive\r\n\r\n"), many, large})
    EXPECT_FALSE(parse(text)) << text;
  EXPECT_TRUE(parse(good));
}

}  // namespace
}  // namespace ginnel::wire
