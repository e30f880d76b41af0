#include "bench/measure.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <sstream>

#include "lab/echo.hpp"
#include "lab/error.hpp"

namespace ginnel::bench {

using namespace lab;

namespace {

/// The number that follows these words, in this order, in a JSON text.
double number_behind(const std::string& json, std::initializer_list<const char*> keys) {
  size_t at = 0;
  for (const char* key : keys) {
    const std::string quoted = '"' + std::string(key) + "\":";
    at = json.find(quoted, at);
    if (at == std::string::npos) throw LabError(std::string("iperf3 gave no ") + key);
    at += quoted.size();
  }
  return std::stod(json.substr(at, 40));
}

std::string error_in(const std::string& json) {
  const size_t at = json.find("\"error\":");
  if (at == std::string::npos) return {};
  const size_t open = json.find('"', at + 8);
  return json.substr(open + 1, json.find('"', open + 1) - open - 1);
}

/// Serves one test. Its few lines stay in the pipe.
Process start_iperf_server(const Host& host, int port) {
  Process server =
      host.start(Command{.argv = {"iperf3", "-4", "-s", "-1", "-i", "0", "-p", std::to_string(port), "--forceflush"}});
  for (const Time deadline = in(10s); now() < deadline && !server.ended();) {
    const auto line = server.read_line(deadline);
    if (line && line->starts_with("Server listening")) return server;
  }
  throw LabError("the iperf3 server on " + host.name() + " did not start");
}

}  // namespace

IperfResult run_iperf(const Host& service, int port, const Host& client, const IperfOptions& options) {
  Process server = start_iperf_server(service, port);
  std::ostringstream command;
  command << "iperf3 -4 -J -i 0 -c " << options.address << " -p " << options.port << " -t " << options.seconds << " -P "
          << options.streams << (options.download ? " -R" : "");
  Process iperf = client.start(Command{.argv = words(command.str()), .err = {Stream::null}});
  const std::string json =
      iperf.read_all(in(std::chrono::milliseconds(static_cast<int64_t>(options.seconds * 1000) + 20'000)));
  if (const auto error = error_in(json); !error.empty()) throw LabError("iperf3: " + error);
  if (json.empty() || iperf.wait(in(1s)) != 0) throw LabError("iperf3 did not end in time");
  server.wait(in(3s));  // it sees the end a little later
  IperfResult out;
  out.gbit_s = number_behind(json, {"sum_received", "bits_per_second"}) / 1e9;
  out.gigabytes = number_behind(json, {"sum_received", "bytes"}) / 1e9;
  const double percent = number_behind(json, {"cpu_utilization_percent", "host_total"}) +
                         number_behind(json, {"cpu_utilization_percent", "remote_total"});
  out.cpu_seconds = percent / 100 * number_behind(json, {"sum_received", "seconds"});
  return out;
}

namespace {

sockaddr_in socket_address(const std::string& address, uint16_t port) {
  sockaddr_in out{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
  ::inet_pton(AF_INET, address.c_str(), &out.sin_addr);
  return out;
}

/// Counts what arrives until nothing has for 200 ms after the first; prints bytes and seconds.
int count_flood(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int on = 1, room = 8 << 20;
  ::setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  const sockaddr_in at = socket_address("0.0.0.0", port);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) throw_errno("bind");
  std::puts("ready");
  std::fflush(stdout);
  std::string chunk(65536, '\0');
  pollfd readable{fd, POLLIN, 0};
  Time first{}, last{};
  double bytes = 0;
  for (int patience = 10'000; ::poll(&readable, 1, patience) > 0; patience = 200) {
    const ssize_t n = ::recv(fd, chunk.data(), chunk.size(), 0);
    last = now();
    if (patience == 10'000) first = last;
    bytes += static_cast<double>(n);
  }
  std::printf("%.0f %.6f\n", bytes, to_ms(last - first) / 1000);
  return 0;
}

int send_flood(const FloodOptions& options) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const sockaddr_in to = socket_address(options.address, options.port);
  const std::string train(static_cast<size_t>(options.datagram * options.train), 'x');
  if (options.train > 1) ::setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &options.datagram, sizeof options.datagram);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) throw_errno("connect");
  const Time end = in(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(options.seconds)));
  while (now() < end) ::send(fd, train.data(), train.size(), 0);
  return 0;
}

}  // namespace

FloodResult run_flood(const Host& receiver, const Host& sender, const FloodOptions& options) {
  Process counter = receiver.start([&options] { return count_flood(options.port); });
  if (counter.read_line(in(5s)) != "ready") throw LabError("the UDP receiver on " + receiver.name() + " did not start");
  Process flood = sender.start([&options] { return send_flood(options); });
  const auto line = counter.read_line(in(std::chrono::milliseconds(static_cast<int64_t>(options.seconds * 1000) + 15'000)));
  if (!line) throw LabError("no UDP came from " + sender.name() + " to " + receiver.name());
  std::istringstream words(*line);
  double bytes = 0, seconds = 0;
  words >> bytes >> seconds;
  seconds = std::max(seconds, 0.001);
  return {.gbit_s = bytes * 8 / 1e9 / seconds, .packets_s = bytes / options.datagram / seconds};
}

double connect_ms(const Host& from, const std::string& address, uint16_t port) {
  Process client = from.start([&] {
    const Time start = now();
    if (dial(address, port) < 0) return 1;
    std::printf("%.3f\n", ms_since(start));
    return 0;
  });
  const auto line = client.read_line(in(10s));
  if (!line) throw LabError("no TCP connection from " + from.name() + " to " + address);
  return std::stod(*line);
}

Time echo_time(Process& prober, Time deadline) {
  const auto line = prober.read_line(deadline);
  if (!line) throw LabError("no byte came back through ginnel");
  return echo_moment(*line);
}

double cpu_seconds(const Process& process) {
  std::ifstream file("/proc/" + std::to_string(process.pid()) + "/stat");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) throw LabError("no CPU time of process " + std::to_string(process.pid()));
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;  // proc(5): 14 utime, 15 stime
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

Memory memory_of(const Process& process) {
  Memory out;
  std::ifstream rollup("/proc/" + std::to_string(process.pid()) + "/smaps_rollup");
  for (std::string line; std::getline(rollup, line);) {
    if (line.starts_with("Rss:")) out.rss_mb = std::stod(line.substr(4)) * 1024 / 1e6;
    if (line.starts_with("Pss:")) out.pss_mb = std::stod(line.substr(4)) * 1024 / 1e6;
  }
  if (out.rss_mb == 0) throw LabError("no memory figures of process " + std::to_string(process.pid()));
  return out;
}

}  // namespace ginnel::bench
