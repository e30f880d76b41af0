#include "core/ice/agent.hpp"

#include <algorithm>

#include "core/stun/credentials.hpp"

namespace ginnel::ice {

namespace {

constexpr size_t answers_max = 64;
constexpr size_t outstanding_max = 16;
constexpr Duration first_retry = 50ms;
constexpr Duration loss_retry = 100ms;     // after the first loss checks follow faster than they time out
constexpr int losses_if_silent = 3;        // in a row, and nothing else was received: dead
constexpr int losses_anyway = 6;           // in a row although something comes in: our direction is dead
constexpr Duration late_answer_max = 5s;
constexpr int search_rounds = 3;

std::string ice_characters(Rng& rng, size_t n) {
  static constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out(n, '\0');
  for (char& c : out) c = alphabet[rng.below(64)];  // 6 bits each
  return out;
}

}  // namespace

Agent::Agent(bool controlling, uint32_t tag, Rng& rng)
    : controlling_(controlling), tag_(tag), rng_(rng), tie_breaker_(rng.u64()),
      ufrag_(ice_characters(rng, 8)), password_(ice_characters(rng, 24)) {}  // RFC 8445 section 5.3: >= 24 and 128 bits

const Pair* Agent::find(const Carrier& carrier) const {
  auto at = std::find_if(pairs_.begin(), pairs_.end(), [&](const Pair& p) { return p.carrier == carrier; });
  return at == pairs_.end() ? nullptr : &*at;
}
Pair* Agent::find_pair(const Carrier& carrier) { return const_cast<Pair*>(find(carrier)); }

/// Nothing is sent to where it could do harm, on whose word ever.
bool Agent::may_send_to(const Address& address) const {
  return address.is_probeable() || (allow_loopback_ && address.is_loopback() && address.port != 0);
}

Pair* Agent::add(Instant now, const Carrier& carrier, wire::CandidateType type, uint32_t priority) {
  if (Pair* known = find_pair(carrier)) return known;
  if (pairs_.size() >= pairs_max) {  // the peer roams: its oldest address that no longer answers makes room
    auto dead = std::find_if(pairs_.begin(), pairs_.end(), [](const Pair& p) {
      return p.state == Pair::State::dead && p.carrier.kind == Carrier::Kind::udp;
    });
    if (dead == pairs_.end()) return nullptr;
    pairs_.erase(dead);
  }
  Pair& pair = pairs_.emplace_back();
  pair.carrier = carrier;
  pair.remote_type = type;
  pair.remote_priority = priority;
  pair.next_check = now;
  if (carrier.is_tcp()) pair.packet_size = packet_sizes.back();  // a stream has no MTU
  return &pair;
}

void Agent::erase(const Pair* pair) {
  if (pair->state == Pair::State::alive) events_.push_back(PairDown{pair->carrier});
  pairs_.erase(pairs_.begin() + (pair - pairs_.data()));
}

// ---- inputs

void Agent::handle_stun(Instant now, const Carrier& from, Bytes datagram, const wire::StunMessage& message) {
  if (message.method != wire::stun_binding || !message.fingerprint_ok) return;  // RFC 8445 section 7.1: always there
  if (message.cls == wire::StunClass::request) handle_request(now, from, datagram, message);
  if (message.cls == wire::StunClass::success) handle_success(now, from, datagram, message);
}

void Agent::handle_request(Instant now, const Carrier& from, Bytes datagram, const wire::StunMessage& message) {
  if (from.kind == Carrier::Kind::udp && !may_send_to(from.remote)) return;  // whoever wrote that source address
  if (!message.username || !message.username->starts_with(ufrag_ + ":") || message.unknown_required) return;
  if (!stun::verify(datagram, message, password_) || answers_.size() >= answers_max) return;
  bool conflict = controlling_ ? message.ice_controlling.has_value() : message.ice_controlled.has_value();
  answers_.push_back({from, message.id, from.remote, static_cast<uint16_t>(conflict ? 487 : 0)});
  if (conflict) return;  // the QUIC roles settle who controls: only a broken peer gets here
  Pair* pair = find_pair(from);
  if (!pair && !from.is_relay())  // RFC 8445 section 7.3.1.3: a peer-reflexive candidate
    pair = add(now, from, wire::CandidateType::peer_reflexive, message.priority.value_or(0));
  if (!pair) return;
  pair->last_received = now;
  if (pair->state == Pair::State::waiting || pair->state == Pair::State::dead) begin_checking(now, *pair);
  if (pair->state == Pair::State::checking) pair->triggered = true;
}

void Agent::handle_success(Instant now, const Carrier& from, Bytes datagram, const wire::StunMessage& message) {
  Pair* pair = find_pair(from);  // RFC 8445 section 7.2.5.2.1: an answer from elsewhere proves nothing
  if (!pair || !stun::verify(datagram, message, remote_password_)) return;
  auto asked = std::find_if(pair->outstanding.begin(), pair->outstanding.end(),
                            [&](const Pair::Outstanding& o) { return o.id == message.id; });
  if (asked == pair->outstanding.end()) return;
  Pair::Outstanding check = *asked;
  pair->outstanding.erase(asked);
  pair->add_rtt(now, now - check.sent);
  pair->last_answer = pair->last_received = now;
  pair->note_loss(false);
  if (message.xor_mapped_address && !message.xor_mapped_address->is_unspecified()) pair->mapped = message.xor_mapped_address;
  pair->losses = 0;
  pair->doubtful = false;
  bool resized = check.size > pair->packet_size;
  if (resized) pair->packet_size = check.size;
  if (pair->carrier.is_tcp() || check.size >= packet_size_min) {
    pair->large_losses = 0;
  } else if (pair->large_losses >= 2) {  // small ones pass, large ones do not: the path's MTU shrank
    pair->packet_size = pair->packet_size > packet_size_min ? packet_size_min : 0;
    pair->large_losses = 0;
    pair->searches_left = search_rounds;
    pair->search_size = 0;
    pair->next_search = now + (pair->packet_size == 0 ? 100ms : 1s);
    resized = true;
  }
  if (pair->state != Pair::State::alive) became_alive(now, *pair);
  else if (resized) events_.push_back(PairResized{pair->carrier});
}

void Agent::note_received(Instant now, const Carrier& from) {
  if (Pair* pair = find_pair(from)) pair->last_received = now;
}

void Agent::handle_timeout(Instant now) {
  for (Pair& pair : pairs_) judge(now, pair);
}

// ---- commands

void Agent::set_remote(Instant now, const wire::Candidates& remote, const Approach& approach) {
  opener_hops_ = approach.opener_hops;
  if (remote.ufrag != remote_ufrag_ || remote.password != remote_password_) {
    remote_ufrag_ = remote.ufrag;
    remote_password_ = remote.password;
    for (Pair& pair : pairs_)
      if (pair.carrier.is_relay()) begin_checking(now, pair);
  }
  for (const wire::Candidate& candidate : remote.candidates) {
    if (candidate.transport != wire::Transport::udp || !may_send_to(candidate.address)) continue;
    Pair* pair = add(now, Carrier::udp(candidate.address, approach.socket), candidate.type, candidate.priority);
    if (!pair) break;
    pair->remote_type = candidate.type;  // a peer-reflexive guess is corrected by what the peer says itself
    pair->remote_priority = candidate.priority;
    approach_pair(now, *pair, approach);
  }
}

void Agent::approach_pair(Instant now, Pair& pair, const Approach& approach) {
  bool fresh = pair.state == Pair::State::waiting && pair.tries == 0;
  if (!fresh && pair.state != Pair::State::dead) return;
  // Only a NAT that translates can be misled by a packet that comes too early (facts: nat.md 2.3).
  bool behind_nat = pair.remote_type == wire::CandidateType::server_reflexive && !pair.carrier.remote.v6;
  if (approach.open_first && behind_nat) {
    begin_checking(now, pair);
    pair.opener_due = pair.held = true;
    pair.next_check = now + approach.hold;
  } else if (pair.state == Pair::State::dead) {
    begin_checking(now, pair);
  }
}

void Agent::release(Instant now) {
  for (Pair& pair : pairs_)
    if (std::exchange(pair.held, false) && pair.state == Pair::State::checking) pair.next_check = now;
}

bool Agent::add_tcp(Instant now, const Carrier& carrier, wire::CandidateType type) {
  Pair* pair = add(now, carrier, type, 0);
  if (pair && pair->state == Pair::State::waiting && started()) begin_checking(now, *pair);
  return pair != nullptr;
}

void Agent::meet(Instant now, const Carrier& carrier) {
  if (!started() || !(carrier.remote.is_probeable() || (allow_loopback_ && carrier.remote.is_loopback()))) return;
  Pair* pair = add(now, carrier, wire::CandidateType::peer_reflexive, 0);
  if (!pair || pair->state == Pair::State::alive) return;
  if (pair->state != Pair::State::checking) begin_checking(now, *pair);
  pair->triggered = true;
}

void Agent::remove(const Carrier& carrier) {
  if (const Pair* pair = find(carrier)) erase(pair);
}

void Agent::remove_socket(SocketId socket) {
  for (size_t i = pairs_.size(); i-- > 0;)
    if (pairs_[i].carrier.kind == Carrier::Kind::udp && pairs_[i].carrier.local == socket) erase(&pairs_[i]);
}

void Agent::set_relay(Instant now, bool there) {
  Pair* pair = find_pair(Carrier::relay());
  if (!there) {
    if (pair) erase(pair);
    return;
  }
  if (pair) return;
  pair = add(now, Carrier::relay(), wire::CandidateType::host, 0);
  if (pair && started()) begin_checking(now, *pair);
}

void Agent::set_use(Instant now, const std::optional<Carrier>& in_use, bool busy) {
  if (in_use == in_use_ && busy == busy_) return;
  in_use_ = in_use;
  busy_ = busy;
  for (Pair& pair : pairs_)
    if (pair.state == Pair::State::alive) pair.next_check = std::min(pair.next_check, now + interval(pair));
}

void Agent::recheck(Instant now) {
  for (Pair& pair : pairs_) {
    if (pair.state == Pair::State::alive)
      pair.next_check = now;
    else if (!pair.held)  // what is held goes on waiting: the other side's NAT is still shut
      begin_checking(now, pair);
  }
}

// ---- polls

std::optional<Agent::Check> Agent::poll_check(Instant now, MutableBytes room) {
  if (auto answer = next_answer(room)) return answer;
  if (!started()) return {};
  for (Pair& pair : pairs_) {
    if (pair.state == Pair::State::waiting || pair.state == Pair::State::dead) continue;  // judge() wakes the dead
    if (pair.triggered) return make_check(now, pair, 0, false, room);
    if (pair.opener_due) return make_opener(now, pair, room);
    if (pair.next_check <= now) {
      // The way in use is checked at the size it carries; after a loss every other check is small, to tell a path that
      // shrank from one that died. A stream has no such sizes.
      bool in_use = pair.state == Pair::State::alive && busy_ && in_use_ == pair.carrier;
      bool full_size = in_use && !pair.carrier.is_tcp() && pair.losses % 2 == 0;
      // One of the first checks proves at once that data will fit; the others stay small.
      bool first_proof = pair.state == Pair::State::checking && pair.tries == 1 && !pair.carrier.is_tcp();
      size_t size = full_size ? pair.packet_size : first_proof ? packet_size_min : 0;
      return make_check(now, pair, size, false, room);
    }
    if (pair.searches_left > 0 && pair.state == Pair::State::alive && pair.next_search <= now) {
      auto size = std::upper_bound(packet_sizes.begin(), packet_sizes.end(),
                                   std::max(pair.packet_size, pair.search_size));
      // After the first round nothing larger is asked before the least has passed.
      bool too_early = pair.packet_size == 0 && pair.searches_left < search_rounds && pair.search_size != 0;
      if (size != packet_sizes.end() && !too_early) {
        pair.search_size = *size;
        return make_check(now, pair, *size, true, room);
      }
      pair.search_size = 0;
      pair.next_search = now + answer_timeout(pair);
      if (--pair.searches_left == 0 && pair.packet_size == 0) {  // it answers and carries nothing: keep looking, seldom
        pair.searches_left = 1;
        pair.next_search = now + 2s;
      }
    }
  }
  if (now < next_slot_) return {};
  Pair* best = nullptr;  // RFC 8445 section 6.1.4.2: the waiting pair of the highest priority
  for (Pair& pair : pairs_)
    if (pair.state == Pair::State::waiting && (!best || pair.remote_priority > best->remote_priority)) best = &pair;
  if (!best) return {};
  next_slot_ = now + pace;
  begin_checking(now, *best);
  return make_check(now, *best, 0, false, room);
}

std::optional<Event> Agent::poll_event() {
  if (events_.empty()) return {};
  Event event = events_.front();
  events_.pop_front();
  return event;
}

std::optional<Deadline> Agent::next_deadline() const {
  if (!started()) return {};
  std::optional<Deadline> next;
  for (const Pair& pair : pairs_) {
    if (pair.state == Pair::State::waiting) {
      next = earlier(next, Deadline{next_slot_, "ice: next pair"});
      continue;
    }
    next = earlier(next, Deadline{pair.next_check, "ice: next check"});
    if (pair.searches_left > 0 && pair.state == Pair::State::alive)
      next = earlier(next, Deadline{pair.next_search, "ice: packet size search"});
    for (const auto& o : pair.outstanding)
      if (!o.lost && !o.search) next = earlier(next, Deadline{o.doubted ? o.lost_at : o.doubt_at, "ice: check unanswered"});
  }
  return next;
}

// ---- inside

void Agent::became_alive(Instant now, Pair& pair) {
  pair.state = Pair::State::alive;
  pair.triggered = false;
  for (auto& o : pair.outstanding) o.lost = true;  // asked while nothing answered: no judgement on what lives now
  pair.losses = pair.large_losses = 0;
  pair.next_check = now + interval(pair);
  pair.searches_left = pair.carrier.is_tcp() ? 0 : search_rounds;
  pair.search_size = 0;
  pair.next_search = now;
  events_.push_back(PairUp{pair.carrier});
}

void Agent::begin_checking(Instant now, Pair& pair) {
  pair.state = Pair::State::checking;
  pair.tries = 0;
  pair.opener_due = pair.held = false;
  pair.next_check = now;
}

void Agent::judge(Instant now, Pair& pair) {
  for (auto& o : pair.outstanding) {
    if (!o.doubted && o.doubt_at <= now) {
      o.doubted = true;
      // The way in use is not left on a doubt, but more is asked at once: if it died, that saves most of a timeout.
      if (!o.search && !o.lost && in_use_ == pair.carrier && busy_ && !std::exchange(pair.doubtful, true))
        pair.next_check = std::min(pair.next_check, now);
    }
    if (o.lost || o.lost_at > now) continue;
    o.lost = true;
    if (o.search || pair.state != Pair::State::alive) continue;
    if (pair.losses == 0) pair.note_loss(true);  // an outage is one loss: it ends the path or is over
    if (pair.losses++ == 0) pair.first_loss_sent = o.sent;
    if (o.size >= packet_size_min) ++pair.large_losses;
    pair.next_check = std::min(pair.next_check, now);
  }
  std::erase_if(pair.outstanding, [&](const auto& o) { return now - o.sent > late_answer_max; });
  if (pair.state == Pair::State::alive) {
    bool silent = pair.last_received < pair.first_loss_sent;
    if (pair.losses >= losses_anyway || (pair.losses >= losses_if_silent && silent)) {
      pair.losses = 0;
      pair.doubtful = false;
      if (!pair.carrier.is_tcp()) pair.packet_size = 0;
      pair.forget_measurements();
      begin_checking(now, pair);
      events_.push_back(PairDown{pair.carrier});
    }
  } else if (pair.state == Pair::State::checking && pair.tries >= tries_max && pair.next_check <= now) {
    pair.state = Pair::State::dead;
    pair.next_check = now + retry_dead;
    if (pair.carrier.is_tcp()) events_.push_back(PairGivenUp{pair.carrier});
  } else if (pair.state == Pair::State::dead && pair.next_check <= now) {
    begin_checking(now, pair);
    pair.tries = tries_max - 2;  // two more, then rest again
  }
}

Duration Agent::interval(const Pair& pair) {
  Duration base = !busy_ ? idle_interval : in_use_ == pair.carrier ? busy_interval : warm_interval;
  return base * 9 / 10 + Duration(static_cast<int64_t>(rng_.below(static_cast<uint64_t>(base.count()) / 5)));
}

Duration Agent::answer_timeout(const Pair& pair) const {
  if (!pair.srtt) return 500ms;
  return std::clamp<Duration>(*pair.srtt + 4 * pair.rttvar + 150ms, 250ms, 1s);
}

Duration Agent::doubt_timeout(const Pair& pair) const {
  if (!pair.srtt) return answer_timeout(pair);
  return std::min<Duration>(*pair.srtt + std::max<Duration>(4 * pair.rttvar, 20ms), answer_timeout(pair));
}

std::optional<Agent::Check> Agent::next_answer(MutableBytes room) {
  if (answers_.empty()) return {};
  Answer answer = answers_.front();
  answers_.pop_front();
  auto cls = answer.error ? wire::StunClass::error : wire::StunClass::success;
  wire::StunWriter message(room, cls, wire::stun_binding, answer.id);
  if (answer.error)
    message.error_code(answer.error);
  else
    message.xor_mapped_address(answer.mapped);
  return Check{answer.to, stun::sign(message, password_)};
}

/// A check like any other, but for its reach: it opens our NAT and is lost on the way. No answer is waited for.
Agent::Check Agent::make_opener(Instant now, Pair& pair, MutableBytes room) {
  auto check = make_check(now, pair, 0, true, room);
  pair.outstanding.pop_back();
  pair.opener_due = false;
  check.hops = opener_hops_;
  return check;
}

Agent::Check Agent::make_check(Instant now, Pair& pair, size_t size, bool search, MutableBytes room) {
  Pair::Outstanding o{{}, now, now + doubt_timeout(pair), now + answer_timeout(pair), size, search};
  Writer id(o.id);
  id.u32(tag_);
  id.put(rng_.array<8>());
  wire::StunWriter message(room, wire::StunClass::request, wire::stun_binding, o.id);
  message.username(remote_ufrag_ + ":" + ufrag_);
  message.priority(pair.remote_priority);
  if (controlling_)
    message.ice_controlling(tie_breaker_);
  else
    message.ice_controlled(tie_breaker_);
  if (size > 0) message.pad_to(size);
  if (pair.outstanding.size() >= outstanding_max) pair.outstanding.erase(pair.outstanding.begin());
  pair.outstanding.push_back(o);
  pair.triggered = false;
  if (!search) pair.held = pair.opener_due = false;
  ++checks_sent_;
  if (!search) {
    if (pair.state == Pair::State::alive)
      pair.next_check = now + (pair.losses > 0 || pair.doubtful ? loss_retry : interval(pair));
    else if (pair.state == Pair::State::checking)
      pair.next_check = now + first_retry * (1 << std::min(pair.tries++, tries_max));
  }
  return Check{pair.carrier, stun::sign(message, remote_password_)};
}

}  // namespace ginnel::ice
