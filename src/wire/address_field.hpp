// An address inside a signal or a peer message: u8 family (4 or 6), the IP's bytes, u16 port. Knows one encoding for
// one address, so an IPv4 address dressed as IPv6 is malformed; refuses to know whether anybody should send there.
// Our own format, no RFC: the two protocols that use it are ours.
#pragma once
#include <optional>

#include "base/address.hpp"
#include "base/bytes.hpp"

namespace ginnel::wire {

inline void put_address(Writer& out, const Address& address) {
  out.u8(address.v6 ? 6 : 4);
  out.put(address.ip_bytes());
  out.u16(address.port);
}

inline std::optional<Address> read_address(Reader& in) {
  uint8_t family = in.u8();
  if (family != 4 && family != 6) return {};
  Bytes ip = in.take(family == 6 ? 16 : 4);
  uint16_t port = in.u16();
  if (in.failed()) return {};
  Address address = Address::from_ip(ip, port);
  if (address.v6 != (family == 6)) return {};  // ::ffff:a.b.c.d is written as family 4
  return address;
}

}  // namespace ginnel::wire
