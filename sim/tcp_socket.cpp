#include "sim/tcp_socket.hpp"

#include <algorithm>
#include <utility>

#include "sim/tcp_stack.hpp"
#include "wire/tcp.hpp"

namespace ginnel::sim {

namespace {

using wire::tcp_ack, wire::tcp_fin, wire::tcp_rst, wire::tcp_syn;

constexpr size_t early_max = 4096;

}  // namespace

TcpSocket::TcpSocket(TcpStack& stack, TcpId id, const Address& local, const Address& remote, uint32_t first_sequence)
    : stack_(stack),
      id_(id),
      local_(local),
      remote_(remote),
      first_(first_sequence),
      unacknowledged_(first_),
      next_(first_ + 1),
      sent_end_(first_ + 1),
      data_begin_(first_ + 1) {}

// ---- how it begins

void TcpSocket::connect(Instant now) {
  state_ = State::syn_sent;
  limit_ = now + connect_limit;
  resend_at_ = now + timeout_.value();
  timed_ = {next_, now};
  emit(tcp_syn, first_);
}

void TcpSocket::accept(Instant now, const TcpFields& syn) {
  state_ = State::syn_received;
  their_first_ = syn.sequence;
  expected_ = syn.sequence + 1;
  resend_at_ = now + timeout_.value();
  timed_ = {next_, now};
  emit(tcp_syn, first_);
}

/// RFC 9293 section 3.10.7.3.
void TcpSocket::handle_syn_sent(Instant now, const TcpFields& segment) {
  bool ours = (segment.flags & tcp_ack) && segment.acknowledged == first_ + 1;
  if ((segment.flags & tcp_ack) && !ours) {
    if (!(segment.flags & tcp_rst)) emit(tcp_rst, segment.acknowledged);
    return;
  }
  if (segment.flags & tcp_rst) {
    if (ours) fail("connection refused");
    return;
  }
  if (!(segment.flags & tcp_syn)) return;
  their_first_ = segment.sequence;
  expected_ = segment.sequence + 1;
  if (ours) {
    unacknowledged_ = first_ + 1;
    owes_acknowledgement_ = true;
    open(now);
    if (state_ == State::open && owes_acknowledgement_) acknowledge();
    return;
  }
  state_ = State::syn_received;  // both dialled at once: figure 8
  simultaneous_ = true;
  timed_.reset();
  emit(tcp_syn, first_);
}

/// True if it is open now and there may be more in the segment.
bool TcpSocket::handle_syn_received(Instant now, const TcpFields& segment) {
  if (segment.flags & tcp_rst) {
    if (segment.sequence == expected_) fail("connection refused");
    return false;
  }
  bool syn = segment.flags & tcp_syn;
  if (!(segment.flags & tcp_ack)) {
    if (syn && segment.sequence == their_first_) emit(tcp_syn, first_);  // they did not get ours
    return false;
  }
  if (segment.acknowledged != first_ + 1) {
    emit(tcp_rst, segment.acknowledged);
    return false;
  }
  unacknowledged_ = first_ + 1;
  open(now);
  return state_ == State::open && !syn;
}

void TcpSocket::open(Instant now) {
  state_ = State::open;
  limit_.reset();
  resend_at_.reset();
  if (timed_) timeout_.add(now - timed_->second);
  timed_.reset();
  timeout_.settle();
  bool dialled = id_ != 0;
  if (!dialled) id_ = stack_.new_id();
  stack_.opened(*this, dialled);
  push(now);
}

void TcpSocket::unreachable() {
  if (opening()) fail("connection refused");  // as Linux takes RFC 1122 section 4.2.3.9
}

// ---- segments

void TcpSocket::handle(Instant now, const TcpFields& segment, Slice payload) {
  if (state_ == State::closed) return;
  if (state_ == State::syn_sent) return handle_syn_sent(now, segment);
  if (state_ == State::syn_received && !handle_syn_received(now, segment)) return;
  bool fin = segment.flags & tcp_fin;
  if (state_ == State::time_wait) {
    if (payload.size > 0 || fin) acknowledge();
    return;
  }
  if (segment.flags & tcp_rst) {  // RFC 5961 section 3
    if (segment.sequence == expected_) return fail("the other side reset the connection");
    if (segment.sequence - expected_ < TcpCongestion::window_max) acknowledge();
    return;
  }
  if (segment.flags & tcp_syn) return acknowledge();  // RFC 5961 section 4; or they did not get our last word
  if (!(segment.flags & tcp_ack)) return;
  handle_acknowledgement(now, segment.acknowledged, payload.size == 0 && !fin);
  if (state_ != State::open) return;
  uint32_t end = segment.sequence + payload.size;
  if (payload.size > 0) take_payload(segment.sequence, std::move(payload));
  if (fin) {
    their_end_ = end;
    owes_acknowledgement_ = true;
  }
  if (their_end_ && expected_ == *their_end_ && !they_ended_) {
    ++expected_;
    they_ended_ = true;
  }
  deliver(now);
  if (state_ != State::open) return;
  if (owes_acknowledgement_) acknowledge();
  look_for_the_end(now);
}

void TcpSocket::handle_acknowledgement(Instant now, uint32_t number, bool empty) {
  if (before(sent_end_, number)) {
    owes_acknowledgement_ = true;
    return;
  }
  if (!before(unacknowledged_, number)) {
    bool again = number == unacknowledged_ && empty && under_way() > 0;
    if (!again || !congestion_.repeated(under_way())) return;
    recover_ = sent_end_;
    return send_again(now);
  }
  uint32_t news = number - unacknowledged_;
  unacknowledged_ = number;
  if (before(next_, number)) next_ = number;
  auto bytes = static_cast<uint32_t>(std::min<size_t>(number - data_begin_, queue_.size()));
  queue_.pop(bytes);
  data_begin_ += bytes;
  end_acknowledged_ = end_sent_ && number == data_end() + 1;
  if (timed_ && !before(number, timed_->first)) {
    timeout_.add(now - timed_->second);
    timed_.reset();
  }
  timeout_.settle();
  progress_ = now;
  resend_at_.reset();
  if (!congestion_.recovering()) {
    congestion_.acknowledged(news);
  } else if (!before(number, recover_)) {
    congestion_.recovered();
  } else {
    send_again(now);  // RFC 6582 section 3.2: a partial one, the next is lost, too
  }
  push(now);
  if (owes_writable_ && !program_gone_ && unsent() < queue_writable) {
    owes_writable_ = false;
    stack_.writable(*this);
  }
}

void TcpSocket::append(const Slice& payload) {
  expected_ += payload.size;
  if (program_gone_) return;  // nobody reads it any more
  Bytes bytes = payload.bytes();
  unread_.insert(unread_.end(), bytes.begin(), bytes.end());
  fresh_ += bytes.size();
}

void TcpSocket::take_payload(uint32_t sequence, Slice payload) {
  owes_acknowledgement_ = true;
  auto distance = static_cast<int32_t>(sequence - expected_);
  if (distance > static_cast<int32_t>(TcpCongestion::window_max)) return;
  if (distance > 0) {
    Slice& place = early_.size() < early_max ? early_[sequence - their_first_] : payload;
    if (place.size < payload.size) place = std::move(payload);
    return acknowledge();  // at once, and as often as one comes: the sender counts them (RFC 5681 section 4.2)
  }
  early_.emplace(sequence - their_first_, std::move(payload));
  while (!early_.empty()) {
    auto [at, slice] = *early_.begin();
    uint32_t known = expected_ - (their_first_ + at);  // how much of it we have
    if (static_cast<int32_t>(known) < 0) break;
    early_.erase(early_.begin());
    if (known < slice.size) append(slice.part(known, slice.size - known));
  }
}

void TcpSocket::deliver(Instant now) {
  if (std::exchange(fresh_, 0) > 0 && !program_gone_) {
    std::vector<uint8_t> bytes = std::exchange(unread_, {});
    size_t used = stack_.received(*this, bytes);
    if (program_gone_ || state_ != State::open) return;
    if (bytes.size() - used > leftover_max) {
      emit(tcp_rst, sent_end_);
      return fail("the other side sent a frame that is too long");
    }
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(used));
    unread_ = std::move(bytes);
  }
  if (!they_ended_ || program_gone_) return;
  program_gone_ = true;
  stack_.closed(*this, "the other side closed the connection");
  ending_ = true;
  push(now);
}

void TcpSocket::look_for_the_end(Instant now) {
  if (!end_acknowledged_) return;
  if (!they_ended_) {  // FIN-WAIT-2
    if (!limit_) limit_ = now + close_limit;
  } else if (ended_first_) {
    state_ = State::time_wait;
    limit_ = now + time_wait;
    resend_at_.reset();
  } else {
    state_ = State::closed;
  }
}

// ---- sending

void TcpSocket::emit(uint8_t flags, uint32_t sequence, Slice payload) {
  if (state_ != State::syn_sent && !(flags & tcp_rst)) {
    flags |= tcp_ack;
    owes_acknowledgement_ = false;
  }
  stack_.transmit(*this, {sequence, flags & tcp_ack ? expected_ : 0, flags}, std::move(payload));
}

void TcpSocket::push(Instant now) {
  if (state_ != State::open) return;
  for (;;) {
    uint32_t offset = next_ - data_begin_;
    if (unacknowledged_ == sent_end_) progress_ = now;  // nothing waited so far
    if (offset < queue_.size()) {
      size_t window = congestion_.window(), left = queue_.size() - offset;
      if (under_way() >= window) break;
      size_t most = std::min(segment_max, window - under_way());
      if (most < std::min(left, TcpCongestion::segment) && under_way() > 0) break;  // RFC 9293 section 3.8.6.2.1
      Slice piece = queue_.at(offset, most);
      bool fresh = next_ == sent_end_;
      emit(0, next_, piece);
      next_ += piece.size;
      if (fresh && !timed_) timed_ = {next_, now};
    } else if (ending_ && offset == queue_.size()) {
      emit(tcp_fin, next_);
      ++next_;
      end_sent_ = true;
    } else {
      break;
    }
    if (before(sent_end_, next_)) sent_end_ = next_;
  }
  if (under_way() > 0 && !resend_at_) resend_at_ = now + timeout_.value();
}

/// The first thing that is not acknowledged.
void TcpSocket::send_again(Instant now) {
  timed_.reset();
  ++stack_.repeated;
  if (queue_.size() > 0)
    emit(0, data_begin_, queue_.at(0, std::min<size_t>(segment_max, sent_end_ - data_begin_)));
  else if (end_sent_)
    emit(tcp_fin, data_end());
  resend_at_ = now + timeout_.value();
}

bool TcpSocket::send(Instant now, Bytes bytes) {
  if (program_gone_) return true;
  if (unsent() + bytes.size() > queue_max) {
    owes_writable_ = true;
    return false;
  }
  queue_.append(bytes);
  push(now);
  if (unsent() <= queue_full) return true;
  owes_writable_ = true;
  return false;
}

// ---- time

std::optional<Instant> TcpSocket::deadline() const {
  std::optional<Instant> out = limit_;
  auto sooner = [&](Instant when) { out = out ? std::min(*out, when) : when; };
  if (resend_at_) sooner(*resend_at_);
  if (resend_at_ && state_ == State::open) sooner(progress_ + user_timeout);
  return out;
}

void TcpSocket::handle_timeout(Instant now) {
  if (limit_ && *limit_ <= now) {
    if (opening()) return fail(remote_.to_string() + " did not answer");
    state_ = State::closed;
    return;
  }
  if (!resend_at_) return;
  if (state_ == State::open && now - progress_ >= user_timeout) return fail("the connection timed out");
  if (*resend_at_ > now) return;
  timed_.reset();
  timeout_.back_off();
  if (opening()) {
    if (id_ == 0 && ++tries_ > answers_max) return fail("");
    resend_at_ = now + timeout_.value();
    return emit(tcp_syn, first_);
  }
  ++stack_.repeated;
  congestion_.timed_out(sent_end_ - unacknowledged_);
  next_ = unacknowledged_;
  resend_at_.reset();
  push(now);
}

// ---- how it ends

void TcpSocket::close(Instant now) {
  if (program_gone_) return;
  program_gone_ = true;
  unread_.clear();
  if (opening()) return abort();
  ending_ = ended_first_ = true;
  push(now);
  look_for_the_end(now);
}

void TcpSocket::abort() {
  program_gone_ = true;
  if (state_ == State::open || state_ == State::syn_received) emit(tcp_rst, sent_end_);
  state_ = State::closed;
}

void TcpSocket::fail(std::string_view why) {
  state_ = State::closed;
  resend_at_.reset();
  limit_.reset();
  if (std::exchange(program_gone_, true) || id_ == 0) return;
  stack_.closed(*this, why);
}

}  // namespace ginnel::sim
