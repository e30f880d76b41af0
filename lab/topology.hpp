// The lab's network: "core" is the internet, a router; hosts hang on it or behind NATs, and NATs on it or behind each
// other. Everything stands in namespaces of this sandbox. What happens to a network while it runs (a firewall, a cut,
// another address) is a method of Lab, or a Change (change.hpp) given to apply().
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lab/gateway.hpp"
#include "lab/host.hpp"
#include "lab/line.hpp"
#include "lab/plan.hpp"

namespace ginnel::lab {

inline Link both_ways(std::string_view spec) { return {spec_of(spec), spec_of(spec)}; }

struct SiteOptions {
  std::string nat = "home";               ///< a kind, as nat_kind.hpp writes them
  std::string address;                    ///< public, of the gateway
  std::string subnet = "192.168.1.0/24";  ///< .1 is the gateway, .2 the first machine
  int machines = 1;
  bool udp_blocked = false;
  Link link = {};
};

/// A gateway NAME.gw and the machines NAME, NAME-2 ... behind it: what most tests want of a home.
class Site {
 public:
  const std::string& name() const { return gateway_->name(); }  ///< of the NAT
  const Host& gateway() const { return *gateway_; }
  const Host& machine(size_t i = 0) const { return *machines_.at(i); }
  const std::string& address() const { return gateway_->address; }  ///< public

 private:
  friend class Lab;
  const Host* gateway_ = nullptr;
  std::vector<const Host*> machines_;
};

class Lab {
 public:
  /// `binary` is the ginnel that runs the NATs which are not the kernel's.
  explicit Lab(std::string binary = "ginnel", uint64_t seed = 1);
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  // Building. A plan is complete (complete_plan); what stands already stays.
  void build(const Plan& plan);
  const Host& add_host(const HostPlan& plan);
  const Host& add_nat(const NatPlan& plan);
  const Host& add_host(const std::string& name, const std::string& public_address, const Link& link = {});
  Site& add_site(const std::string& name, const SiteOptions& options);

  // What may happen, to nodes by name. Nothing here answers with an error: packets are dropped in silence.
  void apply(const Change& change);
  void block_udp(const std::string& nat);  ///< lets no UDP through, nor what is already established
  void allow_udp(const std::string& nat);
  /// The core loses what two nodes send each other, by their public addresses.
  void blackhole(const std::string& a, const std::string& b);
  void blackhole_one_way(const std::string& from, const std::string& to);
  void heal(const std::string& a, const std::string& b);  ///< both directions
  void cut(const std::string& node);                      ///< its line carries nothing
  void mend(const std::string& node);
  void set_link(const std::string& node, const Link& link);
  void reboot_nat(const std::string& nat);                                             ///< every mapping is forgotten
  void change_address(const std::string& nat, const std::string& new_public_address);  ///< and every mapping with it

  // Getters.
  const Host& core() const { return core_; }
  const Host& host(const std::string& name) const;  ///< or NAT; throws if there is none
  std::vector<std::string> names() const;           ///< of hosts and NATs, in the order in which they were built
  static const std::string& router_address();       ///< the core's own

 private:
  struct Node {
    std::unique_ptr<Host> host;
    Node* parent = nullptr;  ///< the NAT it hangs on; none: the core
    std::string interface;   ///< its own, towards the parent
    std::string port;        ///< the parent's, towards it
    Link link;
    std::optional<Line> line;
    bool wants_ipv6 = false;
    // Of NATs:
    std::optional<NatKind> kind;
    std::string segment;  ///< inside, a bridge in the exchange
    std::string inside, inside6;
    std::optional<Gateway> gateway;
  };
  struct Seen {
    std::vector<std::string> v4, v6;
  };

  Node& node(const std::string& name);
  Node& nat(const std::string& name);
  Host& above(Node& node) { return node.parent ? *node.parent->host : core_; }
  std::string add_segment();
  void add_port(Host& host, const std::string& interface, const std::string& segment);
  Node& add_node(const std::string& name, const std::string& behind, const std::string& interface);
  void place(const HostPlan& plan);
  void place(const NatPlan& plan);
  void join(Node& node, const std::vector<std::string>& addresses);
  void join_core(Node& node, const std::string& address);
  void join_nat(Node& node, const std::string& address);
  void lead_inside(Node& node, const std::string& network, bool ipv6);
  void settle();
  Seen seen_by_core(const std::string& name);
  void lose(const std::string& from, const std::string& to, bool lost);
  void write_hosts_file() const;

  std::string binary_;
  uint64_t seed_;
  Host core_{"core"}, exchange_{"exchange"};
  std::deque<Node> nodes_;
  std::map<std::string, Node*> by_name_;
  std::deque<Site> sites_;
  size_t segments_ = 0, ports_ = 0;
  size_t settled_ = 0;                  ///< nodes that work already
  std::vector<std::string> core_ipv6_;  ///< the core's interfaces that are to have it
};

}  // namespace ginnel::lab
