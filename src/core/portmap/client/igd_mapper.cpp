// UPnP as a client uses it: finding the gateway's service, and when to ask it for what. Knows one request at a time;
// refuses to follow the gateway to another host. What a call's answer means is in igd_mapper_calls.cpp. UPnP Device
// Architecture 1.1 sections 1.3.2 (search), 1.3.3 (response), 2.3 (description).
#include "core/portmap/client/igd_mapper.hpp"

#include <algorithm>
#include <utility>

#include "wire/ssdp.hpp"

namespace ginnel::portmap {

void IgdMapper::start(Instant now, const Network& network) {
  stop();
  network_ = network;
  search(now);
}

void IgdMapper::stop() {
  if (pending_) forget_.push_back({pending_->id});
  pending_.reset();
  presence_ = Presence::absent;
  why_ = "not asked";
  name_.clear();
  end_search();
  slots_.clear();
  events_.clear();
  any_port_ = permanent_only_ = false;
  failures_ = 0;
  address_ = {};
  address_asked_.reset();
}

// ---- finding

void IgdMapper::search(Instant now) {
  presence_ = Presence::unknown;
  searches_sent_ = 0;
  next_search_ = now;
  search_ends_ = now + search_limit;
  describe_ends_ = now + describe_limit;
  places_.clear();
  places_read_ = 0;
  last_problem_ = "no answer";
}

void IgdMapper::end_search() {
  next_search_.reset();
  search_ends_.reset();
  describe_ends_.reset();
  to_send_.clear();
}

/// To the group, and to the gateway itself: multicast is often lost in wireless networks.
void IgdMapper::search_turn(Instant now) {
  std::vector<std::string> targets = {std::string(wire::igd_device_prefix) + "1",
                                      std::string(wire::igd_device_prefix) + "2"};
  if (searches_sent_ > 0) targets.push_back("upnp:rootdevice");  // there are devices that know no other name
  for (const auto& target : targets)
    for (const Address& to : {wire::ssdp_group, network_.gateway.with_port(wire::ssdp_group.port)})
      to_send_.emplace_back(to, wire::ssdp_text({wire::SsdpKind::search, target, {}, {}, 1}));
  ++searches_sent_;
  next_search_ = searches_sent_ < searches ? std::optional(now + search_interval) : std::nullopt;
}

void IgdMapper::handle(Instant, Bytes datagram) {
  if (presence_ != Presence::unknown || !search_ends_) return;
  auto message = wire::parse_ssdp(datagram);
  if (!message || message->kind != wire::SsdpKind::response) return;
  auto location = wire::parse_http_url(message->location);
  if (!location || !ours(*location)) {
    last_problem_ = "the gateway names a description elsewhere";
    return;
  }
  found(*location);
}

void IgdMapper::found(const wire::HttpUrl& location) {
  bool known = std::find(places_.begin(), places_.end(), location) != places_.end();
  if (!known && places_.size() < places_max) places_.push_back(location);
}

void IgdMapper::described(const wire::HttpUrl& location, std::string_view body) {
  last_problem_ = "the gateway's description cannot be read";
  auto description = wire::parse_igd_description(as_bytes(body));
  if (!description) return;
  last_problem_ = "the gateway's description names no service that maps ports";
  wire::HttpUrl base = location;
  if (auto given = wire::parse_http_url(description->url_base); given && ours(*given)) base = *given;
  for (const auto& service : description->services) {
    auto control = wire::resolve_http_url(base, service.control_url);
    if (!control || !ours(*control)) continue;
    control_ = *control;
    service_type_ = service.type;
    name_ = description->name;
    any_port_ = service.type.starts_with(wire::igd_ip_connection_prefix) && !service.type.ends_with(":1");
    presence_ = Presence::present;
    return end_search();
  }
}

void IgdMapper::absent(Instant now, const std::string& why) {
  presence_ = Presence::absent;
  why_ = why;
  end_search();
  for (Slot& slot : slots_) refuse(now, slot, why, retry_max);
  slots_.clear();
}

// ---- wanting

void IgdMapper::want(Instant now, std::span<const Wanted> wanted) {
  auto is_wanted = [&](const Slot& slot) {
    return std::find(wanted.begin(), wanted.end(), slot.wanted) != wanted.end();
  };
  std::erase_if(slots_, [&](const Slot& slot) {
    bool asked = slot.added || (pending_ && pending_->wanted == slot.wanted);
    return !is_wanted(slot) && !asked;
  });
  for (Slot& slot : slots_) {
    if (is_wanted(slot) == (slot.state != State::releasing)) continue;
    slot.state = slot.state == State::releasing ? State::asking : State::releasing;
    slot.told.reset();
    slot.next = now;
  }
  for (const Wanted& one : wanted) {
    if (slot_of(one) || slots_.size() >= 2 * wanted_max) continue;
    slots_.push_back({.wanted = one, .port = one.port, .next = now});
  }
}

IgdMapper::Slot* IgdMapper::slot_of(const Wanted& wanted) {
  auto found = std::find_if(slots_.begin(), slots_.end(), [&](const Slot& s) { return s.wanted == wanted; });
  return found == slots_.end() ? nullptr : &*found;
}

// ---- time and polls

void IgdMapper::handle_timeout(Instant now) {
  if (pending_ && now >= pending_->until) {
    forget_.push_back({pending_->id});
    Pending late = *std::exchange(pending_, std::nullopt);
    failed(now, late, "no answer in time");
  }
  if (next_search_ && now >= *next_search_) search_turn(now);
  bool reading = pending_ || places_read_ < places_.size();
  if (search_ends_ && now >= *search_ends_ && (!reading || now >= *describe_ends_)) {
    if (pending_) forget_.push_back({std::exchange(pending_, std::nullopt)->id});
    absent(now, last_problem_);
  }
  for (Slot& slot : slots_) {
    if (now < slot.next) continue;
    if (slot.state == State::refused) {
      slot.state = State::asking;
      slot.ports = 0;
    } else if (slot.state == State::granted && !slot.permanent && now >= slot.granted_at + slot.lifetime) {
      events_.push_back(Lost{slot.wanted, "the lease ended without an answer"});
      slot.state = State::asking;
      slot.told.reset();
      slot.added = false;
    }
  }
}

std::optional<SendDatagram> IgdMapper::poll_datagram(Instant now, MutableBytes room) {
  if (to_send_.empty() && next_search_ && now >= *next_search_) search_turn(now);
  if (to_send_.empty()) return {};
  Writer out(room);
  out.put(as_bytes(to_send_.front().second));
  SendDatagram send{Socket::own, to_send_.front().first, out.written()};
  to_send_.pop_front();
  return send;
}

std::optional<HttpAsk> IgdMapper::poll_http(Instant now) {
  if (pending_) return {};
  if (presence_ == Presence::unknown && places_read_ < places_.size()) return get(now, places_[places_read_]);
  if (presence_ != Presence::present) return {};
  for (Slot& slot : slots_) {
    if (now < slot.next || slot.state == State::refused) continue;
    if (slot.state == State::releasing)
      return call(now, Step::remove, slot.wanted, "DeletePortMapping",
                  {{"NewRemoteHost", ""},
                   {"NewExternalPort", std::to_string(slot.port)},
                   {"NewProtocol", protocol_name(slot.wanted)}});
    if (!address_asked_ || now - *address_asked_ > 1min) {  // once for all that are due now
      address_asked_ = now;
      return call(now, Step::external, slot.wanted, "GetExternalIPAddress", {});
    }
    return add(now, slot);
  }
  return {};
}

std::optional<HttpForget> IgdMapper::poll_forget() {
  if (forget_.empty()) return {};
  HttpForget forget = forget_.front();
  forget_.pop_front();
  return forget;
}

std::optional<MapperEvent> IgdMapper::poll_event() {
  if (events_.empty()) return {};
  MapperEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

std::optional<Deadline> IgdMapper::next_deadline() const {
  std::optional<Deadline> next;
  if (next_search_) next = earlier(next, Deadline{*next_search_, "upnp: search"});
  if (describe_ends_) next = earlier(next, Deadline{*describe_ends_, "upnp: reading takes too long"});
  if (pending_) return earlier(next, Deadline{pending_->until, "upnp: no answer in time"});
  if (search_ends_) next = earlier(next, Deadline{*search_ends_, "upnp: is anybody there"});
  if (presence_ != Presence::present) return next;
  for (const Slot& slot : slots_)
    next = earlier(next, Deadline{slot.next, slot.state == State::granted ? "upnp: renew" : "upnp: ask again"});
  return next;
}

}  // namespace ginnel::portmap
