#include "core/nat/packet.hpp"

#include "wire/checksum.hpp"
#include "wire/ip_fields.hpp"
#include "wire/tcp.hpp"
#include "wire/udp.hpp"

namespace ginnel::nat {
namespace {

using wire::load16, wire::load32, wire::store16, wire::store32;

ParseFault parse_tcp(Packet& p) {
  if (p.transport_size() < wire::tcp_header_min) return ParseFault::malformed;
  const uint8_t* at = p.transport();
  size_t header = (at[wire::tcp_offset_at] >> 4) * 4u;
  if (header < wire::tcp_header_min || header > p.transport_size()) return ParseFault::malformed;
  p.kind = Packet::Kind::ports;
  p.source_port = load16(at);
  p.destination_port = load16(at + 2);
  p.segment.flags = at[wire::tcp_flags_at];
  p.segment.sequence = load32(at + wire::tcp_sequence_at);
  p.segment.length = static_cast<uint32_t>(p.transport_size() - header) + (p.segment.flags & wire::tcp_syn ? 1 : 0) +
                     (p.segment.flags & wire::tcp_fin ? 1 : 0);
  return ParseFault::none;
}

ParseFault parse_icmp(Packet& p) {
  if (p.transport_size() < wire::icmp_header_size) return ParseFault::malformed;
  const uint8_t* at = p.transport();
  p.icmp_type = at[0];
  if (wire::icmp_is_request(at[0]) || wire::icmp_is_reply(at[0])) {
    p.kind = Packet::Kind::query;
    p.source_port = p.destination_port = load16(at + wire::icmp_id_at);
    return ParseFault::none;
  }
  // RFC 5508 REQ-10: errors; of the rest (redirect, router advertisement, source quench) nothing crosses a NAT.
  if (!wire::icmp_is_error(at[0]) || p.ip.is_fragment()) return ParseFault::unsupported;
  p.kind = Packet::Kind::error;
  return ParseFault::none;
}

/// Where the transport checksum stands; nullptr if there is none to change.
uint8_t* transport_checksum(Packet& p) {
  if (p.kind == Packet::Kind::later_fragment) return nullptr;
  switch (p.ip.protocol) {
    case wire::ip_protocol_udp: {
      uint8_t* at = p.transport() + wire::udp_checksum_at;
      return load16(at) == 0 && !p.offload.partial_checksum ? nullptr : at;  // RFC 768: none was made, none is made up
    }
    case wire::ip_protocol_tcp:
      return p.transport() + wire::tcp_checksum_at;
    case wire::ip_protocol_icmp:
      return p.transport() + wire::icmp_checksum_at;
    default:
      return nullptr;
  }
}

void set_endpoint(Packet& p, size_t ip_at, uint32_t& ip, uint16_t& port, size_t port_at, const Endpoint& to) {
  wire::ChecksumChange addresses;
  addresses.pair(ip, to.ip);
  uint8_t* header = p.bytes.data();
  store32(header + ip_at, to.ip);
  store16(header + wire::ipv4_checksum_at, addresses.apply(load16(header + wire::ipv4_checksum_at)));
  ip = to.ip;
  bool has_port = p.kind == Packet::Kind::ports || p.kind == Packet::Kind::query;
  uint8_t* checksum = transport_checksum(p);
  if (checksum) {
    wire::ChecksumChange change;
    if (p.ip.protocol != wire::ip_protocol_icmp) change = addresses;  // ICMP covers no pseudo header
    if (p.offload.partial_checksum) {  // the field holds the sum itself, not its complement, and no ports yet
      store16(checksum, static_cast<uint16_t>(~change.apply(static_cast<uint16_t>(~load16(checksum)))));
    } else {
      if (has_port) change.word(port, to.port);
      uint16_t sum = change.apply(load16(checksum));
      if (sum == 0 && p.ip.protocol == wire::ip_protocol_udp) sum = 0xffff;  // RFC 768
      store16(checksum, sum);
    }
  }
  if (!has_port) return;
  store16(p.transport() + port_at, to.port);
  // A message of nothing but zeros is the one case that RFC 1624 cannot know: its checksum is ffff, not 0.
  if (p.ip.protocol == wire::ip_protocol_icmp && load16(checksum) == 0 &&
      wire::checksum_add(0, {p.transport(), p.transport_size()}) == 0)
    store16(checksum, 0xffff);
  port = to.port;
  if (p.kind == Packet::Kind::query) p.source_port = p.destination_port = to.port;
}

void set_ip_word(Packet& p, size_t at, uint16_t value) {
  uint8_t* header = p.bytes.data();
  wire::ChecksumChange change;
  change.word(load16(header + at), value);
  store16(header + at, value);
  store16(header + wire::ipv4_checksum_at, change.apply(load16(header + wire::ipv4_checksum_at)));
}

}  // namespace

ParseFault parse_packet(MutableBytes bytes, Offload offload, Packet& out) {
  wire::IpFault fault = wire::parse_ipv4(bytes, out.ip);
  if (fault != wire::IpFault::none)
    return fault == wire::IpFault::bad_checksum ? ParseFault::bad_checksum : ParseFault::malformed;
  out.bytes = bytes.first(out.ip.total);
  out.offload = offload;
  if (out.ip.offset != 0) {
    out.kind = Packet::Kind::later_fragment;
    return ParseFault::none;
  }
  switch (out.ip.protocol) {
    case wire::ip_protocol_udp:
      if (out.transport_size() < wire::udp_header_size) return ParseFault::malformed;
      out.kind = Packet::Kind::ports;
      out.source_port = load16(out.transport() + wire::udp_source_at);
      out.destination_port = load16(out.transport() + wire::udp_destination_at);
      return ParseFault::none;
    case wire::ip_protocol_tcp:
      return parse_tcp(out);
    case wire::ip_protocol_icmp:
      return parse_icmp(out);
    default:
      out.kind = Packet::Kind::other;
      return ParseFault::none;
  }
}

FlowKey peek_flow(Bytes bytes, bool from_source) {
  if (bytes.size() < wire::ipv4_header_min + 4 || bytes[0] != 0x45) return {};
  uint8_t protocol = bytes[9];
  if (protocol != wire::ip_protocol_udp && protocol != wire::ip_protocol_tcp) return {};
  Endpoint source{load32(&bytes[wire::ipv4_source_at]), load16(&bytes[20])};
  Endpoint destination{load32(&bytes[wire::ipv4_destination_at]), load16(&bytes[22])};
  return from_source ? FlowKey{source, destination, protocol} : FlowKey{destination, source, protocol};
}

bool checksum_right(Packet& p) {
  uint8_t* checksum = transport_checksum(p);
  if (!checksum || p.ip.is_fragment() || p.offload.partial_checksum) return true;
  uint64_t sum = 0;
  if (p.ip.protocol != wire::ip_protocol_icmp) {
    const uint8_t* header = p.bytes.data();
    sum = wire::pseudo_header_sum({header + wire::ipv4_source_at, 4}, {header + wire::ipv4_destination_at, 4},
                                  p.ip.protocol, p.transport_size());
  }
  return wire::checksum_fold(wire::checksum_add(sum, {p.transport(), p.transport_size()})) == 0xffff;
}

void set_source(Packet& p, const Endpoint& to) {
  size_t port_at = p.kind == Packet::Kind::query ? wire::icmp_id_at : wire::udp_source_at;
  set_endpoint(p, wire::ipv4_source_at, p.ip.source, p.source_port, port_at, to);
}

void set_destination(Packet& p, const Endpoint& to) {
  size_t port_at = p.kind == Packet::Kind::query ? wire::icmp_id_at : wire::udp_destination_at;
  set_endpoint(p, wire::ipv4_destination_at, p.ip.destination, p.destination_port, port_at, to);
}

void decrement_ttl(Packet& p) {
  --p.ip.ttl;
  set_ip_word(p, wire::ipv4_ttl_at, static_cast<uint16_t>(p.ip.ttl << 8 | p.ip.protocol));
}

void set_ip_id(Packet& p, uint16_t id) {
  p.ip.id = id;
  set_ip_word(p, wire::ipv4_id_at, id);
}

}  // namespace ginnel::nat
