// Searches for the port of a symmetric NAT, twenty times each, against the kernel's fully-random masquerade and our own
// sequential gateway; and what they leave behind in the other side's router.
#include <algorithm>
#include <vector>

#include "lab/agent.hpp"
#include "lab/topology.hpp"
#include "tests/lab/harness.hpp"
#include "tests/lab/two_homes.hpp"

namespace ginnel::lab {
namespace {

constexpr int kRuns = 20;

int conntrack_entries(const Host& gateway) {
  return std::stoi(gateway.run("cat /proc/sys/net/netfilter/nf_conntrack_count"));
}

/// Each run is two new agents: an old one would wait between searches.
void twenty_times(const char* near, const char* far, const std::string& technique) {
  Lab lab(ginnel_binary());
  const Host& server = lab.add_host("server", "203.0.113.10", both_ways("delay=10ms"));
  Site& a = lab.add_site("home-a", {.nat = near, .address = "198.51.100.20"});
  Site& b = lab.add_site("home-b", {.nat = far, .address = "192.0.2.40"});
  Agent server_agent = start_server(server, ginnel_binary());
  const std::string url = server_agent.ready().text("url");
  std::vector<double> times, probes;
  int found = 0, as_expected = 0, most_entries = 0;
  for (int run = 0; run < kRuns; ++run) {
    const std::string n = std::to_string(run);
    Agent expose = start_expose(a.machine(), ginnel_binary(), "8000", url, "expose-" + n);
    const std::string ticket = expose.ready(20s).text("ticket");
    Agent ping(b.machine(), ginnel_binary(), "ping-" + n, {"ping", ticket, "-v"});
    const Event* relay = ping.wait_path("relay", in(10s));
    ASSERT_TRUE(relay) << ping.said();
    const Event* direct = ping.wait_direct(in(5s));
    found += direct != nullptr;
    as_expected += direct && direct->text("technique") == technique;
    if (!direct)
      for (Agent* agent : {&expose, &ping}) {
        agent->pump();
        for (const Event& e : agent->events()) std::printf("  run %d: %s\n", run, e.line.c_str());
      }
    if (direct) times.push_back(to_ms(direct->at - relay->at));
    for (Agent* agent : {&expose, &ping}) {
      agent->pump();
      for (const Event& e : agent->events())
        if (e.is("search") && e.text("our_nat") == "false") probes.push_back(e.number("probes"));
    }
    for (const Site* site : {&a, &b})
      if (std::string(site == &a ? near : far) == "home") most_entries = std::max(most_entries, conntrack_entries(site->gateway()));
  }
  EXPECT_GE(found, kRuns - 1) << "of " << kRuns;
  EXPECT_GE(as_expected, kRuns - 2) << "a sequence that others disturb while it is looked at is taken for a block, now and then";
  std::sort(times.begin(), times.end());
  std::sort(probes.begin(), probes.end());
  if (times.empty() || probes.empty()) return ADD_FAILURE() << "nothing was searched";
  EXPECT_LE(probes.back(), 2048);
  // One search's probes live for half a minute there; what it leaves grows by each run, and so do the other connections.
  EXPECT_LE(most_entries, 2048 * kRuns);
  std::printf("  %s against %s: %d of %d, median %.0f ms, most %.0f ms after relayed; probes: median %.0f, most %.0f; "
              "entries in the router of all searches together: %d\n",
              near, far, found, kRuns, times[times.size() / 2], times.back(), probes[probes.size() / 2], probes.back(), most_entries);
}

TEST(LabSearches, BirthdayTwentyTimes) {
  in_sandbox([] { twenty_times("symmetric", "home", "birthday"); });
}

TEST(LabSearches, BirthdayTwentyTimesTheOtherWayRound) {
  in_sandbox([] { twenty_times("home", "symmetric", "birthday"); });
}

TEST(LabSearches, PredictionTwentyTimes) {
  in_sandbox([] { twenty_times("ginnel:symmetric-sequential", "home", "prediction"); });
}

TEST(LabSearches, DiagonalTwentyTimes) {
  in_sandbox([] { twenty_times("ginnel:symmetric-sequential", "ginnel:symmetric-sequential", "prediction"); });
}

}  // namespace
}  // namespace ginnel::lab
