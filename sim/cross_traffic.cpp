#include "sim/cross_traffic.hpp"

#include <algorithm>
#include <cmath>

namespace ginnel::sim {

CrossTraffic::CrossTraffic(double per_second, const Address& from, Instant now, Random random)
    : per_second_(per_second), from_(from), random_(random) {
  if (per_second_ > 0) next_ = now + gap();
}

Duration CrossTraffic::gap() {
  double u = (static_cast<double>(random_.next() >> 11) + 1) * 0x1.0p-53;  // (0, 1]
  return Duration(static_cast<int64_t>(-std::log(u) / per_second_ * 1e9) + 1);
}

bool CrossTraffic::catch_up(Instant now, nat::Gateway& gateway) {
  if (per_second_ <= 0 || next_ > now) return false;
  Duration horizon(static_cast<int64_t>(backlog_max / per_second_ * 1e9));
  next_ = std::max(next_, now - horizon);
  Packet packet;
  for (; next_ <= now; next_ += gap(), ++nth_) {
    // Another socket of another host for another remote: new under any mapping.
    Address from = from_.with_port(static_cast<uint16_t>(1024 + nth_ % 64512));
    Address to = Address::v4(192, 88, static_cast<uint8_t>(nth_ >> 8), static_cast<uint8_t>(1 + nth_ % 254), 443);
    put_udp(packet, from, to, usual_hops, {});
    gateway.handle_inside(now, packet.bytes());
  }
  return true;
}

}  // namespace ginnel::sim
