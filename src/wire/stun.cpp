// STUN layout, read and written with bounded cursors. Knows the header, the attributes named in the header file and
// nothing of keys: MESSAGE-INTEGRITY is twenty bytes at an offset; an attribute it does not know is a flag, never an
// error. RFC 8489 sections 5, 6.3, 14; RFC 8445 section 16.1; RFC 5780 section 7.
#include "wire/stun.hpp"

#include <algorithm>
#include <cassert>

#include "wire/crc32.hpp"

namespace ginnel::wire {

namespace {

constexpr uint32_t magic_cookie = 0x2112a442;      // RFC 8489 section 5
constexpr uint32_t fingerprint_mask = 0x5354554e;  // RFC 8489 section 14.7: "STUN"
constexpr size_t header_size = 20;                 // RFC 8489 section 5
constexpr size_t integrity_size = 4 + 20;          // with the attribute's header
constexpr size_t fingerprint_size = 4 + 4;         // likewise
constexpr size_t username_max = 508;               // RFC 8489 section 14.3: fewer than 509 bytes
constexpr size_t padded_message_max = 65000;       // pad_to's promise: fits a UDP datagram

enum Attribute : uint16_t {
  attr_mapped_address = 0x0001,      // RFC 8489 section 14.1: read by nobody here, but not unknown
  attr_change_request = 0x0003,      // RFC 5780 section 7.2
  attr_username = 0x0006,            // RFC 8489 section 14.3
  attr_integrity = 0x0008,           // RFC 8489 section 14.5
  attr_error_code = 0x0009,          // RFC 8489 section 14.8
  attr_unknown_attributes = 0x000a,  // RFC 8489 section 14.9: comes with error 420
  attr_xor_mapped_address = 0x0020,  // RFC 8489 section 14.2
  attr_priority = 0x0024,            // RFC 8445 section 16.1
  attr_use_candidate = 0x0025,       // RFC 8445 section 16.1
  attr_padding = 0x0026,             // RFC 5780 section 7.6
  attr_response_port = 0x0027,       // RFC 5780 section 7.5
  attr_fingerprint = 0x8028,         // RFC 8489 section 14.7
  attr_ice_controlled = 0x8029,      // RFC 8445 section 16.1
  attr_ice_controlling = 0x802a,     // RFC 8445 section 16.1
  attr_response_origin = 0x802b,     // RFC 5780 section 7.3
  attr_other_address = 0x802c,       // RFC 5780 section 7.4
  attr_server_instance = 0xc47e,     // ours
};

// RFC 8489 section 5, figure 3: the class bits sit at 4 and 8, inside the method's twelve bits.
uint16_t message_type(StunClass cls, uint16_t method) {
  uint16_t c = static_cast<uint16_t>(cls);
  return static_cast<uint16_t>((method & 0x0f80) << 2 | (method & 0x0070) << 1 | (method & 0x000f) | (c & 2) << 7 |
                               (c & 1) << 4);
}
StunClass class_of(uint16_t type) { return static_cast<StunClass>((type >> 7 & 2) | (type >> 4 & 1)); }
uint16_t method_of(uint16_t type) {
  return static_cast<uint16_t>((type & 0x3e00) >> 2 | (type & 0x00e0) >> 1 | (type & 0x000f));
}

// RFC 8489 section 14.2: the port is masked with the cookie's first half, an IPv4 address with the cookie, an IPv6
// address with cookie and transaction id.
std::array<uint8_t, 16> address_mask(const TransactionId& id) {
  std::array<uint8_t, 16> mask;
  Writer out(mask);
  out.u32(magic_cookie);
  out.put(id);
  return mask;
}

void mask_ip(MutableBytes ip, const TransactionId& id) {
  std::array<uint8_t, 16> mask = address_mask(id);
  for (size_t i = 0; i < ip.size(); ++i) ip[i] ^= mask[i];
}

std::optional<Address> read_xor_address(Bytes value, const TransactionId& id) {
  Reader in(value);
  in.u8();  // "MUST be ignored by receivers"
  uint8_t family = in.u8();
  uint16_t port = in.u16() ^ static_cast<uint16_t>(magic_cookie >> 16);
  size_t size = family == 1 ? 4 : family == 2 ? 16 : 0;
  if (size == 0 || in.rest().size() != size) return {};
  std::array<uint8_t, 16> ip;
  MutableBytes plain = MutableBytes(ip).first(size);
  std::memcpy(plain.data(), in.rest().data(), size);
  mask_ip(plain, id);
  return Address::from_ip(plain, port);
}

// RFC 8489 section 14.1: as it is, which is how RFC 5780 writes addresses.
std::optional<Address> read_plain_address(Bytes value) {
  Reader in(value);
  in.u8();
  uint8_t family = in.u8();
  uint16_t port = in.u16();
  size_t size = family == 1 ? 4 : family == 2 ? 16 : 0;
  if (size == 0 || in.rest().size() != size) return {};
  return Address::from_ip(in.rest(), port);
}

std::optional<uint16_t> read_error_code(Bytes value) {
  Reader in(value);
  uint32_t word = in.u32();
  uint32_t hundreds = word >> 8 & 7, number = word & 0xff;
  if (in.failed() || hundreds < 3 || hundreds > 6 || number > 99) return {};  // RFC 8489 section 14.8
  return static_cast<uint16_t>(hundreds * 100 + number);
}

template <typename T>
bool read_number(std::optional<T>& field, Bytes value) {
  if (value.size() != sizeof(T)) return false;
  uint64_t number = 0;
  for (uint8_t byte : value) number = number << 8 | byte;
  field = static_cast<T>(number);
  return true;
}

// The first of repeated attributes counts (RFC 8489 section 14), so a field that is set stays. False: malformed.
bool read_attribute(StunMessage& m, uint16_t type, Bytes value) {
  switch (type) {
    case attr_xor_mapped_address:
      if (m.xor_mapped_address) return true;
      m.xor_mapped_address = read_xor_address(value, m.id);
      return m.xor_mapped_address.has_value();
    case attr_username:
      if (m.username) return true;
      if (value.size() > username_max) return false;
      m.username = as_text(value);
      return true;
    case attr_error_code:
      if (m.error_code) return true;
      m.error_code = read_error_code(value);
      return m.error_code.has_value();
    case attr_priority:
      return m.priority || read_number(m.priority, value);
    case attr_use_candidate:
      m.use_candidate = true;
      return value.empty();
    case attr_ice_controlled:
      return m.ice_controlled || read_number(m.ice_controlled, value);
    case attr_ice_controlling:
      return m.ice_controlling || read_number(m.ice_controlling, value);
    case attr_server_instance:
      return m.server_instance || read_number(m.server_instance, value);
    case attr_change_request:
      return m.change_request || read_number(m.change_request, value);
    case attr_response_port:  // RFC 5780 section 7.5: two bytes of port, two of padding, which its length may count
      if (m.response_port) return true;
      if (value.size() != 2 && value.size() != 4) return false;
      return read_number(m.response_port, value.first(2));
    case attr_response_origin:
      if (!m.response_origin) m.response_origin = read_plain_address(value);
      return m.response_origin.has_value();
    case attr_other_address:
      if (!m.other_address) m.other_address = read_plain_address(value);
      return m.other_address.has_value();
    case attr_mapped_address:
    case attr_unknown_attributes:
    case attr_padding:
      return true;
    default:
      if (type < 0x8000) m.unknown_required = true;  // RFC 8489 section 14: comprehension-required range
      return true;
  }
}

// RFC 8489 section 14.7: over everything before the attribute; the header's length already counts it, and since it
// must be last, that is the length as received.
bool fingerprint_is_right(Bytes datagram, size_t offset, Bytes value) {
  Reader in(value);
  return value.size() == 4 && offset + fingerprint_size == datagram.size() &&
         in.u32() == (crc32(datagram.first(offset)) ^ fingerprint_mask);
}

}  // namespace

std::optional<StunMessage> parse_stun(Bytes datagram) {
  // RFC 8489 section 6.3: two zero bits, the cookie, a length that is right and a multiple of four.
  Reader in(datagram);
  uint16_t type = in.u16();
  uint16_t length = in.u16();
  uint32_t cookie = in.u32();
  StunMessage m;
  in.fill(std::span(m.id));
  if (in.failed() || (type & 0xc000) != 0 || cookie != magic_cookie) return {};
  if (length % 4 != 0 || length != in.rest().size()) return {};
  m.cls = class_of(type);
  m.method = method_of(type);
  m.size = datagram.size();

  while (!in.empty()) {
    size_t offset = datagram.size() - in.rest().size();
    uint16_t attribute = in.u16();
    uint16_t size = in.u16();
    Bytes value = in.take(size);
    in.take((4 - size % 4) % 4);  // RFC 8489 section 14: padded to four bytes, of any value
    if (in.failed()) return {};
    if (attribute == attr_fingerprint) {
      if (!fingerprint_is_right(datagram, offset, value)) return {};
      m.fingerprint_ok = true;
    } else if (m.integrity) {
      continue;  // RFC 8489 section 14.5: nobody vouches for what stands behind it
    } else if (attribute == attr_integrity) {
      if (value.size() != 20) return {};
      m.integrity.emplace();
      std::copy(value.begin(), value.end(), m.integrity->begin());
      m.integrity_offset = offset;
    } else if (!read_attribute(m, attribute, value)) {
      return {};
    }
  }
  return m;
}

Bytes stun_integrity_input(Bytes datagram, const StunMessage& message, MutableBytes room) {
  size_t size = message.integrity_offset;
  assert(message.integrity && size >= header_size && size <= datagram.size() && size <= room.size());
  std::memcpy(room.data(), datagram.data(), size);
  // RFC 8489 section 14.5: the length counts up to the end of MESSAGE-INTEGRITY, not what follows it.
  Writer length(room.subspan(2, 2));
  length.u16(static_cast<uint16_t>(size - header_size + integrity_size));
  return room.first(size);
}

StunWriter::StunWriter(MutableBytes room, StunClass cls, uint16_t method, const TransactionId& id)
    : out_(room), room_(room) {
  out_.u16(message_type(cls, method));
  out_.u16(0);
  out_.u32(magic_cookie);
  out_.put(id);
}

void StunWriter::xor_mapped_address(const Address& address) {
  std::array<uint8_t, 20> value;
  Writer out(value);
  out.u8(0);
  out.u8(address.v6 ? 2 : 1);
  out.u16(address.port ^ static_cast<uint16_t>(magic_cookie >> 16));
  out.put(address.ip_bytes());
  TransactionId id;  // as the constructor wrote it
  if (out_.failed()) return;
  std::copy_n(room_.begin() + 8, id.size(), id.begin());
  mask_ip(out.written().subspan(4), id);
  attribute(attr_xor_mapped_address, out.written());
}

void StunWriter::username(std::string_view local_remote) {
  assert(local_remote.size() <= username_max);
  attribute(attr_username, as_bytes(local_remote));
}

void StunWriter::error_code(uint16_t code) {
  assert(code >= 300 && code <= 699);  // RFC 8489 section 14.8
  std::array<uint8_t, 4> value{0, 0, static_cast<uint8_t>(code / 100), static_cast<uint8_t>(code % 100)};
  attribute(attr_error_code, value);
}

void StunWriter::priority(uint32_t value) {
  std::array<uint8_t, 4> raw;
  Writer(raw).u32(value);
  attribute(attr_priority, raw);
}

void StunWriter::use_candidate() { attribute(attr_use_candidate, {}); }

void StunWriter::ice_controlled(uint64_t tie_breaker) {
  std::array<uint8_t, 8> raw;
  Writer(raw).u64(tie_breaker);
  attribute(attr_ice_controlled, raw);
}

void StunWriter::ice_controlling(uint64_t tie_breaker) {
  std::array<uint8_t, 8> raw;
  Writer(raw).u64(tie_breaker);
  attribute(attr_ice_controlling, raw);
}

void StunWriter::server_instance(uint32_t value) {
  std::array<uint8_t, 4> raw;
  Writer(raw).u32(value);
  attribute(attr_server_instance, raw);
}

void StunWriter::change_request(uint32_t flags) {
  std::array<uint8_t, 4> raw;
  Writer(raw).u32(flags);
  attribute(attr_change_request, raw);
}

void StunWriter::response_port(uint16_t port) {
  std::array<uint8_t, 4> raw{};
  Writer(raw).u16(port);
  attribute(attr_response_port, raw);
}

void StunWriter::response_origin(const Address& address) { plain_address(attr_response_origin, address); }

void StunWriter::other_address(const Address& address) { plain_address(attr_other_address, address); }

void StunWriter::plain_address(uint16_t type, const Address& address) {
  std::array<uint8_t, 20> value;
  Writer out(value);
  out.u8(0);
  out.u8(address.v6 ? 2 : 1);
  out.u16(address.port);
  out.put(address.ip_bytes());
  attribute(type, out.written());
}

void StunWriter::pad_to(size_t total) {
  assert(total % 4 == 0 && total <= padded_message_max);
  size_t end = out_.size() + integrity_size + fingerprint_size;
  if (total < end + 4) return;
  size_t padding = total - end - 4;
  out_.u16(attr_padding);
  out_.u16(static_cast<uint16_t>(padding));
  out_.zeros(padding);
}

Bytes StunWriter::integrity_input() {
  set_length(out_.size() - header_size + integrity_size);
  return out_.written();
}

void StunWriter::integrity(const std::array<uint8_t, 20>& mac) { attribute(attr_integrity, mac); }

void StunWriter::fingerprint() {
  set_length(out_.size() - header_size + fingerprint_size);  // RFC 8489 section 14.7: counts itself
  std::array<uint8_t, 4> value;
  Writer(value).u32(crc32(out_.written()) ^ fingerprint_mask);
  attribute(attr_fingerprint, value);
}

Bytes StunWriter::finish() {
  if (out_.failed()) return {};
  set_length(out_.size() - header_size);
  return out_.written();
}

void StunWriter::attribute(uint16_t type, Bytes value) {
  out_.u16(type);
  out_.u16(static_cast<uint16_t>(value.size()));
  out_.put(value);
  out_.zeros((4 - value.size() % 4) % 4);
}

void StunWriter::set_length(size_t body) {
  if (!out_.failed()) Writer(room_.subspan(2, 2)).u16(static_cast<uint16_t>(body));
}

}  // namespace ginnel::wire
