// PCP and NAT-PMP as a client uses them. Knows each slot's next moment; refuses to wait for ever. RFC 6887
// sections 8.1.1 (retransmission), 8.5 (epoch), 11.2.1 (renewal), 15 (deletion); RFC 6886 sections 3.3, 3.4, 3.6, 3.7.
#include "core/portmap/client/datagram_mapper.hpp"

#include <algorithm>
#include <utility>

namespace ginnel::portmap {

namespace {

Duration clamped_retry(Duration retry) { return std::clamp(retry, retry_min, retry_max); }

}  // namespace

void DatagramMapper::start(Instant now, const Network& network) {
  stop();
  network_ = network;
  presence_ = Presence::unknown;
  next_probe_ = now;
}

void DatagramMapper::stop() {
  presence_ = Presence::absent;
  why_ = "not asked";
  probes_sent_ = 0;
  next_probe_.reset();
  ask_address_ = false;
  address_ = {};
  slots_.clear();
  epoch_.reset();
  made_anew_.reset();
  events_.clear();
}

void DatagramMapper::want(Instant now, std::span<const Wanted> wanted) {
  auto is_wanted = [&](const Slot& slot) {
    return std::find(wanted.begin(), wanted.end(), slot.wanted) != wanted.end();
  };
  // What was never asked for need not be given back.
  std::erase_if(slots_, [&](const Slot& slot) {
    bool asked = slot.held || (slot.state == State::asking && slot.tries > 0);
    return !is_wanted(slot) && !asked && slot.state != State::releasing;
  });
  for (Slot& slot : slots_) {
    if (is_wanted(slot) == (slot.state != State::releasing)) continue;
    slot.state = slot.state == State::releasing ? State::asking : State::releasing;  // or wanted again after all
    slot.held = false;
    slot.tries = 0;
    slot.next = now;
  }
  for (const Wanted& one : wanted) {
    bool known = std::any_of(slots_.begin(), slots_.end(), [&](const Slot& slot) { return slot.wanted == one; });
    if (known || slots_.size() >= 2 * wanted_max) continue;
    slots_.push_back(
        {.wanted = one, .nonce = nonce_of(one), .external = Address::v4(0, 0, 0, 0, one.port), .next = now});
  }
}

/// The same for ever: the gateway may still know a mapping that we had to forget, and then only its owner may renew it.
wire::PcpNonce DatagramMapper::nonce_of(const Wanted& wanted) const {
  wire::PcpNonce nonce = nonce_;
  nonce[9] ^= wanted.protocol;
  nonce[10] ^= static_cast<uint8_t>(wanted.port >> 8);
  nonce[11] ^= static_cast<uint8_t>(wanted.port);
  return nonce;
}

void DatagramMapper::handle(Instant now, Bytes datagram, bool announced) {
  if (presence_ == Presence::absent || (announced && presence_ != Presence::present)) return;
  Reply reply = dialect_->read(datagram);
  if (reply.kind == Reply::Kind::none) return;
  if (reply.kind == Reply::Kind::no_server) return absent(now, reply.why);
  presence_ = Presence::present;
  next_probe_.reset();
  check_epoch(now, reply.epoch);
  if (reply.kind == Reply::Kind::mapping)
    handle_mapping(now, reply);
  else if (dialect_->address_apart() && reply.ok)
    handle_address(reply.external);
}

void DatagramMapper::absent(Instant now, const std::string& why) {
  presence_ = Presence::absent;
  why_ = why;
  next_probe_.reset();
  for (Slot& slot : slots_) refused(now, slot, why, retry_max);
  slots_.clear();
}

/// Both RFCs: everything the gateway tells has its epoch, and everything it forgot must be made anew.
void DatagramMapper::check_epoch(Instant now, uint32_t epoch) {
  auto before = std::exchange(epoch_, std::pair{now, epoch});
  if (!before || !dialect_->forgot(before->second, epoch, now - before->first)) return;
  Instant when = made_anew_ ? std::max(now, *made_anew_ + renewals_apart) : now;
  when += Duration(static_cast<int64_t>(rng_.below(static_cast<uint64_t>(scatter.count()))));
  made_anew_ = when;
  for (Slot& slot : slots_) {
    if (slot.state != State::granted) continue;
    slot.state = State::asking;
    slot.tries = 0;
    slot.next = when;
  }
}

void DatagramMapper::handle_address(const Address& address) {
  if (address == address_ || !is_endpoint(address.with_port(1))) return;
  address_ = address;
  for (Slot& slot : slots_) {
    if (!slot.held) continue;
    slot.external = address.with_port(slot.external.port);
    tell(Granted{slot.wanted, slot.external, slot.lifetime});
  }
}

void DatagramMapper::handle_mapping(Instant now, const Reply& reply) {
  auto slot = std::find_if(slots_.begin(), slots_.end(), [&](const Slot& s) { return s.wanted == reply.wanted; });
  if (slot == slots_.end()) return;
  if (!dialect_->address_apart() && slot->nonce != reply.nonce) return;  // RFC 6887 section 11.4: not our request
  if (slot->state == State::releasing) {
    if (!reply.ok || reply.lifetime == 0s) slots_.erase(slot);
    return;
  }
  if (reply.ok)
    granted(now, *slot, reply);
  else
    refused(now, *slot, reply.why, reply.retry);
}

void DatagramMapper::granted(Instant now, Slot& slot, const Reply& reply) {
  Address external = dialect_->address_apart() ? address_.with_port(reply.external.port) : reply.external;
  if (reply.lifetime == 0s) return refused(now, slot, "the gateway grants no time", retry_min);
  if (!is_endpoint(external)) {
    bool unknown = dialect_->address_apart() && address_.is_unspecified();
    ask_address_ |= unknown;
    return refused(now, slot,
                   unknown ? "the gateway tells no outside address" : "the gateway grants no possible address",
                   retry_min);
  }
  bool news = !slot.held || external != slot.external;
  slot.state = State::granted;
  slot.held = true;
  slot.external = external;
  slot.granted_at = now;
  slot.lifetime = std::min(reply.lifetime, lifetime_believed);
  slot.tries = 0;
  slot.next = now + renewal_after(slot.lifetime, 0, rng_);
  if (news) tell(Granted{slot.wanted, external, slot.lifetime});
}

void DatagramMapper::refused(Instant now, Slot& slot, const std::string& why, Duration retry) {
  if (slot.state == State::releasing) return;
  if (slot.held)
    tell(Lost{slot.wanted, why});
  else if (slot.state == State::asking)
    tell(Refused{slot.wanted, why});
  slot.state = State::refused;
  slot.held = false;
  slot.next = now + clamped_retry(retry);
}

void DatagramMapper::handle_timeout(Instant now) {
  if (presence_ == Presence::unknown && next_probe_ && now >= *next_probe_ && probes_sent_ == probes)
    absent(now, "no answer");
  for (Slot& slot : slots_)
    if (now >= slot.next) timeout(now, slot);
  std::erase_if(slots_,
                [&](const Slot& s) { return s.state == State::releasing && s.tries >= releases && now >= s.next; });
}

/// What does not send again ends here; the rest is poll_datagram's.
void DatagramMapper::timeout(Instant now, Slot& slot) {
  switch (slot.state) {
    case State::asking:
      if (slot.tries == asks) refused(now, slot, "no answer", retry_min);
      return;
    case State::granted:
      if (now < slot.granted_at + slot.lifetime) return;  // a renewal
      tell(Lost{slot.wanted, "the lease ended without an answer"});
      slot.held = false;
      [[fallthrough]];
    case State::refused:
      slot.state = State::asking;
      slot.tries = 0;
      return;
    case State::releasing:
      return;
  }
}

std::optional<Bytes> DatagramMapper::poll_datagram(Instant now, MutableBytes room) {
  if (presence_ == Presence::unknown && next_probe_ && now >= *next_probe_ && probes_sent_ < probes) {
    next_probe_ = now + pause(probes_sent_++);
    return dialect_->probe(network_, room);
  }
  if (std::exchange(ask_address_, false)) return dialect_->probe(network_, room);
  if (presence_ != Presence::present) return {};
  for (Slot& slot : slots_) {
    if (now < slot.next || slot.state == State::refused) continue;
    int most = slot.state == State::asking ? asks : slot.state == State::releasing ? releases : 64;
    if (slot.tries >= most) continue;
    ++slot.tries;
    if (slot.state == State::granted) {
      if (now >= slot.granted_at + slot.lifetime) continue;
      slot.next = slot.granted_at + renewal_after(slot.lifetime, slot.tries, rng_);
      ask_address_ = dialect_->address_apart();  // it may have changed meanwhile
    } else {
      slot.next = now + pause(slot.tries - 1);
    }
    return dialect_->ask(
        network_, {slot.wanted, slot.nonce, slot.external, slot.state == State::releasing ? 0s : lifetime_asked}, room);
  }
  return {};
}

/// RFC 6887 section 8.1.1: doubling, each within 10 % by chance.
Duration DatagramMapper::pause(int tries) {
  Duration whole = first_timeout * (1 << std::min(tries, 8));
  auto tenth = static_cast<uint64_t>((whole / 10).count());
  return whole - whole / 10 + Duration(static_cast<int64_t>(rng_.below(2 * tenth + 1)));
}

std::optional<MapperEvent> DatagramMapper::poll_event() {
  if (events_.empty()) return {};
  MapperEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

void DatagramMapper::tell(MapperEvent event) { events_.push_back(std::move(event)); }

std::optional<Deadline> DatagramMapper::next_deadline() const {
  std::optional<Deadline> next;
  if (next_probe_ && presence_ == Presence::unknown) next = Deadline{*next_probe_, "portmap: is anybody there"};
  if (presence_ != Presence::present) return next;
  for (const Slot& slot : slots_)
    next = earlier(next, Deadline{slot.next, slot.state == State::granted ? "portmap: renew" : "portmap: ask again"});
  return next;
}

}  // namespace ginnel::portmap
