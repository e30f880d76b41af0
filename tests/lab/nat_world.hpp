// Networks with `ginnel nat` in them: a router that is the internet, hosts on it, and homes whose gateway runs the
// program under test. A home may stand behind another one. Everything is plain: veth, bridges, routes; no netfilter.
//
//   machines -- lan [gateway: ginnel nat] wan -- net (192.0.2.1) -- outside hosts
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lab/agent.hpp"
#include "lab/host.hpp"

namespace ginnel::lab {

inline const std::string& ginnel_program() {
  static const std::string path = GINNEL_BINARY;
  return path;
}

class NatHome;

struct NatHomeOptions {
  std::vector<std::string> publics = {"198.51.100.20"};  ///< of the gateway; behind another home: addresses there
  std::string prefix = "10.0.0.";                        ///< of the inside /24; 1 is the gateway, 2 the first machine
  int machines = 2;
  NatHome* behind = nullptr;
  int wan_mtu = 1500;
  Words nat = {};     ///< more arguments of `ginnel nat`
  bool start = true;  ///< else start() later
};

class NatHome {
 public:
  const Host& machine(size_t i = 0) const { return *machines_.at(i); }
  Host& gateway() const { return *gateway_; }
  const std::string& address() const { return options_.publics.front(); }
  Agent& agent() { return *agent_; }

  /// Starts `ginnel nat` (again) and waits until it is ready.
  void start(const Words& more = {});
  void stop(int signal = SIGTERM);
  /// `ginnel nat WORDS --control ...` in the gateway; throws if it fails.
  std::string command(const std::string& words) const;
  std::string control() const;

 private:
  friend class NatWorld;
  NatHomeOptions options_;
  std::string name_;
  std::unique_ptr<Host> gateway_;
  std::vector<std::unique_ptr<Host>> machines_;
  std::optional<Agent> agent_;
  int starts_ = 0;
};

class NatWorld {
 public:
  NatWorld();

  /// A host on the internet with these addresses. `path_mtu` below 1500: its line is that narrow.
  Host& outside(const std::string& name, const std::vector<std::string>& addresses, int path_mtu = 1500);
  NatHome& home(const std::string& name, NatHomeOptions options = {});
  Host& net() { return net_; }

  static constexpr const char* router = "192.0.2.1";

 private:
  void attach(Host& host, const std::vector<std::string>& addresses, int mtu);

  Host net_{"net"};
  std::deque<std::unique_ptr<Host>> hosts_;
  std::deque<NatHome> homes_;
  int ports_ = 0;
};

}  // namespace ginnel::lab
