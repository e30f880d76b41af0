// One gateway in virtual time with short names for the hosts around it. Knows how to send a packet through and see what
// comes out; refuses to let a packet out whose checksums are wrong. No RFC.
#pragma once
#include <gtest/gtest.h>

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/nat/gateway.hpp"
#include "tests/support/packets.hpp"
#include "tests/support/seeded_rng.hpp"

namespace ginnel::test {

inline Address host(uint8_t last, uint16_t port) { return Address::v4(10, 0, 0, last, port); }
inline Address server(uint8_t last, uint16_t port) { return Address::v4(203, 0, 113, last, port); }
inline Address outside_ip(uint8_t last = 1, uint16_t port = 0) { return Address::v4(198, 51, 100, last, port); }

inline nat::Behaviour behaviour(std::string_view preset = "rfc") { return *nat::preset(preset); }

struct Nat {
  explicit Nat(nat::Behaviour b = {}, uint8_t addresses = 1, uint64_t seed = 1) : rng(seed) {
    std::vector<Address> pool;
    for (uint8_t i = 1; i <= addresses; ++i) pool.push_back(outside_ip(i));
    gateway.emplace(b, pool, rng);
  }
  explicit Nat(nat::Behaviour b, const Address& only) { gateway.emplace(b, std::vector{only}, rng); }

  /// What leaves on the other side, or (hairpin) the same one; nothing if it was not forwarded.
  std::optional<PacketBytes> out(PacketBytes p) { return passed(p, gateway->handle_inside(now, p)); }
  std::optional<PacketBytes> in(PacketBytes p) { return passed(p, gateway->handle_outside(now, p)); }

  /// The outside endpoint that `from` gets towards `to`; unspecified if it gets none.
  Address map(const Address& from, const Address& to) {
    auto p = out(udp(from, to));
    return p ? source_of(*p) : Address{};
  }
  Address map_tcp(const Address& from, const Address& to) {
    auto p = out(tcp(from, to, syn));
    return p ? source_of(*p) : Address{};
  }
  bool reaches(const Address& from, const Address& outside) { return in(udp(from, outside)).has_value(); }
  /// A whole handshake and some data, begun from inside; returns the outside endpoint.
  Address connect(const Address& from, const Address& to) {
    Address at = map_tcp(from, to);
    EXPECT_TRUE(in(tcp(to, at, syn | ack, 5000, 1001)));
    EXPECT_TRUE(out(tcp(from, to, ack, 1001, 5001)));
    EXPECT_TRUE(out(tcp(from, to, ack, 1001, 5001, "data")));
    return at;
  }
  void wait(Duration how_long) {
    Instant until = now + how_long;
    for (auto next = gateway->next_deadline(); next && next->when <= until; next = gateway->next_deadline()) {
      now = std::max(now, next->when);
      gateway->handle_timeout(now);
    }
    now = until;
  }
  std::vector<std::pair<nat::Side, PacketBytes>> generated() {
    std::vector<std::pair<nat::Side, PacketBytes>> all;
    std::vector<uint8_t> room(65536);
    while (auto one = gateway->poll_generated(room)) {
      all.emplace_back(one->side, PacketBytes(one->bytes.begin(), one->bytes.end()));
      EXPECT_TRUE(checksums_right(one->bytes));
    }
    return all;
  }

  SeededRng rng;
  Instant now{1h};
  std::optional<nat::Gateway> gateway;
  nat::Verdict last;

 private:
  std::optional<PacketBytes> passed(PacketBytes& p, const nat::Verdict& verdict) {
    last = verdict;
    if (verdict.action == nat::Action::drop || verdict.action == nat::Action::held ||
        verdict.action == nat::Action::local)
      return {};
    p.resize(verdict.size);
    EXPECT_TRUE(checksums_right(p));
    return p;
  }
};

}  // namespace ginnel::test
