// The words between the two halves of a tester: round trips, bounds, streams cut anywhere.
#include "core/conform/control.hpp"

#include <gtest/gtest.h>

namespace ginnel::conform {
namespace {

const Address a = Address::v4(198, 51, 100, 1, 0), b = Address::v4(203, 0, 113, 1, 0);

std::vector<ControlMessage> samples() {
  return {ControlHello{{1, 2, 3}},   ControlWelcome{a, {}},
          ControlWelcome{a, {a, b}}, ControlSend{write(udp(a, b, "x"))},
          ControlArrived{{}},        ControlArrived{PacketBytes(control_packet_max, 7)}};
}

TEST(ConformControl, RoundTripOfEveryMessage) {
  for (const auto& message : samples()) {
    auto bytes = encode(message);
    ASSERT_LE(bytes.size(), control_size_max);
    auto back = next_control(bytes);
    ASSERT_TRUE(back.message) << message.index();
    EXPECT_EQ(back.size, bytes.size());
    EXPECT_EQ(back.message->index(), message.index());
    EXPECT_EQ(encode(*back.message), bytes);
  }
}

TEST(ConformControl, WaitsForAWholeMessage) {
  for (const auto& message : samples()) {
    auto bytes = encode(message);
    for (size_t size = 0; size < std::min<size_t>(bytes.size(), 100); ++size) {
      auto next = next_control(Bytes(bytes).first(size));
      EXPECT_FALSE(next.message || next.malformed) << size;
      EXPECT_EQ(next.size, 0u);
    }
  }
}

TEST(ConformControl, RefusesWhatCannotBe) {
  auto malformed = [](std::vector<uint8_t> bytes) { return next_control(bytes).malformed; };
  EXPECT_TRUE(malformed({0, 0})) << "without a type";
  EXPECT_TRUE(malformed({0xff, 0xff})) << "too long, before anybody waits for it";
  EXPECT_TRUE(malformed({0, 1, 9})) << "an unknown type";
  EXPECT_TRUE(malformed({0, 2, 1, 0})) << "a short hello";
  auto hello = encode(ControlHello{});
  hello[3] ^= 1;
  EXPECT_TRUE(malformed(hello)) << "somebody else's";
  auto welcome = encode(ControlWelcome{a, {b}});
  welcome[10] = control_addresses_max + 1;
  EXPECT_TRUE(malformed(welcome)) << "more addresses than are allowed";
  welcome[10] = 0;
  EXPECT_TRUE(malformed(welcome)) << "something behind the last";
}

TEST(ConformControl, CutsWhatIsTooLong) {
  auto bytes = encode(ControlSend{PacketBytes(10'000, 1)});
  EXPECT_EQ(bytes.size(), control_size_max);
  auto back = next_control(bytes);
  ASSERT_TRUE(back.message);
  EXPECT_EQ(std::get<ControlSend>(*back.message).packet.size(), control_packet_max);
  EXPECT_EQ(
      std::get<ControlWelcome>(*next_control(encode(ControlWelcome{a, std::vector(20, b)})).message).addresses.size(),
      control_addresses_max);
}

}  // namespace
}  // namespace ginnel::conform
