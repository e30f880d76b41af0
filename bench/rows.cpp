#include "bench/rows.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <set>

#include "bench/measure.hpp"
#include "bench/round.hpp"
#include "lab/agent.hpp"
#include "lab/echo.hpp"
#include "lab/error.hpp"
#include "lab/sandbox.hpp"
#include "lab/topology.hpp"

namespace ginnel::bench {

using namespace lab;

namespace {

constexpr int kIperfPort = 5201;
constexpr int kManyStreams = 100;
constexpr uint16_t kEchoPort = 7;
constexpr const char* kServerAddress = "203.0.113.10";
constexpr const char* kServiceAddress = "198.51.100.20";
constexpr const char* kUserAddress = "192.0.2.40";

/// Starts `connect --stdio --relay-only` and gives ms from there until its first byte is echoed.
double start_to_echo_ms(const Plan& plan, const Host& host, const std::string& ticket, const std::string& name) {
  const std::string state = Agent::state_directory(name);
  ::mkdir(state.c_str(), 0700);
  const Time start = now();
  Process connect =
      host.start(Command{.argv = {plan.binary, "connect", ticket, "--stdio", "--relay-only", "--state", state},
                         .in = {Stream::pipe},
                         .err = Stream::to_file(scratch() + "/" + name + ".log")});
  connect.write("x\n");
  const auto line = connect.read_line(in(10s));
  const double ms = ms_since(start);
  if (line != "x") throw LabError("no byte came back through connect --stdio");
  connect.stop(SIGTERM);
  return ms;
}

// ---- bulk

/// The user's and the service's machine with a veth between them; the server, which both can reach, beside it.
class BulkBench {
 public:
  BulkBench(const Plan& plan, Report& report)
      : plan_(plan),
        report_(report),
        server_(lab_.add_host("server", kServerAddress)),
        service_(lab_.add_host("service", kServiceAddress)),
        user_(lab_.add_host("user", kUserAddress)) {
    service_.ip("link add direct type veth peer name direct netns " + user_.name());
    join(service_, user_);
    join(user_, service_);
    echo_ = start_echo(service_, kEchoPort);
    const std::string url = start(start_server(server_, plan.binary)).ready().text("url");
    Agent& expose = start(start_expose(service_, plan.binary, std::to_string(kIperfPort), url, "expose"));
    const std::string ticket = expose.ready().text("ticket");
    Agent& echo = start(start_expose(service_, plan.binary, std::to_string(kEchoPort), url, "expose-echo"));
    echo_ticket_ = echo.ready().text("ticket");
    direct_ = {"direct", start_path(ticket, 9000, {}), 9000, &expose};
    relay_ = {"relay", start_path(ticket, 9001, {"--relay-only"}), 9001, &expose};
    if (!direct_.connect->wait_direct(in(15s))) throw LabError("no direct path between two machines side by side");
  }

  void run() {
    for (bool download : {true, false}) run_bulk(download);
    add_rows();
    run_cpu_rows();
    run_start_up();
  }

 private:
  struct Way {
    std::string name;
    Agent* connect = nullptr;
    int port = 0;
    Agent* expose = nullptr;
  };
  struct Results {
    Samples reference, direct, relay, many, reference_many;
  };

  static void join(const Host& host, const Host& other) {
    host.ip("link set direct up\nroute add " + other.address + "/32 dev direct src " + host.address);
  }

  Agent& start(Agent agent) { return agents_.emplace_back(std::move(agent)); }

  Agent* start_path(const std::string& ticket, int port, const Words& extra) {
    Agent& agent = start(start_connect(user_, plan_.binary, ticket, "127.0.0.1:" + std::to_string(port),
                                       "connect-" + std::to_string(port), extra));
    agent.ready();
    return &agent;
  }

  std::optional<IperfResult> iperf(const std::string& what, const IperfOptions& options) {
    return attempt(report_, what, [&] { return run_iperf(service_, kIperfPort, user_, options); });
  }

  std::optional<IperfResult> raw(bool download, int streams = 1) {
    return iperf("iperf3 alone", {kServiceAddress, kIperfPort, download, streams, plan_.seconds});
  }

  /// A run through ginnel, whose path must be the same before and after.
  std::optional<IperfResult> through(const Way& way, bool download, int streams = 1) {
    way.connect->pump();
    const size_t seen = way.connect->events().size();
    const std::string what = std::to_string(streams) + (streams > 1 ? " streams, " : " stream, ") + way.name +
                             (download ? ", down" : ", up");
    const auto result = iperf(what, {"127.0.0.1", way.port, download, streams, plan_.seconds});
    way.connect->pump();
    for (size_t i = seen; i < way.connect->events().size(); ++i) {
      report_.notes.push_back("during \"" + what + "\" connect said " + way.connect->events()[i].line);
    }
    const Event* path = way.connect->last_path();
    if (!path || path->is_direct() != (way.name == "direct")) {
      report_.notes.push_back("\"" + what + "\" did not end on its path and does not count");
      return std::nullopt;
    }
    if (result) techniques_.insert(path->text("technique") + "/" + path->text("transport"));
    return result;
  }

  void run_bulk(bool download) {
    Results& results = download ? down_ : up_;
    raw(download);  // the first run of a network is its slowest
    for (int i = 0; i < plan_.rounds; ++i) {
      plan_.progress(std::string("bulk ") + (download ? "down" : "up") + ", " + round_of(i, plan_));
      const auto reference = raw(download);
      const auto direct = through(direct_, download);
      const auto relay = through(relay_, download);
      const auto many = through(direct_, download, kManyStreams);
      const auto reference_many = raw(download, kManyStreams);
      if (!reference || !direct || !relay || !many || !reference_many) continue;
      results.reference.push_back(reference->gbit_s);
      results.direct.push_back(direct->gbit_s);
      results.relay.push_back(relay->gbit_s);
      results.many.push_back(many->gbit_s);
      results.reference_many.push_back(reference_many->gbit_s);
    }
  }

  void add_rows() {
    const std::string unit = "Gbit/s";
    auto add = [&](const std::string& name, const Samples& a, const Samples& b, const std::string& target) {
      report_.rows.push_back({name, unit, 2, a, b, target});
    };
    const char *direct = ">= 0.25, aim 0.4", *relay = ">= 0.12", *many = ">= 0.8";
    add("direct, 1 stream, down / iperf3", down_.direct, down_.reference, direct);
    add("direct, 1 stream, up / iperf3", up_.direct, up_.reference, direct);
    add("relay, 1 stream, down / iperf3", down_.relay, down_.reference, relay);
    add("relay, 1 stream, up / iperf3", up_.relay, up_.reference, relay);
    add("direct, 100 streams / 1 stream, down", down_.many, down_.direct, many);
    add("direct, 100 streams / 1 stream, up", up_.many, up_.direct, many);
    add("  iperf3 alone, 100 / 1 stream, down", down_.reference_many, down_.reference, "");
    add("  iperf3 alone, 100 / 1 stream, up", up_.reference_many, up_.reference, "");
    std::string names;
    for (const auto& technique : techniques_) names += (names.empty() ? "" : ", ") + technique;
    report_.facts.emplace_back("paths", names);
  }

  struct Cost {
    double agents = 0, server = 0;
  };
  Cost spent() {
    return {cpu_seconds(direct_.connect->process()) + cpu_seconds(relay_.connect->process()) +
                cpu_seconds(direct_.expose->process()),
            cpu_seconds(agents_.front().process())};
  }

  void run_cpu_rows() {
    Samples direct, relay, server, reference;
    for (int i = 0; i < plan_.rounds; ++i) {
      plan_.progress("CPU, " + round_of(i, plan_));
      const auto plain = raw(true);
      const Cost before = spent();
      const auto one = through(direct_, true);
      const Cost between = spent();
      const auto other = through(relay_, true);
      const Cost after = spent();
      if (!plain || !one || !other) continue;
      reference.push_back(plain->cpu_seconds / plain->gigabytes);
      direct.push_back((between.agents - before.agents) / one->gigabytes);
      relay.push_back((after.agents - between.agents) / other->gigabytes);
      server.push_back((after.server - between.server) / other->gigabytes);
    }
    report_.rows.push_back({"CPU of both agents, direct, down / iperf3's own", "s/GB", 2, direct, reference, ""});
    report_.rows.push_back({"CPU of both agents, relayed, down / iperf3's own", "s/GB", 2, relay, reference, ""});
    report_.rows.push_back({"CPU of the relay, down", "s/GB", 2, server, {}, ""});
  }

  /// What programs and cipher need where the network needs nothing.
  void run_start_up() {
    Samples ms, reference;
    for (int i = 0; i < 2 * plan_.rounds; ++i) {
      plan_.progress("start-up, " + std::to_string(i + 1));
      try {
        const Time start = now();
        user_.run(plan_.binary + " --version");
        const double bare = ms_since(start);
        ms.push_back(start_to_echo_ms(plan_, user_, echo_ticket_, "start-up"));
        reference.push_back(bare);
      } catch (const LabError& e) {
        report_.notes.push_back(std::string("start-up: ") + e.what());
      }
    }
    report_.rows.push_back({"connect's start to first byte, no delay / --version", "ms", 1, ms, reference, ""});
  }

  const Plan& plan_;
  Report& report_;
  Lab lab_;
  const Host& server_;
  const Host& service_;
  const Host& user_;
  Process echo_;
  std::deque<Agent> agents_;  ///< the server first
  std::string echo_ticket_;
  Way direct_, relay_;
  Results down_, up_;
  std::set<std::string> techniques_;
};

// ---- first bytes

/// Two homes whose access lines take 25 ms one way; the server has none of its own.
class FirstBytesBench {
 public:
  FirstBytesBench(const Plan& plan, Report& report)
      : plan_(plan),
        report_(report),
        server_(lab_.add_host("server", kServerAddress)),
        a_(lab_.add_site("home-a", {.address = kServiceAddress, .link = both_ways("delay=25ms")})),
        b_(lab_.add_site("home-b", {.address = kUserAddress, .link = both_ways("delay=25ms")})),
        echo_(start_echo(a_.machine(), kEchoPort)),
        server_echo_(start_echo(server_, kEchoPort)),
        server_agent_(start_server(server_, plan.binary)),
        expose_(start_expose(a_.machine(), plan.binary, std::to_string(kEchoPort), server_agent_.ready().text("url"))),
        ticket_(expose_.ready().text("ticket")) {}

  void run() {
    connect_ms(b_.machine(), kServerAddress, kEchoPort);  // the first one waits for ARP's answer too
    for (int i = 0; i < plan_.rounds; ++i) {
      plan_.progress("first bytes at 50 ms, " + round_of(i, plan_));
      try {
        run_once(i);
      } catch (const LabError& e) {
        report_.notes.push_back(std::string("first bytes: ") + e.what());
      }
    }
    const Samples three_first(trips_.size(), 3), three_direct(direct_trips_.size(), 3);
    report_.rows.push_back({"start to first byte, relayed, 50 ms RTT / the floor", "ms", 0, first_, floor_, ""});
    report_.rows.push_back({"  as round trips", "", 2, trips_, three_first, "<= 4 round trips"});
    report_.rows.push_back({"first relayed byte to direct path", "ms", 0, direct_, {}, ""});
    report_.rows.push_back(
        {"  as round trips of the direct path", "", 2, direct_trips_, three_direct, "<= 5 round trips"});
  }

 private:
  void run_once(int i) {
    const double rtt = connect_ms(b_.machine(), kServerAddress, kEchoPort);
    const double end_to_end = 2 * rtt;  // both homes' access lines, relayed or not
    const double first = start_to_echo_ms(plan_, b_.machine(), ticket_, "first-byte");
    first_.push_back(first);
    floor_.push_back(rtt + 2 * end_to_end);
    trips_.push_back((first - rtt) / end_to_end + 1);
    const double direct = echo_to_direct_ms(i);
    direct_.push_back(direct);
    direct_trips_.push_back(direct / end_to_end);
  }

  double echo_to_direct_ms(int i) {
    Process prober = start_prober(b_.machine(), 9000);
    // Its own identity each time: the first meeting of two peers.
    Agent connect = start_connect(b_.machine(), plan_.binary, ticket_, "127.0.0.1:9000", "direct-" + std::to_string(i));
    const Event* direct = connect.wait_direct(in(15s));
    const Time echoed = echo_time(prober, in(10s));
    if (!direct) throw LabError("no direct path within 15 s; connect said: " + connect.said());
    const double ms = to_ms(direct->at - echoed);
    connect.process().stop(SIGTERM);
    return ms;
  }

  const Plan& plan_;
  Report& report_;
  Lab lab_;
  const Host& server_;
  Site& a_;
  Site& b_;
  Process echo_, server_echo_;
  Agent server_agent_, expose_;
  std::string ticket_;
  Samples first_, floor_, trips_, direct_, direct_trips_;
};

// ---- memory

/// Agents with nothing to do, all on one machine beside the server's.
class MemoryBench {
 public:
  MemoryBench(const Plan& plan, Report& report)
      : plan_(plan),
        report_(report),
        server_(lab_.add_host("server", kServerAddress)),
        machine_(lab_.add_host("machine", kServiceAddress)),
        server_agent_(start_server(server_, plan.binary)),
        url_(server_agent_.ready().text("url")) {}

  void run() {
    start_agents(1);
    plan_.progress("memory, 10 s of idleness");
    settle(10s);
    const Memory idle = memory_of(idle_.front().process());
    const int warm = std::max(plan_.idle_agents / 5, 1);  // the first ones also pay for the server's own start
    start_agents(warm - 1);
    settle(3s);
    const Memory server_before = memory_of(server_agent_.process());
    start_agents(plan_.idle_agents - warm);
    settle(3s);
    const Memory server_after = memory_of(server_agent_.process());
    const double each = (server_after.rss_mb - server_before.rss_mb) * 1000 / (plan_.idle_agents - warm);
    report_.rows.push_back({"memory of an idle expose, RSS", "MB", 1, {idle.rss_mb}, {}, "<= 15 MB"});
    report_.rows.push_back({"memory of an idle expose, PSS", "MB", 1, {idle.pss_mb}, {}, "<= 15 MB"});
    report_.rows.push_back({"server memory per idle agent (" + std::to_string(plan_.idle_agents) + " agents)",
                            "kB",
                            1,
                            {each},
                            {},
                            "aim <= 40 kB"});
    report_.rows.push_back({"  the whole server with them, RSS", "MB", 1, {server_after.rss_mb}, {}, ""});
  }

 private:
  void start_agents(int count) {
    plan_.progress("memory, starting " + std::to_string(count) + " agents");
    for (int i = 0; i < count; ++i) {
      const std::string name = "idle-" + std::to_string(idle_.size());
      idle_.push_back(start_expose(machine_, plan_.binary, "80", url_, name));
      idle_.back().ready();  // one after the other: a start is what is not measured here
    }
  }

  void settle(Duration time) { ::poll(nullptr, 0, static_cast<int>(to_ms(time))); }

  const Plan& plan_;
  Report& report_;
  Lab lab_;
  const Host& server_;
  const Host& machine_;
  Agent server_agent_;
  std::string url_;
  std::deque<Agent> idle_;
};

}  // namespace

void measure_bulk(const Plan& plan, Report& report) { BulkBench(plan, report).run(); }
void measure_first_bytes(const Plan& plan, Report& report) { FirstBytesBench(plan, report).run(); }
void measure_memory(const Plan& plan, Report& report) { MemoryBench(plan, report).run(); }

}  // namespace ginnel::bench
