// IPv4 packets for tests: built from endpoints, read back, and checked with sums of their own. Knows plain layouts;
// refuses to share code with what it tests (wire/checksum, core/nat). RFC 791, 768, 9293, 792.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/bytes.hpp"

namespace ginnel::test {

using PacketBytes = std::vector<uint8_t>;

inline uint16_t get16(Bytes b, size_t at) { return static_cast<uint16_t>(b[at] << 8 | b[at + 1]); }
inline uint32_t get32(Bytes b, size_t at) { return uint32_t{get16(b, at)} << 16 | get16(b, at + 2); }
inline void put16(MutableBytes b, size_t at, uint16_t v) {
  b[at] = static_cast<uint8_t>(v >> 8);
  b[at + 1] = static_cast<uint8_t>(v);
}
inline void put32(MutableBytes b, size_t at, uint32_t v) {
  put16(b, at, static_cast<uint16_t>(v >> 16));
  put16(b, at + 2, static_cast<uint16_t>(v));
}

/// RFC 1071, the slow way.
inline uint16_t plain_sum(Bytes b, uint32_t start = 0) {
  uint32_t sum = start;
  for (size_t i = 0; i < b.size(); ++i) {
    sum += i % 2 ? b[i] : uint32_t{b[i]} << 8;
    if (sum > 0xffff) sum = (sum & 0xffff) + 1;
  }
  return static_cast<uint16_t>(sum);
}

inline size_t header_size(Bytes p) { return (p[0] & 15) * size_t{4}; }
inline uint8_t protocol_of(Bytes p) { return p[9]; }
inline Bytes transport_of(Bytes p) { return p.subspan(header_size(p)); }
inline uint16_t transport_sum(Bytes p) {
  uint32_t start = 0;
  if (protocol_of(p) != 1) {
    uint32_t pseudo =
        plain_sum(p.subspan(12, 8)) + uint32_t{protocol_of(p)} + static_cast<uint32_t>(p.size() - header_size(p));
    start = (pseudo & 0xffff) + (pseudo >> 16);
  }
  return plain_sum(transport_of(p), start);
}
inline bool is_fragment(Bytes p) { return get16(p, 6) & 0x3fff; }

/// Header and transport checksums (a UDP checksum of zero is right); of fragments the header only.
inline bool checksums_right(Bytes p) {
  if (p.size() < 20 || get16(p, 2) != p.size() || plain_sum(p.first(header_size(p))) != 0xffff) return false;
  if (is_fragment(p)) return true;
  uint8_t protocol = protocol_of(p);
  if (protocol == 17 && get16(p, header_size(p) + 6) == 0) return true;
  if (protocol != 1 && protocol != 6 && protocol != 17) return true;
  return transport_sum(p) == 0xffff;
}

inline void fix_ip_checksum(MutableBytes p) {
  put16(p, 10, 0);
  put16(p, 10, static_cast<uint16_t>(~plain_sum(Bytes(p).first(header_size(p)))));
}
inline void fix_checksums(MutableBytes p) {
  fix_ip_checksum(p);
  if (is_fragment(p)) return;
  size_t at = header_size(p) + (protocol_of(p) == 6 ? 16 : protocol_of(p) == 17 ? 6 : 2);
  if (protocol_of(p) != 1 && protocol_of(p) != 6 && protocol_of(p) != 17) return;
  put16(p, at, 0);
  uint16_t sum = static_cast<uint16_t>(~transport_sum(p));
  put16(p, at, sum == 0 && protocol_of(p) == 17 ? uint16_t{0xffff} : sum);
}

inline PacketBytes ip_packet(const Address& from, const Address& to, uint8_t protocol, Bytes transport) {
  PacketBytes p(20 + transport.size());
  p[0] = 0x45;
  put16(p, 2, static_cast<uint16_t>(p.size()));
  put16(p, 4, 0x1234);
  put16(p, 6, 0x4000);  // DF
  p[8] = 64;
  p[9] = protocol;
  std::memcpy(&p[12], from.ip.data(), 4);
  std::memcpy(&p[16], to.ip.data(), 4);
  if (!transport.empty()) std::memcpy(&p[20], transport.data(), transport.size());
  fix_checksums(p);
  return p;
}

inline PacketBytes udp(const Address& from, const Address& to, std::string_view payload = "hello") {
  PacketBytes t(8 + payload.size());
  put16(t, 0, from.port);
  put16(t, 2, to.port);
  put16(t, 4, static_cast<uint16_t>(t.size()));
  if (!payload.empty()) std::memcpy(&t[8], payload.data(), payload.size());
  return ip_packet(from, to, 17, t);
}

inline constexpr uint8_t fin = 1, syn = 2, rst = 4, ack = 16;
inline PacketBytes tcp(const Address& from, const Address& to, uint8_t flags, uint32_t seq = 1000, uint32_t acked = 0,
                       std::string_view payload = "") {
  PacketBytes t(20 + payload.size());
  put16(t, 0, from.port);
  put16(t, 2, to.port);
  put32(t, 4, seq);
  put32(t, 8, acked);
  t[12] = 0x50;
  t[13] = flags;
  put16(t, 14, 65535);
  if (!payload.empty()) std::memcpy(&t[20], payload.data(), payload.size());
  return ip_packet(from, to, 6, t);
}

/// An echo request (type 8) or reply (0) and the like; the port of `from` is the identifier.
inline PacketBytes query(const Address& from, const Address& to, uint8_t type = 8) {
  PacketBytes t(8 + 12);
  t[0] = type;
  put16(t, 4, type == 0 || type == 14 ? to.port : from.port);
  put16(t, 6, 1);
  return ip_packet(from, to, 1, t);
}

inline PacketBytes icmp_error(const Address& from, const Address& to, uint8_t type, uint8_t code, Bytes quoted,
                              uint32_t rest = 0) {
  PacketBytes t(8 + quoted.size());
  t[0] = type;
  t[1] = code;
  put32(t, 4, rest);
  std::copy(quoted.begin(), quoted.end(), t.begin() + 8);
  return ip_packet(from, to, 1, t);
}

inline Address source_of(Bytes p) {
  uint8_t protocol = protocol_of(p);
  uint16_t port = is_fragment(p) && (get16(p, 6) & 0x1fff) ? 0
                  : protocol == 1                          ? get16(p, header_size(p) + 4)
                                                           : get16(p, header_size(p));
  return Address::from_ip(p.subspan(12, 4), port);
}
inline Address destination_of(Bytes p) {
  uint8_t protocol = protocol_of(p);
  uint16_t port = is_fragment(p) && (get16(p, 6) & 0x1fff) ? 0
                  : protocol == 1                          ? get16(p, header_size(p) + 4)
                                                           : get16(p, header_size(p) + 2);
  return Address::from_ip(p.subspan(16, 4), port);
}
inline uint8_t icmp_type(Bytes p) { return transport_of(p)[0]; }
inline uint8_t icmp_code(Bytes p) { return transport_of(p)[1]; }
inline uint8_t tcp_flags(Bytes p) { return transport_of(p)[13]; }
inline Bytes quoted_of(Bytes p) { return transport_of(p).subspan(8); }

/// The packet that an ICMP error quotes: its header checksum, and if it is all there the other one too.
inline bool quoted_right(Bytes error) {
  Bytes q = quoted_of(error);
  if (q.size() < 20 || header_size(q) > q.size() || plain_sum(q.first(header_size(q))) != 0xffff) return false;
  return get16(q, 2) > q.size() || checksums_right(q.first(get16(q, 2)));
}

inline PacketBytes without_df(PacketBytes p) {
  put16(p, 6, static_cast<uint16_t>(get16(p, 6) & ~0x4000));
  fix_ip_checksum(p);
  return p;
}
inline PacketBytes with_ttl(PacketBytes p, uint8_t ttl) {
  p[8] = ttl;
  fix_ip_checksum(p);
  return p;
}

/// The packet cut into fragments of at most `payload` bytes (a multiple of eight) each.
inline std::vector<PacketBytes> fragments_of(Bytes p, size_t payload, uint16_t id = 0x4321) {
  std::vector<PacketBytes> out;
  Bytes rest = transport_of(p);
  for (size_t at = 0; at < rest.size(); at += payload) {
    size_t size = std::min(payload, rest.size() - at);
    PacketBytes f(p.begin(), p.begin() + 20);
    f.insert(f.end(), rest.begin() + static_cast<long>(at), rest.begin() + static_cast<long>(at + size));
    put16(f, 2, static_cast<uint16_t>(f.size()));
    put16(f, 4, id);
    put16(f, 6, static_cast<uint16_t>((at + size < rest.size() ? 0x2000 : 0) | at / 8));
    fix_ip_checksum(f);
    out.push_back(f);
  }
  return out;
}

/// Put together again, in the order of their offsets.
inline PacketBytes reassembled(std::vector<PacketBytes> fragments) {
  PacketBytes out(fragments.at(0).begin(), fragments.at(0).begin() + 20);
  for (size_t at = 0;;) {
    bool found = false;
    for (const auto& f : fragments) {
      if ((get16(f, 6) & 0x1fff) * size_t{8} != at) continue;
      found = true;
      out.insert(out.end(), f.begin() + 20, f.end());
      at += f.size() - 20;
      break;
    }
    if (!found) break;
  }
  put16(out, 2, static_cast<uint16_t>(out.size()));
  put16(out, 6, 0);
  fix_ip_checksum(out);
  return out;
}

}  // namespace ginnel::test
