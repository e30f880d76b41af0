#include "sim/policy.hpp"

#include <algorithm>

#include "wire/ip.hpp"
#include "wire/ip_fields.hpp"

namespace ginnel::sim {

namespace {

constexpr double depth_seconds = 0.05;
constexpr double depth_min = 20'000;  // bytes: the largest segment of a stream passes whole, see packet.hpp

}  // namespace

bool Policy::Rate::take(Instant now, double bits_per_second, size_t bytes) {
  if (bits_per_second <= 0) return true;
  double rate = bits_per_second / 8, depth = std::max(depth_min, rate * depth_seconds);
  tokens = filled == Instant{} ? depth : std::min(depth, tokens + rate * to_ms(now - filled) / 1e3);
  filled = now;
  if (tokens < static_cast<double>(bytes)) return false;
  tokens -= static_cast<double>(bytes);
  return true;
}

bool Policy::passes(Instant now, const Packet& packet, bool out) {
  Bytes bytes = packet.bytes();
  bool v6 = packet.v6();
  if (v6 && config_->ipv6 != Ipv6::works) return false;
  uint8_t protocol = bytes[v6 ? 6 : wire::ipv4_ttl_at + 1];
  if (protocol == wire::ip_protocol_udp) {
    if (!(out ? config_->udp_out : config_->udp_in)) return false;
    return udp_[out].take(now, config_->udp_bits_per_second, packet.wire_size());
  }
  if (protocol != wire::ip_protocol_tcp) return true;
  if (!config_->tcp) return false;
  const auto& ports = config_->tcp_ports;
  const uint8_t* tcp = bytes.data() + (v6 ? wire::ipv6_header_size : wire::ipv4_header_min);
  uint16_t remote = wire::load16(tcp + (out ? 2 : 0));
  if (!ports.empty() && std::find(ports.begin(), ports.end(), remote) == ports.end()) return false;
  return tcp_[out].take(now, config_->tcp_bits_per_second, packet.wire_size());
}

}  // namespace ginnel::sim
