#include "base/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace ginnel {

namespace {

bool has_prefix(Bytes ip, std::initializer_list<uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), ip.begin());
}
bool in_v4(const Address& a, uint8_t first, uint8_t second, uint8_t second_mask) {
  return !a.v6 && a.ip[0] == first && (a.ip[1] & second_mask) == second;
}

}  // namespace

Address Address::v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port) {
  Address out;
  out.ip = {a, b, c, d};
  out.port = port;
  return out;
}

Address Address::from_ip(Bytes ip, uint16_t port) {
  Address out;
  out.port = port;
  if (ip.size() == 16 && has_prefix(ip, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff})) ip = ip.subspan(12);
  if (ip.size() != 4 && ip.size() != 16) return out;
  out.v6 = ip.size() == 16;
  std::copy(ip.begin(), ip.end(), out.ip.begin());
  return out;
}

std::optional<Address> Address::parse(std::string_view text) {
  size_t colon = text.rfind(':');
  if (colon == text.npos || text.find('\0') != text.npos) return {};  // inet_pton would stop there
  std::string host(text.substr(0, colon));
  std::string_view digits = text.substr(colon + 1);
  uint16_t port = 0;
  auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (failed != std::errc{} || end != digits.data() + digits.size()) return {};
  std::array<uint8_t, 16> raw;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    if (inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), raw.data()) != 1) return {};
    return from_ip(raw, port);
  }
  if (inet_pton(AF_INET, host.c_str(), raw.data()) != 1) return {};
  return from_ip(Bytes(raw).first(4), port);
}

std::string Address::ip_to_string() const {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(v6 ? AF_INET6 : AF_INET, ip.data(), text, sizeof text);
  return text;
}

std::string Address::to_string() const {
  std::string host = ip_to_string();
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Address Address::with_port(uint16_t p) const {
  Address out = *this;
  out.port = p;
  return out;
}

bool Address::is_unspecified() const {
  return std::all_of(ip.begin(), ip.end(), [](uint8_t b) { return b == 0; });
}

bool Address::is_loopback() const {
  if (!v6) return ip[0] == 127;
  return std::all_of(ip.begin(), ip.end() - 1, [](uint8_t b) { return b == 0; }) && ip[15] == 1;
}

bool Address::is_multicast_or_broadcast() const { return v6 ? ip[0] == 0xff : ip[0] >= 224; }

bool Address::is_link_local() const {
  return v6 ? ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80 : in_v4(*this, 169, 254, 0xff);
}

bool Address::is_private() const {
  if (v6) return (ip[0] & 0xfe) == 0xfc;
  return ip[0] == 10 || in_v4(*this, 172, 16, 0xf0) || in_v4(*this, 192, 168, 0xff) || in_v4(*this, 100, 64, 0xc0);
}

bool Address::is_probeable() const {
  if (port == 0 || is_unspecified() || is_loopback() || is_multicast_or_broadcast()) return false;
  if (!v6) return ip[0] != 0;
  bool carries_v4 = has_prefix(ip, {0x20, 0x02}) ||                           // 6to4, RFC 3056
                    has_prefix(ip, {0x20, 0x01, 0, 0}) ||                     // Teredo, RFC 4380
                    has_prefix(ip, {0, 0x64, 0xff, 0x9b}) ||                  // NAT64, RFC 6052 and 8215
                    has_prefix(ip, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});     // v4-compatible, RFC 4291
  return !carries_v4;
}

}  // namespace ginnel
