// The lab's network: "core" is the internet, a router; public hosts hang on it directly, and sites behind a gateway
// that translates as its NatKind says. Everything stands in namespaces of this sandbox. What happens to a network while
// it runs (a firewall, a cut, another address) is a method of Lab.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "lab/host.hpp"

namespace ginnel::lab {

inline constexpr uint64_t kMbit = 1'000'000;

/// The line between a public address and the core. Zero: as fast as the kernel. Delay goes through a wire (wire.hpp).
struct Link {
  Duration delay{};   ///< one way
  uint64_t up = 0;    ///< bit/s towards the core
  uint64_t down = 0;  ///< bit/s from the core
};

enum class NatKind {
  home,       ///< nft masquerade: keeps the port, one mapping for all destinations; only answers come in
  symmetric,  ///< masquerade fully-random: another port for each destination; only answers come in
};

struct SiteOptions {
  NatKind nat = NatKind::home;
  std::string address;                    ///< public, of the gateway
  std::string subnet = "192.168.1.0/24";  ///< always a /24; .1 is the gateway, .2 the first machine
  int machines = 1;
  bool udp_blocked = false;
  Link link;
};

/// A gateway and the machines behind it.
class Site {
 public:
  const Host& gateway() const { return *gateway_; }
  const Host& machine(size_t i = 0) const { return *machines_.at(i); }
  const std::string& address() const { return gateway_->address; }  ///< public

 private:
  friend class Lab;
  std::unique_ptr<Host> gateway_;
  std::vector<std::unique_ptr<Host>> machines_;
};

class Lab {
 public:
  Lab();
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  // Building.
  Host& add_host(const std::string& name, const std::string& public_address, const Link& link = {});
  Site& add_site(const std::string& name, const SiteOptions& options);

  // What may happen. Nothing here answers with an error: packets are dropped in silence.
  void block_udp(const Site& site);  ///< its firewall lets no UDP through, nor what is already established
  void allow_udp(const Site& site);
  void blackhole(const std::string& a,
                 const std::string& b);  ///< the core loses what two public addresses send each other
  void blackhole_one_way(const std::string& from, const std::string& to);
  void heal(const std::string& a, const std::string& b);  ///< both directions
  void cut(const std::string& public_address);            ///< no packet to or from it
  void mend(const std::string& public_address);
  void reboot_nat(const Site& site);                                       ///< every mapping is forgotten
  void change_address(Site& site, const std::string& new_public_address);  ///< and every mapping with it

  // Getters.
  const Host& core() const { return core_; }
  static const std::string& router_address();  ///< the core's own

 private:
  void attach(Host& node, const std::string& public_address, const Link& link);
  void join_over_wire(Host& node, const std::string& port, Duration delay);
  void add_machines(Site& site, const std::string& name, const SiteOptions& options);

  Host core_{"core"};
  std::deque<std::unique_ptr<Host>> hosts_;
  std::deque<Site> sites_;
  std::deque<std::unique_ptr<Host>> middles_;
  std::vector<Process> wires_;
  std::vector<std::pair<std::string, std::string>> ports_;  ///< node, its interface in the core
};

}  // namespace ginnel::lab
