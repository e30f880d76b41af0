// What holds for every behaviour under any packets: right checksums, no shared outside endpoint, no life after the
// timer, bounded memory. Scripts come from a seed that a failure prints.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/support/nat_fixture.hpp"

namespace ginnel::test {
namespace {

using nat::Behaviour, nat::Side;

struct Script {
  explicit Script(const Behaviour& b, uint64_t seed) : rng(seed), nat(b, 3, seed + 1) {}

  Address inside() { return host(static_cast<uint8_t>(2 + rng.below(6)), static_cast<uint16_t>(999 + rng.below(40))); }
  Address remote() {
    if (rng.below(8) == 0)
      return outside_ip(static_cast<uint8_t>(1 + rng.below(3)), static_cast<uint16_t>(999 + rng.below(40)));
    return server(static_cast<uint8_t>(1 + rng.below(4)), static_cast<uint16_t>(50 + rng.below(4)));
  }
  PacketBytes packet(const Address& from, const Address& to) {
    static constexpr uint8_t flags[] = {syn, syn, syn | ack, ack, ack, fin | ack, rst};
    PacketBytes p;
    switch (rng.below(7)) {
      case 6:
        p = ip_packet(from, to, rng.below(2) ? 47 : 253, std::vector<uint8_t>(8 + rng.below(30), 3));
        break;
      case 0:
        p = tcp(from, to, flags[rng.below(std::size(flags))], static_cast<uint32_t>(rng.below(5000)), 7, "some data");
        break;
      case 1:
        p = query(from, to, rng.below(2) ? 8 : 0);
        break;
      case 2:
        p = icmp_error(from, to, rng.below(2) ? 3 : 11, static_cast<uint8_t>(rng.below(5)),
                       seen.empty() ? udp(to, from) : seen[rng.below(seen.size())]);
        break;
      default:
        p = udp(from, to, std::string(rng.below(10) ? rng.below(60) : rng.below(2400), 'x'));
    }
    if (rng.below(4) == 0) p = without_df(p);
    if (rng.below(50) == 0) p = with_ttl(p, static_cast<uint8_t>(rng.below(3)));
    if (rng.below(20) == 0 && protocol_of(p) == 17) put16(p, 26, 0);
    return p;
  }
  Address outside_of_somebody() {
    if (outside.empty() || rng.below(5) == 0)
      return outside_ip(static_cast<uint8_t>(1 + rng.below(3)), static_cast<uint16_t>(1000 + rng.below(50)));
    return outside[rng.below(outside.size())];
  }
  static bool is_error(Bytes p) {
    return protocol_of(p) == 1 && !is_fragment(p) && (icmp_type(p) == 3 || icmp_type(p) == 11);
  }
  static bool later_fragment(Bytes p) { return get16(p, 6) & 0x1fff; }
  void note_sent(Bytes p) {
    bool ports = protocol_of(p) == 1 || protocol_of(p) == 6 || protocol_of(p) == 17;
    last_sent[{protocol_of(p), ports ? source_of(p) : source_of(p).with_port(0)}] = nat.now;
  }
  void step() {
    bool from_inside = rng.below(2);
    PacketBytes p = from_inside ? packet(inside(), remote()) : packet(remote(), outside_of_somebody());
    auto pieces = rng.below(10) ? std::vector<PacketBytes>{p}
                                : fragments_of(p, 8 + 8 * rng.below(100), static_cast<uint16_t>(rng.below(4)));
    if (rng.below(2)) std::reverse(pieces.begin(), pieces.end());
    for (auto& piece : pieces) {
      bool error = is_error(piece), quoted = error && quoted_right(piece);
      auto out = from_inside ? nat.out(piece) : nat.in(piece);  // they check the checksums
      if (out && quoted) {
        EXPECT_TRUE(quoted_right(*out)) << "what it quotes was right before";
      }
      if (from_inside && !error && !later_fragment(piece)) note_sent(piece);
      if (out && (nat.last.action == nat::Action::forward_out)) {
        if (seen.size() < 50) seen.push_back(*out);
        outside.push_back(source_of(*out));
        if (outside.size() > 50) outside.erase(outside.begin());
      }
    }
    nat.generated();
    if (rng.below(10) == 0) nat.wait(std::chrono::milliseconds(rng.below(60'000)));
  }
  std::vector<nat::MappingInfo> mappings() {
    std::vector<nat::MappingInfo> all;
    uint32_t cursor = 0;
    while (auto one = nat.gateway->next_mapping(nat.now, cursor)) all.push_back(*one);
    return all;
  }

  SeededRng rng;
  Nat nat;
  std::map<std::pair<uint8_t, Address>, Instant> last_sent;  ///< by protocol and inside endpoint
  std::vector<PacketBytes> seen;
  std::vector<Address> outside;
};

/// No outside endpoint belongs to two inside ones.
void expect_exclusive(Script& script) {
  std::map<std::pair<uint8_t, Address>, Address> owner;
  for (const auto& m : script.mappings()) {
    auto [at, fresh] = owner.emplace(std::pair(m.protocol, m.outside), m.inside);
    EXPECT_TRUE(fresh || at->second == m.inside) << m.outside.to_string();
  }
}

Duration longest_timer(const Behaviour& b) {
  const auto& t = b.timers;
  return std::max({t.udp_one_way, t.udp_two_way, t.udp_well_known, t.icmp, t.tcp_half_open, t.tcp_established,
                   t.tcp_half_closed, t.tcp_closing, t.tcp_reset, t.tcp_refused, t.other});
}

/// Where only the inside prolongs, no mapping is older than its timer and the last packet from inside.
void expect_mortal(Script& script) {
  const Behaviour& b = script.nat.gateway->behaviour();
  if (b.refresh != nat::Refresh::out || b.basic) return;
  for (const auto& m : script.mappings()) {
    if (m.protocol == 6) continue;
    Duration life = m.protocol == 17  ? std::max({b.timers.udp_one_way, b.timers.udp_two_way, b.timers.udp_well_known})
                    : m.protocol == 1 ? b.timers.icmp
                                      : b.timers.other;
    auto sent = script.last_sent.find({m.protocol, m.inside});
    ASSERT_NE(sent, script.last_sent.end()) << m.inside.to_string() << " never sent anything";
    EXPECT_GT(sent->second + life, script.nat.now) << m.inside.to_string();
  }
}

TEST(NatProperty, RandomScriptsUnderEveryPreset) {
  for (const Behaviour& b : nat::presets()) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      SCOPED_TRACE(std::string(b.name) + " seed " + std::to_string(seed));
      Script script(b, seed);
      for (int i = 0; i < 400; ++i) {
        script.step();
        if (i % 20) continue;
        if (!b.ports.overloading) expect_exclusive(script);
        expect_mortal(script);
      }
      for (const auto& m : script.mappings()) EXPECT_LE(m.expires, script.nat.now + longest_timer(b));
      script.nat.wait(longest_timer(b) + b.timers.port_quarantine + 1s);
      EXPECT_EQ(script.nat.gateway->mapping_count(), 0u) << "a mapping leaks past its timer";
      EXPECT_EQ(script.nat.gateway->session_count(), 0u);
      EXPECT_FALSE(script.nat.gateway->next_deadline()) << "something waits for ever";
      if (HasFailure()) return;
    }
  }
}

TEST(NatProperty, RandomKnobs) {
  SeededRng rng(99);
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    Behaviour b;
    std::string what;
    for (int i = 0; i < 12; ++i) {
      auto names = nat::knob_names();
      auto name = names[rng.below(names.size())];
      if (name == "table_size" || name.starts_with("mtu") || name.starts_with("timers")) continue;
      std::string value = std::to_string(rng.below(40) + 1);
      if (nat::set_knob(b, name, value))  // it takes words: one of them
        for (auto word :
             {"endpoint-independent", "address-dependent", "random", "sequential", "paired", "arbitrary", "out", "both",
              "rst", "icmp", "off", "on", "internal-source", "in-order", "outer-only", "kills-mapping", "block"})
          if (rng.below(2) && !nat::set_knob(b, name, word)) value = word;
      what += std::string(name) + "=" + value + " ";
    }
    SCOPED_TRACE(what + "seed " + std::to_string(seed));
    Script script(b, seed);
    for (int i = 0; i < 300; ++i) script.step();
    if (!b.ports.overloading) expect_exclusive(script);
    script.nat.wait(longest_timer(b) + b.timers.port_quarantine + 1s);
    EXPECT_EQ(script.nat.gateway->session_count(), 0u);
    EXPECT_EQ(script.nat.gateway->mapping_count(), 0u);
    if (HasFailure()) return;
  }
}

TEST(NatProperty, FloodsAreBounded) {
  for (const Behaviour& preset : nat::presets()) {
    SCOPED_TRACE(preset.name);
    Behaviour b = preset;
    b.table_size = 2000;
    Nat nat(b, 2);
    SeededRng rng(5);
    size_t largest = 0;
    for (int i = 0; i < 16'000; ++i) {
      Address from = host(static_cast<uint8_t>(2 + rng.below(200)), static_cast<uint16_t>(rng.u64()));
      Address to = server(static_cast<uint8_t>(rng.below(250)), static_cast<uint16_t>(rng.u64()));
      nat.out(tcp(from, to, syn));
      nat.in(tcp(to, outside_ip(1, static_cast<uint16_t>(rng.u64())), syn));
      nat.in(udp(to, outside_ip(2, static_cast<uint16_t>(rng.u64()))));
      auto pieces =
          fragments_of(udp(to, outside_ip(1), std::string(1800, 'f')), 1480, static_cast<uint16_t>(rng.u64()));
      nat.in(pieces[rng.below(2)]);
      nat.out(fragments_of(udp(from, to, std::string(100, 'f')), 64, static_cast<uint16_t>(rng.u64()))[rng.below(2)]);
      if (i % 100 == 0) nat.generated();
      if (i == 8'000) largest = nat.gateway->memory();
    }
    EXPECT_LE(nat.gateway->session_count(), 2000u);
    EXPECT_LE(nat.gateway->mapping_count(), 2000u);
    EXPECT_EQ(nat.gateway->memory(), largest) << "it grows though the table is full";
    // 2000 sessions and mappings, the ports of two addresses, 64 fragments that wait, 256 packets of its own.
    EXPECT_LT(largest, 1'600'000u);
  }
}

TEST(NatProperty, TwoHundredBytesAMapping) {
  Behaviour b;
  b.table_size = 200'000;
  Nat nat(b, 4);
  for (uint32_t i = 0; i < 100'000; ++i)
    ASSERT_NE(nat.map(Address::v4(10, 1, static_cast<uint8_t>(i / 25'000), static_cast<uint8_t>(i / 100),
                                  static_cast<uint16_t>(2000 + i % 25'000)),
                      server(1, 5000)),
              Address{})
        << i;
  EXPECT_LE(nat.gateway->memory() / nat.gateway->mapping_count(), 200u);
}

TEST(NatProperty, WhatGoesOutThroughTwoNatsComesBack) {
  Nat home(behaviour("home"), Address::v4(100, 64, 0, 7, 0)), carrier(behaviour("cgn"), 2);
  SeededRng rng(8);
  for (int i = 0; i < 3000; ++i) {
    Address from = host(static_cast<uint8_t>(2 + rng.below(5)), static_cast<uint16_t>(2000 + rng.below(60)));
    Address to = server(static_cast<uint8_t>(1 + rng.below(4)), static_cast<uint16_t>(1024 + rng.below(4)));
    size_t kind = rng.below(3);
    auto middle = home.out(kind == 0   ? udp(from, to, std::string(rng.below(300), 'x'))
                           : kind == 1 ? tcp(from, to, syn)
                                       : query(from, to));
    ASSERT_TRUE(middle);
    auto sent = carrier.out(*middle);
    ASSERT_TRUE(sent) << "carrier: " << to_string(carrier.last.why);
    Address at = source_of(*sent);
    auto answer = carrier.in(kind == 0   ? udp(to, at)
                             : kind == 1 ? tcp(to, at, syn | ack, 1, 1001)
                                         : query(to.with_port(at.port), at, 0));
    ASSERT_TRUE(answer);
    answer = home.in(*answer);
    ASSERT_TRUE(answer);
    EXPECT_EQ(destination_of(*answer), from);
    auto error = carrier.in(icmp_error(server(9, 0), at, 11, 0, *sent));
    ASSERT_TRUE(error);
    error = home.in(*error);
    ASSERT_TRUE(error);
    EXPECT_TRUE(quoted_right(*error));
    EXPECT_EQ(source_of(quoted_of(*error)), from);
    for (Nat* nat : {&home, &carrier}) nat->wait(std::chrono::milliseconds(rng.below(50)));
  }
}

TEST(NatProperty, ChainedGatewaysAreADoubleNat) {
  Nat home(behaviour("home"), Address::v4(100, 64, 0, 7, 0)), carrier(behaviour("cgn"), 2);
  Address a = host(2, 4000), to = server(1, 1000);
  auto p = carrier.out(*home.out(udp(a, to)));
  ASSERT_TRUE(p);
  Address at = source_of(*p);
  EXPECT_TRUE(at.same_ip(outside_ip(1)) || at.same_ip(outside_ip(2)));
  auto back = home.in(*carrier.in(udp(to, at)));
  ASSERT_TRUE(back);
  EXPECT_EQ(destination_of(*back), a);
  EXPECT_EQ((*back)[8], 62) << "two hops";
  auto error = home.in(*carrier.in(icmp_error(server(9, 0), at, 11, 0, *p)));
  ASSERT_TRUE(error);
  EXPECT_EQ(source_of(quoted_of(*error)), a);
  auto stranger = carrier.in(udp(server(2, 2), at));  // the carrier's filter is open, the home's is not
  ASSERT_TRUE(stranger);
  EXPECT_FALSE(home.in(*stranger));
}

}  // namespace
}  // namespace ginnel::test
