// Paths that were punched through two kernel NATs, over UDP and over TCP, beside iperf3 on the same way, for which the
// service's gateway has a forward.
#include "bench/measure.hpp"
#include "bench/round.hpp"
#include "lab/agent.hpp"
#include "lab/error.hpp"
#include "lab/topology.hpp"

namespace ginnel::bench {

using namespace lab;

namespace {

constexpr int kPort = 5201;
constexpr const char* kServiceAddress = "198.51.100.20";

class PathBench {
 public:
  PathBench(const Plan& plan, Report& report) : plan_(plan), report_(report) {
    service_.gateway().nft(
        "table ip byhand { chain prerouting { type nat hook prerouting priority dstnat; policy accept; "
        "iifname \"wan\" tcp dport " +
        std::to_string(kPort) + " dnat ip to " + service_.machine().address + "; }; }");
    ticket_ = expose_.ready().text("ticket");
  }

  void add(const std::string& technique, const std::string& target, SiteOptions user) {
    user.nat = "home";
    const Host& host = lab_.add_site("user-" + technique, user).machine();
    Agent connect = start_connect(host, plan_.binary, ticket_, "127.0.0.1:9000", "connect-" + technique);
    connect.ready();
    if (!connect.wait_path(technique, in(15s))) throw LabError("no path by " + technique);
    for (bool download : {true, false}) {
      const std::string direction = download ? "down" : "up";
      Row row{technique + ", 1 stream, " + direction + " / iperf3", "Gbit/s", 2, {}, {}, target};
      const IperfOptions through{"127.0.0.1", 9000, download, 1, plan_.seconds};
      const IperfOptions raw{kServiceAddress, kPort, download, 1, plan_.seconds};
      for (int i = 0; i < plan_.rounds; ++i) {
        plan_.progress(technique + " " + direction + ", " + round_of(i, plan_));
        const auto reference = iperf("iperf3 alone", host, raw), ours = iperf(row.name, host, through);
        connect.pump();
        if (const Event* path = connect.last_path(); path->text("technique") != technique) {
          report_.notes.push_back(row.name + ": the path has become " + path->line);
        } else if (reference && ours) {
          row.reference.push_back(reference->gbit_s);
          row.ginnel.push_back(ours->gbit_s);
        }
      }
      report_.rows.push_back(row);
    }
  }

 private:
  std::optional<IperfResult> iperf(const std::string& what, const Host& from, const IperfOptions& options) {
    return attempt(report_, what, [&] { return run_iperf(service_.machine(), kPort, from, options); });
  }

  const Plan& plan_;
  Report& report_;
  Lab lab_{plan_.binary};
  const Host& server_ = lab_.add_host("server", "203.0.113.10");
  Site& service_ = lab_.add_site("service", {.nat = "home", .address = kServiceAddress});
  Agent server_agent_ = start_server(server_, plan_.binary);
  Agent expose_ = start_expose(service_.machine(), plan_.binary, std::to_string(kPort),
                               server_agent_.ready().text("url"), "expose");
  std::string ticket_;
};

}  // namespace

void measure_paths(const Plan& plan, Report& report) {
  PathBench bench(plan, report);
  bench.add("udp-punch", ">= 0.25, aim 0.45", {.address = "192.0.2.40"});
  bench.add("tcp-punch", ">= 0.3", {.address = "192.0.2.41", .udp_blocked = true});
}

}  // namespace ginnel::bench
