// Signals: exact bytes, round trips, caps, and streams cut anywhere. Knows wire/signal; refuses to know who may say
// what when (core/rendezvous's tests). No RFC: the format is ours.
#include "wire/signal.hpp"

#include <gtest/gtest.h>

#include "tests/support/hex.hpp"
#include "tests/support/seeded_rng.hpp"

namespace ginnel::wire {
namespace {

using test::from_hex;
using test::to_hex;

std::vector<Signal> samples() {
  test::SeededRng rng;
  PublicKey peer{rng.array<32>()};
  std::vector<Signal> all = {
      Register{},
      Register{{ServiceId{1}, ServiceId{2}}},
      Register{std::vector<ServiceId>(services_max)},
      Registered{Address::v4(192, 0, 2, 1, 3478)},
      Registered{*Address::parse("[2001:db8::1]:65535")},
      Dial{1, peer, rng.array<8>(), rng.array<8>()},
      DialFailed{route_number_max, SignalCode::not_here},
      Incoming{77, peer, rng.array<8>(), rng.array<8>()},
      RouteClosed{2, SignalCode::peer_left},
      Notice{SignalCode::closing, {}},
      Vouch{2, false},
      Vouch{2, true},
      Vouched{3, Address::v4(192, 0, 2, 1, 3478)},
  };
  for (int code = 1; code <= 6; ++code) all.push_back(Notice{static_cast<SignalCode>(code), rng.array<8>()});
  return all;
}

bool is_malformed(const std::vector<uint8_t>& bytes) {
  auto result = next_signal(bytes);
  EXPECT_FALSE(result.malformed && result.signal);
  return result.malformed;
}

TEST(Signal, RoundTripOfEveryType) {
  for (const Signal& signal : samples()) {
    auto bytes = encode(signal);
    ASSERT_LE(bytes.size(), signal_size_max);
    auto back = next_signal(bytes);
    ASSERT_TRUE(back.signal) << signal.index();
    EXPECT_EQ(back.size, bytes.size());
    EXPECT_EQ(back.signal->index(), signal.index());
    EXPECT_EQ(encode(*back.signal), bytes);
  }
}

TEST(Signal, FieldsArriveInTheirPlaces) {
  Dial dial{0x010203, PublicKey{{9}}, ServiceId{8}, SessionId{7}};
  auto back = next_signal(encode(dial));
  ASSERT_TRUE(back.signal);
  const auto& read = std::get<Dial>(*back.signal);
  EXPECT_EQ(read.route, dial.route);
  EXPECT_EQ(read.peer, dial.peer);
  EXPECT_EQ(read.service, dial.service);
  EXPECT_EQ(read.session, dial.session);
}

// Changing one of these breaks every agent and server in the field.
TEST(Signal, BytesOnTheWire) {
  EXPECT_EQ(to_hex(encode(Register{})), "00020100");
  EXPECT_EQ(to_hex(encode(Registered{Address::v4(192, 0, 2, 1, 3478)})),
            "000802"
            "04c00002010d96");
  EXPECT_EQ(to_hex(encode(DialFailed{0x010203, SignalCode::refused})),
            "000604"
            "00010203"
            "03");
  EXPECT_EQ(to_hex(encode(RouteClosed{1, SignalCode::closing})),
            "000606"
            "00000001"
            "06");
  EXPECT_EQ(to_hex(encode(Notice{SignalCode::replaced, ServiceId{1}})),
            "000a07"
            "04"
            "0100000000000000");
}

TEST(Signal, EveryTruncationWaits) {
  for (const Signal& signal : samples()) {
    auto bytes = encode(signal);
    for (size_t size = 0; size < bytes.size(); ++size) {
      auto result = next_signal(Bytes(bytes).first(size));
      EXPECT_EQ(result.size, 0u);
      EXPECT_FALSE(result.malformed);
      EXPECT_FALSE(result.signal);
    }
  }
}

TEST(Signal, WrongLengthInsideIsMalformed) {
  for (const Signal& signal : samples()) {
    auto shorter = encode(signal);
    shorter.pop_back();
    Writer(shorter).u16(static_cast<uint16_t>(shorter.size() - 2));
    EXPECT_TRUE(is_malformed(shorter)) << signal.index();
    auto longer = encode(signal);
    longer.push_back(0);
    Writer(longer).u16(static_cast<uint16_t>(longer.size() - 2));
    if (longer.size() <= signal_size_max) {
      EXPECT_TRUE(is_malformed(longer)) << signal.index();
    }
  }
}

TEST(Signal, MessagesBehindEachOther) {
  std::vector<uint8_t> stream;
  for (const Signal& signal : samples()) {
    auto bytes = encode(signal);
    stream.insert(stream.end(), bytes.begin(), bytes.end());
  }
  Bytes rest = stream;
  for (const Signal& signal : samples()) {
    auto result = next_signal(rest);
    ASSERT_TRUE(result.signal);
    EXPECT_EQ(encode(*result.signal), encode(signal));
    rest = rest.subspan(result.size);
  }
  EXPECT_TRUE(rest.empty());
}

TEST(Signal, UnknownTypesAreSkipped) {
  for (const char* bytes : {"000100", "00010a", "0001ff", "00050aaabbccdd"}) {
    auto result = next_signal(from_hex(bytes));
    EXPECT_FALSE(result.malformed) << bytes;
    EXPECT_FALSE(result.signal) << bytes;
    EXPECT_EQ(result.size, from_hex(bytes).size());
  }
}

TEST(Signal, LengthsThatCannotBeAreRefusedAtOnce) {
  EXPECT_TRUE(is_malformed(from_hex("0000")));
  EXPECT_TRUE(is_malformed(from_hex("ffff")));
  EXPECT_TRUE(is_malformed(from_hex("04af")));   // 1199 + 2 bytes
  EXPECT_FALSE(is_malformed(from_hex("04ae")));  // 1198 + 2: waits
}

TEST(Signal, WrongValuesAreMalformed) {
  for (const char* bytes : {
           "000101",    // Register without a count
           "00020101",  // ... one service, none there
           "00020141",  // ... 65 of them
           "000201ff",  // ... 255
           "000802"
           "05c00002010d96",  // family 5
           "000802"
           "06c00002010d96",  // family 6 with four bytes
           "001402"
           "0400000000000000000000ffffc00002010d96",  // family 4 with sixteen
           "001402"
           "0600000000000000000000ffffc00002010d96",  // IPv4 dressed as IPv6
           "000604"
           "00000000"
           "01",  // route 0
           "000604"
           "01000000"
           "01",  // route of 25 bits
           "000606"
           "ffffffff"
           "01",  // ... of 32
           "000604"
           "00000001"
           "00",  // code 0
           "000604"
           "00000001"
           "07",  // code 7
           "000a07"
           "00"
           "0100000000000000",  // likewise in a Notice
       }) {
    EXPECT_TRUE(is_malformed(from_hex(bytes))) << bytes;
  }
  std::vector<uint8_t> too_many = {0, 0, 1, 65};
  too_many.resize(4 + 65 * 8);
  Writer(too_many).u16(static_cast<uint16_t>(too_many.size() - 2));
  EXPECT_TRUE(is_malformed(too_many));
}

TEST(Signal, RandomBytesAreRefusedOrCanonical) {
  test::SeededRng rng(7);
  size_t read = 0;
  for (int round = 0; round < 50000; ++round) {
    std::vector<uint8_t> bytes(2 + 1 + rng.below(80));
    rng.fill(bytes);
    Writer(bytes).u16(static_cast<uint16_t>(bytes.size() - 2));
    bytes[2] &= 7;
    auto result = next_signal(bytes);
    if (!result.signal) continue;
    ++read;
    EXPECT_EQ(encode(*result.signal), bytes);
  }
  EXPECT_GT(read, 0u);
}

}  // namespace
}  // namespace ginnel::wire
