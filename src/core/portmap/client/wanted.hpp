// What a client of a gateway wants, where it asks, and what its mappers tell about it. Plain data. RFC 6887
// section 11.2.1 for the moments of renewal.
#pragma once
#include <compare>
#include <string>
#include <variant>

#include "base/address.hpp"
#include "base/instant.hpp"
#include "base/rng.hpp"

namespace ginnel::portmap {

/// One inside port of this host that should be reachable from outside.
struct Wanted {
  uint8_t protocol = 0;  ///< as in IP: TCP or UDP
  uint16_t port = 0;
  auto operator<=>(const Wanted&) const = default;
};
inline constexpr size_t wanted_max = 8;

/// Whom to ask, and as whom (port 0 both).
struct Network {
  Address gateway;  ///< the default route's next hop
  Address local;    ///< this host's address towards it
  bool operator==(const Network&) const = default;
};

inline constexpr Duration lifetime_asked = 2h;      // RFC 6886 section 3.3: what is RECOMMENDED
inline constexpr Duration lifetime_believed = 24h;  ///< longer promises are taken for this long
inline constexpr Duration retry_min = 30s, retry_max = 30min;

/// Is there anybody who speaks this protocol?
enum class Presence : uint8_t { unknown, present, absent };

// ---- what a mapper tells
struct Granted {  ///< for the first time, or at another address than before
  Wanted wanted;
  Address external;
  Duration lifetime;
};
struct Refused {
  Wanted wanted;
  std::string why;
};  ///< it was never granted; it is asked again by and by
struct Lost {
  Wanted wanted;
  std::string why;
};  ///< it was granted; likewise
using MapperEvent = std::variant<Granted, Refused, Lost>;

/// Attempt 0, 1, 2, ... to renew a lease: 1/2 to 5/8 of its life, 3/4 to 13/16, 7/8 to 29/32, ..., never within 4 s of
/// the one before; at its end when that is nearer.
inline Duration renewal_after(Duration lifetime, int attempt, Rng& rng) {
  Duration left = lifetime;
  for (int i = 0; i <= attempt && left > 0s; ++i) left /= 2;
  if (left < 4s) return lifetime;
  auto window = static_cast<uint64_t>((left / 4).count());
  return lifetime - left + Duration(static_cast<int64_t>(rng.below(window + 1)));
}

/// An address that somebody outside could send to, if it is not a private one.
inline bool is_endpoint(const Address& a) {
  return a.port != 0 && !a.is_unspecified() && !a.is_loopback() && !a.is_multicast_or_broadcast() &&
         (a.v6 || a.ip[0] != 0);
}

}  // namespace ginnel::portmap
