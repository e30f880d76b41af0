// The instruments: one iperf3 run, an echo, a kernel round trip, what a process costs in CPU and memory. Each gives a
// number or throws LabError; which numbers belong together is the business of rows.cpp.
#pragma once
#include <cstdint>
#include <string>

#include "lab/host.hpp"

namespace ginnel::bench {

using lab::Host;
using lab::Process;
using lab::Time;

// ---- bulk
struct IperfOptions {
  std::string address = "127.0.0.1";
  int port = 5201;
  bool download = true;  ///< towards the client
  int streams = 1;
  double seconds = 3;
};

struct IperfResult {
  double gbit_s = 0;       ///< received
  double gigabytes = 0;    ///< received
  double cpu_seconds = 0;  ///< of both iperf3 processes
};

/// With an iperf3 server of its own on `service`, which listens on `port` for this one test; `options` say where the
/// client finds it.
IperfResult run_iperf(const Host& service, int port, const Host& client, const IperfOptions& options);

struct FloodOptions {
  std::string address;
  uint16_t port = 5300;
  int datagram = 1200;  ///< bytes of payload
  int train = 40;       ///< datagrams given to the kernel at once, as one (UDP_SEGMENT) if more than one fits
  double seconds = 2;
};
struct FloodResult {
  double gbit_s = 0;     ///< payload received
  double packets_s = 0;  ///< datagrams received
};
/// Sends UDP as fast as it goes; what arrives counts.
FloodResult run_flood(const Host& receiver, const Host& sender, const FloodOptions& options);

// ---- single bytes
/// ms until the kernel has a TCP connection to it: one round trip.
double connect_ms(const Host& from, const std::string& address, uint16_t port);
/// When the echo of a prober (lab/echo.hpp) came.
Time echo_time(Process& prober, Time deadline);

// ---- costs
double cpu_seconds(const Process& process);  ///< user and system, so far
struct Memory {
  double rss_mb = 0;
  double pss_mb = 0;
};
Memory memory_of(const Process& process);

}  // namespace ginnel::bench
