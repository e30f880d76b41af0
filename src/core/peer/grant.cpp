#include "core/peer/grant.hpp"

#include <algorithm>

#include "core/crypto/mac.hpp"

namespace ginnel::peer {

namespace {

constexpr uint32_t clock_skew_minutes = 5;

std::array<uint8_t, 32> tagged_mac(const ServiceSecret& secret, std::string_view tag, Bytes message) {
  std::vector<uint8_t> input(tag.begin(), tag.end());
  input.push_back(0);
  input.insert(input.end(), message.begin(), message.end());
  return crypto::hmac_sha256(secret, input);
}

void prove(const ServiceSecret& secret, wire::Capability& capability) {
  auto mac = tagged_mac(secret, "ginnel ticket", capability.signed_part());
  std::copy_n(mac.begin(), capability.proof.size(), capability.proof.begin());
}

}  // namespace

wire::ServiceId service_id(const ServiceSecret& secret) {
  wire::ServiceId id;
  auto mac = tagged_mac(secret, "ginnel service id", {});
  std::copy_n(mac.begin(), id.size(), id.begin());
  return id;
}

wire::Capability issue(const ServiceSecret& secret, std::optional<uint32_t> expires_minutes) {
  wire::Capability capability{service_id(secret), expires_minutes, {}};
  prove(secret, capability);
  return capability;
}

std::optional<quic::Code> objection(const ServiceSecret& secret, const wire::Capability& shown, uint32_t now_minutes) {
  wire::Capability good{service_id(secret), shown.expires_minutes, {}};
  prove(secret, good);
  if (shown.service != good.service || !crypto::equal(shown.proof, good.proof)) return quic::Code::forbidden;
  if (shown.expires_minutes && now_minutes > uint64_t{*shown.expires_minutes} + clock_skew_minutes) return quic::Code::expired;
  return {};
}

}  // namespace ginnel::peer
