// The stateless STUN server: whom it answers, what, and how little. Knows core/stun/binding_server; refuses sockets.
// RFC 8489 sections 6.3.1, 7.
#include "core/stun/binding_server.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "core/stun/credentials.hpp"
#include "tests/support/hex.hpp"
#include "tests/support/seeded_rng.hpp"
#include "wire/stun.hpp"

namespace ginnel::stun {
namespace {

using wire::StunClass;
using wire::StunWriter;

const wire::TransactionId id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
const Address v4 = Address::v4(192, 0, 2, 1, 32853);
const Address v6 = *Address::parse("[2001:db8::1]:32853");

std::vector<uint8_t> message(const std::function<void(StunWriter&)>& fill = {}, StunClass cls = StunClass::request,
                             uint16_t method = wire::stun_binding) {
  std::vector<uint8_t> room(2048);
  StunWriter out(room, cls, method, id);
  if (fill) fill(out);
  Bytes whole = out.finish();
  return {whole.begin(), whole.end()};
}

Faces faces_of(std::initializer_list<const char*> addresses) {
  Faces faces;
  size_t i = 0;
  for (const char* text : addresses) faces[i++] = *Address::parse(text);
  return faces;
}
const Faces alone = faces_of({"0.0.0.0:3478"}), two_ports = faces_of({"0.0.0.0:3478", "0.0.0.0:3479"}),
            four = faces_of({"203.0.113.1:3478", "203.0.113.1:3479", "203.0.113.2:3478", "203.0.113.2:3479"}),
            four6 = faces_of({"[2001:db8::a]:3478", "[2001:db8::a]:3479", "[2001:db8::b]:3478", "[2001:db8::b]:3479"});

std::optional<std::vector<uint8_t>> answer(Bytes request, const Address& from = v4, const Faces& faces = alone) {
  std::array<uint8_t, 96> room;
  auto out = answer_binding(request, from, 0, faces, 42, room);
  if (!out) return {};
  EXPECT_TRUE(out->to.same_ip(from));
  return std::vector<uint8_t>(out->bytes.begin(), out->bytes.end());
}

TEST(BindingServer, AnswersWithTheAddress) {
  for (const Address& from : {v4, v6}) {
    auto out = answer(message(), from);
    ASSERT_TRUE(out);
    auto m = wire::parse_stun(*out);
    ASSERT_TRUE(m);
    EXPECT_EQ(m->cls, StunClass::success);
    EXPECT_EQ(m->method, wire::stun_binding);
    EXPECT_EQ(m->id, id);
    EXPECT_EQ(m->xor_mapped_address, from);
    EXPECT_FALSE(m->server_instance);
    EXPECT_FALSE(m->fingerprint_ok);
    EXPECT_EQ(out->size(), from.v6 ? 44u : 32u) << "no SOFTWARE, nothing else";
  }
}

TEST(BindingServer, TellsItsInstanceAndFingerprintToThoseWhoAsk) {
  auto asked = answer(message([](StunWriter& w) { w.server_instance(0); }));
  ASSERT_TRUE(asked);
  EXPECT_EQ(wire::parse_stun(*asked)->server_instance, 42u);
  EXPECT_FALSE(wire::parse_stun(*asked)->fingerprint_ok);
  auto fingerprint = answer(message([](StunWriter& w) { w.fingerprint(); }));
  ASSERT_TRUE(fingerprint);
  EXPECT_TRUE(wire::parse_stun(*fingerprint)->fingerprint_ok);
  EXPECT_FALSE(wire::parse_stun(*fingerprint)->server_instance);
  auto both = answer(message([](StunWriter& w) { w.server_instance(0), w.fingerprint(); }), v6);
  ASSERT_TRUE(both);
  EXPECT_TRUE(wire::parse_stun(*both)->fingerprint_ok);
  EXPECT_EQ(wire::parse_stun(*both)->server_instance, 42u);
}

TEST(BindingServer, SilentToEverythingElse) {
  EXPECT_FALSE(answer({}));
  for (StunClass cls : {StunClass::indication, StunClass::success, StunClass::error})
    EXPECT_FALSE(answer(message({}, cls)));
  for (uint16_t method : {0x000, 0x002, 0x003, 0x101, 0xfff})
    EXPECT_FALSE(answer(message({}, StunClass::request, method)));
  EXPECT_FALSE(answer(message([](StunWriter& w) { w.username("a:b"); })));
  EXPECT_FALSE(answer(message([](StunWriter& w) { w.integrity({}); })));
  EXPECT_FALSE(answer(message([](StunWriter& w) { w.username("a:b"), sign(w, "password"); })));
  // An attribute that nobody defined, comprehension-required.
  EXPECT_FALSE(answer(test::from_hex("00010008 2112a442 0102030405060708090a0b0c 00040004 00000006")));
  // RFC 3489: no cookie.
  EXPECT_FALSE(answer(test::from_hex("00010000 00000000 0102030405060708090a0b0c")));
  auto cut = message([](StunWriter& w) { w.server_instance(0); });
  for (size_t size = 0; size < cut.size(); ++size) EXPECT_FALSE(answer(Bytes(cut).first(size)));
}

struct Asked {
  uint32_t change = 0;
  SocketId at = 0;
  uint16_t response_port = 0;
};
std::optional<BindingAnswer> discover(const Asked& asked, const Faces& faces, std::array<uint8_t, 96>& room) {
  auto request = message([&](StunWriter& w) {
    w.change_request(asked.change);
    if (asked.response_port) w.response_port(asked.response_port);
  });
  return answer_binding(request, v4, asked.at, faces, 42, room);
}

TEST(BindingServer, AnswersFromWhereItIsAskedTo) {
  std::array<uint8_t, 96> room;
  for (SocketId at = 0; at < 4; ++at) {
    EXPECT_EQ(discover({0, at}, four, room)->socket, at);
    EXPECT_EQ(discover({wire::stun_change_port, at}, four, room)->socket, at ^ 1);
    EXPECT_EQ(discover({wire::stun_change_ip, at}, four, room)->socket, at ^ 2);
    EXPECT_EQ(discover({wire::stun_change_ip | wire::stun_change_port, at}, four, room)->socket, at ^ 3);
  }
  EXPECT_EQ(discover({wire::stun_change_port, 1}, two_ports, room)->socket, 0u);
  EXPECT_FALSE(discover({wire::stun_change_ip, 0}, two_ports, room)) << "it cannot, so it says nothing";
  EXPECT_FALSE(discover({wire::stun_change_port, 0}, alone, room));
  EXPECT_FALSE(discover({0, 4}, four, room)) << "no such socket";
}

TEST(BindingServer, TellsItsOtherAddressToThoseWhoMayUseIt) {
  std::array<uint8_t, 96> room;
  auto other = [&](const Faces& faces, SocketId at = 0) {
    return wire::parse_stun(discover({0, at}, faces, room)->bytes)->other_address;
  };
  EXPECT_EQ(other(four), Address::v4(203, 0, 113, 2, 3479));
  EXPECT_EQ(other(four, 3), Address::v4(203, 0, 113, 1, 3478));
  EXPECT_EQ(other(two_ports), Address::v4(0, 0, 0, 0, 3479)) << "the same address, another port";
  EXPECT_FALSE(other(alone));
  EXPECT_FALSE(wire::parse_stun(*answer(message(), v4, four))->other_address) << "nobody asked";
}

TEST(BindingServer, AnswersToAnotherPortOfTheSenderOnly) {
  std::array<uint8_t, 96> room;
  EXPECT_EQ(discover({0, 0, 777}, alone, room)->to, v4.with_port(777));
  EXPECT_EQ(wire::parse_stun(discover({0, 0, 777}, alone, room)->bytes)->xor_mapped_address, v4);
}

TEST(BindingServer, DoesNotAnswerItsOwnAnswers) {
  auto out = answer(message());
  ASSERT_TRUE(out);
  EXPECT_FALSE(answer(*out)) << "two servers would talk for ever";
}

TEST(BindingServer, TooLittleRoomGivesNothing) {
  auto request = message([](StunWriter& w) { w.server_instance(0), w.fingerprint(); });
  for (size_t size = 0; size < 60; ++size) {
    std::vector<uint8_t> room(size);
    EXPECT_FALSE(answer_binding(request, v6, 0, alone, 42, room)) << size;
  }
}

void expect_small(const std::vector<uint8_t>& request) {
  for (const Address& from : {v4, v6}) {
    auto out = answer(request, from, from.v6 ? four6 : four);
    if (out) {
      EXPECT_LE(out->size() * 10, request.size() * (from.v6 ? 22 : 16)) << test::to_hex(request);
    }
  }
}

TEST(BindingServer, AmplificationIsBounded) {
  for (int shape = 0; shape < 64; ++shape) {
    expect_small(message([&](StunWriter& w) {
      if (shape & 1) w.server_instance(0);
      if (shape & 2) w.priority(1);
      if (shape & 4) w.use_candidate();
      if (shape & 8) w.pad_to(1200);
      if (shape & 32) w.change_request(0);
      if (shape & 16) w.fingerprint();
    }));
  }
  // Many attributes that each ask for something, and random ones.
  expect_small(message([](StunWriter& w) {
    for (int i = 0; i < 20; ++i) w.server_instance(0);
    w.fingerprint();
  }));
  test::SeededRng rng;
  int answered = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<uint8_t> request = message();
    for (uint64_t count = rng.below(5); count > 0; --count) {
      const char* attribute[] = {"80220000", "c47e0004 00000000", "00030004 00000000", "00260000", "00250000"};
      auto one = test::from_hex(attribute[rng.below(5)]);
      request.insert(request.end(), one.begin(), one.end());
    }
    request[3] = static_cast<uint8_t>(request.size() - 20);
    if (rng.below(4) == 0) request[20 + rng.below(request.size() - 19) - 1] ^= 1 << rng.below(8);
    expect_small(request);
    answered += answer(request).has_value();
  }
  EXPECT_GT(answered, 1000);
}

}  // namespace
}  // namespace ginnel::stun
