// What is no requirement of an RFC: commands, forwards, presets by name, knobs, the tables below, and IPv6.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "core/nat/timer_wheel.hpp"
#include "tests/support/nat_fixture.hpp"

namespace ginnel::test {
namespace {

using nat::Behaviour, nat::no_index;

const Address a = host(2, 4000), b = host(3, 4000);
const Address s11 = server(1, 1000), s22 = server(2, 2000);

TEST(NatGateway, ForwardReachesInsideWhateverTheFilterAndIsTheWayBack) {
  for (auto& preset : nat::presets()) {
    if (preset.basic) continue;
    SCOPED_TRACE(preset.name);
    Nat nat(preset);
    ASSERT_TRUE(nat.gateway->add_forward(6, outside_ip(1, 80), host(2, 8080)));
    EXPECT_FALSE(nat.gateway->add_forward(6, outside_ip(1, 80), host(3, 8080))) << "taken";
    EXPECT_FALSE(nat.gateway->add_forward(6, server(1, 80), host(3, 8080))) << "not ours";
    auto p = nat.in(tcp(s22, outside_ip(1, 80), syn, 5000));
    ASSERT_TRUE(p);
    EXPECT_EQ(destination_of(*p), host(2, 8080));
    auto back = nat.out(tcp(host(2, 8080), s22, syn | ack, 1000, 5001));
    ASSERT_TRUE(back);
    EXPECT_EQ(source_of(*back), outside_ip(1, 80));
    nat.wait(1'000'000s);
    EXPECT_TRUE(nat.in(tcp(s22, outside_ip(1, 80), syn, 5000))) << "a forward does not end";
    nat.gateway->reboot();
    EXPECT_TRUE(nat.in(tcp(s22, outside_ip(1, 80), syn, 5000))) << "it is configuration";
    EXPECT_TRUE(nat.gateway->remove_forward(6, outside_ip(1, 80)));
    EXPECT_FALSE(nat.in(tcp(s22, outside_ip(1, 80), syn, 5000)));
    EXPECT_TRUE(nat.gateway->add_forward(6, outside_ip(1, 80), host(3, 80))) << "free again";
  }
}

TEST(NatGateway, RebootForgetsAndChangeOfAddressShows) {
  Nat nat;
  Address at = nat.map(a, s11);
  nat.gateway->reboot();
  EXPECT_FALSE(nat.reaches(s11, at));
  EXPECT_EQ(nat.gateway->mapping_count(), 0u);
  nat.gateway->set_public_addresses(std::vector{outside_ip(9)});
  EXPECT_TRUE(nat.map(a, s11).same_ip(outside_ip(9)));
  EXPECT_FALSE(nat.reaches(s11, at));
}

TEST(NatGateway, MappingsAreListed) {
  Nat nat;
  Address at = nat.map(a, s11);
  nat.map(a, s22);
  uint32_t cursor = 0;
  auto info = nat.gateway->next_mapping(nat.now, cursor);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->inside, a);
  EXPECT_EQ(info->outside, at);
  EXPECT_EQ(info->protocol, 17);
  EXPECT_EQ(info->sessions, 2u);
  EXPECT_EQ(info->expires, nat.now + 300s);
  EXPECT_FALSE(nat.gateway->next_mapping(nat.now, cursor));
  EXPECT_EQ(nat.gateway->outside_of(nat.now, 17, a), at);
  EXPECT_FALSE(nat.gateway->outside_of(nat.now, 6, a));
  EXPECT_TRUE(nat.gateway->remove_mapping(nat.now, 17, at));
  EXPECT_FALSE(nat.reaches(s11, at));
}

TEST(NatGateway, PacketsToTheGatewayItselfAreLocal) {
  Nat nat;
  nat.gateway->set_inside_address(host(1, 0));
  EXPECT_FALSE(nat.out(udp(a, host(1, 5351))));
  EXPECT_EQ(nat.last.action, nat::Action::local);
  EXPECT_FALSE(nat.out(with_ttl(udp(a, s11), 1)));
  EXPECT_TRUE(source_of(nat.generated().at(0).second).same_ip(host(1, 0)));
}

TEST(NatGateway, NobodyElseHasItsOutsideAddress) {  // neither a host inside that pretends to, nor an echo from outside
  Nat nat(behaviour("full-cone"));
  Address at = nat.map(a, s11);
  EXPECT_FALSE(nat.out(udp(outside_ip(1, 4000), s11)));
  EXPECT_EQ(nat.last.why, nat::Drop::bad_address);
  EXPECT_FALSE(nat.in(udp(at, at)));  // land
  EXPECT_EQ(nat.last.why, nat::Drop::bad_address);
  EXPECT_EQ(nat.gateway->mapping_count(), 1u);
}

TEST(NatGateway, ATimerMayBeChangedUnderAMapping) {
  Nat nat(behaviour("full-cone"));
  Address at = nat.map(a, s11);
  nat::Behaviour b = nat.gateway->behaviour();
  b.timers.udp_one_way = b.timers.udp_two_way = 30s;
  EXPECT_FALSE(nat.gateway->change(b));
  EXPECT_TRUE(nat.reaches(s22, at));  // what stands keeps the time it was given
  EXPECT_EQ(nat.map(a, s11), at);
  nat.wait(31s);
  EXPECT_FALSE(nat.reaches(s22, at));
}

TEST(NatGateway, WhatDecidesAboutMappingsDropsThem) {
  Nat nat(behaviour("full-cone"));
  Address forward = outside_ip(1, 53), inside = host(9, 53);
  ASSERT_TRUE(nat.gateway->add_forward(17, forward, inside));
  Address at = nat.map(a, s11);
  nat::Behaviour b = nat.gateway->behaviour();
  b.udp.mapping = nat::Depends::on_address_and_port;
  b.ports.choice = nat::PortChoice::sequential;
  EXPECT_TRUE(nat.gateway->change(b));
  EXPECT_FALSE(nat.reaches(s22, at));
  EXPECT_TRUE(nat.reaches(s22, forward));
  Address one = nat.map(a, s11), two = nat.map(a, s22);
  EXPECT_EQ(two.port, one.port + 1);
  b.table_size = 3;  // the forward and what stands are not pushed out, but nothing more comes in
  EXPECT_TRUE(nat.gateway->change(b));
  for (uint16_t port = 1; port < 10; ++port) nat.map(host(3, port), s11);
  EXPECT_EQ(nat.gateway->mapping_count(), 3u);
  EXPECT_TRUE(nat.reaches(s22, forward));
}

TEST(NatGateway, GeneratedPacketsMayBeTurnedOffAndOn) {
  Nat nat;
  nat::Behaviour b = nat.gateway->behaviour();
  b.generated_per_second = 0;
  EXPECT_FALSE(nat.gateway->change(b));
  nat.out(with_ttl(udp(a, s11), 1));
  EXPECT_TRUE(nat.generated().empty());
  b.generated_per_second = 10;
  EXPECT_FALSE(nat.gateway->change(b));
  nat.wait(1s);
  nat.out(with_ttl(udp(a, s11), 1));
  EXPECT_EQ(nat.generated().size(), 1u);
}

TEST(NatGateway, UdpWithoutChecksumStaysWithout) {
  Nat nat;
  PacketBytes p = udp(a, s11);
  put16(p, 26, 0);
  EXPECT_EQ(get16(*nat.out(p), 26), 0);
}

TEST(NatGateway, UdpChecksumThatBecomesZeroIsWrittenAsOnes) {  // RFC 768: zero would say that there is none
  Nat nat;
  size_t ones = 0;
  for (uint32_t i = 0; i < 65536; ++i) {
    char text[2] = {static_cast<char>(i >> 8), static_cast<char>(i)};
    uint16_t sum = get16(*nat.out(udp(a, s11, {text, 2})), 26);
    ASSERT_NE(sum, 0);
    ones += sum == 0xffff;
  }
  EXPECT_GE(ones, 1u);
}

TEST(NatGateway, ChecksumOfAnEchoReplyOfZerosIsNotZero) {  // found by nat_fuzz
  Nat nat(behaviour("basic"));
  nat.out(query(host(2, 0), s11));
  PacketBytes zeros = ip_packet(s11, outside_ip(1), 1, std::vector<uint8_t>(20));
  put16(zeros, 22, 0xffff);
  EXPECT_TRUE(nat.in(zeros));
}

TEST(NatGateway, PartialChecksumStaysPartial) {  // virtio-net: the field holds the sum of the pseudo header
  Nat nat;
  PacketBytes p = tcp(a, s11, syn);
  auto pseudo = [](Bytes each) {
    uint32_t sum = plain_sum(each.subspan(12, 8)) + 6u + static_cast<uint32_t>(each.size() - 20);
    return static_cast<uint16_t>((sum & 0xffff) + (sum >> 16));
  };
  put16(p, 36, pseudo(p));
  ASSERT_EQ(nat.gateway->handle_inside(nat.now, p, {0, true}).action, nat::Action::forward_out);
  EXPECT_EQ(get16(p, 36), pseudo(p));
}

TEST(NatGateway, BasicNatPairsAddressesAndKeepsPorts) {
  Nat nat(behaviour("basic"), 2);
  Address at_a = nat.map(a, s11), at_b = nat.map(b, s11);
  EXPECT_EQ(at_a.port, 4000);
  EXPECT_EQ(at_b.port, 4000);
  EXPECT_FALSE(at_a.same_ip(at_b));
  EXPECT_TRUE(nat.map_tcp(host(2, 17), s22).same_ip(at_a));
  EXPECT_TRUE(nat.reaches(s22, at_a.with_port(9999))) << "the whole address is mapped";
  EXPECT_EQ(nat.map(host(4, 1), s11), Address{});
  EXPECT_EQ(nat.last.why, nat::Drop::no_port);
  auto gre = nat.out(ip_packet(a, s11, 47, std::vector<uint8_t>(20)));
  EXPECT_TRUE(gre) << "protocols without ports pass";
}

TEST(NatGateway, StrangersStateEndsWithItsTimer) {
  Nat nat(behaviour("linux"));
  EXPECT_FALSE(nat.reaches(s11, outside_ip(1, 4000)));
  EXPECT_EQ(nat.generated().size(), 1u) << "3/3 from the closed port";
  nat.wait(31s);
  EXPECT_EQ(nat.map(a, s11).port, 4000);
}

TEST(NatGateway, PresetsAndKnobsHaveNames) {
  EXPECT_FALSE(nat::preset("no such"));
  for (auto& preset : nat::presets()) {
    EXPECT_FALSE(nat::preset_text(preset.name).empty()) << preset.name;
    Behaviour copy;
    for (auto name : nat::knob_names()) EXPECT_FALSE(nat::set_knob(copy, name, nat::knob_value(preset, name))) << name;
    for (auto name : nat::knob_names()) EXPECT_EQ(nat::knob_value(copy, name), nat::knob_value(preset, name)) << name;
  }
  Behaviour k;
  EXPECT_EQ(*nat::set_knob(k, "hairpin", "maybe"), "hairpin takes off external-source internal-source, not 'maybe'");
  EXPECT_TRUE(nat::set_knob(k, "mtu_outside", "70000"));
  EXPECT_TRUE(nat::set_knob(k, "no.such", "1"));
}

// ---- the tables below

TEST(NatTimerWheel, NothingIsLateAndNothingIsLost) {
  SeededRng rng(3);
  nat::TimerWheel wheel;
  std::map<uint32_t, Instant> model;
  Instant now{5h};
  constexpr Duration tick = Duration(1 << 26);
  for (int i = 0; i < 20'000; ++i) {
    auto key = static_cast<uint32_t>(rng.below(200));
    switch (rng.below(6)) {
      case 0:
        wheel.cancel(key);
        model.erase(key);
        break;
      case 1:
      case 2:
        now += Duration(rng.below(uint64_t{1} << (20 + rng.below(25))));
        for (uint32_t due; (due = wheel.take_due(now)) != no_index;) {
          ASSERT_TRUE(model.contains(due));
          if (model[due] > now) {
            wheel.set(due, now, model[due]);  // a far wheel turned
          } else {
            model.erase(due);
          }
        }
        for (auto& [k, when] : model) ASSERT_GT(when + tick, now) << "late, step " << i;
        break;
      default: {
        Instant when = now + Duration(rng.below(uint64_t{1} << (22 + rng.below(30))));
        wheel.set(key, now, when);
        model[key] = when;
      }
    }
    ASSERT_EQ(wheel.size(), model.size());
    ASSERT_EQ(wheel.next().has_value(), !model.empty());
    for (auto& [k, when] : model) ASSERT_LE(*wheel.next(), when + tick);
  }
}

TEST(NatIndexTable, BehavesLikeAMultimap) {
  SeededRng rng(4);
  nat::IndexTable table;
  std::set<uint32_t> model;  // the index is the key; few hashes, so that many collide
  auto hash = [](uint32_t key) { return key % 37 * 0x01000193u; };
  for (int i = 0; i < 20'000; ++i) {
    auto key = static_cast<uint32_t>(rng.below(300));
    if (rng.below(2)) {
      if (model.insert(key).second) table.insert(hash(key), key);
    } else {
      table.erase(hash(key), key);
      model.erase(key);
    }
    auto other = static_cast<uint32_t>(rng.below(300));
    ASSERT_EQ(table.find(hash(other), [&](uint32_t at) { return at == other; }),
              model.contains(other) ? other : no_index);
    ASSERT_EQ(table.size(), model.size());
  }
}

TEST(NatPortSet, NextFree) {
  nat::PortSet set;
  for (uint32_t port = 100; port < 300; ++port) set.add(static_cast<uint16_t>(port));
  EXPECT_EQ(set.next_free(100, 400, ~uint64_t{0}), 300);
  EXPECT_EQ(set.next_free(100, 299, ~uint64_t{0}), std::nullopt);
  EXPECT_EQ(set.next_free(100, 400, 0xaaaaaaaaaaaaaaaa), 301);
  set.remove(200);
  EXPECT_EQ(set.next_free(100, 400, ~uint64_t{0}), 200);
  EXPECT_EQ(set.count(), 199u);
}

TEST(NatPorts, EveryPortOfTheRangeIsFound) {
  for (auto choice : {nat::PortChoice::random, nat::PortChoice::sequential, nat::PortChoice::preserve_then_random}) {
    Behaviour k;
    k.ports.choice = choice;
    k.ports.first = 2000;
    k.ports.last = 2099;
    k.ports.step = 3;
    Nat nat(k);
    std::set<uint16_t> seen;
    for (uint8_t i = 0; i < 100; ++i) seen.insert(nat.map(host(static_cast<uint8_t>(2 + i), 5000), s11).port);
    EXPECT_EQ(seen.size(), 100u);
    EXPECT_EQ(*seen.begin(), 2000);
    EXPECT_EQ(nat.map(host(200, 5000), s11), Address{});
    EXPECT_EQ(nat.last.why, nat::Drop::no_port);
  }
}

// ---- IPv6

PacketBytes udp6(uint8_t from, uint16_t from_port, uint8_t to, uint16_t to_port, size_t payload = 10) {
  PacketBytes p(48 + payload);
  p[0] = 0x60;
  put16(p, 4, static_cast<uint16_t>(8 + payload));
  p[6] = 17;
  p[7] = 64;
  p[8] = p[24] = 0x20;
  p[23] = from;
  p[39] = to;
  put16(p, 40, from_port);
  put16(p, 42, to_port);
  put16(p, 44, static_cast<uint16_t>(8 + payload));
  put16(p, 46, 0xbeef);
  return p;
}

TEST(NatFirewall6, WhatTheInsideBeginsIsAnswered) {
  for (const char* name : {"full-cone", "restricted", "port-restricted"}) {
    Nat nat(behaviour(name));
    auto in = [&](PacketBytes p) { return nat.gateway->handle_outside(nat.now, p).action == nat::Action::forward_in; };
    auto out = [&](PacketBytes p) { return nat.gateway->handle_inside(nat.now, p).action == nat::Action::forward_out; };
    EXPECT_FALSE(in(udp6(9, 900, 2, 200)));
    EXPECT_TRUE(out(udp6(2, 200, 9, 900)));
    EXPECT_TRUE(in(udp6(9, 900, 2, 200)));
    EXPECT_EQ(in(udp6(9, 901, 2, 200)), std::string_view(name) != "port-restricted");
    EXPECT_EQ(in(udp6(8, 901, 2, 200)), std::string_view(name) == "full-cone");
    nat.wait(301s);
    EXPECT_FALSE(in(udp6(9, 900, 2, 200)));
    nat.wait(301s);
    EXPECT_FALSE(nat.gateway->next_deadline());
  }
}

TEST(NatFirewall6, HopLimitAndPathMtuAreAnswered) {
  Nat nat;
  PacketBytes big = udp6(2, 200, 9, 900, 1600);
  EXPECT_EQ(nat.gateway->handle_inside(nat.now, big).why, nat::Drop::too_big);
  PacketBytes tired = udp6(2, 200, 9, 900);
  tired[7] = 1;
  EXPECT_EQ(nat.gateway->handle_inside(nat.now, tired).why, nat::Drop::ttl);
  std::vector<uint8_t> room(2048);
  auto own = nat.gateway->poll_generated(room);
  ASSERT_TRUE(own);
  EXPECT_EQ(own->bytes[40], 2);
  EXPECT_EQ(get32(own->bytes, 44), 1500u);
  EXPECT_LE(own->bytes.size(), 1280u);
  own = nat.gateway->poll_generated(room);
  ASSERT_TRUE(own);
  EXPECT_EQ(own->bytes[40], 3);
}

TEST(NatFirewall6, ErrorsComeFromTheGatewaysOwnAddressIfItHasOne) {
  Nat nat;
  PacketBytes first = udp6(2, 200, 9, 900), second = first;
  first[7] = second[7] = 1;
  std::vector<uint8_t> room(2048);
  nat.gateway->handle_inside(nat.now, first);
  auto own = nat.gateway->poll_generated(room);
  ASSERT_TRUE(own);
  EXPECT_TRUE(std::equal(&own->bytes[8], &own->bytes[24], &first[24])) << "else from where it was going";
  Address mine = *Address::parse("[2001:db8::1]:0");
  nat.gateway->set_inside_address(mine);
  nat.gateway->handle_inside(nat.now, second);
  own = nat.gateway->poll_generated(room);
  ASSERT_TRUE(own);
  EXPECT_TRUE(std::equal(mine.ip.begin(), mine.ip.end(), &own->bytes[8]));
}

}  // namespace
}  // namespace ginnel::test
