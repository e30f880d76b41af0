// An IPv4 network as the lab needs it: "192.168.1.0/24", its addresses by number. And what family an address is of.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace ginnel::lab {

bool is_ipv4(const std::string& address);
bool is_ipv6(const std::string& address);

struct Subnet {
  uint32_t base = 0;  ///< host order
  int length = 24;

  /// Nothing if it is none, has bits behind its length, or is too small for a gateway and two machines.
  static std::optional<Subnet> parse(const std::string& text);

  uint32_t size() const { return uint32_t{1} << (32 - length); }
  /// The n-th address in it. 1 is the gateway's.
  std::string address(uint32_t n) const;
  bool contains(const std::string& address) const;
  bool overlaps(const Subnet& other) const;
  std::string to_string() const { return address(0) + "/" + std::to_string(length); }
};

}  // namespace ginnel::lab
