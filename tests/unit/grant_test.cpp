// Tickets: who may, until when, and for which service.
#include "core/peer/grant.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/seeded_rng.hpp"

namespace ginnel::peer {
namespace {

constexpr uint32_t now = 29'000'000;  // minutes since 1970

class Grant : public ::testing::Test {
 protected:
  test::SeededRng rng;
  ServiceSecret secret = rng.array<32>(), other_secret = rng.array<32>();
};

TEST_F(Grant, AnIssuedTicketIsGoodWithAndWithoutExpiry) {
  EXPECT_FALSE(objection(secret, issue(secret, {}), now));
  EXPECT_FALSE(objection(secret, issue(secret, {}), UINT32_MAX));
  EXPECT_FALSE(objection(secret, issue(secret, now + 1), now));
}

TEST_F(Grant, ATicketOfAnotherSecretIsForbidden) {
  EXPECT_EQ(objection(secret, issue(other_secret, {}), now), quic::Code::forbidden);
  wire::Capability borrowed = issue(other_secret, {});  // the right service, proven with the wrong secret
  borrowed.service = service_id(secret);
  EXPECT_EQ(objection(secret, borrowed, now), quic::Code::forbidden);
}

TEST_F(Grant, ATicketOfAnotherServiceIsForbidden) {
  wire::Capability moved = issue(secret, {});
  moved.service = service_id(other_secret);
  EXPECT_EQ(objection(secret, moved, now), quic::Code::forbidden);
  EXPECT_EQ(objection(other_secret, moved, now), quic::Code::forbidden);
}

TEST_F(Grant, NobodyProlongsATicket) {
  wire::Capability longer = issue(secret, now - 100);
  longer.expires_minutes = now + 100;
  EXPECT_EQ(objection(secret, longer, now), quic::Code::forbidden);
  longer.expires_minutes.reset();
  EXPECT_EQ(objection(secret, longer, now), quic::Code::forbidden);
  wire::Capability shorter = issue(secret, {});
  shorter.expires_minutes = now + 100;
  EXPECT_EQ(objection(secret, shorter, now), quic::Code::forbidden);
}

TEST_F(Grant, EachBitOfTheProofCounts) {
  for (size_t bit = 0; bit < 128; ++bit) {
    wire::Capability flipped = issue(secret, now + 10);
    flipped.proof[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_EQ(objection(secret, flipped, now), quic::Code::forbidden) << bit;
  }
}

TEST_F(Grant, ClocksMayDifferByFiveMinutes) {
  wire::Capability capability = issue(secret, now);
  EXPECT_FALSE(objection(secret, capability, now + 5));
  EXPECT_EQ(objection(secret, capability, now + 6), quic::Code::expired);
  // At the end of the counter the tolerance must not wrap around to "long ago".
  EXPECT_FALSE(objection(secret, issue(secret, UINT32_MAX), UINT32_MAX));
}

TEST_F(Grant, AForgedTicketIsForbiddenAndNotExpired) {
  wire::Capability forged = issue(other_secret, now - 100);
  forged.service = service_id(secret);
  EXPECT_EQ(objection(secret, forged, now), quic::Code::forbidden) << "the expiry is believed only if it is proven";
}

TEST_F(Grant, ServiceIdsTellNothingAndDiffer) {
  std::set<wire::ServiceId> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(service_id(rng.array<32>()));
  EXPECT_EQ(ids.size(), 1000u);
  EXPECT_FALSE(std::equal(secret.begin(), secret.begin() + 8, service_id(secret).begin()));
}

}  // namespace
}  // namespace ginnel::peer
