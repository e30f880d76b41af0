// PCP messages to bytes and back. Knows every length and the options' places; refuses to know time and mappings. RFC
// 6887 sections 7 (headers, options), 8.2 and 8.3 (what is answered how), 11.1, 12.1, 13.
#include "wire/pcp.hpp"

#include <algorithm>
#include <cassert>

namespace ginnel::wire {

namespace {

constexpr uint8_t response_bit = 0x80;
constexpr size_t map_size = 36, peer_size = 56;

enum Option : uint8_t { option_third_party = 1, option_prefer_failure = 2, option_filter = 3, option_optional = 128 };

// Section 5: an IPv4 address is written as IPv4-mapped IPv6.
void put_ip(Writer& out, const Address& address) {
  if (!address.v6) {
    out.zeros(10);
    out.u16(0xffff);
  }
  out.put(address.ip_bytes());
}

Address read_ip(Reader& in, uint16_t port = 0) { return Address::from_ip(in.take(16), port); }

void put_mapping(Writer& out, const PcpMapping& m) {
  out.put(m.nonce);
  out.u8(m.protocol);
  out.zeros(3);
  out.u16(m.internal_port);
  out.u16(m.external.port);
  put_ip(out, m.external);
}

PcpMapping read_mapping(Reader& in) {
  PcpMapping m;
  in.fill(std::span(m.nonce));
  m.protocol = in.u8();
  in.take(3);
  m.internal_port = in.u16();
  uint16_t port = in.u16();
  m.external = read_ip(in, port);
  return m;
}

void put_body(Writer& out, PcpOpcode opcode, const PcpMapping& mapping, const Address& peer) {
  if (opcode == PcpOpcode::announce) return;
  put_mapping(out, mapping);
  if (opcode == PcpOpcode::map) return;
  out.u16(peer.port);
  out.u16(0);
  put_ip(out, peer);
}

void read_body(Reader& in, PcpOpcode opcode, PcpMapping& mapping, Address& peer) {
  if (opcode == PcpOpcode::announce) return;
  mapping = read_mapping(in);
  if (opcode == PcpOpcode::map) return;
  uint16_t port = in.u16();
  in.take(2);
  peer = read_ip(in, port);
}

size_t body_size(PcpOpcode opcode) {
  return opcode == PcpOpcode::announce ? 0 : opcode == PcpOpcode::map ? map_size : peer_size;
}

void put_option(Writer& out, uint8_t code, uint16_t size) {
  out.u8(code);
  out.u8(0);
  out.u16(size);
}

void put_options(Writer& out, const PcpOptions& options) {
  if (options.third_party) {
    put_option(out, option_third_party, 16);
    put_ip(out, *options.third_party);
  }
  if (options.prefer_failure) put_option(out, option_prefer_failure, 0);
  for (const auto& filter : options.filters) {
    put_option(out, option_filter, 20);
    out.u8(0);
    out.u8(filter.prefix);
    out.u16(filter.remote.port);
    put_ip(out, filter.remote);
  }
}

std::optional<PcpFilter> read_filter(Reader& data) {
  PcpFilter filter;
  data.take(1);
  filter.prefix = data.u8();
  uint16_t port = data.u16();
  filter.remote = read_ip(data, port);
  // Section 13.3: the prefix counts the 96 bits before an IPv4 address too.
  bool fits = filter.prefix <= 128 && (filter.remote.v6 || filter.prefix == 0 || filter.prefix >= 96);
  return fits ? std::optional(filter) : std::nullopt;
}

// Section 7.3. `code` is in the range that must be understood.
PcpResult read_known_option(uint8_t code, Bytes data, PcpOpcode opcode, PcpOptions& out) {
  Reader in(data);
  switch (code) {
    case option_third_party:  // section 13.1: MAP and PEER, once
      if (opcode == PcpOpcode::announce || out.third_party || data.size() != 16) return PcpResult::malformed_option;
      out.third_party = read_ip(in);
      return PcpResult::success;
    case option_prefer_failure:  // section 13.2: MAP, once
      if (opcode != PcpOpcode::map || out.prefer_failure || !data.empty()) return PcpResult::malformed_option;
      out.prefer_failure = true;
      return PcpResult::success;
    case option_filter: {  // section 13.3: MAP, often
      if (opcode != PcpOpcode::map || data.size() != 20) return PcpResult::malformed_option;
      auto filter = read_filter(in);
      if (!filter) return PcpResult::malformed_option;
      out.filters.push_back(*filter);
      return PcpResult::success;
    }
    default:
      return PcpResult::unsupp_option;
  }
}

PcpResult read_options(Reader& in, PcpOpcode opcode, PcpOptions& out) {
  while (!in.empty()) {
    uint8_t code = in.u8();
    in.take(1);
    size_t size = in.u16();
    Bytes data = in.take(size);
    in.take((4 - size % 4) % 4);
    if (in.failed()) return PcpResult::malformed_option;
    if (code >= option_optional) continue;  // section 7.3: may be ignored
    if (auto result = read_known_option(code, data, opcode, out); result != PcpResult::success) return result;
  }
  return PcpResult::success;
}

}  // namespace

PcpIncoming parse_pcp_request(Bytes datagram) {
  if (datagram.size() < 2 || datagram[1] & response_bit) return {};
  if (datagram[0] != pcp_version) return PcpResult::unsupp_version;  // section 9: before anything else is believed
  if (datagram.size() < pcp_header_size || datagram.size() > pcp_message_max || datagram.size() % 4 != 0)
    return PcpResult::malformed_request;
  Reader in(datagram);
  in.take(1);
  uint8_t opcode = in.u8();
  if (opcode > static_cast<uint8_t>(PcpOpcode::peer)) return PcpResult::unsupp_opcode;
  PcpRequest request;
  request.opcode = static_cast<PcpOpcode>(opcode);
  in.take(2);
  request.lifetime = in.u32();
  request.client = read_ip(in);
  if (in.rest().size() < body_size(request.opcode)) return PcpResult::malformed_request;
  read_body(in, request.opcode, request.mapping, request.peer);
  if (auto result = read_options(in, request.opcode, request.options); result != PcpResult::success) return result;
  return request;
}

std::optional<PcpResponse> parse_pcp_response(Bytes datagram) {
  if (datagram.size() < pcp_header_size || datagram.size() > pcp_message_max || datagram.size() % 4 != 0) return {};
  Reader in(datagram);
  PcpResponse response;
  response.version = in.u8();
  uint8_t opcode = in.u8();
  in.take(1);
  response.result = static_cast<PcpResult>(in.u8());
  if (!(opcode & response_bit)) return {};
  if (response.version != pcp_version) {
    if (response.result != PcpResult::unsupp_version) return {};
    return response;
  }
  opcode &= static_cast<uint8_t>(~response_bit);
  if (opcode > static_cast<uint8_t>(PcpOpcode::peer)) return {};
  response.opcode = static_cast<PcpOpcode>(opcode);
  response.lifetime = in.u32();
  response.epoch = in.u32();
  in.take(12);
  read_body(in, response.opcode, response.mapping, response.peer);
  if (in.failed()) return {};
  return response;
}

Bytes put_pcp_request(const PcpRequest& request, MutableBytes room) {
  Writer out(room);
  out.u8(pcp_version);
  out.u8(static_cast<uint8_t>(request.opcode));
  out.u16(0);
  out.u32(request.lifetime);
  put_ip(out, request.client);
  put_body(out, request.opcode, request.mapping, request.peer);
  put_options(out, request.options);
  assert(!out.failed() && out.size() <= pcp_message_max);
  return out.written();
}

Bytes put_pcp_response(const PcpResponse& response, MutableBytes room) {
  Writer out(room);
  out.u8(response.version);
  out.u8(static_cast<uint8_t>(response.opcode) | response_bit);
  out.u8(0);
  out.u8(static_cast<uint8_t>(response.result));
  out.u32(response.lifetime);
  out.u32(response.epoch);
  out.zeros(12);
  put_body(out, response.opcode, response.mapping, response.peer);
  put_options(out, response.options);
  assert(!out.failed() && out.size() <= pcp_message_max);
  return out.written();
}

Bytes put_pcp_error(Bytes request, PcpResult result, uint32_t lifetime, uint32_t epoch, MutableBytes room) {
  assert(request.size() >= 2 && room.size() >= pcp_message_max);
  bool known = request[0] == pcp_version;
  Writer out(room.first(pcp_message_max));
  out.u8(pcp_version);
  out.u8(request[1] | response_bit);
  out.u8(0);
  out.u8(static_cast<uint8_t>(result));
  out.u32(lifetime);
  out.u32(epoch);
  out.zeros(12);
  if (known && request.size() > pcp_header_size) {
    size_t size = std::min(request.size(), pcp_message_max) - pcp_header_size;
    out.put(request.subspan(pcp_header_size, size));
    out.zeros((4 - size % 4) % 4);
  }
  assert(!out.failed());
  return out.written();
}

}  // namespace ginnel::wire
