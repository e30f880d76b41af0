// The race between three protocols and what follows. Knows preferences and pauses; refuses datagrams from anybody but
// the gateway. RFC 6887 section 8.4 (whose answers count), appendix A (PCP before NAT-PMP).
#include "core/portmap/client/client.hpp"

#include <algorithm>

namespace ginnel::portmap {

namespace {

constexpr size_t upnp = static_cast<size_t>(Method::upnp);

bool contains(const std::vector<Wanted>& list, const Wanted& one) {
  return std::find(list.begin(), list.end(), one) != list.end();
}
void put(std::vector<Wanted>& list, const Wanted& one) {
  if (!contains(list, one)) list.push_back(one);
}

}  // namespace

std::string_view to_string(Presence presence) {
  return presence == Presence::unknown ? "unknown" : presence == Presence::present ? "present" : "absent";
}

Client::Client(Rng& rng)
    : rng_(rng),
      mappers_{DatagramMapper{std::make_unique<PcpDialect>(), rng},
               DatagramMapper{std::make_unique<NatPmpDialect>(), rng}},
      igd_(rng) {}

// ---- inputs

void Client::handle(Instant now, ClientInput& input) {
  if (auto* datagram = std::get_if<Datagram>(&input)) handle_datagram(now, *datagram);
  if (auto* answer = std::get_if<HttpAnswer>(&input)) igd_.handle(now, *answer);
  if (auto* failed = std::get_if<HttpFailed>(&input)) igd_.handle(now, *failed);
  review(now);
}

void Client::handle_datagram(Instant now, const Datagram& in) {
  if (!network_ || !in.from.same_ip(network_->gateway)) return;
  if (in.from.port == wire::pcp_server_port) {
    for (auto& mapper : mappers_) mapper.handle(now, in.bytes, in.at == Socket::announcements);
    // Nobody was there, and now it announces itself: it has been restarted.
    bool nobody = presence(0) == Presence::absent && presence(1) == Presence::absent && presence(2) == Presence::absent;
    if (in.at == Socket::announcements && nobody && retry_at_) retry_at_ = std::min(*retry_at_, now + 1s);
  } else if (in.at == Socket::own) {
    igd_.handle(now, in.bytes);
  }
}

void Client::handle_timeout(Instant now) {
  for (auto& mapper : mappers_) mapper.handle_timeout(now);
  igd_.handle_timeout(now);
  if (closing_until_ && now >= *closing_until_) {
    for (auto& mapper : mappers_) mapper.stop();
    igd_.stop();
  }
  if (retry_at_ && now >= *retry_at_) start(now);
  review(now);
}

// ---- commands

void Client::set_network(Instant now, const std::optional<Network>& network) {
  if (closing_until_ || network == network_) return;
  stop(network_ ? "the network changed" : "");
  network_ = network;
  worked_ = false;
  pause_ = retry_first;
  start(now);
}

void Client::want(Instant now, std::vector<Wanted> wanted) {
  if (wanted.size() > wanted_max) wanted.resize(wanted_max);
  if (closing_until_ || wanted == wanted_) return;
  wanted_ = std::move(wanted);
  std::erase_if(mapped_, [&](const Wanted& one) { return !contains(wanted_, one); });
  std::erase_if(granted_, [&](const Wanted& one) { return !contains(wanted_, one); });
  std::erase_if(refused_, [&](const Wanted& one) { return !contains(wanted_, one); });
  if (chosen_)
    want_of(now, static_cast<size_t>(*chosen_), wanted_);
  else if (!racing_)
    start(now);
  review(now);
}

void Client::close(Instant now) {
  if (closing_until_) return;
  for (size_t m = 0; m < 3; ++m) want_of(now, m, {});
  for (auto& mapper : mappers_)
    if (mapper.idle()) mapper.stop();
  if (igd_.idle()) igd_.stop();
  closing_until_ = now + close_limit;
  wanted_.clear();
  mapped_.clear();
  events_.clear();
  retry_at_.reset();
}

// ---- the race

void Client::start(Instant now) {
  stop("");
  if (!network_ || wanted_.empty()) return;
  racing_ = true;
  for (auto& mapper : mappers_) mapper.start(now, *network_);
  if (!network_->gateway.v6) igd_.start(now, *network_);
}

/// Forgets the race. Mappings that were told are withdrawn, for this reason; without one they are left to be told anew.
void Client::stop(const std::string& why) {
  for (auto& mapper : mappers_) mapper.stop();
  igd_.stop();
  racing_ = false;
  chosen_.reset();
  first_answer_.reset();
  retry_at_.reset();
  capabilities_told_ = false;
  failed_ = {};
  granted_.clear();
  refused_.clear();
  if (why.empty()) return;
  for (const Wanted& one : mapped_) events_.push_back(Unmapped{one, why});
  mapped_.clear();
}

/// After every input: who is there, who maps, what is to be told.
void Client::review(Instant now) {
  collect(now);
  if (closing_until_ || !racing_ || retry_at_) return;
  bool any = false, all = true;
  for (size_t m = 0; m < 3; ++m) {
    any |= presence(m) == Presence::present;
    all &= presence(m) != Presence::unknown;
  }
  if (any && !first_answer_) first_answer_ = now;
  if (!chosen_) choose(now);
  if (all && !capabilities_told_) {
    capabilities_told_ = true;
    events_.push_back(Capabilities{states(), igd_.gateway_name()});
  }
}

Presence Client::presence(size_t m) const { return m == upnp ? igd_.presence() : mappers_[m].presence(); }
const std::string& Client::why(size_t m) const { return m == upnp ? igd_.why() : mappers_[m].why(); }

MethodStates Client::states() const {
  MethodStates out;
  for (size_t m = 0; m < 3; ++m) out[m] = {presence(m), presence(m) == Presence::absent ? why(m) : failed_[m]};
  return out;
}

bool Client::may_choose(Instant now, size_t m) const {
  if (presence(m) != Presence::present || !failed_[m].empty()) return false;
  if (now >= *first_answer_ + grace) return true;
  for (size_t better = 0; better < m; ++better)
    if (presence(better) == Presence::unknown) return false;
  return true;
}

void Client::choose(Instant now) {
  if (wanted_.empty()) return;
  bool waiting = false;
  for (size_t m = 0; m < 3; ++m) {
    if (first_answer_ && may_choose(now, m)) {
      chosen_ = static_cast<Method>(m);
      granted_.clear();
      refused_.clear();
      return want_of(now, m, wanted_);
    }
    waiting |= presence(m) == Presence::unknown || (presence(m) == Presence::present && failed_[m].empty());
  }
  if (!waiting) give_up(now);
}

void Client::give_up(Instant now) {
  for (const Wanted& one : mapped_) events_.push_back(Unmapped{one, "the gateway maps nothing any more"});
  mapped_.clear();
  MethodStates known = states();
  if (!capabilities_told_) events_.push_back(Capabilities{known, igd_.gateway_name()});
  capabilities_told_ = true;
  events_.push_back(NoMapping{known});
  auto chance = [&](Duration most) {
    return Duration(static_cast<int64_t>(rng_.below(static_cast<uint64_t>(most.count()))));
  };
  retry_at_ = worked_ ? now + pause_ + chance(pause_ / 4) : now + retry_rarely + chance(2 * retry_rarely);
  pause_ = std::min(pause_ * 2, retry_longest);
}

void Client::want_of(Instant now, size_t m, std::span<const Wanted> wanted) {
  m == upnp ? igd_.want(now, wanted) : mappers_[m].want(now, wanted);
}

// ---- what mappers tell

void Client::collect(Instant now) {
  for (size_t m = 0; m < 3; ++m) {
    while (auto event = m == upnp ? igd_.poll_event() : mappers_[m].poll_event())
      if (chosen_ == static_cast<Method>(m) && !closing_until_) collect(now, *event);
  }
}

void Client::collect(Instant now, const MapperEvent& event) {
  if (auto* granted = std::get_if<Granted>(&event)) {
    put(granted_, granted->wanted);
    std::erase(refused_, granted->wanted);
    put(mapped_, granted->wanted);
    worked_ = true;
    pause_ = retry_first;
    bool reachable = !granted->external.is_private() && !granted->external.is_link_local();
    events_.push_back(Mapped{granted->wanted, granted->external, *chosen_, granted->lifetime, reachable});
    return;
  }
  auto* lost = std::get_if<Lost>(&event);
  const Wanted& wanted = lost ? lost->wanted : std::get<Refused>(event).wanted;
  std::string why = lost ? lost->why : std::get<Refused>(event).why;
  std::erase(granted_, wanted);
  put(refused_, wanted);
  if (std::erase(mapped_, wanted)) events_.push_back(Unmapped{wanted, why});
  bool all = std::all_of(wanted_.begin(), wanted_.end(), [&](const Wanted& one) { return contains(refused_, one); });
  if (!all) return;  // some of them work: those that do not are asked for again by the mapper
  failed_[static_cast<size_t>(*chosen_)] = why;
  dismiss(now);
}

/// The chosen one maps nothing: the next one's turn.
void Client::dismiss(Instant now) {
  want_of(now, static_cast<size_t>(*chosen_), {});
  chosen_.reset();
  granted_.clear();
  refused_.clear();
}

// ---- polls

bool Client::idle() const {
  return std::all_of(mappers_.begin(), mappers_.end(), [](auto& m) { return m.idle(); }) && igd_.idle();
}

std::optional<ClientAction> Client::poll_action(Instant now, MutableBytes room) {
  if (auto forget = igd_.poll_forget()) return *forget;
  if (!network_) return {};
  for (auto& mapper : mappers_)
    if (auto bytes = mapper.poll_datagram(now, room))
      return SendDatagram{Socket::own, network_->gateway.with_port(wire::pcp_server_port), *bytes};
  if (auto send = igd_.poll_datagram(now, room)) return *send;
  if (auto ask = igd_.poll_http(now)) return std::move(*ask);
  return {};
}

std::optional<ClientEvent> Client::poll_event() {
  if (events_.empty()) return {};
  ClientEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

std::optional<Deadline> Client::next_deadline() const {
  if (closed()) return {};
  std::optional<Deadline> next = igd_.next_deadline();
  for (const auto& mapper : mappers_) next = earlier(next, mapper.next_deadline());
  if (closing_until_) return earlier(next, Deadline{*closing_until_, "portmap: gave back what could be"});
  if (first_answer_ && !chosen_ && !retry_at_ && !wanted_.empty()) {
    bool undecided = false;
    for (size_t m = 0; m < 3; ++m) undecided |= presence(m) == Presence::present && failed_[m].empty();
    if (undecided) next = earlier(next, Deadline{*first_answer_ + grace, "portmap: which protocol"});
  }
  if (retry_at_) next = earlier(next, Deadline{*retry_at_, "portmap: look again"});
  return next;
}

}  // namespace ginnel::portmap
