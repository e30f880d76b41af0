// What conveys the packets of an end-to-end session: the relay, or a UDP path to one remote address.
#pragma once
#include <compare>

#include "base/address.hpp"

namespace ginnel {

struct Carrier {
  enum class Kind : uint8_t { relay, udp } kind = Kind::relay;
  Address remote;  ///< of a direct path; unspecified for the relay

  static Carrier relay() { return {}; }
  static Carrier udp(const Address& remote) { return {Kind::udp, remote}; }
  bool is_relay() const { return kind == Kind::relay; }
  auto operator<=>(const Carrier&) const = default;
};

}  // namespace ginnel
