// Whether a search can find what plain checks cannot, and which: from what both sides know of their NATs.
#pragma once
#include <optional>
#include <string_view>

#include "wire/peer_message.hpp"

namespace ginnel::reach {

struct SearchChoice {
  std::optional<wire::SearchKind> kind;  ///< for the side with the symmetric NAT to begin; nothing: no search
  bool ours = false;                     ///< we begin
  std::string_view why;                  ///< why none, for people
};

/// `dialler`: we are. Of two sides that could begin it does.
SearchChoice choose_search(const wire::NatView& own, const wire::NatView& theirs, bool dialler);

/// As events call it.
std::string_view to_string(wire::SearchKind kind);

/// How many sockets a birthday search may open: a quarter of what the NAT gives a subscriber, if that is known (RFC 6888
/// REQ-4: others of the house need ports, too), and never more than the budget.
size_t birthday_sockets(const wire::PortPattern& ports);

/// Diagonal: how many steps ahead of its measurement a side names a port. Who begins sends a round trip later, when strangers
/// have taken some of them, and looks further ahead at each try; who answers sends at once.
size_t diagonal_aim(bool begins, int nth_try);
/// Sockets beyond the one that should be given the named port.
inline constexpr size_t diagonal_spare = 4;

}  // namespace ginnel::reach
