// The state folder: keys and service secrets, made on first use, readable by their owner only.
#pragma once
#include <string>

#include "base/result.hpp"
#include "base/rng.hpp"
#include "core/crypto/identity.hpp"
#include "core/peer/grant.hpp"

namespace ginnel::app {

class State {
 public:
  /// Makes the folder if need be.
  static Result<State> open(const std::string& directory);

  /// `role`: "server" or "peer": one machine may be both.
  Result<crypto::Identity> identity(const std::string& role, Rng& rng) const;
  /// The secret of the service with that name; tickets stay valid as long as it stays.
  Result<peer::ServiceSecret> service(const std::string& name, Rng& rng) const;

 private:
  explicit State(std::string directory) : directory_(std::move(directory)) {}
  Result<std::array<uint8_t, 32>> secret(const std::string& file, Rng& rng) const;
  std::string directory_;
};

}  // namespace ginnel::app
