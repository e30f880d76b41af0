// What an endpoint does with packets that belong to no session of its: look at them, ask an unproven address to come
// again (Retry, RFC 9000 section 8.1.2), tell a peer of a former life that its session is gone (stateless reset,
// section 10.3). Keeps no state: that is the point.
#pragma once
#include <array>
#include <optional>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/instant.hpp"
#include "base/rng.hpp"
#include "core/quic/session.hpp"

namespace ginnel::quic {

struct PacketInfo {
  bool initial = false;         ///< may begin a session
  bool long_header = false;
  Bytes connection_id;          ///< of the receiver; a first Initial's is chosen by the sender
  std::optional<Tag> tag;       ///< of the session, if the connection id is of our length
};
/// Nothing if it is no QUIC version 1 packet.
std::optional<PacketInfo> look_at(Bytes packet);

class Door {
 public:
  /// The secrets live as long as the key, so that tokens and resets work across restarts.
  explicit Door(const crypto::Identity& self);

  /// A Retry packet that asks the sender of `initial` to prove its address.
  std::optional<Bytes> retry(Instant now, Bytes initial, const Address& from, Rng& rng, MutableBytes room) const;
  /// What the token of a repeated Initial proves; nothing if there is none or it is not ours, old or from elsewhere.
  std::optional<Session::Retried> check_token(Instant now, Bytes initial, const Address& from) const;
  /// A stateless reset for a packet of a session that no longer exists; always smaller than the packet.
  std::optional<Bytes> reset(Bytes packet, Rng& rng, MutableBytes room) const;

 private:
  std::array<uint8_t, 32> reset_secret_;
  std::array<uint8_t, 32> token_secret_;
};

}  // namespace ginnel::quic
