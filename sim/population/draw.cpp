#include "sim/population/draw.hpp"

#include <cmath>

#include "sim/random.hpp"

namespace ginnel::sim::population {

namespace {

Duration milliseconds(double ms) { return Duration(static_cast<int64_t>(ms * 1e6)); }

/// Every draw takes one number, whatever comes of it: what is changed about one leaves the others as they were.
class Dice {
 public:
  explicit Dice(uint64_t seed) : random_(seed) {}
  double unit() { return static_cast<double>(random_.next() >> 11) * 0x1.0p-53; }
  double within(Range range) { return range.low + (range.high - range.low) * unit(); }
  bool chance(double p) { return unit() < p; }

 private:
  Random random_;
};

PeerDraw draw_peer(const Model& model, const Variant& variant, Dice dice) {
  PeerDraw p;
  double at = dice.unit();
  std::vector<double> shares = model.shares(variant);
  while (p.kind + 1 < shares.size() && at >= shares[p.kind]) at -= shares[p.kind++];
  const Class& c = model.classes[p.kind];
  const Network& n = model.network;
  p.x = dice.unit() * n.square;
  p.y = dice.unit() * n.square;
  p.line = milliseconds(dice.within(c.mobile ? n.mobile_line : n.fixed_line));
  p.jitter = milliseconds(c.mobile ? n.mobile_jitter : n.fixed_jitter);
  p.loss = dice.within(c.mobile ? n.mobile_loss : n.fixed_loss);
  bool ipv6 = dice.chance(c.ipv6), broken = dice.chance(n.broken_ipv6);
  p.ipv6 = !ipv6 ? Ipv6Luck::none : broken ? Ipv6Luck::broken : Ipv6Luck::works;
  p.port_mapping = dice.chance(c.natted() ? c.port_mapping * variant.port_mapping : 0);
  p.hairpin = dice.chance(c.hairpin);
  p.stranger_state = dice.chance(c.stranger_state);
  p.answers_443 = dice.chance(n.answers_443);
  p.cross_traffic = dice.within({0, 2 * c.cross_traffic});
  p.outside_port = static_cast<uint16_t>(dice.within({1024, 65535}));
  return p;
}

Duration distance(double x, double y) { return milliseconds(std::sqrt(x * x + y * y)); }

}  // namespace

PairDraw draw_pair(const Model& model, const Variant& variant, uint64_t seed, uint64_t number) {
  Random random(splitmix64(seed) ^ splitmix64(~number));
  PairDraw pair;
  pair.seed = random.next();
  pair.dialler = draw_peer(model, variant, Dice(random.next()));
  pair.acceptor = draw_peer(model, variant, Dice(random.next()));
  return pair;
}

Duration delay_between(const PeerDraw& a, const PeerDraw& b) { return a.line + b.line + distance(a.x - b.x, a.y - b.y); }

Duration delay_to_server(const PeerDraw& peer, const Network& network) {
  double middle = network.square / 2;
  return peer.line + distance(peer.x - middle, peer.y - middle);
}

}  // namespace ginnel::sim::population
