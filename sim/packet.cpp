#include "sim/packet.hpp"

#include <algorithm>
#include <cassert>

#include "wire/checksum.hpp"
#include "wire/icmp.hpp"
#include "wire/ip.hpp"
#include "wire/ip_fields.hpp"
#include "wire/tcp.hpp"
#include "wire/udp.hpp"

namespace ginnel::sim {

namespace {

using wire::load16, wire::load32, wire::store16, wire::store32;

constexpr size_t ipv6_protocol_at = 6, ipv6_hops_at = 7, ipv6_source_at = 8, ipv6_destination_at = 24;

size_t header_size(bool v6) { return v6 ? wire::ipv6_header_size : wire::ipv4_header_min; }

/// The IP header; what follows is `length` bytes.
uint8_t* put_ip(Packet& packet, const Address& from, const Address& to, uint8_t protocol, uint8_t hops, size_t length) {
  assert(from.v6 == to.v6 && header_size(from.v6) + length <= Packet::size_max);
  uint8_t* at = packet.resize(header_size(from.v6) + length).data();
  if (from.v6) {
    store32(at, 0x60000000);
    store16(at + 4, static_cast<uint16_t>(length));
    at[ipv6_protocol_at] = protocol;
    at[ipv6_hops_at] = hops;
    std::copy_n(from.ip.data(), 16, at + ipv6_source_at);
    std::copy_n(to.ip.data(), 16, at + ipv6_destination_at);
    return at + wire::ipv6_header_size;
  }
  wire::Ipv4Header header;
  header.total = static_cast<uint16_t>(wire::ipv4_header_min + length);
  header.ttl = hops;
  header.protocol = protocol;
  header.dont_fragment = true;  // as drive/udp_socket sets it, and every kernel's TCP
  header.source = load32(from.ip.data());
  header.destination = load32(to.ip.data());
  wire::put_ipv4(at, header);
  return at + wire::ipv4_header_min;
}

uint16_t transport_checksum(const Address& from, const Address& to, uint8_t protocol, Bytes transport) {
  uint64_t sum = wire::pseudo_header_sum(from.ip_bytes(), to.ip_bytes(), protocol, transport.size());
  return wire::checksum_finish(wire::checksum_add(sum, transport));
}

}  // namespace

void put_udp(Packet& packet, const Address& from, const Address& to, uint8_t hops, Bytes payload) {
  size_t length = wire::udp_header_size + payload.size();
  uint8_t* udp = put_ip(packet, from, to, wire::ip_protocol_udp, hops, length);
  store16(udp + wire::udp_source_at, from.port);
  store16(udp + wire::udp_destination_at, to.port);
  store16(udp + wire::udp_length_at, static_cast<uint16_t>(length));
  store16(udp + wire::udp_checksum_at, 0);
  std::copy(payload.begin(), payload.end(), udp + wire::udp_header_size);
  if (!from.v6) return;
  uint16_t sum = transport_checksum(from, to, wire::ip_protocol_udp, {udp, length});  // RFC 8200 section 8.1
  store16(udp + wire::udp_checksum_at, sum == 0 ? uint16_t{0xffff} : sum);
}

void put_tcp(Packet& packet, const Address& from, const Address& to, const TcpFields& fields) {
  uint8_t* tcp = put_ip(packet, from, to, wire::ip_protocol_tcp, usual_hops, wire::tcp_header_min);
  std::fill_n(tcp, wire::tcp_header_min, uint8_t{0});
  store16(tcp + wire::tcp_source_at, from.port);
  store16(tcp + wire::tcp_destination_at, to.port);
  store32(tcp + wire::tcp_sequence_at, fields.sequence);
  store32(tcp + wire::tcp_acknowledgement_at, fields.acknowledged);
  tcp[wire::tcp_offset_at] = 5 << 4;
  tcp[wire::tcp_flags_at] = fields.flags;
  store16(tcp + 14, 0xffff);  // the window: always open, see tcp_socket
  store16(tcp + wire::tcp_checksum_at,
          transport_checksum(from, to, wire::ip_protocol_tcp, {tcp, wire::tcp_header_min}));
}

bool read_packet(Bytes packet, PacketView& out) {
  bool v6 = wire::ip_version(packet) == 6;
  size_t size = header_size(v6);
  if (packet.size() < size) return false;
  const uint8_t* at = packet.data();
  out.protocol = at[v6 ? ipv6_protocol_at : wire::ipv4_ttl_at + 1];
  out.hops = at[v6 ? ipv6_hops_at : wire::ipv4_ttl_at];
  out.transport = packet.subspan(size);
  bool ports = out.protocol == wire::ip_protocol_udp || out.protocol == wire::ip_protocol_tcp;
  if (ports && out.transport.size() < 4) return false;
  out.from = out.to = {};
  out.from.v6 = out.to.v6 = v6;
  size_t length = v6 ? 16 : 4;
  std::copy_n(at + (v6 ? ipv6_source_at : wire::ipv4_source_at), length, out.from.ip.data());
  std::copy_n(at + (v6 ? ipv6_destination_at : wire::ipv4_destination_at), length, out.to.ip.data());
  if (!ports) return true;
  out.from.port = load16(out.transport.data());
  out.to.port = load16(out.transport.data() + 2);
  return true;
}

bool read_icmp_error(const PacketView& icmp, PacketView& quoted) {
  if (icmp.transport.size() < wire::icmp_header_size) return false;
  uint8_t type = icmp.transport[0], code = icmp.transport[1];
  bool v6 = icmp.protocol == wire::ip_protocol_icmp6;
  bool dead_end = v6 ? type == 1 || type == 3  // RFC 4443 section 2.1
                     : (type == wire::icmp_unreachable && code != wire::icmp_fragmentation_needed) ||
                           type == wire::icmp_time_exceeded;
  return dead_end && read_packet(icmp.transport.subspan(wire::icmp_header_size), quoted);
}

TcpFields read_tcp(Bytes transport) {
  if (transport.size() < wire::tcp_header_min) return {};
  return {load32(&transport[wire::tcp_sequence_at]), load32(&transport[wire::tcp_acknowledgement_at]),
          transport[wire::tcp_flags_at]};
}

bool pass_hops(MutableBytes packet, uint8_t hops) {
  bool v6 = wire::ip_version(packet) == 6;
  uint8_t& left = packet[v6 ? ipv6_hops_at : wire::ipv4_ttl_at];
  if (left <= hops) return false;
  if (!v6) {
    wire::ChecksumChange change;
    change.word(static_cast<uint16_t>(left << 8), static_cast<uint16_t>((left - hops) << 8));
    uint8_t* sum = &packet[wire::ipv4_checksum_at];
    store16(sum, change.apply(load16(sum)));
  }
  left = static_cast<uint8_t>(left - hops);
  return true;
}

}  // namespace ginnel::sim
