// The paths of a peer: candidates said and heard, rounds of trying, and the choice of the way that carries.
#include <algorithm>
#include <utility>

#include "core/peer/peer.hpp"
#include "core/reach/technique.hpp"

namespace ginnel::peer {

namespace {

/// Without those of TCP that are only there while somebody punches.
std::vector<wire::Candidate> lasting(std::vector<wire::Candidate> all) {
  std::erase_if(all, [](const wire::Candidate& c) {
    bool arranged = c.type == wire::CandidateType::forwarded || c.type == wire::CandidateType::mapped;
    return c.transport == wire::Transport::tcp && !arranged;
  });
  return all;
}

}  // namespace

// ---- inputs

void Peer::handle_tcp_connected(Instant now, TcpId id) {
  const ice::TcpDials::Target* target = dials_.handle_connected(id);
  if (target && tcp_.size() < tcp_max && ice_.add_tcp(now, Carrier::tcp(id, target->to), target->type)) {
    tcp_.push_back({id, target->to});
    return;
  }
  actions_.push_back(CloseTcp{id});
  dials_.forget(id, "one connection too many");
}

void Peer::handle_tcp_closed(Instant now, TcpId id, const std::string& why) {
  dials_.handle_closed(now, id, why);
  if (TcpWay* way = tcp_way(id)) {
    ice_.remove(Carrier::tcp(id, way->remote));
    std::erase_if(tcp_, [&](auto& w) { return w.id == id; });
    drain_ice(now);
  }
}

bool Peer::adopt_tcp(Instant now, TcpId id, const Address& from) {
  if (tcp_.size() >= tcp_max || !ice_.add_tcp(now, Carrier::tcp(id, from), wire::CandidateType::peer_reflexive)) return false;
  tcp_.push_back({id, from});
  return true;
}

void Peer::set_tcp_full(TcpId id, bool full) {
  if (TcpWay* way = tcp_way(id)) way->full = full;
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

void Peer::local_changed(Instant now) {
  if (generation_ == 0 || wish_ || awaited_) return;  // provide() will tell
  bool anew = lasting(context_.local.candidates()) != lasting(told_);
  if (!anew && context_.local.nat() == told_nat_) return;
  plan_search(now);
  if (anew) {
    ++generation_;
    opened_ = 0;  // our NAT may be another one
    means_ = {};
    if (ice_.started()) ice_.recheck(now);
    if (remote_ && admitted_) begin_plan(now);
  }
  send_candidates();
}

void Peer::network_changed(Instant now) {
  ice_.recheck(now);
  if (session_) session_->wake(now);
}

std::optional<reach::Means> Peer::poll_wish() {
  if (wish_) awaited_ = wish_;
  return std::exchange(wish_, std::nullopt);
}

void Peer::provide(Instant now, SocketId fresh) {
  means_ = std::exchange(awaited_, std::nullopt).value_or(reach::Means{});
  means_.fresh_socket = fresh != 0;
  means_.tcp &= context_.local.tcp.port(false) != 0 || context_.local.tcp.port(true) != 0;
  if (fresh != 0) {
    sockets_.push_back(fresh);
    // Older ones stay only as long as something lives on them.
    while (sockets_.size() > fresh_sockets_max) {
      bool udp = current_ && current_->kind == Carrier::Kind::udp;
      auto idle = std::find_if(sockets_.begin(), sockets_.end(), [&](SocketId s) { return s != fresh && !(udp && current_->local == s); });
      ice_.remove_socket(*idle);
      actions_.push_back(CloseUdp{*idle, false});
      sockets_.erase(idle);
    }
  }
  if (!remote_) return;
  ++generation_;
  opened_ = std::exchange(leading_, false) ? 0 : heard_generation_;
  if (opened_ != 0) try_candidates(now, true);
  send_candidates();
}

// ---- getters

PathReport Peer::path() const { return report(current_.value_or(Carrier::relay()), why_); }

// ---- candidates

void Peer::send_candidates() {
  if (!control_ || !(admitted_ || dialler())) return;
  unsaid_ = session_->unacknowledged(*control_) > unheard_max;  // only the last word counts: it waits
  if (unsaid_) return;
  told_ = context_.local.candidates();
  told_nat_ = context_.local.nat();
  wire::Candidates m;
  m.ufrag = ice_.ufrag();
  m.password = ice_.password();
  m.generation = generation_;
  m.opened = opened_;
  m.fresh = means_.fresh_socket;
  m.tcp = means_.tcp;
  m.nat = told_nat_;
  if (!config_.relay_only) m.candidates = means_.fresh_socket ? context_.local.candidates(sockets_.back()) : told_;
  if (!means_.tcp) m.candidates = lasting(std::move(m.candidates));
  session_->send(*control_, wire::encode(m));
}

void Peer::begin_plan(Instant now) {
  if (dialler() && !config_.relay_only) plan_.begin(now, context_.local.nat(), remote_->nat);
}

void Peer::handle_candidates(Instant now, const wire::Candidates& message) {
  remote_ = message;
  if (config_.relay_only) remote_->candidates.clear();
  // Nothing is sent to addresses that a stranger names: only an admitted peer is checked.
  if (admitted_) consider(now);
}

void Peer::consider(Instant now) {
  plan_search(now);
  heed_at_.reset();
  bool news = remote_->generation != heard_generation_;
  bool expected = remote_->opened == generation_ && generation_ != 0;  // their NAT is open for us
  if (!news && !(expected && answered_ != generation_)) return;  // nothing that was not done already
  if (!heed_.take(now)) {
    heed_at_ = heed_.next();
    return;
  }
  bool first = heard_generation_ == 0;
  heard_generation_ = remote_->generation;
  if (first || (news && !expected)) begin_plan(now);
  if (news && !expected) {
    reach::Means asked{remote_->fresh, remote_->tcp};
    if (asked.any() && !config_.relay_only) {  // they wait for our answer, and we for a socket
      wish_ = asked;
      leading_ = false;
      return;
    }
    means_ = {};
    opened_ = heard_generation_;
    try_candidates(now, true);
    if (generation_ == 0) generation_ = 1;
    send_candidates();
  } else if (expected) {
    answered_ = generation_;
    try_candidates(now, false);
    ice_.release(now);
  }
}

void Peer::try_candidates(Instant now, bool open_first) {
  Duration trip = session_->smoothed_rtt();
  ice::Approach approach;
  approach.socket = means_.fresh_socket && !sockets_.empty() ? sockets_.back() : 0;
  approach.open_first = open_first;
  approach.opener_hops = means_.fresh_socket ? 4 : 2;
  approach.hold = std::clamp<Duration>(trip + 100ms, 150ms, 2s);
  ice_.set_remote(now, *remote_, approach);
  // Both dial at the same moment: who was asked first waits until the answer is there.
  if (means_.tcp) {
    uint16_t ports[2] = {context_.local.tcp.port(false), context_.local.tcp.port(true)};
    dials_.begin(now, remote_->candidates, ports, open_first ? now + trip / 2 : now);
  }
  drain_ice(now);
}

// ---- the choice

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
    } else if (auto* dead = std::get_if<ice::PairGivenUp>(&*event)) {
      actions_.push_back(CloseTcp{dead->carrier.local});
      handle_tcp_closed(now, dead->carrier.local, "it stopped answering");
    }
  }
  if (changed) review(now);
}

void Peer::review(Instant now) {
  std::vector<path::Way> ways;
  bool udp = false, any = false;
  for (const ice::Pair& pair : ice_.pairs()) {
    // The relay carries until its checks say otherwise: the session came up through it.
    bool usable = pair.carrier.is_relay() ? relay_ && !relay_dead_ : pair.usable();
    if (!usable) continue;
    bool avoid = avoided_ && avoided_->carrier == pair.carrier && now < avoided_->until;
    ways.push_back({pair.carrier, pair.min_rtt(), pair.loss, avoid});
    udp |= pair.carrier.kind == Carrier::Kind::udp;
    any |= !pair.carrier.is_relay();
  }
  plan_.note_direct(now, udp, any);
  if (any) dials_.stop();
  if (session_) ways.empty() ? session_->pause(now) : session_->resume(now);
  review_at_ = ways.size() > 1 ? std::optional(now + path::dwell) : std::nullopt;
  if (review_at_ && changed_mind_at_ && *changed_mind_at_ + path::dwell > now) review_at_ = *changed_mind_at_ + path::dwell;
  bool died = current_ && std::none_of(ways.begin(), ways.end(), [&](auto& w) { return w.carrier == *current_; });
  auto choice = path::choose(ways, current_, now, changed_mind_at_);
  if (choice) use(now, choice->carrier, choice->why, died);
  close_spare_tcp();
}

/// Crossing dials may leave two connections. The dialler keeps one, so that both do not close different ones.
void Peer::close_spare_tcp() {
  if (!dialler()) return;
  auto alive = [&](const TcpWay& w) {
    const ice::Pair* pair = ice_.find(Carrier::tcp(w.id, w.remote));
    return pair && pair->usable();
  };
  auto keep = std::find_if(tcp_.begin(), tcp_.end(), [&](auto& w) { return current_ == Carrier::tcp(w.id, w.remote); });
  if (keep == tcp_.end()) keep = std::find_if(tcp_.begin(), tcp_.end(), alive);
  if (keep == tcp_.end()) return;
  TcpId kept = keep->id;
  for (const TcpWay& w : tcp_) {
    if (w.id == kept || !alive(w)) continue;
    actions_.push_back(CloseTcp{w.id});
    ice_.remove(Carrier::tcp(w.id, w.remote));
    dials_.forget(w.id, "one connection too many");
  }
  std::erase_if(tcp_, [&](auto& w) { return w.id != kept && !ice_.find(Carrier::tcp(w.id, w.remote)); });
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

// ---- paths that answer and carry too little

void Peer::watch_rate(Instant now) {
  if (!session_ || !current_) return;
  rate_.note(now, *current_, session_->acknowledged(), session_->backlogged());
  if (trial_ && now >= trial_->until)
    end_trial(now);
  else if (!trial_ && rate_.suspicious() && now >= next_trial_ && !(changed_mind_at_ && now < *changed_mind_at_ + path::dwell))
    begin_trial(now);
}

void Peer::begin_trial(Instant now) {
  next_trial_ = now + trial_pause_;
  trial_ = Trial{*current_, rate_.rate_of(*current_).value_or(0), now + path::dwell};
  avoided_ = Avoided{*current_, trial_->until};
  Carrier before = *current_;
  review(now);
  if (*current_ != before) return;
  trial_.reset();  // there is no other
  avoided_.reset();
}

void Peer::end_trial(Instant now) {
  Trial trial = *std::exchange(trial_, std::nullopt);
  bool better = rate_.rate_of(*current_).value_or(0) > trial.rate * 1.5;
  if (better) {
    avoided_ = Avoided{trial.from, now + 10 * trial_pause_};
    trial_pause_ = 30s;
  } else {
    avoided_.reset();
    trial_pause_ = std::min<Duration>(trial_pause_ * 2, 10min);
  }
  next_trial_ = now + trial_pause_;
  review(now);
}

bool Peer::can_carry(const Carrier& carrier) const {
  if (carrier.is_relay()) return relay_ && !relay_->full;
  if (!carrier.is_tcp()) return true;
  auto way = std::find_if(tcp_.begin(), tcp_.end(), [&](auto& w) { return w.id == carrier.local; });
  return way != tcp_.end() && !way->full;
}

/// A batch may hold packets of a connection or socket that was closed on account of the one before.
bool Peer::is_ours(const Carrier& carrier) const {
  if (carrier.is_relay()) return true;
  if (carrier.is_tcp()) return std::any_of(tcp_.begin(), tcp_.end(), [&](auto& w) { return w.id == carrier.local; });
  bool own = carrier.local == 0 || std::find(sockets_.begin(), sockets_.end(), carrier.local) != sockets_.end();
  return own || ice_.find(carrier);  // of a search under way
}

Peer::TcpWay* Peer::tcp_way(TcpId id) {
  auto at = std::find_if(tcp_.begin(), tcp_.end(), [&](auto& w) { return w.id == id; });
  return at == tcp_.end() ? nullptr : &*at;
}

PathReport Peer::report(const Carrier& carrier, std::string_view why) const {
  PathReport r;
  r.why = why;
  const ice::Pair* pair = ice_.find(carrier);
  r.packet_size = std::max(pair ? pair->packet_size : 0, ice::packet_size_min);
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
  r.transport = carrier.is_tcp() ? "tcp" : "udp";
  r.remote = carrier.remote;
  r.technique = technique_of(carrier, pair);
  return r;
}

std::string_view Peer::technique_of(const Carrier& carrier, const ice::Pair* pair) const {
  static const std::vector<wire::Candidate> none;
  bool met = pair && pair->remote_type == wire::CandidateType::peer_reflexive;
  bool theirs = met && searched_ip_ && searched_ip_->same_ip(carrier.remote);
  // The probe that hits may hit our main socket, too: then it is a port of ours that we could not tell.
  auto is_it = [&](const wire::Candidate& c) { return c.address == pair->mapped; };
  bool guessed = searches_ > 0 && pair && pair->mapped && std::none_of(told_.begin(), told_.end(), is_it);
  bool ours = guessed || std::find(found_sockets_.begin(), found_sockets_.end(), carrier.local) != found_sockets_.end();
  if (carrier.kind == Carrier::Kind::udp && search_kind_ && (theirs || ours))
    return *search_kind_ == wire::SearchKind::birthday ? "birthday" : "prediction";
  reach::DirectPath path{dialler(), carrier.is_tcp(), carrier.remote, pair ? pair->mapped : std::nullopt};
  return reach::technique(path, {context_.local.interfaces(), told_, remote_ ? remote_->candidates : none});
}

}  // namespace ginnel::peer
