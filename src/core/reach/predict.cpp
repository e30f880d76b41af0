#include "core/reach/predict.hpp"

#include <utility>

namespace ginnel::reach {

namespace {

bool symmetric(Kind k) { return k == Kind::symmetric_sequential || k == Kind::symmetric_random; }

}  // namespace

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::open: return "public address";
    case Kind::full_cone: return "full cone";
    case Kind::restricted: return "restricted cone";
    case Kind::port_restricted: return "port-restricted cone";
    case Kind::symmetric_sequential: return "symmetric, sequential";
    case Kind::symmetric_random: return "symmetric, random";
    case Kind::udp_blocked: return "UDP blocked";
    case Kind::only_443: return "only TCP to 443";
  }
  return "";
}

std::string_view predict(Kind target, Kind dialler) {
  if (target == Kind::only_443 || dialler == Kind::only_443) return "relay";
  if (target == Kind::open) return "public";
  if (dialler == Kind::open) return "reversal";
  if (target == Kind::udp_blocked || dialler == Kind::udp_blocked) {
    Kind other = target == Kind::udp_blocked ? dialler : target;
    // Behind a symmetric NAT the SYN comes from a port that the other side's NAT did not expect.
    return symmetric(other) ? "relay" : "tcp-punch";
  }
  if (symmetric(target) && symmetric(dialler)) {
    bool sequences = target == Kind::symmetric_sequential && dialler == target;
    return sequences ? "prediction" : "relay";
  }
  if (symmetric(target) || symmetric(dialler)) {
    auto [hard, cone] = symmetric(target) ? std::pair(target, dialler) : std::pair(dialler, target);
    if (cone != Kind::port_restricted) return "udp-punch";
    return hard == Kind::symmetric_sequential ? "prediction" : "birthday";
  }
  return "udp-punch";
}

}  // namespace ginnel::reach
