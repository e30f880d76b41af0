#include "lab/subnet.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace ginnel::lab {
namespace {

std::optional<uint32_t> ipv4_of(const std::string& text) {
  in_addr out{};
  if (::inet_pton(AF_INET, text.c_str(), &out) != 1) return {};
  return ntohl(out.s_addr);
}

}  // namespace

bool is_ipv4(const std::string& address) { return ipv4_of(address).has_value(); }

bool is_ipv6(const std::string& address) {
  in6_addr out{};
  return ::inet_pton(AF_INET6, address.c_str(), &out) == 1;
}

std::optional<Subnet> Subnet::parse(const std::string& text) {
  const size_t slash = text.find('/');
  const auto base = ipv4_of(text.substr(0, slash));
  if (slash == std::string::npos || !base) return {};
  Subnet out{*base, 0};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + slash + 1, end, out.length);
  if (error != std::errc() || stop != end || out.length < 8 || out.length > 29) return {};
  if (*base & (out.size() - 1)) return {};
  return out;
}

std::string Subnet::address(uint32_t n) const {
  const in_addr raw{htonl(base + n)};
  char text[INET_ADDRSTRLEN];
  ::inet_ntop(AF_INET, &raw, text, sizeof text);
  return text;
}

bool Subnet::contains(const std::string& address) const {
  const auto ip = ipv4_of(address);
  return ip && *ip - base < size();
}

bool Subnet::overlaps(const Subnet& other) const {
  return base - other.base < other.size() || other.base - base < size();
}

}  // namespace ginnel::lab
