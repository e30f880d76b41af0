// Which technique will connect two kinds of network: the theory (docs: README's table; RFC 5128 section 3), as `ginnel
// check` tells it and the matrix tests expect it.
#pragma once
#include <array>
#include <string_view>

namespace ginnel::reach {

/// A network, as far as it matters to its counterpart; NATs by the names of before RFC 4787.
enum class Kind : uint8_t {
  open,                  ///< a public address, nothing filtered
  full_cone,             ///< EIM, EIF
  restricted,            ///< EIM, ADF
  port_restricted,       ///< EIM, APDF; also a firewall that does not translate
  symmetric_sequential,  ///< APDM, ports in sequence
  symmetric_random,      ///< APDM, ports at random
  udp_blocked,           ///< EIM for TCP, and no UDP
  only_443,              ///< nothing but TCP to a few ports
};
inline constexpr std::array kinds = {Kind::open, Kind::full_cone, Kind::restricted, Kind::port_restricted,
                                     Kind::symmetric_sequential, Kind::symmetric_random, Kind::udp_blocked, Kind::only_443};
std::string_view to_string(Kind kind);

/// The technique between a target and who dials it, each in another network.
std::string_view predict(Kind target, Kind dialler);

}  // namespace ginnel::reach
