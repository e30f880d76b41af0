#include "core/conform/packet.hpp"

#include <algorithm>

#include "wire/checksum.hpp"
#include "wire/ip_fields.hpp"
#include "wire/udp.hpp"

namespace ginnel::conform {
namespace {

using wire::load16, wire::load32, wire::store16, wire::store32;

constexpr size_t transport_at = wire::ipv4_header_min;  // what is written has no options

uint32_t ip_of(const Address& address) { return load32(address.ip.data()); }

size_t transport_header(const Packet& p) {
  if (p.offset != 0) return 0;
  switch (p.protocol) {
    case wire::ip_protocol_udp:
      return wire::udp_header_size;
    case wire::ip_protocol_tcp:
      return wire::tcp_header_min;
    case wire::ip_protocol_icmp:
      return wire::icmp_header_size;
    default:
      return 0;
  }
}

size_t checksum_at(uint8_t protocol) {
  return protocol == wire::ip_protocol_udp   ? wire::udp_checksum_at
         : protocol == wire::ip_protocol_tcp ? wire::tcp_checksum_at
                                             : wire::icmp_checksum_at;
}

uint64_t sum_of(Bytes packet, size_t header, uint8_t protocol) {
  uint64_t sum = 0;
  if (protocol != wire::ip_protocol_icmp)
    sum = wire::pseudo_header_sum(packet.subspan(wire::ipv4_source_at, 4), packet.subspan(wire::ipv4_destination_at, 4),
                                  protocol, packet.size() - header);
  return wire::checksum_add(sum, packet.subspan(header));
}

void write_transport(const Packet& p, uint8_t* at) {
  switch (p.protocol) {
    case wire::ip_protocol_udp:
      store16(at + wire::udp_source_at, p.source.port);
      store16(at + wire::udp_destination_at, p.destination.port);
      store16(at + wire::udp_length_at, static_cast<uint16_t>(wire::udp_header_size + p.payload.size()));
      return;
    case wire::ip_protocol_tcp:
      store16(at + wire::tcp_source_at, p.source.port);
      store16(at + wire::tcp_destination_at, p.destination.port);
      store32(at + wire::tcp_sequence_at, p.sequence);
      store32(at + wire::tcp_acknowledgement_at, p.acknowledgement);
      at[wire::tcp_offset_at] = wire::tcp_header_min / 4 << 4;
      at[wire::tcp_flags_at] = p.flags;
      store16(at + 14, 65535);  // the window
      return;
    case wire::ip_protocol_icmp:
      at[0] = p.type;
      at[1] = p.code;
      if (p.is_query()) {
        store16(at + wire::icmp_id_at, wire::icmp_is_reply(p.type) ? p.destination.port : p.source.port);
      } else {
        store32(at + wire::icmp_id_at, p.rest);
      }
  }
}

void read_transport(Packet& p, const uint8_t* at, size_t size) {
  bool has_ports = p.protocol == wire::ip_protocol_udp || p.protocol == wire::ip_protocol_tcp;
  if (has_ports) {
    p.source.port = load16(at + wire::udp_source_at);
    p.destination.port = load16(at + wire::udp_destination_at);
  }
  if (p.protocol == wire::ip_protocol_tcp) {
    p.sequence = load32(at + wire::tcp_sequence_at);
    if (size < wire::tcp_header_min) return;
    p.acknowledgement = load32(at + wire::tcp_acknowledgement_at);
    p.flags = at[wire::tcp_flags_at];
  }
  if (p.protocol == wire::ip_protocol_icmp) {
    p.type = at[0];
    p.code = at[1];
    p.rest = load32(at + wire::icmp_id_at);
    if (p.is_query()) p.source.port = p.destination.port = load16(at + wire::icmp_id_at);
  }
}

/// Reads what follows the IP header; false if it is too short.
bool read_rest(Packet& p, Bytes packet, size_t header, bool quoted) {
  size_t size = packet.size() - header;
  size_t need = transport_header(p);
  if (need == 0) {
    p.payload.assign(packet.begin() + static_cast<ptrdiff_t>(header), packet.end());
    return true;
  }
  if (size < (quoted ? 8 : need)) return false;
  const uint8_t* at = packet.data() + header;
  if (p.protocol == wire::ip_protocol_tcp && size >= need) {
    need = (at[wire::tcp_offset_at] >> 4) * 4u;
    if (need < wire::tcp_header_min || (need > size && !quoted)) return false;
  }
  read_transport(p, at, size);
  if (size > need) p.payload.assign(at + need, at + size);
  return true;
}

bool transport_sum_right(const Packet& p, Bytes packet, size_t header) {
  if (p.is_fragment() || transport_header(p) == 0) return true;
  if (p.protocol == wire::ip_protocol_udp && load16(packet.data() + header + wire::udp_checksum_at) == 0) return true;
  return wire::checksum_fold(sum_of(packet, header, p.protocol)) == 0xffff;
}

Packet from_header(const wire::Ipv4Header& ip, Bytes packet) {
  Packet p;
  p.protocol = ip.protocol;
  p.source = Address::from_ip(packet.subspan(wire::ipv4_source_at, 4), 0);
  p.destination = Address::from_ip(packet.subspan(wire::ipv4_destination_at, 4), 0);
  p.ttl = ip.ttl;
  p.tos = ip.tos;
  p.id = ip.id;
  p.dont_fragment = ip.dont_fragment;
  p.more_fragments = ip.more_fragments;
  p.offset = ip.offset;
  return p;
}

Packet made(uint8_t protocol, const Address& from, const Address& to, std::string_view payload) {
  Packet p;
  p.protocol = protocol;
  p.source = from;
  p.destination = to;
  p.payload.assign(payload.begin(), payload.end());
  return p;
}

}  // namespace

bool Packet::is_query() const {
  return protocol == wire::ip_protocol_icmp && offset == 0 &&
         (wire::icmp_is_request(type) || wire::icmp_is_reply(type));
}
bool Packet::is_error() const {
  return protocol == wire::ip_protocol_icmp && offset == 0 &&
         (wire::icmp_is_error(type) || type == wire::icmp_source_quench || type == wire::icmp_redirect);
}

PacketBytes write(const Packet& p) {
  size_t header = transport_header(p);
  PacketBytes out(transport_at + header + p.payload.size());
  if (header > 0) write_transport(p, out.data() + transport_at);
  std::copy(p.payload.begin(), p.payload.end(), out.begin() + static_cast<ptrdiff_t>(transport_at + header));
  wire::Ipv4Header ip;
  ip.tos = p.tos;
  ip.ttl = p.ttl;
  ip.protocol = p.protocol;
  ip.dont_fragment = p.dont_fragment;
  ip.more_fragments = p.more_fragments;
  ip.total = static_cast<uint16_t>(out.size());
  ip.id = p.id;
  ip.offset = p.offset;
  ip.source = ip_of(p.source);
  ip.destination = ip_of(p.destination);
  wire::put_ipv4(out.data(), ip);
  if (header == 0) return out;
  uint16_t sum = wire::checksum_finish(sum_of(out, transport_at, p.protocol));
  if (sum == 0 && p.protocol == wire::ip_protocol_udp) sum = 0xffff;
  store16(out.data() + transport_at + checksum_at(p.protocol), sum);
  return out;
}

std::optional<Packet> read(Bytes bytes) {
  wire::Ipv4Header ip;
  wire::IpFault fault = wire::parse_ipv4(bytes, ip);
  if (fault == wire::IpFault::malformed) return {};
  if (fault == wire::IpFault::bad_checksum) {  // what else is wrong shows when that is mended
    PacketBytes mended(bytes.begin(), bytes.end());
    mend_header(mended);
    auto p = read(mended);
    if (p) p->checksums_right = false;
    return p;
  }
  Bytes packet = bytes.first(ip.total);
  Packet p = from_header(ip, packet);
  if (!read_rest(p, packet, ip.size, false)) return {};
  p.checksums_right = transport_sum_right(p, packet, ip.size);
  return p;
}

std::optional<Packet> read_quoted(Bytes bytes) {
  wire::Ipv4Header ip;
  wire::IpFault fault = wire::parse_quoted_ipv4(bytes, ip);
  if (fault == wire::IpFault::malformed) return {};
  bool whole = ip.total <= bytes.size();
  Bytes packet = bytes.first(std::min<size_t>(ip.total, bytes.size()));
  Packet p = from_header(ip, packet);
  if (!read_rest(p, packet, ip.size, true)) return {};
  p.checksums_right = fault == wire::IpFault::none && (!whole || transport_sum_right(p, packet, ip.size));
  return p;
}

Packet udp(const Address& from, const Address& to, std::string_view payload) {
  return made(wire::ip_protocol_udp, from, to, payload);
}

Packet tcp(const Address& from, const Address& to, uint8_t flags, uint32_t sequence, uint32_t acknowledgement,
           std::string_view payload) {
  Packet p = made(wire::ip_protocol_tcp, from, to, payload);
  p.flags = flags;
  p.sequence = sequence;
  p.acknowledgement = acknowledgement;
  return p;
}

Packet echo(const Address& from, const Address& to, uint16_t identifier, std::string_view payload) {
  Packet p = made(wire::ip_protocol_icmp, from.with_port(identifier), to.with_port(identifier), payload);
  p.type = wire::icmp_echo;
  return p;
}

Packet echo_reply(const Address& from, const Address& to, uint16_t identifier, std::string_view payload) {
  Packet p = echo(from, to, identifier, payload);
  p.type = wire::icmp_echo_reply;
  return p;
}

Packet icmp_error(const Address& from, const Address& to, uint8_t type, uint8_t code, Bytes quoted, uint32_t rest) {
  Packet p = made(wire::ip_protocol_icmp, from.with_port(0), to.with_port(0), as_text(quoted));
  p.type = type;
  p.code = code;
  p.rest = rest;
  return p;
}

std::vector<PacketBytes> cut(const Packet& packet, size_t step) {
  PacketBytes whole = write(packet);
  Bytes rest = Bytes(whole).subspan(transport_at);
  std::vector<PacketBytes> out;
  for (size_t at = 0; at < rest.size(); at += step) {
    Bytes piece = rest.subspan(at, std::min(step, rest.size() - at));
    PacketBytes fragment(whole.begin(), whole.begin() + transport_at);
    fragment.insert(fragment.end(), piece.begin(), piece.end());
    store16(&fragment[wire::ipv4_total_at], static_cast<uint16_t>(fragment.size()));
    bool more = at + piece.size() < rest.size();
    store16(&fragment[wire::ipv4_fragment_at], static_cast<uint16_t>((more ? wire::ipv4_more_fragments : 0) | at / 8));
    mend_header(fragment);
    out.push_back(std::move(fragment));
  }
  return out;
}

void mend_header(MutableBytes packet) {
  size_t header = (packet[0] & 15) * size_t{4};
  store16(&packet[wire::ipv4_checksum_at], 0);
  store16(&packet[wire::ipv4_checksum_at], wire::internet_checksum(packet.first(header)));
}

}  // namespace ginnel::conform
