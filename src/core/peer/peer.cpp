#include "core/peer/peer.hpp"

#include <algorithm>
#include <utility>

#include "base/action.hpp"
#include "wire/demux.hpp"
#include "wire/tcp_frame.hpp"

namespace ginnel::peer {

namespace {

constexpr quic::StreamId control_stream = 0;  // the first that the dialler opens

quic::SessionConfig session_config(const PeerConfig& config, const PeerContext& context) {
  quic::SessionConfig c;
  c.chunks = context.chunks;
  c.alpn = peer_alpn;
  c.expected_peer = config.key;
  c.idle_timeout = config.idle_timeout;
  c.keep_alive = config.idle_timeout / 3;  // a quiet session is not a dead one
  c.handshake_timeout = 20s;  // the other side may be on its way back to the server
  c.impatient = true;
  c.streams_max = config.capability ? 0 : 10'000;
  if (!config.capability) c.buffered_max = Peer::unadmitted_buffer;
  return c;
}

Error closed_error(const quic::Closed& closed) {
  using Why = quic::Closed::Why;
  switch (closed.code) {
    case quic::Code::forbidden:
      return {Errc::refused, "The other side does not accept this ticket. Ask for a new one."};
    case quic::Code::expired: return {Errc::refused, "The ticket has expired. Ask for a new one."};
    case quic::Code::closing: return {Errc::gone, "The other side ended the session: it was stopped."};
    case quic::Code::too_many: return {Errc::refused, "The other side serves too many sessions now. Try again later."};
    default: break;
  }
  switch (closed.why) {
    case Why::wrong_key:
      return {Errc::wrong_key, "Whoever answers does not have the key that the ticket names. Do not trust it; ask for a new ticket."};
    case Why::handshake: return {Errc::unreachable, "The other side does not answer. Is `ginnel expose` still running there?"};
    case Why::reset: return {Errc::gone, "The other side was restarted: this session is over."};
    case Why::idle: return {Errc::gone, "Nothing was heard from the other side for too long."};
    default: return {Errc::gone, "The session ended: " + (closed.text.empty() ? std::string("closed") : closed.text) + "."};
  }
}

}  // namespace

Peer::Peer(Instant now, PeerContext context, PeerConfig config, quic::Tag tag)
    : config_(std::move(config)), context_(context), tag_(tag),
      ice_(config_.capability.has_value(), tag, context.rng), dials_(context.tcp_ids, context.rng) {
  if (dialler())
    session_ = quic::Session::dial(now, context_.self, session_config(config_, context_), tag_, context_.rng);
  else
    hello_by_ = now + hello_time;
}

// ---- inputs

void Peer::handle_packet(Instant now, const Carrier& from, MutableBytes packet) {
  if (!is_ours(from)) return;
  if (wire::packet_kind(packet) == wire::PacketKind::stun) return handle_stun(now, from, packet);
  if (!session_) {
    auto info = quic::look_at(packet);
    if (!info) return;
    if (info->initial)
      session_ = quic::Session::accept(now, context_.self, session_config(config_, context_), tag_, context_.rng, packet);
    else if (std::array<uint8_t, 320> room; auto reset = context_.door.reset(packet, context_.rng, room))
      stray_reply_.assign(reset->begin(), reset->end());
    if (!session_) return;
  }
  if (session_->handle_packet(now, packet)) {
    ice_.note_received(now, from);
    note_traffic(now);
    if (deserted_ && from != *deserted_) {  // the peer left it, too: what it acknowledged before went there and is lost
      deserted_.reset();
      session_->wake(now);
    }
  }
}

void Peer::handle_stun(Instant now, const Carrier& from, Bytes packet) {
  auto message = wire::parse_stun(packet);
  if (!message) return;
  ice_.handle_stun(now, from, packet, *message);
}

void Peer::settle(Instant now) {
  drain_session(now);
  drain_ice(now);
  if (unsaid_) send_candidates();
}

void Peer::handle_timeout(Instant now) {
  if (session_) session_->handle_timeout(now);
  ice_.handle_timeout(now);
  dials_.handle_timeout(now);
  settle(now);
  if (auto means = plan_.handle_timeout(now)) {
    wish_ = *means;
    leading_ = true;
  }
  if (search_at_ && *search_at_ <= now) search_is_due();
  if (heed_at_ && *heed_at_ <= now) consider(now);
  if (busy_) watch_rate(now);
  if (review_at_ && *review_at_ <= now) review(now);
  if (busy_ && now - last_traffic_ >= busy_time) {
    busy_ = false;
    ice_.set_use(now, current_, false);
  }
  if (hello_by_ && *hello_by_ <= now) {
    hello_by_.reset();
    if (session_)
      session_->close(quic::Code::malformed, "no hello");
    else if (!std::exchange(reported_closed_, true))
      events_.push_back(PeerClosed{{Errc::gone, "no packet came"}, quic::Code::none, quic::Closed::Why::handshake});
  }
}

// ---- commands

void Peer::admit(Instant now) {
  if (admitted_ || !control_ || session_->closed()) return;
  admitted_ = true;
  hello_by_.reset();
  session_->set_buffered_max(quic::SessionConfig{}.buffered_max);
  session_->send(*control_, wire::encode(wire::Welcome{}));
  if (remote_) consider(now);
  if (generation_ == 0 && !wish_) {  // nothing was heard of theirs yet, or it was no reason to say ours
    generation_ = 1;
    send_candidates();
  }
  for (; !held_.empty(); held_.pop_front()) events_.push_back(std::move(held_.front()));
}

void Peer::refuse(quic::Code code, std::string text) { close(code, std::move(text)); }

void Peer::close(quic::Code code, std::string text) {
  if (session_) session_->close(code, std::move(text));
}

// ---- polls

std::optional<Action> Peer::poll_action(Instant now, MutableBytes room) {
  while (auto action = dials_.poll_action()) actions_.push_back(std::move(*action));
  if (!actions_.empty()) {
    Action action = std::move(actions_.front());
    actions_.pop_front();
    return action;
  }
  if (auto check = poll_check(now, room)) return check;
  if (!stray_reply_.empty() && relay_) {
    size_t head = headroom(Carrier::relay()), size = head + stray_reply_.size();
    std::copy(stray_reply_.begin(), stray_reply_.end(), room.begin() + static_cast<ptrdiff_t>(head));
    stray_reply_.clear();
    return transmit(Carrier::relay(), room.first(size), size);
  }
  return poll_session(now, room);
}

std::optional<Action> Peer::poll_check(Instant now, MutableBytes room) {
  // Written behind the headroom of any carrier, since only the agent knows to whom the next one goes.
  constexpr size_t most = wire::relay_header_size + wire::tcp_frame_header_size;
  while (auto check = ice_.poll_check(now, room.subspan(most))) {
    if (!can_carry(check->to)) continue;
    size_t head = headroom(check->to), size = head + check->bytes.size();
    return transmit(check->to, room.subspan(most - head, size), size, check->hops);
  }
  return {};
}

std::optional<Action> Peer::poll_session(Instant now, MutableBytes room) {
  drain_session(now);  // of what the application did since, such as consuming a stream's last byte
  if (!session_ || !current_ || !can_carry(*current_)) return {};
  const ice::Pair* pair = ice_.find(*current_);
  size_t packet_size = std::max(pair ? pair->packet_size : 0, ice::packet_size_min);
  quic::Train train = session_->write(now, room.first(train_bytes_max), packet_size, headroom(*current_));
  drain_session(now);  // StreamWritable, and the end of the session if this was its last word
  if (train.size == 0) return {};
  note_traffic(now);
  return transmit(*current_, room.first(train.size), train.segment);
}

/// Puts the headers of that carrier in front of each packet; `segment` counts them in.
Transmit Peer::transmit(const Carrier& to, MutableBytes bytes, size_t segment, uint8_t hops) {
  size_t head = headroom(to);
  bool framed = to.is_tcp() || (to.is_relay() && relay_->tcp != 0);
  for (size_t at = 0; head > 0 && at < bytes.size(); at += segment) {
    uint8_t* packet = bytes.data() + at;
    size_t size = std::min(segment, bytes.size() - at);
    if (framed) wire::put_tcp_frame_header(packet, size - wire::tcp_frame_header_size);
    if (to.is_relay()) wire::put_relay_header(packet + (framed ? wire::tcp_frame_header_size : 0), relay_->route);
  }
  if (to.is_relay()) return {relay_->server, relay_->tcp, bytes, segment};
  if (to.is_tcp()) return {to.remote, to.local, bytes, segment};
  return {to.remote, 0, bytes, segment, to.local, hops};
}

std::optional<PeerEvent> Peer::poll_event() {
  if (events_.empty()) return {};
  PeerEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

std::optional<Deadline> Peer::next_deadline() const {
  std::optional<Deadline> next = earlier(ice_.next_deadline(), dials_.next_deadline());
  next = earlier(next, plan_.next_deadline());
  if (session_) next = earlier(next, session_->next_deadline());
  if (hello_by_) next = earlier(next, Deadline{*hello_by_, "peer: hello due"});
  if (search_at_) next = earlier(next, Deadline{*search_at_, "peer: search for a port"});
  if (review_at_) next = earlier(next, Deadline{*review_at_, "peer: compare the paths"});
  if (heed_at_) next = earlier(next, Deadline{*heed_at_, "peer: candidates heard too often"});
  if (busy_) next = earlier(next, Deadline{last_traffic_ + busy_time, "peer: traffic ceased"});
  if (busy_ && session_ && session_->backlogged())
    next = earlier(next, Deadline{rate_.next().value_or(last_traffic_ + path::RateWatch::window), "peer: how much is carried"});
  return next;
}


// ---- inside

void Peer::drain_session(Instant now) {
  while (session_) {
    auto event = session_->poll_event();
    if (!event) return;
    std::visit(
        [&](auto& e) {
          using E = std::decay_t<decltype(e)>;
          if constexpr (std::is_same_v<E, quic::Connected>) {
            if (hello_by_) hello_by_ = now + hello_time;
            events_.push_back(PeerConnected{});
            events_.push_back(PathChanged{path()});
            if (dialler()) begin_control();
          } else if constexpr (std::is_same_v<E, quic::Closed>) {
            if (!std::exchange(reported_closed_, true)) events_.push_back(PeerClosed{closed_error(e), e.code, e.why});
          } else if constexpr (std::is_same_v<E, quic::StreamOpened>) {
            if (e.id == control_stream)  // not always the first to arrive: its packet may have been lost
              control_ = e.id;
            else
              (admitted_ ? events_ : held_).push_back(e);
          } else if (e.id == control_) {
            if constexpr (std::is_same_v<E, quic::StreamReadable>) read_control(now);
          } else {
            (admitted_ || dialler() ? events_ : held_).push_back(e);
          }
        },
        *event);
  }
}

void Peer::begin_control() {
  control_ = session_->open_stream();
  if (!control_) return session_->close(quic::Code::malformed, "no streams allowed");
  session_->send(*control_, wire::encode(wire::Hello{*config_.capability}));
  generation_ = 1;
  send_candidates();
}

void Peer::read_control(Instant now) {
  for (Bytes piece; !(piece = session_->received(*control_)).empty();) {
    received_.append(as_text(piece));
    session_->consume(*control_, piece.size());
  }
  size_t used = 0;
  for (;;) {
    auto next = wire::next_peer_message(as_bytes(received_).subspan(used));
    if (next.malformed) return session_->close(quic::Code::malformed, "malformed message");
    if (next.size == 0) break;
    used += next.size;
    if (next.message) handle_message(now, *next.message);
  }
  received_.erase(0, used);
  drain_ice(now);
}

void Peer::handle_message(Instant now, const wire::PeerMessage& message) {
  if (auto* hello = std::get_if<wire::Hello>(&message)) {
    if (!dialler() && !std::exchange(hello_seen_, true)) events_.push_back(PeerHello{hello->capability});
  } else if (std::holds_alternative<wire::Welcome>(message)) {
    if (!dialler() || std::exchange(admitted_, true)) return;
    events_.push_back(PeerAdmitted{});
    if (remote_) consider(now);
  } else if (auto* candidates = std::get_if<wire::Candidates>(&message)) {
    handle_candidates(now, *candidates);
  } else if (auto* offer = std::get_if<wire::SearchOffer>(&message)) {
    if (admitted_) heard_offer_ = *offer;
  } else if (auto* end = std::get_if<wire::SearchEnd>(&message)) {
    heard_end_ = *end;
  }
}

void Peer::note_traffic(Instant now) {
  last_traffic_ = now;
  if (std::exchange(busy_, true)) return;
  ice_.set_use(now, current_, true);
}

size_t Peer::headroom(const Carrier& carrier) const {
  bool framed = carrier.is_tcp() || (carrier.is_relay() && relay_ && relay_->tcp != 0);
  return (carrier.is_relay() ? wire::relay_header_size : 0) + (framed ? wire::tcp_frame_header_size : 0);
}

}  // namespace ginnel::peer
