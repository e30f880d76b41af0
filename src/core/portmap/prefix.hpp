// A network: an address and how many of its bits count. No RFC but 4632's notation.
#pragma once
#include "base/address.hpp"

namespace ginnel::portmap {

struct Prefix {
  Address address;
  uint8_t bits = 0;

  bool contains(const Address& other) const {
    if (other.v6 != address.v6) return false;
    for (size_t i = 0; i < address.ip_bytes().size(); ++i) {
      int left = bits - static_cast<int>(i * 8);
      if (left <= 0) return true;
      auto mask = static_cast<uint8_t>(left >= 8 ? 0xff : 0xff << (8 - left));
      if ((address.ip[i] ^ other.ip[i]) & mask) return false;
    }
    return true;
  }
};

}  // namespace ginnel::portmap
