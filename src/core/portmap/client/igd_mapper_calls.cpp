// What the client asks a gateway's service, and what its answers mean. Knows the error codes that can be helped;
// refuses to try for ever. UPnP Device Architecture 1.1 section 3.2; WANIPConnection:1 and :2 (errors of
// AddPortMapping).
#include <algorithm>
#include <charconv>
#include <utility>

#include "core/portmap/client/igd_mapper.hpp"
#include "wire/ip.hpp"

namespace ginnel::portmap {

namespace {

enum Error : uint16_t {
  invalid_action = 401,
  invalid_args = 402,
  action_failed = 501,
  not_implemented = 602,
  not_authorized = 606,
  conflict = 718,
  same_ports_required = 724,
  only_permanent = 725,
  no_port_maps = 728,
  conflict_elsewhere = 729,
};

constexpr uint16_t port_first = 20000, port_last = 60000;  ///< of outside ports chosen by chance

std::string seconds_text(Duration d) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(d).count());
}

std::optional<uint16_t> port_of(std::string_view text) {
  uint16_t value = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size() || value == 0) return {};
  return value;
}

std::string sentence(const wire::SoapAnswer& answer) {
  switch (answer.error) {
    case not_authorized:
      return "the gateway does not allow it";
    case no_port_maps:
      return "the gateway has no room";
    case conflict:
    case conflict_elsewhere:
      return "the outside ports tried are taken";
    default:
      return "the gateway answers with UPnP error " + std::to_string(answer.error) + " (" + answer.error_text + ")";
  }
}

}  // namespace

std::string IgdMapper::protocol_name(const Wanted& wanted) {
  return wanted.protocol == wire::ip_protocol_tcp ? "TCP" : "UDP";
}

// ---- asking

HttpAsk IgdMapper::get(Instant now, const wire::HttpUrl& at) {
  pending_ = Pending{next_id_++, Step::describe, {}, now + http_limit + 1s};
  return {pending_->id, at.host, "GET", at.path, {}, {}, body_max, http_limit};
}

HttpAsk IgdMapper::call(Instant now, Step step, const Wanted& wanted, const std::string& action,
                        wire::SoapArguments arguments) {
  pending_ = Pending{next_id_++, step, wanted, now + http_limit + 1s, action};
  return {pending_->id,
          control_.host,
          "POST",
          control_.path,
          {{"Content-Type", "text/xml; charset=\"utf-8\""}, {"SOAPAction", wire::soap_action(service_type_, action)}},
          wire::soap_call(service_type_, {action, std::move(arguments)}),
          body_max,
          http_limit};
}

HttpAsk IgdMapper::add(Instant now, const Slot& slot) {
  return call(now, Step::add, slot.wanted, any_port_ ? "AddAnyPortMapping" : "AddPortMapping",
              {{"NewRemoteHost", ""},
               {"NewExternalPort", std::to_string(slot.port)},
               {"NewProtocol", protocol_name(slot.wanted)},
               {"NewInternalPort", std::to_string(slot.wanted.port)},
               {"NewInternalClient", network_.local.ip_to_string()},
               {"NewEnabled", "1"},
               {"NewPortMappingDescription", "ginnel"},
               {"NewLeaseDuration", permanent_only_ ? "0" : seconds_text(lifetime_asked)}});
}

// ---- hearing

void IgdMapper::handle(Instant now, const HttpAnswer& answer) {
  if (!pending_ || pending_->id != answer.id) return;
  Pending pending = *std::exchange(pending_, std::nullopt);
  if (pending.step != Step::describe) return answered(now, pending, answer.status, answer.body);
  wire::HttpUrl location = places_[places_read_++];
  // Redirects are refused: the description is where the gateway said, or nowhere.
  if (answer.status == 200 && answer.body.size() <= body_max) return described(location, answer.body);
  last_problem_ = "the gateway answers with HTTP status " + std::to_string(answer.status);
}

void IgdMapper::handle(Instant now, const HttpFailed& failure) {
  if (!pending_ || pending_->id != failure.id) return;
  failed(now, *std::exchange(pending_, std::nullopt), failure.why);
}

/// Its HTTP server went, or moved to another port (a restart): look for it once more, then give up.
void IgdMapper::failed(Instant now, const Pending& pending, const std::string& why) {
  if (pending.step == Step::describe) {
    ++places_read_;
    last_problem_ = why;
    return;
  }
  Slot* slot = slot_of(pending.wanted);
  if (slot && slot->state == State::releasing) {
    slots_.erase(slots_.begin() + (slot - slots_.data()));
    return;
  }
  address_asked_.reset();
  if (++failures_ > 1) return absent(now, why);
  search(now);
}

void IgdMapper::answered(Instant now, const Pending& pending, unsigned status, const std::string& body) {
  std::optional<wire::SoapAnswer> answer;
  if ((status == 200 || status == 500) && body.size() <= body_max)
    answer = wire::parse_soap_answer(as_bytes(body), pending.action);
  if (!answer) return failed(now, pending, "the gateway answers a call with HTTP status " + std::to_string(status));
  failures_ = 0;
  if (pending.step == Step::external) return external_answered(now, *answer);
  if (pending.step == Step::add) return add_answered(now, pending, *answer);
  std::erase_if(slots_, [&](const Slot& s) { return s.wanted == pending.wanted && s.state == State::releasing; });
}

void IgdMapper::external_answered(Instant now, const wire::SoapAnswer& answer) {
  auto text = wire::soap_value(answer.values, "NewExternalIPAddress");
  auto address = text ? Address::parse(std::string(*text) + ":0") : std::nullopt;
  if (address && !address->v6 && is_endpoint(address->with_port(1))) {
    address_ = *address;
    return;
  }
  address_asked_.reset();
  for (Slot& slot : slots_)
    if (now >= slot.next) refuse(now, slot, "the gateway has no outside address", retry_min);
}

void IgdMapper::add_answered(Instant now, const Pending& pending, const wire::SoapAnswer& answer) {
  Slot* slot = slot_of(pending.wanted);
  if (!slot) return;
  if (answer.error) return add_refused(now, *slot, answer);
  if (pending.action == "AddAnyPortMapping") {
    auto port = port_of(wire::soap_value(answer.values, "NewReservedPort").value_or(""));
    if (!port) return refuse(now, *slot, "the gateway grants no possible port", retry_min);
    slot->port = *port;
  }
  slot->added = true;
  if (slot->state == State::releasing) return;  // not wanted any more: poll_http takes it back
  grant(now, *slot);
}

void IgdMapper::grant(Instant now, Slot& slot) {
  Address external = address_.with_port(slot.port);
  slot.state = State::granted;
  slot.ports = 0;
  slot.granted_at = now;
  slot.permanent = permanent_only_;
  slot.lifetime = permanent_only_ ? lifetime_believed : lifetime_asked;
  slot.next = permanent_only_ ? now + permanent_check : now + renewal_after(slot.lifetime, 0, rng_);
  if (std::exchange(slot.told, external) != external) events_.push_back(Granted{slot.wanted, external, slot.lifetime});
}

void IgdMapper::add_refused(Instant now, Slot& slot, const wire::SoapAnswer& answer) {
  if (slot.state == State::releasing) {
    std::erase_if(slots_, [&](const Slot& s) { return s.wanted == slot.wanted && !s.added; });
    return;
  }
  slot.next = now;  // once more, if what follows finds another way to ask
  switch (answer.error) {
    case invalid_action:
    case not_implemented:
      if (!std::exchange(any_port_, false)) break;
      return;
    case only_permanent:
      if (std::exchange(permanent_only_, true)) break;
      return;
    case invalid_args:
    case action_failed:  // so say some devices that take no leases
      if (!std::exchange(permanent_only_, true)) return;
      permanent_only_ = false;
      break;
    case same_ports_required:
      if (slot.port == slot.wanted.port) break;
      slot.port = slot.wanted.port;
      return;
    case conflict:
    case conflict_elsewhere:
      if (++slot.ports >= ports_tried) break;
      slot.port = static_cast<uint16_t>(port_first + rng_.below(port_last - port_first));
      slot.added = false;
      return;
    default:
      break;
  }
  refuse(now, slot, sentence(answer), answer.error == not_authorized ? retry_max : retry_min);
}

void IgdMapper::refuse(Instant now, Slot& slot, const std::string& why, Duration retry) {
  if (slot.state == State::releasing) return;
  if (slot.told)
    events_.push_back(Lost{slot.wanted, why});
  else if (slot.state == State::asking)
    events_.push_back(Refused{slot.wanted, why});
  slot.state = State::refused;
  slot.told.reset();
  slot.added = false;
  slot.next = now + retry;
}

}  // namespace ginnel::portmap
