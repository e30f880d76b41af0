// An IP address and port. IPv4-mapped IPv6 addresses are reduced to IPv4 on the way in, so equal endpoints are equal
// values. The classes of address that must never be probed are told apart here, once (docs: SECURITY.md).
#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace ginnel {

struct Address {
  std::array<uint8_t, 16> ip{};  ///< IPv4 in the first four bytes, the rest zero
  uint16_t port = 0;
  bool v6 = false;

  static Address v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port);
  /// From 4 or 16 bytes in network order; anything else gives an unspecified address.
  static Address from_ip(Bytes ip, uint16_t port);
  /// "192.0.2.1:80" or "[2001:db8::1]:80"; no names.
  static std::optional<Address> parse(std::string_view text);

  Bytes ip_bytes() const { return Bytes(ip).first(v6 ? 16 : 4); }
  std::string to_string() const;      ///< with port
  std::string ip_to_string() const;   ///< without
  Address with_port(uint16_t p) const;
  bool same_ip(const Address& other) const { return v6 == other.v6 && ip == other.ip; }

  bool is_unspecified() const;
  bool is_loopback() const;
  bool is_multicast_or_broadcast() const;
  bool is_link_local() const;
  bool is_private() const;  ///< RFC 1918, RFC 6598 (100.64/10), ULA
  /// May a connectivity check be sent there on a peer's word? Not to unspecified, loopback, multicast, broadcast,
  /// 0/8, 240/4, nor to IPv6 forms that carry an IPv4 address inside (6to4, NAT64, Teredo, v4-compatible).
  bool is_probeable() const;

  auto operator<=>(const Address&) const = default;
};

struct AddressHash {
  size_t operator()(const Address& a) const noexcept {
    uint64_t hi, lo;
    std::memcpy(&hi, a.ip.data(), 8);
    std::memcpy(&lo, a.ip.data() + 8, 8);
    uint64_t h = (hi ^ 0x9e3779b97f4a7c15ull) * 0xff51afd7ed558ccdull;
    h = (h ^ (h >> 32) ^ lo ^ a.port) * 0xc4ceb9fe1a85ec53ull;
    return static_cast<size_t>(h ^ (h >> 29));
  }
};

}  // namespace ginnel
