// An Ed25519 key pair: who this process is. Holds the private key; never prints it.
#pragma once
#include <array>
#include <memory>

#include "base/bytes.hpp"
#include "base/public_key.hpp"
#include "base/rng.hpp"

namespace ginnel::crypto {

class Identity {
 public:
  using Seed = std::array<uint8_t, 32>;  ///< RFC 8032 section 5.1.5: the private key

  static Identity generate(Rng& rng) { return Identity(rng.array<32>()); }
  explicit Identity(const Seed& seed);

  const Seed& seed() const { return seed_; }
  const PublicKey& public_key() const { return public_key_; }
  /// A secret derived from the seed for one purpose (HMAC-SHA-256 of the label): reset tokens, ticket proofs.
  std::array<uint8_t, 32> derive(std::string_view label) const;

 private:
  Seed seed_;
  PublicKey public_key_;
};

}  // namespace ginnel::crypto
