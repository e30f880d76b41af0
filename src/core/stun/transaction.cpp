#include "core/stun/transaction.hpp"

namespace ginnel::stun {

void Transaction::start(Instant) {
  id_ = rng_->array<12>();  // RFC 8489 section 6: a new transaction, a new id
  sent_ = 0;
  send_now_ = true;
  answered_ = silent_ = false;
  next_.reset();
}

void Transaction::stop() {
  id_.reset();
  send_now_ = false;
  next_.reset();
}

bool Transaction::handle_response(Instant now, const wire::StunMessage& message) {
  if (!under_way() || sent_ == 0 || message.id != *id_) return false;
  if (message.cls != wire::StunClass::success || message.method != wire::stun_binding) return false;
  if (!message.xor_mapped_address || message.unknown_required) return false;  // RFC 8489 section 6.3.3
  mapped_ = message.xor_mapped_address;
  other_ = message.other_address;
  if (sent_ == 1) rtt_ = now - sent_at_;
  answered_ = true;
  send_now_ = false;
  next_.reset();
  return true;
}

void Transaction::handle_timeout(Instant now) {
  if (!next_ || now < *next_) return;
  next_.reset();
  if (sent_ < tries)
    send_now_ = true;
  else
    silent_ = true, id_.reset();
}

std::optional<Bytes> Transaction::poll_request(Instant now, MutableBytes room, std::optional<uint32_t> change) {
  if (!send_now_) return {};
  send_now_ = false;
  sent_at_ = now;
  next_ = now + first_timeout * (1 << sent_++);
  wire::StunWriter request(room, wire::StunClass::request, wire::stun_binding, *id_);
  if (change) request.change_request(*change);
  return request.finish();
}

std::optional<Deadline> Transaction::next_deadline() const {
  if (!next_) return {};
  return Deadline{*next_, "stun: no answer yet"};
}

}  // namespace ginnel::stun
