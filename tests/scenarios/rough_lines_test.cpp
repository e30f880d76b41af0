// Lines that do everything wrong that a line can do: wrong bits that no checksum caught, packets twice, late, lost in
// bursts. It connects, and every byte comes once, right, and in order.
#include "tests/scenarios/two_homes.hpp"

namespace ginnel::scenarios {
namespace {

Outcome rough_line(const std::string& text, uint64_t seed, bool traced, Measure* done) {
  TwoHomes t(seed, traced, sim::port_restricted, sim::full_cone);
  Outcome out;
  auto spec = link::parse_spec(text);
  out.expect(static_cast<bool>(spec), text + " is no line");
  sim::LinkConfig line;
  static_cast<link::Spec&>(line) = *spec;
  line.mtu = 1500;
  t.shape(line);
  t.start_acceptor();
  out.expect(!t.acceptor->registered.empty(), "never registered");
  t.dial();
  t.traffic->open({{100'000}, {30'000}});
  bool whole = t.run_until([&] { return t.traffic->done(); }, 120s);
  out.expect(whole, "not done within 120 s: " + t.traffic->state());
  if (done) done->add(to_ms(t.now() - t.dialled_at) / 1e3);
  return t.finish(out);
}

void complete_over(const std::string& text) {
  Measure done("130 KB over " + text, "s");
  for_each_seed(100, [&](uint64_t seed, bool traced) { return rough_line(text, seed, traced, &done); });
  done.print();
}

TEST(RoughLines, WrongBits) { complete_over("corrupt=2%"); }
TEST(RoughLines, TwiceAndLate) { complete_over("duplicate=10%,reorder=25%:20ms"); }
TEST(RoughLines, LostInBursts) { complete_over("loss=5%,burst=4"); }
TEST(RoughLines, EverythingAtOnce) {
  complete_over("jitter=5ms:reorder,rate=20mbit,loss=2%,burst=4,reorder=5%:20ms,duplicate=5%,corrupt=1%");
}

TEST(RoughLines, SameSeedSameTrace) {
  same_seed_same_trace(5, [](uint64_t seed, bool traced) {
    return rough_line("jitter=5ms:reorder,loss=2%,burst=4,reorder=5%:20ms,duplicate=5%,corrupt=1%", seed, traced,
                      nullptr);
  });
}

}  // namespace
}  // namespace ginnel::scenarios
