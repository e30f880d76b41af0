// SSDP at the gateway: searches, presence, farewell, and floods. Knows core/portmap/service from outside, in virtual
// time; refuses sockets. UPnP Device Architecture 1.1 section 1.
#include "core/portmap/ssdp_server.hpp"

#include <gtest/gtest.h>

#include "tests/support/portmap_gateway.hpp"

namespace ginnel::portmap {
namespace {

using test::lan;

class SsdpServerTest : public ::testing::Test {
 protected:
  std::vector<wire::SsdpMessage> search(const std::string& target, uint32_t mx = 1, const Address& from = lan(2)) {
    auto sent =
        gateway.give(Socket::ssdp, from, as_bytes(wire::ssdp_text({wire::SsdpKind::search, target, {}, {}, mx})));
    for (auto& more : gateway.wait(2s)) sent.push_back(more);
    std::vector<wire::SsdpMessage> out;
    for (const auto& s : kept = sent) {
      EXPECT_EQ(s.from, Socket::ssdp);
      EXPECT_EQ(s.to, from);
      auto message = wire::parse_ssdp(s.bytes);
      EXPECT_TRUE(message);
      EXPECT_EQ(message->kind, wire::SsdpKind::response);
      out.push_back(*message);
    }
    return out;
  }
  void settle() { gateway.wait(3min); }  // announcements of the start

  test::PortmapGateway gateway;
  std::vector<test::PortmapGateway::Sent> kept;
};

TEST_F(SsdpServerTest, AnswersEachControlPointInItsVersion) {
  settle();
  for (const char* version : {"1", "2"}) {
    std::string target = "urn:schemas-upnp-org:device:InternetGatewayDevice:" + std::string(version);
    auto found = search(target);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].target, target);
    EXPECT_TRUE(found[0].usn.starts_with("uuid:deadbeef-0000-")) << found[0].usn;
    EXPECT_TRUE(found[0].usn.ends_with("::" + target));
    EXPECT_EQ(found[0].location, "http://192.168.1.1:5000/igd" + std::string(version) + ".xml");
    EXPECT_EQ(found[0].max_age, 1800u);
  }
  EXPECT_EQ(search("upnp:rootdevice").size(), 2u);
  EXPECT_EQ(search("urn:schemas-upnp-org:service:WANIPConnection:1").size(), 1u);
  EXPECT_TRUE(search("urn:schemas-upnp-org:device:MediaServer:1").empty());
}

TEST_F(SsdpServerTest, AllMeansEverythingOnce) {
  settle();
  std::set<std::pair<std::string, std::string>> seen;
  auto all = search("ssdp:all", 2);
  for (const auto& m : all) seen.emplace(std::string(m.target), std::string(m.usn));
  EXPECT_EQ(all.size(), 20u);
  EXPECT_EQ(seen.size(), all.size());
}

TEST_F(SsdpServerTest, AnswersAreSpreadOverTheTimeAllowed) {
  settle();
  gateway.give(Socket::ssdp, lan(2), as_bytes(wire::ssdp_text({wire::SsdpKind::search, "ssdp:all", {}, {}, 5})));
  size_t early = gateway.wait(1s).size();
  size_t late = gateway.wait(1s).size();
  EXPECT_GT(early, 2u);
  EXPECT_GT(late, 2u);
  EXPECT_EQ(early + late, 20u);
}

TEST_F(SsdpServerTest, StrangersAndNonsenseGetNothing) {
  settle();
  EXPECT_TRUE(search("ssdp:all", 1, Address::v4(203, 0, 113, 9, 1900)).empty());
  for (const char* text : {"", "M-SEARCH * HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"})
    EXPECT_TRUE(gateway.give(Socket::ssdp, lan(2), as_bytes(text)).empty());
  EXPECT_TRUE(
      gateway.give(Socket::ssdp, lan(2), as_bytes(wire::ssdp_text({wire::SsdpKind::response, "a", "b", "c"}))).empty());
}

TEST_F(SsdpServerTest, AFloodOfSearchesIsBounded) {
  settle();
  std::string text = wire::ssdp_text({wire::SsdpKind::search, "ssdp:all", {}, {}, 5});
  for (int i = 0; i < 1000; ++i) {
    Datagram in{Socket::ssdp, lan(2), as_bytes(text)};
    gateway.service->handle(gateway.now, in);
  }
  size_t sent = gateway.drain().size() + gateway.wait(2s).size();
  EXPECT_EQ(sent, SsdpServer::waiting_max);
}

TEST_F(SsdpServerTest, SaysThatItIsThereAndThatItGoes) {
  test::TableEngine engine;
  gateway.service.emplace(gateway.now, test::service_config(), engine, gateway.rng);
  EXPECT_TRUE(gateway.drain().empty()) << "without an outside address it has nothing to offer";
  auto count = [&](std::vector<test::PortmapGateway::Sent> sent, wire::SsdpKind kind) {
    size_t n = 0;
    for (const auto& s : sent) {
      if (s.from != Socket::ssdp) continue;
      EXPECT_EQ(s.to, wire::ssdp_group);
      auto message = wire::parse_ssdp(s.bytes);
      EXPECT_TRUE(message);
      n += message->kind == kind;
    }
    return n;
  };
  gateway.service->set_external(gateway.now, test::gateway_outside);
  EXPECT_EQ(count(gateway.drain(), wire::SsdpKind::alive), 20u);
  EXPECT_EQ(count(gateway.wait(1s), wire::SsdpKind::alive), 20u);
  EXPECT_EQ(count(gateway.wait(799s), wire::SsdpKind::alive), 0u);
  EXPECT_EQ(count(gateway.wait(1s), wire::SsdpKind::alive), 20u);
  gateway.service->close(gateway.now);
  EXPECT_EQ(count(gateway.drain(), wire::SsdpKind::byebye), 20u);
  EXPECT_TRUE(search("ssdp:all").empty());
  EXPECT_EQ(count(gateway.wait(1h), wire::SsdpKind::alive), 0u);
}

}  // namespace
}  // namespace ginnel::portmap
