// Programs of others through `ginnel nat`: what coturn's natdiscovery finds out (RFC 5780, two addresses) is what the
// presets claim.
#include "lab/error.hpp"
#include "tests/lab/harness.hpp"
#include "tests/lab/nat_world.hpp"

namespace ginnel::lab {
namespace {

constexpr const char* kOne = "203.0.113.9";
constexpr const char* kTwo = "203.0.113.10";

bool installed(const char* program) {
  try {
    run({.argv = {"sh", "-c", std::string("command -v ") + program}});
    return true;
  } catch (const LabError&) {
    return false;
  }
}

Process start_stun_server(const Host& host) {
  Process server =
      host.start(Command{.argv = {"turnserver", "-n", "--stun-only", "-L", kOne, "-L", kTwo, "--no-tls", "--no-dtls",
                                  "--no-cli", "--log-file", "stdout", "--pidfile", scratch() + "/turnserver.pid"},
                         .directory = scratch(),
                         .err = {Stream::null}});
  return server;
}

TEST(LabNatPeers, NatDiscoveryFindsWhatThePresetsClaim) {
  in_sandbox([] {
    if (!installed("turnserver") || !installed("turnutils_natdiscovery")) GTEST_SKIP() << "coturn is not installed";
    NatWorld world;
    Host& stun = world.outside("stun", {kOne, kTwo});
    Process server = start_stun_server(stun);
    const struct {
      const char *preset, *mapping, *filtering;
    } rows[] = {
        {"full-cone", "Endpoint Independent Mapping", "Endpoint Independent Filtering"},
        {"restricted", "Endpoint Independent Mapping", "Address Dependent Filtering"},
        {"port-restricted", "Endpoint Independent Mapping", "Address and Port Dependent Filtering"},
        {"symmetric", "Address and Port Dependent Mapping", "Address and Port Dependent Filtering"},
    };
    EXPECT_TRUE(wait_until([&] { return stun.run("ss -Hlun").find(std::string(kTwo) + ":3479") != std::string::npos; },
                           in(10s)));
    std::vector<Process> running;  // it mostly waits for answers that do not come
    for (const auto& row : rows) {
      NatHome& home = world.home(row.preset, {.publics = {"198.51.100." + std::to_string(20 + running.size())},
                                              .nat = {"--preset", row.preset}});
      running.push_back(
          home.machine().start(Command{.argv = {"turnutils_natdiscovery", "-m", "-f", kOne}, .err = {Stream::null}}));
    }
    for (size_t i = 0; i < running.size(); ++i) {
      SCOPED_TRACE(rows[i].preset);
      const std::string found = running[i].read_all(in(60s));
      EXPECT_NE(found.find(rows[i].mapping), std::string::npos) << found;
      EXPECT_NE(found.find(rows[i].filtering), std::string::npos) << found;
    }
  });
}

}  // namespace
}  // namespace ginnel::lab
