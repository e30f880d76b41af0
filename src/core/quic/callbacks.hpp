// The C callbacks of ngtcp2. They only note things in the session: none may throw, write packets or call anybody else.
#pragma once
#include <ngtcp2/ngtcp2.h>

#include "core/quic/session.hpp"

namespace ginnel::quic {

/// ngtcp2's table of hooks, with the session as user_data.
ngtcp2_callbacks make_callbacks(bool dialler);
/// Did a packet read since the last call decrypt? (The decrypt hook has no user_data.)
bool take_authenticated();
/// A connection id of our length that begins with the tag, and the stateless reset token that goes with it.
ngtcp2_cid make_connection_id(Tag tag, Rng& rng);
std::array<uint8_t, 16> reset_token(Bytes reset_secret, Bytes connection_id);

}  // namespace ginnel::quic
