#include "core/reach/hard_side.hpp"

#include <algorithm>
#include <utility>

namespace ginnel::reach {

namespace {

uint16_t as_port(int n) { return static_cast<uint16_t>(std::clamp(n, 1, 65535)); }

}  // namespace

HardSide::HardSide(Instant now, Config config, Rng& rng)
    : config_(std::move(config)), rng_(rng), looks_(config_.kind == wire::SearchKind::diagonal && config_.easy.port == 0),
      ends_(now + patience), before_(rng), after_(rng) {
  for (size_t i = 0; i < config_.sockets; ++i) {
    SocketId id = config_.first_socket + static_cast<SocketId>(i);
    sockets_.push_back({id});
    actions_.push_back(OpenUdp{id, false});
  }
}

// ---- inputs

void HardSide::handle_opened(Instant now, const UdpOpened& in) {
  if (!owns(in.id) || over_) return;
  Socket& socket = sockets_[in.id - config_.first_socket];
  socket.answered = true;
  socket.open = in.local.port != 0;
  socket.local = in.local.port;
  if (sandwiched() && socket.open && in.id == config_.first_socket) {
    before_.start(now);
    if (config_.second.port != 0) after_.start(now);
    offer_at_ = now + 400ms;
  }
  if (config_.kind == wire::SearchKind::diagonal) {
    // All or none: no moment may pass between where the sequence stands and the mappings that follow.
    bool all = std::all_of(sockets_.begin(), sockets_.end(), [](const Socket& s) { return s.open; });
    if (all) before_.start(now);
    if (all && !looks_) next_batch_ = now;
  } else if (!next_batch_) {
    next_batch_ = now;
  }
}

void HardSide::handle_response(Instant now, SocketId socket, const Address& from, const wire::StunMessage& message) {
  if (socket != config_.first_socket) return;
  if (from == config_.server) before_.handle_response(now, message);
  if (from == config_.second) after_.handle_response(now, message);
  consider_offer(now);
}

void HardSide::handle_timeout(Instant now) {
  before_.handle_timeout(now);
  after_.handle_timeout(now);
  consider_offer(now);
  if (now >= ends_) stop();
}

void HardSide::aim(Instant now, const Address& at) {
  if (!looks_ || config_.easy.port != 0 || over_) return;
  config_.easy = at;
  shots_left_ = shots - 1;
  next_batch_ = now;
}

void HardSide::found(Instant, SocketId found) {
  for (Socket& socket : sockets_)
    if (socket.id == found) socket.open = false;  // it is the peer's from now on
  stop();
}

void HardSide::stop() {
  if (std::exchange(over_, true)) return;
  std::erase_if(actions_, [](const Action& action) { return std::holds_alternative<OpenUdp>(action); });
  for (Socket& socket : sockets_)
    if (socket.open || !socket.answered) actions_.push_back(CloseUdp{socket.id, false});
}

// ---- polls

std::optional<Action> HardSide::poll_action(Instant now, MutableBytes room) {
  if (!actions_.empty()) {
    Action action = std::move(actions_.front());
    actions_.pop_front();
    return action;
  }
  if (over_) return {};
  // In this order and at once: what the NAT gives the packet in the middle lies between what it gives the others.
  Socket& first = sockets_.front();
  if (auto bytes = before_.poll_request(now, room)) return Transmit{config_.server, 0, *bytes, bytes->size(), first.id};
  if (sandwiched() && first.open && !first.opener_sent) return open_towards_other(first, room);
  if (auto bytes = after_.poll_request(now, room)) return Transmit{config_.second, 0, *bytes, bytes->size(), first.id};
  return poll_opener(now, room);
}

std::optional<Action> HardSide::poll_opener(Instant now, MutableBytes room) {
  while (next_batch_ && *next_batch_ <= now && next_opener_ < sockets_.size()) {
    Socket& socket = sockets_[next_opener_];
    if (!socket.answered) break;  // its turn comes when it is open
    ++next_opener_;
    if (next_opener_ % opener_batch == 0) next_batch_ = now + opener_pace;
    if (next_opener_ == sockets_.size() && shots_left_ > 0) {
      --shots_left_;
      next_opener_ = 0;
      next_batch_ = now + shot_pause;
    }
    if (looks_ && next_opener_ == sockets_.size()) wind_up(now);
    if (!socket.open || (socket.opener_sent && !looks_)) continue;
    Action action = open_towards_other(socket, room);
    consider_offer(now);
    return action;
  }
  return {};
}

Action HardSide::open_towards_other(Socket& socket, MutableBytes room) {
  socket.opener_sent = true;
  ++(looks_ ? shots_sent_ : openers_sent_);
  Bytes bytes = make_probe(config_.token, rng_, room);
  return Transmit{config_.easy, 0, bytes, bytes.size(), socket.id, looks_ ? uint8_t{0} : opener_hops};
}

std::optional<wire::SearchOffer> HardSide::poll_offer() { return std::exchange(offer_, std::nullopt); }

std::optional<Deadline> HardSide::next_deadline() const {
  if (over_) return {};
  std::optional<Deadline> next = Deadline{ends_, "search: enough"};
  next = earlier(next, earlier(before_.next_deadline(), after_.next_deadline()));
  bool enough = before_.mapped().has_value();  // without it the answer itself is what we wait for
  if (offer_at_ && !offered_ && enough) next = earlier(next, Deadline{*offer_at_, "search: offer with what is known"});
  bool more = next_opener_ < sockets_.size() && sockets_[next_opener_].answered;
  if (next_batch_ && more) next = earlier(next, Deadline{*next_batch_, "search: next openers"});
  return next;
}

// ---- inside

void HardSide::consider_offer(Instant now) {
  if (offered_ || over_) return;
  switch (config_.kind) {
    case wire::SearchKind::prediction: {
      bool all = before_.mapped() && (config_.second.port == 0 || after_.mapped());
      if (!all && !(before_.mapped() && offer_at_ && *offer_at_ <= now)) return;
      offer_ = predicted();
      break;
    }
    case wire::SearchKind::diagonal:
      if (!before_.mapped()) return;
      offer_ = named();
      break;
    case wire::SearchKind::birthday:
      // Half of them will do to begin with: the first probes are under way when the last openers leave.
      if (openers_sent_ * 2 < config_.sockets) return;
      offer_ = wire::SearchOffer{config_.kind, config_.token, {}, config_.ports.low, config_.ports.high, 1,
                                 static_cast<uint16_t>(config_.sockets)};
      break;
  }
  offered_ = true;
}

wire::SearchOffer HardSide::predicted() const {
  int first = before_.mapped()->port, last = after_.mapped() ? after_.mapped()->port : 0;
  wire::SearchOffer offer{config_.kind, config_.token, before_.mapped()->with_port(0), 0, 0, 1, 1};
  int step = config_.ports.step != 0 ? config_.ports.step : 1;
  int low, high;
  if (config_.ports.kind != wire::PortPattern::Kind::sequential) {
    low = high = sockets_.front().local;  // a NAT that keeps ports
  } else if (int between = last - first; last != 0 && std::abs(between) >= 2 && std::abs(between) <= 64 * std::abs(step)) {
    // It lies between the two. The step was told from few mappings: if it does not fit what is seen now, each port may be it.
    bool fits = between * step > 0 && between % step == 0 && std::abs(between) >= 2 * std::abs(step);
    if (!fits) step = between > 0 ? 1 : -1;
    low = first + step, high = last - step;
  } else {
    low = first + step, high = first + step * (2 + config_.ports.rate / 50);
  }
  if (low > high) std::swap(low, high);
  offer.low = as_port(low);
  offer.high = as_port(high);
  offer.step = static_cast<uint16_t>(std::abs(step));
  return offer;
}

/// The first socket is the one that measures; it opens the NAT, too, and has the next port after that of its measurement.
wire::SearchOffer HardSide::named() const {
  uint16_t aim = as_port(before_.mapped()->port + config_.ports.step * static_cast<int>(config_.aim));
  return {config_.kind, config_.token, before_.mapped()->with_port(0), aim, aim, 1, static_cast<uint16_t>(config_.sockets)};
}

Bytes make_probe(uint64_t token, Rng& rng, MutableBytes room) {
  wire::TransactionId id;
  Writer out(id);
  out.u64(token);
  out.put(rng.array<4>());
  return wire::StunWriter(room, wire::StunClass::indication, wire::stun_binding, id).finish();
}

std::optional<uint64_t> probe_token(const wire::StunMessage& message) {
  if (message.cls != wire::StunClass::indication || message.method != wire::stun_binding) return {};
  return Reader(message.id).u64();
}

}  // namespace ginnel::reach
