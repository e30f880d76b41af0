#include "wire/icmp.hpp"

#include <algorithm>

#include "wire/checksum.hpp"
#include "wire/ip_fields.hpp"
#include "wire/tcp.hpp"

namespace ginnel::wire {
namespace {

// RFC 1812 section 4.3.2.5: errors have precedence 6, and the type of service of the packet they are about.
constexpr uint8_t internetwork_control = 6 << 5, type_of_service = 0x1e;

bool is_one_host(uint32_t ip) {
  uint32_t top = ip >> 24;
  return top != 0 && top != 127 && top < 224;
}

}  // namespace

bool icmp_may_answer(Bytes packet, const Ipv4Header& ip) {
  if (ip.offset != 0 || !is_one_host(ip.source) || !is_one_host(ip.destination)) return false;
  if (ip.protocol != ip_protocol_icmp) return true;
  return packet.size() > ip.size && (icmp_is_request(packet[ip.size]) || icmp_is_reply(packet[ip.size]));
}

size_t put_icmp_error(uint8_t* room, uint32_t from, uint8_t type, uint8_t code, uint32_t rest, Bytes packet,
                      const Ipv4Header& ip) {
  size_t quoted = std::min<size_t>({packet.size(), ip.total, icmp_error_max - ipv4_header_min - icmp_header_size});
  size_t total = ipv4_header_min + icmp_header_size + quoted;
  Ipv4Header header;
  header.total = static_cast<uint16_t>(total);
  header.tos = static_cast<uint8_t>(internetwork_control | (ip.tos & type_of_service));
  header.ttl = 64;
  header.protocol = ip_protocol_icmp;
  header.dont_fragment = true;
  header.source = from;
  header.destination = ip.source;
  std::memcpy(room + ipv4_header_min + icmp_header_size, packet.data(), quoted);
  put_ipv4(room, header);
  uint8_t* icmp = room + ipv4_header_min;
  icmp[0] = type;
  icmp[1] = code;
  store16(icmp + icmp_checksum_at, 0);
  store32(icmp + 4, rest);
  store16(icmp + icmp_checksum_at, internet_checksum({icmp, total - ipv4_header_min}));
  return total;
}

size_t put_tcp_reset(uint8_t* room, Bytes packet, const Ipv4Header& ip) {
  const uint8_t* segment = packet.data() + ip.size;
  uint8_t flags = segment[tcp_flags_at];
  uint32_t data = ip.total - ip.size - (segment[tcp_offset_at] >> 4) * 4u;
  uint32_t acknowledged =
      load32(segment + tcp_sequence_at) + data + (flags & tcp_syn ? 1 : 0) + (flags & tcp_fin ? 1 : 0);
  Ipv4Header header;
  header.tos = ip.tos;
  header.total = ipv4_header_min + tcp_header_min;
  header.ttl = 64;
  header.protocol = ip_protocol_tcp;
  header.dont_fragment = true;
  header.source = ip.destination;
  header.destination = ip.source;
  uint8_t* reset = room + ipv4_header_min;
  std::memset(reset, 0, tcp_header_min);
  store16(reset + tcp_source_at, load16(segment + tcp_destination_at));
  store16(reset + tcp_destination_at, load16(segment + tcp_source_at));
  if (flags & tcp_ack) {
    store32(reset + tcp_sequence_at, load32(segment + tcp_acknowledgement_at));
    reset[tcp_flags_at] = tcp_rst;
  } else {
    store32(reset + tcp_acknowledgement_at, acknowledged);
    reset[tcp_flags_at] = tcp_rst | tcp_ack;
  }
  reset[tcp_offset_at] = 5 << 4;
  put_ipv4(room, header);
  uint64_t sum =
      pseudo_header_sum({room + ipv4_source_at, 4}, {room + ipv4_destination_at, 4}, ip_protocol_tcp, tcp_header_min);
  store16(reset + tcp_checksum_at, checksum_finish(checksum_add(sum, {reset, tcp_header_min})));
  return header.total;
}

size_t put_icmp6_error(uint8_t* room, const uint8_t* from, uint8_t type, uint8_t code, uint32_t rest, Bytes packet) {
  size_t quoted = std::min(packet.size(), icmp6_error_max - ipv6_header_size - icmp_header_size);
  size_t payload = icmp_header_size + quoted;
  uint8_t* icmp = room + ipv6_header_size;
  std::memcpy(icmp + icmp_header_size, packet.data(), quoted);
  std::memset(room, 0, ipv6_header_size);
  room[0] = 0x60;
  store16(room + 4, static_cast<uint16_t>(payload));
  room[6] = ip_protocol_icmp6;
  room[7] = 64;
  std::memcpy(room + 8, from, 16);
  std::memcpy(room + 24, packet.data() + 8, 16);
  icmp[0] = type;
  icmp[1] = code;
  store16(icmp + icmp_checksum_at, 0);
  store32(icmp + 4, rest);
  uint64_t sum = pseudo_header_sum({room + 8, 16}, {room + 24, 16}, ip_protocol_icmp6, payload);
  store16(icmp + icmp_checksum_at, checksum_finish(checksum_add(sum, {icmp, payload})));
  return ipv6_header_size + payload;
}

}  // namespace ginnel::wire
