// Leases of outside ports. Knows how a port is chosen and when one is lost; refuses to guess what the engine would say.
// RFC 6887 sections 8.5, 11.3, 15; RFC 6886 section 3.3 (TCP and UDP of a port go to one host).
#include "core/portmap/mapping_book.hpp"

#include <algorithm>
#include <cassert>

#include "wire/ip.hpp"

namespace ginnel::portmap {

namespace {

/// So many random ports are tried; with any room left, that finds one.
constexpr int tries = 128;

}  // namespace

MappingBook::MappingBook(Instant now, std::vector<Prefix> networks, const BookLimits& limits, ForwardEngine& engine,
                         Rng& rng)
    : networks_(std::move(networks)), limits_(limits), engine_(engine), rng_(rng), epoch_began_(now) {
  assert(limits.port_min > 0 && limits.port_min <= limits.port_max);
}

std::variant<Lease, Refusal> MappingBook::ask(Instant now, const Wish& wish) {
  assert(is_inside(wish.inside) && wish.inside.port != 0);
  assert(wish.protocol == wire::ip_protocol_tcp || wish.protocol == wire::ip_protocol_udp);
  if (external_.is_unspecified()) return Refusal::no_address;
  if (Lease* lease = existing(wish)) {
    if (lease->nonce != wish.nonce) return Refusal::not_owner;  // RFC 6887 section 11.3: of renewals too
    if (wish.no_other && wish.port != 0 && wish.port != lease->forward.outside.port) return Refusal::taken;
    lease->expires = now + wish.lifetime;
    lease->description = wish.description;
    expiry_.set({wish.protocol, lease->forward.outside.port}, lease->expires);
    return *lease;
  }
  auto host = per_host_.find(wish.inside.with_port(0));
  if (host != per_host_.end() && host->second >= limits_.per_host) return Refusal::host_full;
  if (leases_.size() >= limits_.total) return Refusal::book_full;
  if (wish.no_other && wish.port != 0 && !permits(wish.port)) return Refusal::not_permitted;
  auto port = choose_port(wish);
  if (!port) return wish.no_other ? Refusal::taken : Refusal::book_full;
  Lease lease{wish.method,
              {wish.protocol, external_.with_port(*port), wish.inside},
              now + wish.lifetime,
              wish.nonce,
              wish.description};
  Key key{wish.protocol, *port};
  leases_.emplace(key, lease);
  if (wish.method != Method::upnp) by_inside_.emplace(Inside{wish.method, wish.protocol, wish.inside}, key);
  ++per_host_[wish.inside.with_port(0)];
  expiry_.set(key, lease.expires);
  tell(LeaseEvent::What::mapped, lease);
  return lease;
}

Lease* MappingBook::existing(const Wish& wish) {
  if (wish.method == Method::upnp) {
    auto found = leases_.find({wish.protocol, wish.port});
    bool same =
        found != leases_.end() && found->second.method == wish.method && found->second.forward.inside == wish.inside;
    return same ? &found->second : nullptr;
  }
  auto found = by_inside_.find(Inside{wish.method, wish.protocol, wish.inside});
  return found == by_inside_.end() ? nullptr : &leases_.at(found->second);
}

/// The port that was asked for, or the inside one, or any. The engine has it then.
std::optional<uint16_t> MappingBook::choose_port(const Wish& wish) {
  if (wish.port != 0 && try_port(wish, wish.port)) return wish.port;
  if (wish.port != 0 && wish.no_other) return {};
  if (try_port(wish, wish.inside.port)) return wish.inside.port;
  for (int i = 0; i < tries; ++i) {
    auto port = static_cast<uint16_t>(limits_.port_min + rng_.below(limits_.port_max - limits_.port_min + 1u));
    if (try_port(wish, port)) return port;
  }
  return {};
}

bool MappingBook::try_port(const Wish& wish, uint16_t port) {
  if (!permits(port) || at(wish.protocol, port)) return false;
  // RFC 6886 section 3.3: whoever has a port for one of TCP and UDP has it for both.
  uint8_t other = wish.protocol == wire::ip_protocol_tcp ? wire::ip_protocol_udp : wire::ip_protocol_tcp;
  if (const Lease* companion = at(other, port); companion && !companion->forward.inside.same_ip(wish.inside))
    return false;
  return engine_.add_forward({wish.protocol, external_.with_port(port), wish.inside});
}

void MappingBook::release(const Lease& lease) {
  Key key{lease.forward.protocol, lease.forward.outside.port};
  auto found = leases_.find(key);
  if (found != leases_.end() && found->second.method == lease.method && found->second.forward == lease.forward)
    remove(key, LeaseEvent::What::unmapped);
}

void MappingBook::remove(const Key& key, LeaseEvent::What what) {
  engine_.remove_forward(leases_.at(key).forward);
  forget(key, what);
}

void MappingBook::forget(const Key& key, LeaseEvent::What what) {
  auto at = leases_.find(key);
  const Lease& lease = at->second;
  expiry_.set(key, {});
  if (lease.method != Method::upnp) by_inside_.erase(Inside{lease.method, key.first, lease.forward.inside});
  auto host = per_host_.find(lease.forward.inside.with_port(0));
  if (--host->second == 0) per_host_.erase(host);
  tell(what, lease);
  leases_.erase(at);
}

bool MappingBook::set_external(Instant now, const Address& address) {
  Address next = address.with_port(0);
  if (next == external_) return false;
  external_ = next;
  epoch_began_ = now;  // RFC 6887 section 8.5: also when the external address changes
  std::vector<Key> lost;
  for (auto& [key, lease] : leases_) {
    engine_.remove_forward(lease.forward);
    lease.forward.outside = next.with_port(key.second);
    if (next.is_unspecified() || !engine_.add_forward(lease.forward)) lost.push_back(key);
  }
  for (const Key& key : lost) forget(key, LeaseEvent::What::unmapped);
  return true;
}

void MappingBook::reset(Instant now) {
  while (!leases_.empty()) remove(leases_.begin()->first, LeaseEvent::What::unmapped);
  epoch_began_ = now;
}

void MappingBook::handle_timeout(Instant now) {
  while (auto key = expiry_.take_due(now)) remove(*key, LeaseEvent::What::expired);
}

std::optional<LeaseEvent> MappingBook::poll_event() {
  if (events_.empty()) return {};
  LeaseEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

std::optional<Deadline> MappingBook::next_deadline() const {
  auto next = expiry_.next();
  return next ? std::optional(Deadline{*next, "portmap: a lease ends"}) : std::nullopt;
}

void MappingBook::tell(LeaseEvent::What what, const Lease& lease) {
  if (events_.size() == events_max) events_.pop_front();
  events_.push_back({what, lease});
}

bool MappingBook::is_inside(const Address& host) const {
  return std::any_of(networks_.begin(), networks_.end(), [&](const Prefix& p) { return p.contains(host); });
}

uint32_t MappingBook::epoch(Instant now) const {
  return static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(now - epoch_began_).count());
}

const Lease* MappingBook::at(uint8_t protocol, uint16_t outside_port) const {
  auto found = leases_.find({protocol, outside_port});
  return found == leases_.end() ? nullptr : &found->second;
}

const Lease* MappingBook::of(Method method, uint8_t protocol, const Address& inside) const {
  auto found = by_inside_.find(Inside{method, protocol, inside});
  return found == by_inside_.end() ? nullptr : &leases_.at(found->second);
}

std::vector<Lease> MappingBook::of_host(Method method, const Address& host, uint8_t protocol) const {
  std::vector<Lease> out;
  for (const auto& [key, lease] : leases_) {
    if (lease.method != method || !lease.forward.inside.same_ip(host)) continue;
    if (protocol == 0 || protocol == key.first) out.push_back(lease);
  }
  return out;
}

const Lease* MappingBook::nth(size_t index) const {
  if (index >= leases_.size()) return nullptr;
  return &std::next(leases_.begin(), static_cast<std::ptrdiff_t>(index))->second;
}

}  // namespace ginnel::portmap
