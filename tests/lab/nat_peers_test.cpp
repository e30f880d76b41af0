// Programs of others through `ginnel nat`: what coturn's natdiscovery finds out (RFC 5780, two addresses) is what the
// presets claim.
#include <map>

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
    NatHome& home = world.home("home");
    const std::map<std::string, std::pair<const char*, const char*>> said = {
        {"full-cone", {"Endpoint Independent Mapping", "Endpoint Independent Filtering"}},
        {"restricted", {"Endpoint Independent Mapping", "Address Dependent Filtering"}},
        {"port-restricted", {"Endpoint Independent Mapping", "Address and Port Dependent Filtering"}},
        {"symmetric", {"Address and Port Dependent Mapping", "Address and Port Dependent Filtering"}},
    };
    for (const auto& [preset, words] : said) {
      SCOPED_TRACE(preset);
      home.stop();
      home.start({"--preset", preset});
      std::string found;
      wait_until(
          [&] {
            found = home.machine().run(Command{.argv = {"turnutils_natdiscovery", "-m", "-f", kOne}}, 60s);
            return found.find("NAT with") != std::string::npos;
          },
          in(20s), std::chrono::milliseconds(200));
      EXPECT_NE(found.find(words.first), std::string::npos) << found;
      EXPECT_NE(found.find(words.second), std::string::npos) << found;
    }
  });
}

}  // namespace
}  // namespace ginnel::lab
