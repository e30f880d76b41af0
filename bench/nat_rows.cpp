// `ginnel nat` beside the kernel's masquerade: two gateways of the same make, each between a user and a service of its
// own, take turns.
#include <memory>
#include <optional>

#include "bench/measure.hpp"
#include "bench/round.hpp"
#include "lab/agent.hpp"
#include "lab/error.hpp"
#include "lab/sandbox.hpp"

namespace ginnel::bench {

using namespace lab;

namespace {

constexpr const char* kService = "203.0.113.9";
constexpr int kPort = 5201;

/// user 10.0.0.2 -- 10.0.0.1 gateway 203.0.113.1 -- 203.0.113.9 service
struct Line {
  explicit Line(const std::string& name) : user(name + ".user"), gateway(name + ".gw"), service(name + ".service") {
    gateway.ip("link add lan type veth peer name eth0 netns " + user.name());
    gateway.ip("link add wan type veth peer name eth0 netns " + service.name());
    gateway.ip("addr add 10.0.0.1/24 dev lan\nlink set lan up\naddr add 203.0.113.1/24 dev wan\nlink set wan up");
    user.ip("addr add 10.0.0.2/24 dev eth0\nlink set eth0 up\nroute add default via 10.0.0.1");
    service.ip(std::string("addr add ") + kService + "/24 dev eth0\nlink set eth0 up");
  }
  Host user, gateway, service;
};

class NatBench {
 public:
  NatBench(const Plan& plan, Report& report) : plan_(plan), report_(report) {
    kernel_.gateway.sysctl("net/ipv4/ip_forward", "1");
    kernel_.gateway.nft(
        "table ip lab {\n chain out {\n type nat hook postrouting priority srcnat;\n oifname wan masquerade\n }\n}\n");
    nat_.emplace(
        ginnel_.gateway, plan.binary, "nat",
        Words{"nat", "--inside", "lan", "--outside", "wan", "--preset", "home", "--control", scratch() + "/nat.sock"});
    nat_->ready();
    memory_ = memory_of(nat_->process());
  }

  void run() {
    for (bool download : {true, false}) add_tcp(download);
    add_flood("UDP in trains of 40 x 1200 B, up", {.address = kService}, false);
    add_flood("UDP of 64 B, packet by packet, up", {.address = kService, .datagram = 64, .train = 1}, true);
    report_.rows.push_back({"memory of an idle ginnel nat, RSS", "MB", 1, {memory_.rss_mb}, {}, "< 10 MB"});
    report_.rows.push_back({"  PSS", "MB", 1, {memory_.pss_mb}, {}, ""});
  }

 private:
  void add_tcp(bool download) {
    const std::string direction = download ? "down" : "up";
    Row speed{"nat, 1 TCP stream, " + direction + " / masquerade", "Gbit/s", 2, {}, {}, ">= 0.3, aim 0.5"};
    Row cpu{"  CPU of ginnel nat", "s/GB", 2, {}, {}, ""};
    for (int i = 0; i < plan_.rounds; ++i) {
      plan_.progress("nat, TCP " + direction + ", " + round_of(i, plan_));
      const IperfOptions options{kService, kPort, download, 1, plan_.seconds};
      const auto kernel =
          attempt(report_, "masquerade", [&] { return run_iperf(kernel_.service, kPort, kernel_.user, options); });
      const double before = cpu_seconds(nat_->process());
      const auto ours =
          attempt(report_, "ginnel nat", [&] { return run_iperf(ginnel_.service, kPort, ginnel_.user, options); });
      if (!kernel || !ours) continue;
      speed.ginnel.push_back(ours->gbit_s);
      speed.reference.push_back(kernel->gbit_s);
      cpu.ginnel.push_back((cpu_seconds(nat_->process()) - before) / ours->gigabytes);
    }
    report_.rows.push_back(speed);
    report_.rows.push_back(cpu);
  }

  void add_flood(const std::string& name, FloodOptions options, bool packets) {
    options.seconds = plan_.seconds;
    Row row{"nat, " + name + " / masquerade", packets ? "k/s" : "Gbit/s", packets ? 0 : 2, {}, {}, ""};
    for (int i = 0; i < plan_.rounds; ++i) {
      plan_.progress("nat, " + name + ", " + round_of(i, plan_));
      const auto kernel =
          attempt(report_, "masquerade", [&] { return run_flood(kernel_.service, kernel_.user, options); });
      const auto ours =
          attempt(report_, "ginnel nat", [&] { return run_flood(ginnel_.service, ginnel_.user, options); });
      if (!kernel || !ours) continue;
      row.ginnel.push_back(packets ? ours->packets_s / 1000 : ours->gbit_s);
      row.reference.push_back(packets ? kernel->packets_s / 1000 : kernel->gbit_s);
    }
    report_.rows.push_back(row);
  }

  const Plan& plan_;
  Report& report_;
  Line kernel_{"kernel"}, ginnel_{"ginnel"};
  std::optional<Agent> nat_;
  Memory memory_;
};

}  // namespace

void measure_nat(const Plan& plan, Report& report) { NatBench(plan, report).run(); }

}  // namespace ginnel::bench
