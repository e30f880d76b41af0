// What became of a packet. Knows the words and nothing else. No RFC.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ginnel::nat {

enum class Action : uint8_t {
  forward_out,  ///< to the outside
  forward_in,   ///< to the inside
  hairpin,      ///< came from the inside, goes to the inside
  local,        ///< for the gateway itself, unchanged
  held,         ///< a fragment that waits for the first one: poll_generated brings it
  drop,
};

enum class Drop : uint8_t {
  none,
  malformed,
  bad_checksum,
  unsupported,  ///< a protocol or ICMP type that cannot be translated
  ttl,
  too_big,
  bad_address,   ///< from or to addresses that no packet on that side may have
  no_mapping,    ///< from outside, to nobody
  filtered,      ///< from outside, mapped, refused by the filter
  tcp_no_state,  ///< neither a SYN nor of a known connection
  tcp_invalid,   ///< the connection is known, but this cannot be its next segment
  no_port,
  table_full,
  host_limit,
  host_rate,
  hairpin_off,
  fragment,
  icmp_error,  ///< errors are not translated, or quote nothing that is known
  own,         ///< to the outside address itself; answered if so configured
};
inline constexpr size_t drop_kinds = static_cast<size_t>(Drop::own) + 1;
std::string_view to_string(Drop why);

struct Verdict {
  Action action = Action::drop;
  Drop why = Drop::none;  ///< of a drop
  size_t size = 0;        ///< of the packet now
};

}  // namespace ginnel::nat
