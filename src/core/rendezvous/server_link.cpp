#include "core/rendezvous/server_link.hpp"

#include <algorithm>

#include "wire/tcp_frame.hpp"

namespace ginnel::rendezvous {

namespace {

constexpr size_t addresses_max = 8;
constexpr size_t udp_packet_size = 1200;   // signals are small: no need to know the path's MTU
constexpr Duration proof_time = 1500ms;

}  // namespace

ServerLink::ServerLink(wire::ServerUrl url, const crypto::Identity& self, TcpIds& tcp_ids, Rng& rng, bool proxy)
    : url_(std::move(url)), self_(self), tcp_ids_(tcp_ids), rng_(rng), proxy_(proxy) {}

// ---- inputs

void ServerLink::start(Instant now) { begin_round(now); }

void ServerLink::handle_resolved(Instant now, const std::vector<Address>& found) {
  if (!std::exchange(resolving_, false)) return;
  if (!found.empty()) addresses_.assign(found.begin(), found.begin() + std::min(found.size(), addresses_max));
  if (addresses_.empty()) {
    problem_ = "the name " + url_.host + " has no address";  // here; a proxy may know one
    if (attempts_.empty()) round_failed(now);
    return;
  }
  round_ends_ = now + attempt_limit + 1s;
  try_doors(now, Duration::zero());
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
  if (link_ && link_->carrier.tcp == id) return lost(now, why, true);
  Attempt* attempt = by_tcp(id);
  if (!attempt) return;
  note_problem(attempt->carrier, why);
  drop(*attempt);  // with CloseTcp: it may be we who end it, because what came was no server's
  hasten(now);
  if (attempts_.empty() && !resolving_) round_failed(now);
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
  if (look_at_ && *look_at_ <= now) {
    look_at_ = now + look_again;
    if (attempts_.empty()) begin_round(now);
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
  if (link_->carrier.tcp != 0 || !attempts_.empty()) return;
  Duration sooner = proof_time / 4 - tcp_after;  // perhaps only UDP died
  try_doors_of(now, link_->carrier.server, false, sooner);
  if (proxy_) try_doors_of(now, {}, true, sooner);
  round_ends_ = now + attempt_limit;
}

void ServerLink::prefer_udp(Instant now, const Address& server) {
  if (!up() || link_->carrier.tcp == 0 || !attempts_.empty()) return;
  try_door(now, plan_of(Door::udp), server, Duration::zero());
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
  if (tcp && !std::exchange(a.tcp_asked, true)) {
    const DoorPlan& plan = plan_of(a.carrier.door);
    return ConnectTcp{a.carrier.tcp, a.carrier.server, 0, plan.dress, url_.host, plan.by_proxy};
  }
  if (tcp && !a.tcp_open) return {};
  if (!a.session)
    a.session = quic::Session::dial(now, self_, session_config(a.carrier.door), static_cast<quic::Tag>(rng_.u64()), rng_);
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
  if (look_at_) next = earlier(next, Deadline{*look_at_, "link: look for a better door"});
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

void ServerLink::begin_round(Instant now) {
  retry_at_.reset();
  if (wrong_key_) return;
  if (!link_) problem_.clear(), proxy_problem_.clear();
  if (!std::exchange(resolving_, true)) actions_.push_back(Resolve{url_.host, url_.port});  // each time: addresses change
  if (!proxy_) return;
  try_doors_of(now, {}, true, Duration::zero());  // by name: they need not wait for an address
  if (!round_ends_ && !attempts_.empty()) round_ends_ = now + attempt_limit + 1s;
}

/// Happy eyeballs (RFC 8305) over families and doors: the first address of each family.
void ServerLink::try_doors(Instant now, Duration delay) {
  bool seen[2] = {};
  for (const Address& a : addresses_) {
    if (std::exchange(seen[a.v6], true)) continue;
    try_doors_of(now, a, false, delay);
    delay += other_family_after;
  }
}

void ServerLink::try_doors_of(Instant now, const Address& server, bool by_proxy, Duration delay) {
  for (const DoorPlan& plan : door_plans)
    if (plan.by_proxy == by_proxy && wants(plan.door) && !is_double(plan, url_.port)) try_door(now, plan, server, delay + plan.after);
}

void ServerLink::try_door(Instant now, const DoorPlan& plan, const Address& server, Duration delay) {
  LinkCarrier carrier{server.with_port(plan.on_443 ? https_port : url_.port), 0, plan.door};
  auto same = [&](auto& a) { return a->carrier.door == plan.door && a->carrier.server == carrier.server; };
  if (std::any_of(attempts_.begin(), attempts_.end(), same)) return;
  if (plan.door != Door::udp) carrier.tcp = tcp_ids_.next();
  auto attempt = std::make_unique<Attempt>();
  attempt->carrier = carrier;
  attempt->begin = now + delay;
  attempts_.push_back(std::move(attempt));
}

/// Beside a link that stands only better doors are tried; beside one that is suspected, any other.
bool ServerLink::wants(Door door) const {
  if (!link_) return true;
  return proof_by_ ? door != link_->carrier.door : door < link_->carrier.door;
}

/// An attempt failed: the next one need not wait for its turn (RFC 8305 section 5).
void ServerLink::hasten(Instant now) {
  Attempt* next = nullptr;
  for (auto& a : attempts_)
    if (a->begin > now && (!next || a->begin < next->begin)) next = a.get();
  if (next) next->begin = now;
}

void ServerLink::note_problem(const LinkCarrier& carrier, const std::string& why) {
  const DoorPlan& plan = plan_of(carrier.door);
  if (plan.by_proxy) {
    if (proxy_problem_.empty()) proxy_problem_ = why;  // about the door with the best chances
  } else if (problem_.empty() || !plan.on_443) {  // port 443 may well be somebody else's
    problem_ = why;
  }
}

quic::SessionConfig ServerLink::session_config(Door door) const {
  quic::SessionConfig c;
  c.alpn = server_alpn;
  c.expected_peer = url_.key;
  c.idle_timeout = 10min;  // the STUN keepalive notices a silent server long before (docs/decisions/002)
  c.keep_alive = 2min;
  if (door > Door::tcp_443) {  // boxes in between end what is idle for a minute, and hide that the far side is gone
    c.idle_timeout = 75s;
    c.keep_alive = 25s;
  }
  c.handshake_timeout = attempt_limit;
  c.streams_max = 0;
  c.buffered_max = 256 * 1024;
  c.stream_window_max = 64 * 1024;
  return c;
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
      std::string why = closed->text.empty() ? "the server closed the session" : closed->text;
      if (&a == link_.get() && closed->code == quic::Code::refused) return refused(now, why);
      if (&a == link_.get()) return lost(now, why, closed->why == quic::Closed::Why::reset);
      // On another port than the URL's, and behind a proxy, somebody else may well be at home.
      auto is_meant = [](const Attempt& one) { return one.carrier.door <= Door::tcp; };
      if (closed->why == quic::Closed::Why::wrong_key && is_meant(a)) wrong_key_ = true;
      note_problem(a.carrier, why);
      drop(a);
      if (wrong_key_ && std::none_of(attempts_.begin(), attempts_.end(), [&](auto& one) { return is_meant(*one); }))
        while (!attempts_.empty()) drop(*attempts_.back());
      if (attempts_.empty() && !resolving_) round_failed(now);
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

void ServerLink::promote(Instant now, Attempt& winner) {
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
  look_at_.reset();
  if (link_->carrier.door > Door::tcp) look_at_ = now + look_again;  // from TCP it is STUN that shows the way
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
  look_at_.reset();
  events_.push_back(LinkDown{why});
  if (!attempts_.empty()) {  // some doors are tried already: the others, too, the lost one among them
    try_doors(now, Duration::zero());
    return begin_round(now);
  }
  // All agents of a restarted server come back: spread them a little.
  retry_at_ = now + Duration(static_cast<int64_t>(rng_.below(static_cast<uint64_t>(Duration(at_once ? 200ms : 1s).count()))));
}

void ServerLink::refused(Instant now, const std::string& why) {
  lost(now, why, false);
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
  events_.push_back(LinkFailed{{Errc::unreachable, nobody_answers()}});
}

std::string ServerLink::nobody_answers() const {
  std::string text = "No server answers at " + wire::host_port_to_string(url_.host, url_.port) + ", neither on UDP nor on TCP";
  if (url_.port != https_port) text += " nor on port 443";
  if (!problem_.empty()) text += " (" + problem_ + ")";
  text += ".";
  if (!proxy_problem_.empty()) text += " No help from the proxy: " + proxy_problem_ + ".";
  return text + " Check the address, and that its port is open.";
}

ServerLink::Attempt* ServerLink::by_tcp(TcpId id) {
  if (id == 0) return nullptr;
  if (link_ && link_->carrier.tcp == id) return link_.get();
  for (auto& a : attempts_)
    if (a->carrier.tcp == id) return a.get();
  return nullptr;
}

}  // namespace ginnel::rendezvous
