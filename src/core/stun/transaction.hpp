// One Binding request with its retransmissions, and what the answer said: what an address looks like from outside, asked
// once. Who must know it for ever uses a Keepalive. RFC 8489 sections 6.2.1 and 6.3.3, but less patient.
#pragma once
#include <optional>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/deadline.hpp"
#include "base/instant.hpp"
#include "base/rng.hpp"
#include "wire/stun.hpp"

namespace ginnel::stun {

class Transaction {
 public:
  static constexpr Duration first_timeout = 200ms;  // doubles
  static constexpr int tries = 4;                   // 200+400+800+1600 ms, then it is silent

  explicit Transaction(Rng& rng) : rng_(&rng) {}

  /// Begins, or begins again with a new transaction id.
  void start(Instant now);
  void stop();
  /// True if this is the answer.
  bool handle_response(Instant now, const wire::StunMessage& message);
  void handle_timeout(Instant now);
  /// The request to send now, written into room (at least 64 bytes). CHANGE-REQUEST with `change`, if given.
  std::optional<Bytes> poll_request(Instant now, MutableBytes room, std::optional<uint32_t> change = {});
  std::optional<Deadline> next_deadline() const;

  bool under_way() const { return id_ && !answered_; }
  bool silent() const { return silent_; }
  const std::optional<Address>& mapped() const { return mapped_; }  ///< of the last answer, whatever began since
  const std::optional<Address>& other() const { return other_; }    ///< the server's OTHER-ADDRESS
  std::optional<Duration> rtt() const { return rtt_; }              ///< if the first copy was answered

 private:
  Rng* rng_;
  std::optional<wire::TransactionId> id_;
  int sent_ = 0;
  bool send_now_ = false;
  bool answered_ = false;
  bool silent_ = false;
  Instant sent_at_{};
  std::optional<Instant> next_;
  std::optional<Address> mapped_, other_;
  std::optional<Duration> rtt_;
};

}  // namespace ginnel::stun
