// The C callbacks of ngtcp2. They only note things in the session: none may throw, write packets or call anybody else.
#pragma once
#include <ngtcp2/ngtcp2.h>

#include "core/quic/session.hpp"

namespace ginnel::quic {

/// ngtcp2's table of hooks, with the session as user_data.
ngtcp2_callbacks make_callbacks(bool dialler);
/// Did a packet read since the last call decrypt that is newer than all before? A copy of an old one says nothing about
/// where its sender is (RFC 9000 section 9.3). `next_number` is the session's. (The decrypt hook has no user_data.)
bool take_authenticated(uint64_t& next_number);
/// A connection id of our length that begins with the tag, and the stateless reset token that goes with it.
ngtcp2_cid make_connection_id(Tag tag, Rng& rng);
std::array<uint8_t, 16> reset_token(Bytes reset_secret, Bytes connection_id);

}  // namespace ginnel::quic
