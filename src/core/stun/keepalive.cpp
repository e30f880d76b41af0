// One STUN transaction after the other with one server. Knows when to send, when to send again and what an answer
// changed; refuses to know sockets, and which server it is: the caller lets only that server's answers in. RFC 8489
// sections 6.2.1 (retransmission), 6.3.3 (success response); RFC 8445 section 11 for the need of keepalives.
#include "core/stun/keepalive.hpp"

#include <algorithm>
#include <cassert>

namespace ginnel::stun {

void Keepalive::start(Instant) { begin(); }

void Keepalive::stop() {
  pending_.reset();
  next_.reset();
  send_now_ = false;
}

Keepalive::Change Keepalive::handle_response(Instant now, const wire::StunMessage& message) {
  Change change;
  if (!pending_ || sent_ == 0 || message.id != *pending_) return change;
  if (message.cls != wire::StunClass::success || message.method != wire::stun_binding) return change;
  if (!message.xor_mapped_address || message.unknown_required) return change;  // RFC 8489 section 6.3.3

  change.heard = true;
  change.address = reflexive_ != message.xor_mapped_address;
  change.restarted = instance_ && message.server_instance && *instance_ != *message.server_instance;
  change.answered = !heard_;
  reflexive_ = message.xor_mapped_address;
  if (message.other_address) other_ = message.other_address;
  if (message.server_instance) instance_ = message.server_instance;
  heard_ = true;

  // Which of several copies was answered cannot be known (Karn): the time since the last is a lower bound, since the
  // first an upper one. With one copy they are equal; with more, what was measured before is moved between them.
  Duration lower = now - sent_at_, upper = now - first_sent_at_;
  rtt_ = std::clamp(rtt_.value_or(upper), lower, upper);

  pending_.reset();
  send_now_ = false;
  // +-10 %, so that agents that were started, or cut off, together do not ask together for ever.
  constexpr uint64_t jitter = static_cast<uint64_t>(interval.count()) / 5;
  next_ = now + interval - interval / 10 + Duration(static_cast<int64_t>(rng_.below(jitter + 1)));
  return change;
}

Keepalive::Change Keepalive::handle_timeout(Instant now) {
  Change change;
  if (!next_ || now < *next_) return change;
  if (pending_ && sent_ < tries) {
    send_now_ = true;
    next_.reset();  // poll_request sets it
    return change;
  }
  if (pending_) {
    change.silent = true;
    heard_ = false;
  }
  begin();
  return change;
}

std::optional<Bytes> Keepalive::poll_request(Instant now, MutableBytes room) {
  if (!send_now_) return {};
  send_now_ = false;
  if (sent_ == 0) first_sent_at_ = now;
  sent_at_ = now;
  next_ = now + std::min<Duration>(timeout_max, first_timeout * (1 << sent_));
  ++sent_;

  wire::StunWriter request(room, wire::StunClass::request, wire::stun_binding, *pending_);
  request.server_instance(0);
  if (!other_) request.change_request(0);  // which asks for OTHER-ADDRESS
  Bytes out = request.finish();
  assert(!out.empty());
  return out;
}

std::optional<Deadline> Keepalive::next_deadline() const {
  if (!next_) return {};
  return Deadline{*next_, pending_ ? "stun: no answer yet" : "stun: keepalive"};
}

void Keepalive::begin() {
  pending_ = rng_.array<12>();  // RFC 8489 section 6: a new transaction, a new id
  sent_ = 0;
  send_now_ = true;
  next_.reset();
}

}  // namespace ginnel::stun
