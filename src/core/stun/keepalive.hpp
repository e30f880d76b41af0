// Asks the server's STUN port again and again from the one UDP socket: keeps the NAT's mapping alive, notices when the
// reflexive address changes, when the server restarts, and when it no longer answers. Costs the server no state and
// no cryptography. Retransmits as RFC 8489 section 6.2.1, but gives up sooner: the relay must fail over.
#pragma once
#include <optional>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/deadline.hpp"
#include "base/instant.hpp"
#include "base/rng.hpp"
#include "wire/stun.hpp"

namespace ginnel::stun {

class Keepalive {
 public:
  static constexpr Duration interval = 5s;         // facts: UDP mappings as short as 10 s exist
  static constexpr Duration first_timeout = 300ms;  // doubles up to:
  static constexpr Duration timeout_max = 1200ms;   // a network that comes back is noticed this soon
  static constexpr int tries = 4;                   // 300+600+1200+1200 ms: silent after 3.3 s, and begin again

  struct Change {
    bool heard = false;      ///< it was an answer to what was asked
    bool address = false;    ///< reflexive address is new or different
    bool restarted = false;  ///< the server is another process than before
    bool silent = false;     ///< one transaction ended without an answer
    bool answered = false;   ///< an answer came after silence, or the first one
  };

  explicit Keepalive(Rng& rng) : rng_(rng) {}

  /// Begin (again) at once: at the start, when the network or the server changed.
  void start(Instant now);
  void stop();
  /// A STUN success response from the server's address; what it changed. Unknown transactions change nothing.
  Change handle_response(Instant now, const wire::StunMessage& message);
  Change handle_timeout(Instant now);
  /// The request to send now, written into room (at least 64 bytes).
  std::optional<Bytes> poll_request(Instant now, MutableBytes room);
  std::optional<Deadline> next_deadline() const;

  const std::optional<Address>& reflexive() const { return reflexive_; }
  /// Where the server has another socket (RFC 5780 section 7.4), if it has.
  const std::optional<Address>& other() const { return other_; }
  std::optional<Duration> rtt() const { return rtt_; }

 private:
  void begin();

  Rng& rng_;
  std::optional<wire::TransactionId> pending_;
  int sent_ = 0;
  bool send_now_ = false;
  bool heard_ = false;  ///< the last transaction was answered
  Instant first_sent_at_{};
  Instant sent_at_{};
  std::optional<Instant> next_;
  std::optional<Address> reflexive_, other_;
  std::optional<uint32_t> instance_;
  std::optional<Duration> rtt_;
};

}  // namespace ginnel::stun
