// Whether a search can find what plain checks cannot, and which: from what both sides know of their NATs.
#pragma once
#include <optional>
#include <string_view>

#include "wire/peer_message.hpp"

namespace ginnel::reach {

struct SearchChoice {
  std::optional<wire::SearchKind> kind;  ///< for the side with the symmetric NAT to begin; nothing: no search
  bool ours = false;                     ///< we are that side
  std::string_view why;                  ///< why none, for people
};

SearchChoice choose_search(const wire::NatView& own, const wire::NatView& theirs);

/// As events call it.
std::string_view to_string(wire::SearchKind kind);

/// How many sockets a birthday search may open: a quarter of what the NAT gives a subscriber, if that is known (RFC 6888
/// REQ-4: others of the house need ports, too), and never more than the budget.
size_t birthday_sockets(const wire::PortPattern& ports);

}  // namespace ginnel::reach
