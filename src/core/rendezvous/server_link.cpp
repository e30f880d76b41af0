#include "core/rendezvous/server_link.hpp"

#include <algorithm>

#include "wire/tcp_frame.hpp"

namespace ginnel::rendezvous {

namespace {

constexpr size_t addresses_max = 8;
constexpr size_t udp_packet_size = 1200;   // signals are small: no need to know the path's MTU
constexpr Duration proof_time = 1500ms;

quic::SessionConfig session_config(const PublicKey& server) {
  quic::SessionConfig c;
  c.alpn = server_alpn;
  c.expected_peer = server;
  c.idle_timeout = 10min;  // the STUN keepalive notices a silent server long before (docs/decisions/002)
  c.keep_alive = 2min;
  c.handshake_timeout = ServerLink::attempt_limit;
  c.streams_max = 0;
  c.buffered_max = 256 * 1024;
  c.stream_window_max = 64 * 1024;
  return c;
}

}  // namespace

ServerLink::ServerLink(wire::ServerUrl url, const crypto::Identity& self, TcpIds& tcp_ids, Rng& rng)
    : url_(std::move(url)), self_(self), tcp_ids_(tcp_ids), rng_(rng) {}

// ---- inputs

void ServerLink::start(Instant now) { begin_round(now); }

void ServerLink::handle_resolved(Instant now, const std::vector<Address>& found) {
  if (!std::exchange(resolving_, false)) return;
  if (!found.empty()) addresses_.assign(found.begin(), found.begin() + std::min(found.size(), addresses_max));
  if (addresses_.empty()) {
    last_problem_ = "the name " + url_.host + " has no address";
    return round_failed(now);
  }
  round_ends_ = now + attempt_limit + 1s;
  // The first address of each family, UDP before TCP: happy eyeballs (RFC 8305) over families and transports.
  Duration delay{};
  bool seen[2] = {};
  for (const Address& a : addresses_) {
    if (std::exchange(seen[a.v6], true)) continue;
    add_attempt(now, {a, 0}, delay);
    add_attempt(now, {a, tcp_ids_.next()}, delay + tcp_after);
    delay += other_family_after;
  }
}

bool ServerLink::handle_udp(Instant now, const Address& from, MutableBytes packet) {
  auto belongs = [&](const std::unique_ptr<Attempt>& a) { return a && a->session && a->carrier == LinkCarrier{from, 0}; };
  if (belongs(link_)) {
    if (link_->session->handle_packet(now, packet)) proven();
    process(now, *link_);
    return true;
  }
  for (auto& attempt : attempts_) {
    if (!belongs(attempt)) continue;
    attempt->session->handle_packet(now, packet);
    process(now, *attempt);
    return true;
  }
  return false;
}

void ServerLink::handle_tcp_connected(Instant, TcpId id) {
  if (Attempt* a = by_tcp(id)) a->tcp_open = true;
}

void ServerLink::handle_tcp_packet(Instant now, TcpId id, MutableBytes packet) {
  Attempt* a = by_tcp(id);
  if (!a || !a->session) return;
  if (a->session->handle_packet(now, packet) && a == link_.get()) proven();
  process(now, *a);
}

void ServerLink::handle_tcp_closed(Instant now, TcpId id, const std::string& why) {
  last_problem_ = why;
  if (link_ && link_->carrier.tcp == id) return lost(now, why, true);
  Attempt* attempt = by_tcp(id);
  if (!attempt) return;
  drop(*attempt);  // with CloseTcp: it may be we who end it, because what came was no server's
  if (attempts_.empty() && !link_) round_failed(now);
}

void ServerLink::handle_timeout(Instant now) {
  if (retry_at_ && *retry_at_ <= now) begin_round(now);
  if (link_) {
    link_->session->handle_timeout(now);
    process(now, *link_);
  }
  if (link_ && proof_by_ && *proof_by_ <= now) lost(now, "the server stopped answering", true);
  for (size_t i = 0; i < attempts_.size();) {
    Attempt* a = attempts_[i].get();
    if (a->session) a->session->handle_timeout(now);
    process(now, *a);
    if (i < attempts_.size() && attempts_[i].get() == a) ++i;
  }
  if (round_ends_ && *round_ends_ <= now) {
    while (!attempts_.empty()) drop(*attempts_.back());
    round_failed(now);
  }
}

// ---- commands

void ServerLink::send(const wire::Signal& signal) {
  if (up() && link_->signals) link_->session->send(*link_->signals, wire::encode(signal));
}

void ServerLink::suspect(Instant now) {
  if (!up()) return;
  link_->session->wake(now);
  if (proof_by_) return;
  proof_by_ = now + proof_time;
  if (link_->carrier.tcp == 0 && attempts_.empty()) {  // perhaps only UDP died
    add_attempt(now, {link_->carrier.server, tcp_ids_.next()}, proof_time / 4);
    round_ends_ = now + attempt_limit;
  }
}

void ServerLink::prefer_udp(Instant now) {
  if (!up() || link_->carrier.tcp == 0 || !attempts_.empty()) return;
  add_attempt(now, {link_->carrier.server, 0}, Duration::zero());
  round_ends_ = now + attempt_limit;
}

void ServerLink::hurry(Instant now) {
  if (link_) return link_->session->wake(now);
  while (!attempts_.empty()) drop(*attempts_.back());  // begun in the dark: they may be at their end
  round_ends_.reset();
  backoff_ = {};
  begin_round(now);
}

void ServerLink::close() {
  retry_at_.reset();
  if (link_) link_->session->close(quic::Code::closing, "");
}

// ---- polls

std::optional<Action> ServerLink::poll_action(Instant now, MutableBytes room) {
  if (!actions_.empty()) {
    Action action = std::move(actions_.front());
    actions_.pop_front();
    return action;
  }
  if (link_)
    if (auto action = poll_attempt(now, *link_, room)) return action;
  for (auto& attempt : attempts_)
    if (auto action = poll_attempt(now, *attempt, room)) return action;
  return {};
}

std::optional<Action> ServerLink::poll_attempt(Instant now, Attempt& a, MutableBytes room) {
  if (a.begin > now) return {};
  bool tcp = a.carrier.tcp != 0;
  if (tcp && !std::exchange(a.tcp_asked, true)) return ConnectTcp{a.carrier.tcp, a.carrier.server};
  if (tcp && !a.tcp_open) return {};
  if (!a.session)
    a.session = quic::Session::dial(now, self_, session_config(url_.key), static_cast<quic::Tag>(rng_.u64()), rng_);
  size_t headroom = tcp ? wire::tcp_frame_header_size : 0;
  quic::Train train = a.session->write(now, room, udp_packet_size, headroom);
  if (train.size == 0) return {};
  for (size_t at = 0; tcp && at < train.size; at += train.segment)
    wire::put_tcp_frame_header(room.data() + at, std::min(train.segment, train.size - at) - headroom);
  return Transmit{a.carrier.server, a.carrier.tcp, room.first(train.size), train.segment};
}

std::optional<LinkEvent> ServerLink::poll_event() {
  if (events_.empty()) return {};
  LinkEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

std::optional<Deadline> ServerLink::next_deadline() const {
  std::optional<Deadline> next;
  if (retry_at_) next = earlier(next, Deadline{*retry_at_, "link: try again"});
  if (round_ends_) next = earlier(next, Deadline{*round_ends_, "link: give up this round"});
  if (proof_by_) next = earlier(next, Deadline{*proof_by_, "link: proof of life due"});
  if (link_) next = earlier(next, link_->session->next_deadline());
  for (const auto& a : attempts_) {
    if (!a->tcp_asked && !a->session) next = earlier(next, Deadline{a->begin, "link: next attempt"});
    if (a->session) next = earlier(next, a->session->next_deadline());
  }
  return next;
}

bool ServerLink::owns(TcpId id) const {
  if (link_ && link_->carrier.tcp == id) return true;
  return std::any_of(attempts_.begin(), attempts_.end(), [&](auto& a) { return a->carrier.tcp == id; });
}

// ---- inside

void ServerLink::begin_round(Instant) {
  retry_at_.reset();
  if (wrong_key_ || resolving_ || !attempts_.empty()) return;
  resolving_ = true;
  actions_.push_back(Resolve{url_.host, url_.port});  // again each time: addresses change
}

void ServerLink::add_attempt(Instant now, LinkCarrier carrier, Duration delay) {
  auto attempt = std::make_unique<Attempt>();
  attempt->carrier = carrier;
  attempt->begin = now + delay;
  attempts_.push_back(std::move(attempt));
}

void ServerLink::process(Instant now, Attempt& a) {
  if (!a.session) return;
  while (auto event = a.session->poll_event()) {
    if (std::holds_alternative<quic::Connected>(*event)) {
      a.signals = a.session->open_stream();
      promote(now, a);
    } else if (std::holds_alternative<quic::StreamReadable>(*event)) {
      read_signals(a);
    } else if (auto* closed = std::get_if<quic::Closed>(&*event)) {
      last_problem_ = closed->text.empty() ? "the server closed the session" : closed->text;
      if (closed->why == quic::Closed::Why::wrong_key) wrong_key_ = true;
      if (&a == link_.get() && closed->code == quic::Code::refused) return refused(now);
      if (&a == link_.get()) return lost(now, last_problem_, closed->why == quic::Closed::Why::reset);
      drop(a);
      if (attempts_.empty() && !link_) round_failed(now);
      return;
    }
  }
}

void ServerLink::read_signals(Attempt& a) {
  for (Bytes piece; !(piece = a.session->received(*a.signals)).empty();) {
    a.received.append(as_text(piece));
    a.session->consume(*a.signals, piece.size());
  }
  size_t used = 0;
  for (;;) {
    auto next = wire::next_signal(as_bytes(a.received).subspan(used));
    if (next.malformed) return a.session->close(quic::Code::malformed, "malformed signal");
    if (next.size == 0) break;
    used += next.size;
    if (!next.signal) continue;
    backoff_ = {};  // only now: a server that refuses us completes the handshake first
    events_.push_back(std::move(*next.signal));
  }
  a.received.erase(0, used);
}

void ServerLink::promote(Instant, Attempt& winner) {
  if (link_ && link_.get() != &winner) {  // a better carrier took over: the old session goes
    if (link_->carrier.tcp != 0) actions_.push_back(CloseTcp{link_->carrier.tcp});
    link_.reset();
  }
  auto at = std::find_if(attempts_.begin(), attempts_.end(), [&](auto& a) { return a.get() == &winner; });
  link_ = std::move(*at);
  attempts_.erase(at);
  while (!attempts_.empty()) drop(*attempts_.back());
  round_ends_.reset();
  retry_at_.reset();
  proof_by_.reset();
  wrong_key_ = false;  // another of its addresses was somebody else's
  events_.push_back(LinkUp{link_->carrier});
}

void ServerLink::drop(Attempt& attempt) {
  if (attempt.carrier.tcp != 0 && attempt.tcp_asked) actions_.push_back(CloseTcp{attempt.carrier.tcp});
  std::erase_if(attempts_, [&](auto& a) { return a.get() == &attempt; });
}

void ServerLink::proven() {
  if (!std::exchange(proof_by_, std::nullopt)) return;
  while (!attempts_.empty()) drop(*attempts_.back());
  round_ends_.reset();
}

void ServerLink::lost(Instant now, const std::string& why, bool at_once) {
  if (link_->carrier.tcp != 0) actions_.push_back(CloseTcp{link_->carrier.tcp});
  link_.reset();
  proof_by_.reset();
  events_.push_back(LinkDown{why});
  if (!attempts_.empty()) {  // TCP is under way already; UDP is not given up by that
    bool on_udp = std::any_of(attempts_.begin(), attempts_.end(), [](auto& a) { return a->carrier.tcp == 0; });
    if (!on_udp) add_attempt(now, {attempts_.front()->carrier.server, 0}, Duration::zero());
    return;
  }
  // All agents of a restarted server come back: spread them a little.
  retry_at_ = now + Duration(static_cast<int64_t>(rng_.below(static_cast<uint64_t>(Duration(at_once ? 200ms : 1s).count()))));
}

void ServerLink::refused(Instant now) {
  lost(now, last_problem_, false);
  backoff_ = std::clamp<Duration>(backoff_ * 2, 1s, backoff_max);
  if (retry_at_) *retry_at_ += backoff_;
  events_.push_back(LinkFailed{{Errc::refused, "The server at " + wire::host_port_to_string(url_.host, url_.port) +
                                                   " does not serve this key. Ask its owner to allow " +
                                                   self_.public_key().to_string() + "."}});
}

void ServerLink::round_failed(Instant now) {
  round_ends_.reset();
  if (link_) return;
  if (wrong_key_) {
    events_.push_back(LinkFailed{{Errc::wrong_key, "The server at " + wire::host_port_to_string(url_.host, url_.port) +
                                                       " does not have the key in the URL. Check the address; if the "
                                                       "server was set up anew, ask for its new URL."}});
    return;
  }
  backoff_ = std::min<Duration>(backoff_max, backoff_ == Duration::zero() ? Duration(250ms) : backoff_ * 2);
  retry_at_ = now + backoff_ * 3 / 4 + Duration(static_cast<int64_t>(rng_.below(static_cast<uint64_t>(backoff_.count()) / 2)));
  events_.push_back(LinkFailed{{Errc::unreachable, "No server answers at " + wire::host_port_to_string(url_.host, url_.port) +
                                                       ", neither on UDP nor on TCP (" + last_problem_ +
                                                       "). Check the address, and that its port is open."}});
}

ServerLink::Attempt* ServerLink::by_tcp(TcpId id) {
  if (id == 0) return nullptr;
  if (link_ && link_->carrier.tcp == id) return link_.get();
  for (auto& a : attempts_)
    if (a->carrier.tcp == id) return a.get();
  return nullptr;
}

}  // namespace ginnel::rendezvous
