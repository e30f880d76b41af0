#include "wire/ip.hpp"

#include "wire/checksum.hpp"
#include "wire/ip_fields.hpp"

namespace ginnel::wire {
namespace {

void read_ipv4(const uint8_t* at, Ipv4Header& out) {
  out.size = static_cast<uint8_t>((at[0] & 15) * 4);
  out.tos = at[1];
  out.total = load16(at + ipv4_total_at);
  out.id = load16(at + ipv4_id_at);
  uint16_t fragment = load16(at + ipv4_fragment_at);
  out.dont_fragment = fragment & ipv4_dont_fragment;
  out.more_fragments = fragment & ipv4_more_fragments;
  out.offset = static_cast<uint16_t>((fragment & 0x1fff) * 8);
  out.ttl = at[ipv4_ttl_at];
  out.protocol = at[ipv4_ttl_at + 1];
  out.source = load32(at + ipv4_source_at);
  out.destination = load32(at + ipv4_destination_at);
}

}  // namespace

IpFault parse_quoted_ipv4(Bytes quoted, Ipv4Header& out) {
  if (quoted.size() < ipv4_header_min || quoted[0] >> 4 != 4) return IpFault::malformed;
  read_ipv4(quoted.data(), out);
  if (out.size < ipv4_header_min || out.size > quoted.size() || out.total < out.size) return IpFault::malformed;
  if (checksum_fold(checksum_add(0, quoted.first(out.size))) != 0xffff) return IpFault::bad_checksum;
  return IpFault::none;
}

IpFault parse_ipv4(Bytes packet, Ipv4Header& out) {
  IpFault fault = parse_quoted_ipv4(packet, out);
  if (fault == IpFault::none && out.total > packet.size()) return IpFault::malformed;
  // RFC 791 section 3.2: fragments end on multiples of eight; none reaches beyond the largest datagram.
  if (fault == IpFault::none && out.is_fragment()) {
    size_t payload = out.total - out.size;
    if (payload == 0 || (out.more_fragments && payload % 8) || out.offset + payload > 65535u) return IpFault::malformed;
  }
  return fault;
}

void put_ipv4(uint8_t* room, const Ipv4Header& header) {
  room[0] = 0x45;
  room[1] = header.tos;
  store16(room + ipv4_total_at, header.total);
  store16(room + ipv4_id_at, header.id);
  store16(room + ipv4_fragment_at,
          static_cast<uint16_t>((header.dont_fragment ? ipv4_dont_fragment : 0) |
                                (header.more_fragments ? ipv4_more_fragments : 0) | header.offset / 8));
  room[ipv4_ttl_at] = header.ttl;
  room[ipv4_ttl_at + 1] = header.protocol;
  store16(room + ipv4_checksum_at, 0);
  store32(room + ipv4_source_at, header.source);
  store32(room + ipv4_destination_at, header.destination);
  store16(room + ipv4_checksum_at, internet_checksum({room, ipv4_header_min}));
}

std::optional<Ipv6Header> parse_ipv6(Bytes packet) {
  if (packet.size() < ipv6_header_size || packet[0] >> 4 != 6) return {};
  Ipv6Header out;
  out.total = ipv6_header_size + load16(packet.data() + 4);
  if (out.total > packet.size()) return {};
  packet = packet.first(out.total);
  out.protocol = packet[6];
  out.hop_limit = packet[7];
  out.transport = ipv6_header_size;
  for (int i = 0; i < 8; ++i) {
    bool fragment = out.protocol == 44;
    if (!fragment && out.protocol != 0 && out.protocol != 43 && out.protocol != 60) return out;
    if (out.transport + 8 > packet.size()) return {};
    const uint8_t* at = packet.data() + out.transport;
    out.protocol = at[0];
    out.transport += fragment ? 8 : 8 + size_t{at[1]} * 8;
    if (out.transport > packet.size()) return {};
    if (!fragment) continue;
    out.fragment = true;
    if (load16(at + 2) & 0xfff8) {  // what follows is data of the first fragment's header chain
      out.later_fragment = true;
      return out;
    }
  }
  return {};
}

}  // namespace ginnel::wire
