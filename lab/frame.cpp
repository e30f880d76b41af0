#include "lab/frame.hpp"

#include <algorithm>
#include <cstring>

#include "wire/checksum.hpp"
#include "wire/ip.hpp"
#include "wire/ip_fields.hpp"

namespace ginnel::lab {
namespace {

constexpr uint16_t kIpv4 = 0x0800;
constexpr uint16_t kIpv6 = 0x86dd;
constexpr size_t kTypeAt = 12;
// ICMPv6 types of neighbour discovery: RFC 4861 section 4.
constexpr uint8_t kRouterSolicitation = 133;
constexpr uint8_t kRedirect = 137;
constexpr uint8_t kPacketTooBig = 2;

bool is_neighbour_discovery(Bytes packet) {
  if (wire::ip_version(packet) != 6 || packet.size() <= wire::ipv6_header_size) return false;
  const uint8_t type = packet[wire::ipv6_header_size];
  return packet[6] == wire::ip_protocol_icmp6 && type >= kRouterSolicitation && type <= kRedirect;
}

/// RFC 4443 section 2.4 (e): not about errors, nor to who sent to many.
bool may_answer6(Bytes packet) {
  if (packet.size() <= wire::ipv6_header_size || packet[24] == 0xff) return false;
  return packet[6] != wire::ip_protocol_icmp6 || packet[wire::ipv6_header_size] >= 128;
}

}  // namespace

Bytes packet_in(Bytes frame) {
  if (frame.size() <= ethernet_header) return {};
  const uint16_t type = wire::load16(frame.data() + kTypeAt);
  if (type != kIpv4 && type != kIpv6) return {};
  const Bytes packet = frame.subspan(ethernet_header);
  return is_neighbour_discovery(packet) ? Bytes{} : packet;
}

bool is_udp(Bytes packet) {
  if (wire::ip_version(packet) == 6) {
    const auto ip = wire::parse_ipv6(packet);
    return ip && ip->protocol == wire::ip_protocol_udp;
  }
  wire::Ipv4Header ip;
  return wire::parse_quoted_ipv4(packet, ip) == wire::IpFault::none && ip.protocol == wire::ip_protocol_udp;
}

void flip_bit(MutableBytes frame, uint64_t bit) {
  if (frame.size() <= ethernet_header) return;
  bit %= (frame.size() - ethernet_header) * 8;
  frame[ethernet_header + bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
}

size_t put_too_big(Bytes frame, uint32_t mtu, const RouterAddresses& router, uint8_t* room) {
  const Bytes packet = packet_in(frame);
  uint8_t* answer = room + ethernet_header;
  size_t size = 0;
  if (wire::ip_version(packet) == 6) {
    if (!may_answer6(packet)) return 0;
    size = wire::put_icmp6_error(answer, router.v6.ip.data(), kPacketTooBig, 0, mtu, packet);
  } else {
    wire::Ipv4Header ip;
    if (wire::parse_ipv4(packet, ip) != wire::IpFault::none || !wire::icmp_may_answer(packet, ip)) return 0;
    size = wire::put_icmp_error(answer, wire::load32(router.v4.ip.data()), wire::icmp_unreachable,
                                wire::icmp_fragmentation_needed, mtu, packet, ip);
  }
  std::memcpy(room, frame.data() + 6, 6);  // back to who sent it
  std::memcpy(room + 6, frame.data(), 6);
  std::memcpy(room + kTypeAt, frame.data() + kTypeAt, 2);
  return ethernet_header + size;
}

bool may_be_fragmented(Bytes frame) {
  wire::Ipv4Header ip;
  return wire::parse_ipv4(packet_in(frame), ip) == wire::IpFault::none && !ip.dont_fragment;
}

void fragment(Bytes frame, uint32_t mtu, MutableBytes room, const std::function<void(Bytes)>& each) {
  const Bytes packet = packet_in(frame);
  wire::Ipv4Header ip;
  if (wire::parse_ipv4(packet, ip) != wire::IpFault::none || mtu < ip.size + 8u) return;
  const Bytes payload = packet.subspan(ip.size, ip.total - ip.size);
  const size_t step = (mtu - ip.size) / 8 * 8;
  for (size_t at = 0; at < payload.size(); at += step) {
    const Bytes piece = payload.subspan(at, std::min(step, payload.size() - at));
    const bool more = ip.more_fragments || at + piece.size() < payload.size();
    const size_t size = ethernet_header + ip.size + piece.size();
    if (size > room.size()) return;
    std::memcpy(room.data(), frame.data(), ethernet_header + ip.size);
    uint8_t* header = room.data() + ethernet_header;
    wire::store16(header + wire::ipv4_total_at, static_cast<uint16_t>(ip.size + piece.size()));
    wire::store16(header + wire::ipv4_fragment_at,
                  static_cast<uint16_t>((more ? wire::ipv4_more_fragments : 0) | (ip.offset + at) / 8));
    wire::store16(header + wire::ipv4_checksum_at, 0);
    wire::store16(header + wire::ipv4_checksum_at, wire::internet_checksum({header, ip.size}));
    std::memcpy(header + ip.size, piece.data(), piece.size());
    each(room.first(size));
  }
}

}  // namespace ginnel::lab
