// Signals to bytes and back. Knows each message's fields, in one encoding, and the caps of its lists; refuses to know
// who may say what when, which is core/rendezvous's business. Our own format, no RFC.
#include "wire/signal.hpp"

#include <algorithm>
#include <cassert>

#include "wire/address_field.hpp"
#include "wire/message_frame.hpp"

namespace ginnel::wire {

namespace {

enum Type : uint8_t {
  type_register = 1,
  type_registered = 2,
  type_dial = 3,
  type_dial_failed = 4,
  type_incoming = 5,
  type_route_closed = 6,
  type_notice = 7,
  type_vouch = 8,
  type_vouched = 9,
};

uint8_t type_of(const Signal& signal) { return static_cast<uint8_t>(signal.index() + 1); }

// What the numbers above say, said to the compiler: type_of and the variant's order are one.
template <uint8_t type, typename T>
constexpr bool is_type = std::is_same_v<std::variant_alternative_t<type - 1, Signal>, T>;
static_assert(is_type<type_register, Register> && is_type<type_registered, Registered> && is_type<type_dial, Dial> &&
              is_type<type_dial_failed, DialFailed> && is_type<type_incoming, Incoming> &&
              is_type<type_route_closed, RouteClosed> && is_type<type_notice, Notice> &&
              is_type<type_vouch, Vouch> && is_type<type_vouched, Vouched>);

void put(Writer& out, const Register& m) {
  size_t count = std::min(m.services.size(), services_max);
  assert(count == m.services.size());
  out.u8(static_cast<uint8_t>(count));
  for (size_t i = 0; i < count; ++i) out.put(m.services[i]);
}
void put(Writer& out, const Registered& m) { put_address(out, m.observed); }
template <typename M>
void put_introduction(Writer& out, const M& m) {
  out.u32(m.route);
  out.put(m.peer.bytes);
  out.put(m.service);
  out.put(m.session);
}
void put(Writer& out, const Dial& m) { put_introduction(out, m); }
void put(Writer& out, const Incoming& m) { put_introduction(out, m); }
void put(Writer& out, const DialFailed& m) {
  out.u32(m.route);
  out.u8(static_cast<uint8_t>(m.code));
}
void put(Writer& out, const RouteClosed& m) {
  out.u32(m.route);
  out.u8(static_cast<uint8_t>(m.code));
}
void put(Writer& out, const Notice& m) {
  out.u8(static_cast<uint8_t>(m.code));
  out.put(m.service);
}

void put(Writer& out, const Vouch& m) {
  out.u32(m.route);
  out.u8(m.over);
}
void put(Writer& out, const Vouched& m) {
  out.u32(m.route);
  put_address(out, m.observed);
}

// Each read_* gives nothing if a value may not stand there; too few bytes are seen once, by the caller.

bool read_route(Reader& in, RouteNumber& route) {
  route = in.u32();
  return route >= 1 && route <= route_number_max;
}

bool read_code(Reader& in, SignalCode& code) {
  code = static_cast<SignalCode>(in.u8());
  return code >= SignalCode::not_here && code <= SignalCode::closing;
}

std::optional<Signal> read_register(Reader& in) {
  Register m;
  size_t count = in.u8();
  if (count > services_max || in.rest().size() != count * sizeof(ServiceId)) return {};
  m.services.resize(count);
  for (ServiceId& service : m.services) in.fill(std::span(service));
  return m;
}

std::optional<Signal> read_registered(Reader& in) {
  auto observed = read_address(in);
  if (!observed) return {};
  return Registered{*observed};
}

template <typename M>
std::optional<Signal> read_introduction(Reader& in) {
  M m;
  if (!read_route(in, m.route)) return {};
  in.fill(std::span(m.peer.bytes));
  in.fill(std::span(m.service));
  in.fill(std::span(m.session));
  return m;
}

template <typename M>
std::optional<Signal> read_route_and_code(Reader& in) {
  M m;
  if (!read_route(in, m.route) || !read_code(in, m.code)) return {};
  return m;
}

std::optional<Signal> read_notice(Reader& in) {
  Notice m;
  if (!read_code(in, m.code)) return {};
  in.fill(std::span(m.service));
  return m;
}

std::optional<Signal> read_vouch(Reader& in) {
  Vouch m;
  if (!read_route(in, m.route)) return {};
  uint8_t over = in.u8();
  m.over = over == 1;
  if (over > 1) return {};
  return m;
}

std::optional<Signal> read_vouched(Reader& in) {
  Vouched m;
  if (!read_route(in, m.route)) return {};
  auto observed = read_address(in);
  if (!observed) return {};
  m.observed = *observed;
  return m;
}

std::optional<Signal> read_fields(uint8_t type, Reader& in) {
  switch (type) {
    case type_register:
      return read_register(in);
    case type_registered:
      return read_registered(in);
    case type_dial:
      return read_introduction<Dial>(in);
    case type_dial_failed:
      return read_route_and_code<DialFailed>(in);
    case type_incoming:
      return read_introduction<Incoming>(in);
    case type_route_closed:
      return read_route_and_code<RouteClosed>(in);
    case type_vouch:
      return read_vouch(in);
    case type_vouched:
      return read_vouched(in);
    default:
      return read_notice(in);
  }
}

}  // namespace

std::vector<uint8_t> encode(const Signal& signal) {
  return make_message(type_of(signal), signal_size_max,
                      [&](Writer& out) { std::visit([&](const auto& m) { put(out, m); }, signal); });
}

SignalResult next_signal(Bytes stream) {
  SignalResult result;
  MessageFrame frame = next_message_frame(stream, signal_size_max);
  result.malformed = frame.malformed;
  if (frame.size == 0) return result;
  result.size = frame.size;
  if (frame.type < type_register || frame.type > type_vouched) return result;  // a later version's: skipped
  Reader in(frame.fields);
  auto signal = read_fields(frame.type, in);
  // Fields left over are malformed too: one encoding for one message.
  result.malformed = !signal || in.failed() || !in.empty();
  if (!result.malformed) result.signal = std::move(signal);
  return result;
}

}  // namespace ginnel::wire
