// A gateway's port mapping in virtual time, with an engine that is only a table. Knows short ways to ask each protocol;
// refuses to translate anything. No RFC.
#pragma once
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/portmap/service.hpp"
#include "tests/support/seeded_rng.hpp"
#include "wire/ip.hpp"

namespace ginnel::test {

/// Ports in `taken` are used by flows that nobody asked us for.
struct TableEngine : portmap::ForwardEngine {
  std::map<std::pair<uint8_t, Address>, Address> forwards;
  std::set<uint16_t> taken;
  bool refuses_all = false;

  bool add_forward(const portmap::Forward& f) override {
    EXPECT_FALSE(f.outside.is_unspecified() || f.outside.port == 0 || f.inside.port == 0);
    if (refuses_all || taken.contains(f.outside.port)) return false;
    return forwards.emplace(std::pair{f.protocol, f.outside}, f.inside).second;
  }
  void remove_forward(const portmap::Forward& f) override {
    auto found = forwards.find({f.protocol, f.outside});
    ASSERT_TRUE(found != forwards.end() && found->second == f.inside);
    forwards.erase(found);
  }
  bool leads(uint8_t protocol, const Address& outside, const Address& inside) const {
    auto found = forwards.find({protocol, outside});
    return found != forwards.end() && found->second == inside;
  }
};

inline constexpr uint8_t tcp_protocol = wire::ip_protocol_tcp, udp_protocol = wire::ip_protocol_udp;
inline const Address gateway_inside = Address::v4(192, 168, 1, 1, 0);
inline const Address gateway_outside = Address::v4(198, 51, 100, 7, 0);
inline Address lan(uint8_t last, uint16_t port = 40000) { return Address::v4(192, 168, 1, last, port); }
inline Address outside_at(uint16_t port) { return gateway_outside.with_port(port); }
inline const std::vector<portmap::Prefix> lan_networks = {{gateway_inside, 24}};

inline portmap::ServiceConfig service_config() {
  portmap::ServiceConfig config;
  config.networks = lan_networks;
  config.identity.http = gateway_inside.with_port(5000);
  config.identity.uuid = {0xde, 0xad, 0xbe, 0xef};
  config.identity.name = "the lab's gateway";
  return config;
}

struct PortmapGateway {
  explicit PortmapGateway(const portmap::ServiceConfig& config = service_config(), uint64_t seed = 1) : rng(seed) {
    service.emplace(now, config, engine, rng);
    service->set_external(now, gateway_outside);
    drain();
  }

  struct Sent {
    portmap::Socket from;
    Address to;
    std::vector<uint8_t> bytes;
    std::string_view text() const { return as_text(bytes); }
  };

  std::vector<Sent> drain() {
    std::vector<Sent> out;
    std::array<uint8_t, 1500> room;
    while (auto action = service->poll_action(now, room))
      out.push_back({action->from, action->to, {action->bytes.begin(), action->bytes.end()}});
    return out;
  }
  std::vector<Sent> give(portmap::Socket at, const Address& from, Bytes bytes) {
    portmap::Datagram in{at, from, bytes};
    service->handle(now, in);
    return drain();
  }
  /// Whatever it says meanwhile.
  std::vector<Sent> wait(Duration how_long) {
    std::vector<Sent> out;
    Instant until = now + how_long;
    for (auto next = service->next_deadline(); next && next->when <= until; next = service->next_deadline()) {
      now = std::max(now, next->when);
      service->handle_timeout(now);
      auto more = drain();
      out.insert(out.end(), more.begin(), more.end());
    }
    now = until;
    return out;
  }
  /// The one answer at the requests socket, or nothing.
  std::vector<uint8_t> ask(const Address& from, Bytes request) {
    auto sent = give(portmap::Socket::requests, from, request);
    if (sent.empty()) return {};
    EXPECT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].to, from);
    EXPECT_EQ(sent[0].from, portmap::Socket::requests);
    return sent[0].bytes;
  }

  SeededRng rng;
  TableEngine engine;
  Instant now{1h};
  std::optional<portmap::Service> service;
};

}  // namespace ginnel::test
