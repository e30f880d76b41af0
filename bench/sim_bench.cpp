// What a simulated world costs: CPU time to make one, to bring a pair of peers from the relay to a direct path, to move
// bytes; and how many events and packets a second that is. Prints; judges nothing. CPU time of this process is meant,
// so that other load on the machine disturbs little.
#include <ctime>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>

#include "sim/agent.hpp"
#include "sim/traffic.hpp"
#include "sim/world.hpp"

using namespace ginnel;

namespace {

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

struct Row {
  const char* name;
  sim::SiteConfig dialler, acceptor;
  size_t bytes;
  Duration at_least;  ///< the world runs on for so long, whatever happened
};

struct Sum {
  double cpu = 0, made = 0;
  uint64_t events = 0, packets = 0, direct = 0, done = 0;
};

void run(const Row& row, uint64_t seed, Sum& sum) {
  double begin = cpu_seconds();
  sim::World world(seed);
  wire::ServiceId service{'b', 'e', 'n', 'c', 'h'};
  sim::Agent acceptor(world, "acceptor", row.acceptor, service), dialler(world, "dialler", row.dialler, {});
  sim::LinkConfig way;
  way.delay = 20ms;
  for (auto [a, b] :
       {std::pair(acceptor.site(), 0), std::pair(dialler.site(), 0), std::pair(acceptor.site(), dialler.site())})
    world.set_way(a, b, way);
  world.start_server();
  sum.made += cpu_seconds() - begin;
  if (row.bytes > 0) {
    acceptor.start();
    world.clock.run_until([&] { return !acceptor.registered.empty(); }, 10s);
    dialler.start();
    sim::Traffic traffic(world, dialler, acceptor, dialler.dial(acceptor));
    traffic.open({{row.bytes}, {row.bytes}});
    bool done = world.clock.run_until([&] { return traffic.done(); }, 30s);
    sum.done += done;
    world.clock.run_for(row.at_least);
    sum.direct += dialler.technique() == "udp-punch";
  }
  sum.events += world.clock.done();
  sum.packets += world.internet.counters.packets;
  sum.cpu -= begin;
}

void measure(const Row& row, uint64_t worlds) {
  Sum sum;
  for (uint64_t seed = 1; seed <= worlds; ++seed) {
    run(row, seed, sum);
    sum.cpu += cpu_seconds();  // the world is gone
  }
  double n = static_cast<double>(worlds);
  std::printf("%-44s %9.0f %9.0f %9.0f %9.0f %10.0f %7.2f %7.2f\n", row.name, sum.cpu / n * 1e6, sum.made / n * 1e6,
              static_cast<double>(sum.events) / n, static_cast<double>(sum.packets) / n,
              static_cast<double>(sum.events) / sum.cpu, static_cast<double>(sum.direct) / n,
              static_cast<double>(sum.done) / n);
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t worlds = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 300;
  sim::SiteConfig office = sim::behind("symmetric-sequential");
  office.nats[0].cross_traffic = 20;
  sim::SiteConfig twice = sim::port_restricted;
  twice.nats.push_back({sim::preset("cgn")});
  std::printf("%-44s %9s %9s %9s %9s %10s %7s %7s\n", "", "us/world", "us making", "events", "packets", "events/s",
              "direct", "done");
  for (const Row& row : {Row{"a world that is made and ends", sim::port_restricted, sim::port_restricted, 0, 0s},
                         Row{"a pair: a byte each way", sim::port_restricted, sim::port_restricted, 1, 3s},
                         Row{"  the same without UDP", sim::port_restricted.without_udp(), sim::port_restricted, 1, 3s},
                         Row{"  behind two NATs each", twice, twice, 1, 3s},
                         Row{"  one behind a busy symmetric NAT", office, sim::port_restricted, 1, 3s},
                         Row{"  a megabyte each way", sim::port_restricted, sim::port_restricted, 1'000'000, 3s},
                         Row{"  a megabyte each way without UDP", sim::port_restricted.without_udp(),
                             sim::port_restricted, 1'000'000, 3s}})
    measure(row, worlds);
}
