#include "core/reach/search_choice.hpp"

#include <algorithm>

#include "core/reach/budget.hpp"

namespace ginnel::reach {

using wire::NatMapping;
using wire::PortPattern;
using wire::SearchKind;

namespace {

bool is_sequence(const PortPattern& ports) { return ports.kind == PortPattern::Kind::sequential; }

}  // namespace

SearchChoice choose_search(const wire::NatView& own, const wire::NatView& theirs, bool dialler) {
  if (own.udp_blocked || theirs.udp_blocked) return {{}, false, "UDP does not pass"};
  bool we = own.udp == NatMapping::endpoint_dependent, they = theirs.udp == NatMapping::endpoint_dependent;
  if (!we && !they) return {{}, false, "neither side's NAT gives other ports to other destinations"};
  if (we && they) {
    bool sequences = is_sequence(own.udp_ports) && is_sequence(theirs.udp_ports);
    if (sequences) return {SearchKind::diagonal, dialler, ""};
    return {{}, false, "both sides' NATs give each destination another port, and not both in sequence: "
                       "each search would need the other's result"};
  }
  const PortPattern& ports = we ? own.udp_ports : theirs.udp_ports;
  switch (ports.kind) {
    case PortPattern::Kind::sequential:
    case PortPattern::Kind::preserving: return {SearchKind::prediction, we, ""};
    case PortPattern::Kind::block:
    case PortPattern::Kind::random: return {SearchKind::birthday, we, ""};
    case PortPattern::Kind::unknown: break;
  }
  return {{}, we, "how the symmetric NAT chooses its ports is not known yet"};
}

std::string_view to_string(SearchKind kind) {
  switch (kind) {
    case SearchKind::prediction: return "prediction";
    case SearchKind::birthday: return "birthday";
    case SearchKind::diagonal: break;
  }
  return "diagonal";
}

size_t birthday_sockets(const PortPattern& ports) {
  size_t range = size_t{ports.high} - ports.low + 1;
  bool block = ports.kind == PortPattern::Kind::block;
  return std::clamp<size_t>(block ? range / 4 : Budget::sockets_max, 16, Budget::sockets_max);
}

size_t diagonal_aim(bool begins, int nth_try) {
  return begins ? std::clamp<size_t>(24 * static_cast<size_t>(nth_try), 24, 72) : 6;
}

}  // namespace ginnel::reach
