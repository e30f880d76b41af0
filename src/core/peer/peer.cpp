#include "core/peer/peer.hpp"

#include <algorithm>
#include <utility>

#include "base/action.hpp"
#include "wire/demux.hpp"
#include "wire/tcp_frame.hpp"

namespace ginnel::peer {

namespace {

constexpr quic::StreamId control_stream = 0;  // the first that the dialler opens

quic::SessionConfig session_config(const PeerConfig& config) {
  quic::SessionConfig c;
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

Peer::Peer(Instant now, const crypto::Identity& self, const quic::Door& door, PeerConfig config, quic::Tag tag, Rng& rng)
    : config_(std::move(config)), self_(self), door_(door), rng_(rng), tag_(tag),
      ice_(config_.capability.has_value(), tag, rng) {
  if (dialler())
    session_ = quic::Session::dial(now, self_, session_config(config_), tag_, rng_);
  else
    hello_by_ = now + hello_time;
}

// ---- inputs

void Peer::handle_packet(Instant now, const Carrier& from, MutableBytes packet) {
  if (wire::packet_kind(packet) == wire::PacketKind::stun) return handle_stun(now, from, packet);
  if (!session_) {
    auto info = quic::look_at(packet);
    if (!info) return;
    if (info->initial)
      session_ = quic::Session::accept(now, self_, session_config(config_), tag_, rng_, packet);
    else if (std::array<uint8_t, 320> room; auto reset = door_.reset(packet, rng_, room))
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
}

void Peer::handle_timeout(Instant now) {
  if (session_) session_->handle_timeout(now);
  ice_.handle_timeout(now);
  settle(now);
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

void Peer::set_relay(Instant now, std::optional<RelayWay> relay) {
  drain_ice(now);
  relay_ = std::move(relay);
  relay_dead_ = false;
  ice_.set_relay(now, false);  // what was measured belongs to the former route
  while (ice_.poll_event()) {}  // its end is no death of the new one
  ice_.set_relay(now, relay_.has_value());
  drain_ice(now);
  review(now);
  if (relay_ && current_ && current_->is_relay() && session_) session_->wake(now);
}

void Peer::set_relay_full(bool full) {
  if (relay_) relay_->full = full;
}

void Peer::set_candidates(Instant now, std::vector<wire::Candidate> candidates) {
  if (candidates == candidates_) return;
  candidates_ = std::move(candidates);
  send_candidates();
  if (ice_.started()) ice_.recheck(now);
}

void Peer::network_changed(Instant now) {
  ice_.recheck(now);
  if (session_) session_->wake(now);
}

void Peer::admit(Instant now) {
  if (admitted_ || !control_ || session_->closed()) return;
  admitted_ = true;
  hello_by_.reset();
  session_->set_buffered_max(quic::SessionConfig{}.buffered_max);
  session_->send(*control_, wire::encode(wire::Welcome{}));
  send_candidates();
  begin_checks(now);
  for (; !held_.empty(); held_.pop_front()) events_.push_back(std::move(held_.front()));
}

void Peer::refuse(quic::Code code, std::string text) { close(code, std::move(text)); }

void Peer::close(quic::Code code, std::string text) {
  if (session_) session_->close(code, std::move(text));
}

// ---- polls

std::optional<Peer::Outgoing> Peer::poll_packets(Instant now, MutableBytes room) {
  size_t relay_headroom = headroom(Carrier::relay());
  // A check is at most as large as the largest packet; it is written behind the relay's headroom in any case.
  if (auto check = ice_.poll_check(now, room.subspan(relay_headroom))) {
    if (!check->to.is_relay()) return Outgoing{check->to, check->bytes, check->bytes.size()};
    if (!relay_) return poll_packets(now, room);
    size_t size = relay_headroom + check->bytes.size();
    put_relay_headers(room.first(size), size);
    return Outgoing{check->to, room.first(size), size};
  }
  if (!stray_reply_.empty() && relay_) {
    size_t size = relay_headroom + stray_reply_.size();
    std::copy(stray_reply_.begin(), stray_reply_.end(), room.begin() + static_cast<ptrdiff_t>(relay_headroom));
    stray_reply_.clear();
    put_relay_headers(room.first(size), size);
    return Outgoing{Carrier::relay(), room.first(size), size};
  }
  drain_session(now);  // of what the application did since, such as consuming a stream's last byte
  if (!session_ || !current_) return {};
  bool relayed = current_->is_relay();
  if (relayed && (!relay_ || relay_->full)) return {};
  const ice::Pair* pair = ice_.find(*current_);
  size_t packet_size = pair ? pair->packet_size : ice::packet_size_min;
  size_t head = relayed ? relay_headroom : 0;
  quic::Train train = session_->write(now, room.first(train_bytes_max), packet_size, head);
  drain_session(now);  // StreamWritable, and the end of the session if this was its last word
  if (train.size == 0) return {};
  if (relayed) put_relay_headers(room.first(train.size), train.segment);
  note_traffic(now);
  return Outgoing{*current_, room.first(train.size), train.segment};
}

std::optional<PeerEvent> Peer::poll_event() {
  if (events_.empty()) return {};
  PeerEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

std::optional<Deadline> Peer::next_deadline() const {
  std::optional<Deadline> next = ice_.next_deadline();
  if (session_) next = earlier(next, session_->next_deadline());
  if (hello_by_) next = earlier(next, Deadline{*hello_by_, "peer: hello due"});
  if (review_at_) next = earlier(next, Deadline{*review_at_, "peer: compare the paths"});
  if (busy_) next = earlier(next, Deadline{last_traffic_ + busy_time, "peer: traffic ceased"});
  return next;
}

PathReport Peer::path() const { return report(current_.value_or(Carrier::relay()), why_); }

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
            if (dialler()) begin_control(now);
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

void Peer::begin_control(Instant now) {
  control_ = session_->open_stream();
  if (!control_) return session_->close(quic::Code::malformed, "no streams allowed");
  session_->send(*control_, wire::encode(wire::Hello{*config_.capability}));
  send_candidates();
  begin_checks(now);
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
    begin_checks(now);
  } else if (auto* candidates = std::get_if<wire::Candidates>(&message)) {
    remote_ = *candidates;
    if (config_.relay_only) remote_->candidates.clear();
    begin_checks(now);
  }
}

void Peer::send_candidates() {
  if (!control_ || !(admitted_ || dialler())) return;
  wire::Candidates message{ice_.ufrag(), ice_.password(), {}};
  if (!config_.relay_only) message.candidates = candidates_;
  session_->send(*control_, wire::encode(message));
}

void Peer::begin_checks(Instant now) {
  // Nothing is sent to addresses that a stranger names: only an admitted peer is checked.
  if (admitted_ && remote_) ice_.set_remote(now, *remote_);
}

void Peer::drain_ice(Instant now) {
  bool changed = false;
  while (auto event = ice_.poll_event()) {
    changed = true;
    if (auto* up = std::get_if<ice::PairUp>(&*event)) {
      if (up->carrier.is_relay()) relay_dead_ = false;
      if (up->carrier == current_ && session_) session_->wake(now);
    } else if (auto* down = std::get_if<ice::PairDown>(&*event); down && down->carrier.is_relay() && relay_) {
      relay_dead_ = true;
      events_.push_back(RelaySilent{});
    }
  }
  if (changed) review(now);
}

void Peer::review(Instant now) {
  std::vector<path::Way> ways;
  for (const ice::Pair& pair : ice_.pairs()) {
    // The relay carries until its checks say otherwise: the session came up through it.
    bool usable = pair.carrier.is_relay() ? relay_ && !relay_dead_ : pair.state == ice::Pair::State::alive;
    if (usable) ways.push_back({pair.carrier, pair.min_rtt()});
  }
  if (session_) ways.empty() ? session_->pause(now) : session_->resume(now);
  review_at_ = ways.size() > 1 ? std::optional(now + path::dwell) : std::nullopt;
  if (review_at_ && changed_mind_at_ && *changed_mind_at_ + path::dwell > now) review_at_ = *changed_mind_at_ + path::dwell;
  bool died = current_ && std::none_of(ways.begin(), ways.end(), [&](auto& w) { return w.carrier == *current_; });
  auto choice = path::choose(ways, current_, now, changed_mind_at_);
  if (choice) use(now, choice->carrier, choice->why, died);
}

void Peer::use(Instant now, const Carrier& carrier, std::string_view why, bool old_died) {
  if (old_died) deserted_ = current_;
  bool first = !std::exchange(current_, carrier).has_value();
  if (!first && !old_died) changed_mind_at_ = now;  // a death is no change of mind: back as soon as something lives
  why_ = why;
  ice_.set_use(now, current_, busy_);
  if (session_ && (old_died || first)) session_->wake(now);
  if (connected()) events_.push_back(PathChanged{report(carrier, why)});
}

void Peer::note_traffic(Instant now) {
  last_traffic_ = now;
  if (std::exchange(busy_, true)) return;
  ice_.set_use(now, current_, true);
}

size_t Peer::headroom(const Carrier& carrier) const {
  if (!carrier.is_relay()) return 0;
  return wire::relay_header_size + (relay_ && relay_->tcp != 0 ? wire::tcp_frame_header_size : 0);
}

void Peer::put_relay_headers(MutableBytes bytes, size_t segment) const {
  size_t frame = relay_->tcp != 0 ? wire::tcp_frame_header_size : 0;
  for (size_t at = 0; at < bytes.size(); at += segment) {
    size_t size = std::min(segment, bytes.size() - at);
    if (frame) wire::put_tcp_frame_header(bytes.data() + at, size - frame);
    wire::put_relay_header(bytes.data() + at + frame, relay_->route);
  }
}

PathReport Peer::report(const Carrier& carrier, std::string_view why) const {
  PathReport r;
  r.why = why;
  const ice::Pair* pair = ice_.find(carrier);
  r.packet_size = pair ? pair->packet_size : ice::packet_size_min;
  if (pair && pair->srtt)
    r.rtt = pair->srtt;
  else if (connected() && carrier == current_)
    r.rtt = session_->smoothed_rtt();
  if (pair && pair->mapped) r.local = *pair->mapped;
  if (carrier.is_relay()) {
    r.technique = "relay";
    r.transport = relay_ && relay_->tcp != 0 ? "tcp" : "udp";
    if (relay_) r.remote = relay_->server;
    return r;
  }
  r.transport = "udp";
  r.remote = carrier.remote;
  bool on_lan = (carrier.remote.is_private() || carrier.remote.is_loopback()) && pair &&
                pair->remote_type != wire::CandidateType::peer_reflexive;
  r.technique = on_lan ? "lan" : carrier.remote.v6 ? "ipv6" : "udp-punch";
  return r;
}

}  // namespace ginnel::peer
