// The engine against the kernel it imitates: random scripts through the preset `linux` and through nftables' masquerade
// in a network namespace. GINNEL_SEED=n plays one script again, GINNEL_SCRIPTS=n so many.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "tests/differential/duel.hpp"
#include "tests/lab/harness.hpp"

namespace ginnel::test {
namespace {

nat::Behaviour closed(nat::Behaviour b) {
  b.strangers_keep_state = false;
  b.unsolicited_syn = nat::UnsolicitedSyn::silent;
  b.unsolicited_udp = nat::UnsolicitedUdp::silent;
  b.answer_ping = false;
  return b;
}

nat::Behaviour random_ports(nat::Behaviour b) {
  b.udp.mapping = b.tcp.mapping = b.icmp.mapping = nat::Depends::on_address_and_port;
  b.ports.choice = nat::PortChoice::random;
  return b;
}

std::vector<Setting> settings() {
  nat::Behaviour linux = *nat::preset("linux");
  return {{"masquerade", "masquerade", true, linux},
          {"masquerade-closed", "masquerade", false, closed(linux)},
          {"random", "masquerade random", true, random_ports(linux), true},
          {"fully-random-closed", "masquerade fully-random", false, closed(random_ports(linux)), true}};
}

uint64_t number(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

class Differential : public testing::TestWithParam<Setting> {};

TEST_P(Differential, EngineDoesWhatTheKernelDoes) {
  lab::in_sandbox([] {
    if (::access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "no TUN device may be made here";
    const Setting& setting = GetParam();
    lab::Host host("gateway");
    KernelNat kernel(host, setting);
    uint64_t first = number("GINNEL_SEED", 1), count = number("GINNEL_SCRIPTS", std::getenv("GINNEL_SEED") ? 1 : 1000);
    Tally tally;
    for (uint64_t seed = first; seed < first + count; ++seed) {
      Duel duel(kernel, setting, seed);
      if (duel.play(tally)) continue;
      ADD_FAILURE() << setting.name << ", GINNEL_SEED=" << seed << ":\n" << duel.explanation();
      break;
    }
    std::string excused;
    for (const auto& [rule, times] : tally.excused) excused += "; " + rule + " " + std::to_string(times);
    std::printf("%s: %zu scripts, %zu packets: %zu delivered, %zu answered, %zu dropped by both%s\n",
                setting.name.c_str(), tally.scripts, tally.packets, tally.delivered, tally.answered, tally.dropped,
                excused.c_str());
  });
}
INSTANTIATE_TEST_SUITE_P(Kernel, Differential, testing::ValuesIn(settings()), [](const auto& each) {
  std::string name = each.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace ginnel::test
