// The roles a ginnel process can play. Each runs until it is told to stop or cannot go on; the error, if any, is one
// sentence and the exit code.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "app/proxy_choice.hpp"
#include "app/report.hpp"
#include "base/address.hpp"
#include "base/result.hpp"

namespace ginnel::app {

struct CommonOptions {
  std::string state;  ///< folder for keys
};

struct ServerOptions {
  std::vector<std::string> listen;   ///< ADDR:PORT; empty: 0.0.0.0:3478 and [::]:3478
  std::string host;                  ///< name or address to print in the URL; empty: the first address of this host
  std::vector<std::string> allow;    ///< keys that may use it; empty: everybody
  std::string tls_certificate;       ///< PEM files, both or none; none: one made at the start
  std::string tls_key;
};

/// What all who have peers may be told.
struct PeerOptions {
  bool relay_only = false;
  bool map_ports = true;             ///< ask the gateway for a way in
  bool search = true;                ///< for the ports of symmetric NATs
  ProxyOptions proxy;
};

struct ExposeOptions : PeerOptions {
  std::string target;                ///< PORT, HOST:PORT or unix:PATH
  std::string server;                ///< URL
  std::string name;                  ///< empty: made from the target
  std::vector<std::string> allow;    ///< peers that may use it instead of whoever has the ticket
  std::string expires;               ///< of the ticket: "30m", "12h", "7d"; empty: never
  std::vector<std::string> forwards;  ///< "PUBLIC:PORT" or "PUBLIC:PORT=LOCALPORT": made by hand at the router
};

struct ConnectOptions : PeerOptions {
  std::string ticket;
  std::string listen;                ///< ADDR:PORT; empty: 127.0.0.1 and a free port
  bool stdio = false;
};

struct PingOptions : PeerOptions {
  std::string ticket;
  int count = 0;                     ///< 0: until interrupted
  double interval = 1.0;             ///< seconds
};

struct CheckOptions {
  std::string server;                ///< URL
  bool lifetime = false;             ///< how long an idle mapping lives: takes three minutes
};

struct NatOptions {
  std::vector<std::string> inside;   ///< interfaces
  std::string outside;
  std::vector<std::string> publics;  ///< addresses; empty: those of the outside interface, as they change
  std::string preset = "rfc";
  std::vector<std::string> set;      ///< KNOB=VALUE
  std::vector<std::string> forward;  ///< udp|tcp:PORT=HOST:PORT, of the first public address
  bool pcp = false, nat_pmp = false, upnp = false;
  std::string control;               ///< socket path; empty: nat.sock in the state folder
  std::string capture_inside, capture_outside;  ///< pcap files; empty: none
};

std::optional<Error> run_server(const CommonOptions& common, const ServerOptions& options, const Reporter& report);
std::optional<Error> run_expose(const CommonOptions& common, const ExposeOptions& options, const Reporter& report);
std::optional<Error> run_connect(const CommonOptions& common, const ConnectOptions& options, const Reporter& report);
std::optional<Error> run_ping(const CommonOptions& common, const PingOptions& options, const Reporter& report);
std::optional<Error> run_check(const CheckOptions& options, const Reporter& report);
std::optional<Error> run_nat(const CommonOptions& common, const NatOptions& options, const Reporter& report);
/// This machine's peer id, for `expose --allow` on another.
Result<std::string> peer_id(const CommonOptions& common);

/// The code of a process that a signal ended politely.
inline constexpr int interrupted = 130;

}  // namespace ginnel::app
