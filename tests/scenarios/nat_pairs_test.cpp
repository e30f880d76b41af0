// Which pairs of NATs become direct by checks alone, and which must stay on the relay (RFC 5128 section 3.4): a mapping
// that depends on the remote address can be learnt only by who lets its packets in.
#include "tests/scenarios/two_homes.hpp"

namespace ginnel::scenarios {
namespace {

const SiteConfig address_symmetric = sim::behind(
    sim::cone(nat::Depends::on_address, nat::Depends::on_address_and_port, nat::PortChoice::random));

Outcome pair(uint64_t seed, bool traced, SiteConfig a, SiteConfig b, const std::string& expected) {
  sim::Random pick(seed);
  if (pick.chance(0.5)) std::swap(a, b);
  TwoHomes t(seed, traced, a, b);
  Outcome out;
  t.set_round_trips(t.near_rtt, t.far_rtt, t.draw.between(5ms, std::min<Duration>(150ms, t.relay_rtt())));
  t.start_acceptor();
  t.dial();
  t.traffic->open({{100'000, false, 5'000, 500ms}, {100'000, false, 5'000, 500ms}});
  out.expect(t.run_until([&] { return t.traffic->done(); }, 30s), "not done: " + t.traffic->state());
  out.expect(t.both_on(expected), "ends on " + t.dialler->technique() + " and " + t.acceptor->technique());
  if (expected == "relay") out.expect(t.dialler->paths.size() == 1, "left the relay for a while");
  return t.finish(out);
}

void run(const SiteConfig& a, const SiteConfig& b, const std::string& expected) {
  for_each_seed(200, [&](uint64_t seed, bool traced) { return pair(seed, traced, a, b, expected); });
}

TEST(NatPairs, SymmetricAndPortRestrictedStayRelayed) { run(sim::symmetric, sim::port_restricted, "relay"); }
TEST(NatPairs, SymmetricAndSymmetricStayRelayed) { run(sim::symmetric, sim::symmetric, "relay"); }
TEST(NatPairs, SymmetricAndFullConeBecomeDirect) { run(sim::symmetric, sim::full_cone, "udp-punch"); }
TEST(NatPairs, SymmetricAndAddressRestrictedBecomeDirect) { run(sim::symmetric, sim::address_restricted, "udp-punch"); }
TEST(NatPairs, AddressSymmetricAndFullConeBecomeDirect) { run(address_symmetric, sim::full_cone, "udp-punch"); }

TEST(NatPairs, SameSeedSameTrace) {
  same_seed_same_trace(6, [](uint64_t seed, bool traced) {
    return pair(seed, traced, sim::symmetric, sim::full_cone, "udp-punch");
  });
}

}  // namespace
}  // namespace ginnel::scenarios
