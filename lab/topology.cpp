#include "lab/topology.hpp"

#include <unistd.h>

#include <algorithm>

#include "lab/conntrack.hpp"
#include "lab/error.hpp"
#include "lab/wire.hpp"

namespace ginnel::lab {
namespace {

// Sets in place of rules: what happens later is one element more, and needs no handle to be taken back.
constexpr const char* kCoreRules = R"(
table ip lab {
  set lost { type ipv4_addr . ipv4_addr; }
  set cut { type ipv4_addr; }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ip saddr . ip daddr @lost drop
    ip saddr @cut drop
    ip daddr @cut drop
  }
}
)";

/// A home gateway: `wan` and `lan`; a stranger's packet is dropped and leaves no trace (facts: nat.md 2.3).
std::string gateway_rules(NatKind nat) {
  return std::string(R"(
table ip lab {
  set blocked { type inet_proto; }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "wan" masquerade)") +
         (nat == NatKind::symmetric ? " fully-random" : "") + R"(
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname "wan" ct state established,related accept
    iifname "wan" drop
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    meta l4proto @blocked drop
    ct state established,related accept
    iifname "lan" oifname "wan" accept
  }
}
)";
}

void shape(const Host& host, const std::string& interface, uint64_t rate) {
  if (rate == 0) return;
  const uint64_t burst = std::max<uint64_t>(rate / 8 / 250, 128 * 1024);  // two segments of 64 KiB pass unsplit
  host.run("tc qdisc add dev " + interface + " root tbf rate " + std::to_string(rate) + "bit burst " +
           std::to_string(burst) + " latency 20ms");
}

std::string prefix_of(const std::string& subnet) {
  if (!subnet.ends_with(".0/24")) throw LabError("a site's subnet is written like 192.168.1.0/24, not " + subnet);
  return subnet.substr(0, subnet.size() - 4);
}

/// In the core an interface has the name of what hangs on it, if that fits the kernel's 15 characters.
std::string port_name(const std::string& node, size_t number) {
  return node.size() <= 15 ? node : "port" + std::to_string(number);
}

}  // namespace

const std::string& Lab::router_address() {
  static const std::string address = "192.0.2.1";
  return address;
}

Lab::Lab() {
  core_.address = router_address();
  core_.ip("addr add " + router_address() + "/32 dev lo");
  core_.sysctl("net/ipv4/ip_forward", "1");
  core_.nft(kCoreRules);
}

void Lab::join_over_wire(Host& node, const std::string& port, Duration delay) {
  Host& middle = *middles_.emplace_back(std::make_unique<Host>(node.name() + ".wire"));
  node.ip("link add wan type veth peer name near netns " + middle.name());
  core_.ip("link add " + port + " type veth peer name far netns " + middle.name());
  middle.ip("link set near up\nlink set far up");
  plain_frames(node, "wan");
  plain_frames(core_, port);
  wires_.push_back(start_wire(middle, "near", "far", {.delay = delay}));
}

void Lab::attach(Host& node, const std::string& public_address, const Link& link) {
  const std::string port = port_name(node.name(), ports_.size());
  ports_.emplace_back(node.name(), port);
  if (link.delay > Duration(0)) {
    join_over_wire(node, port, link.delay);
  } else {
    node.ip("link add wan type veth peer name " + port + " netns " + core_.name());
  }
  node.address = public_address;
  core_.ip("link set " + port + " up\nroute add " + public_address + "/32 dev " + port);
  node.ip("addr add " + public_address + "/32 dev wan\nlink set wan up\nroute add " + router_address() +
          " dev wan\nroute add default via " + router_address());
  shape(node, "wan", link.up);
  shape(core_, port, link.down);
}

Host& Lab::add_host(const std::string& name, const std::string& public_address, const Link& link) {
  Host& host = *hosts_.emplace_back(std::make_unique<Host>(name));
  attach(host, public_address, link);
  return host;
}

void Lab::add_machines(Site& site, const std::string& name, const SiteOptions& options) {
  const std::string prefix = prefix_of(options.subnet);
  const Host& gateway = *site.gateway_;
  if (options.machines > 1) {
    gateway.ip("link add lan type bridge");
    // Where br_netfilter is loaded, neighbours' packets would have to pass the gateway's forward chain.
    if (::access("/proc/sys/net/bridge", F_OK) == 0) gateway.sysctl("net/bridge/bridge-nf-call-iptables", "0");
  }
  for (int i = 0; i < options.machines; ++i) {
    auto machine = std::make_unique<Host>(i == 0 ? name : name + "-" + std::to_string(i + 1));
    const std::string end = options.machines > 1 ? "lan" + std::to_string(i + 1) : "lan";
    gateway.ip("link add " + end + " type veth peer name lan netns " + machine->name());
    if (end != "lan") gateway.ip("link set " + end + " master lan up");
    machine->address = prefix + std::to_string(i + 2);
    machine->ip("addr add " + machine->address + "/24 dev lan\nlink set lan up");
    site.machines_.push_back(std::move(machine));
  }
  gateway.ip("addr add " + prefix + "1/24 dev lan\nlink set lan up");
  for (const auto& machine : site.machines_) machine->ip("route add default via " + prefix + "1");
}

Site& Lab::add_site(const std::string& name, const SiteOptions& options) {
  Site& site = sites_.emplace_back();
  site.gateway_ = std::make_unique<Host>(name + ".gw");
  attach(*site.gateway_, options.address, options.link);
  site.gateway_->sysctl("net/ipv4/ip_forward", "1");
  site.gateway_->nft(gateway_rules(options.nat));
  if (options.udp_blocked) block_udp(site);
  add_machines(site, name, options);
  return site;
}

void Lab::block_udp(const Site& site) { site.gateway().nft("add element ip lab blocked { udp }"); }
void Lab::allow_udp(const Site& site) { site.gateway().nft("delete element ip lab blocked { udp }"); }

void Lab::blackhole(const std::string& a, const std::string& b) {
  core_.nft("add element ip lab lost { " + a + " . " + b + ", " + b + " . " + a + " }");
}

void Lab::blackhole_one_way(const std::string& from, const std::string& to) {
  core_.nft("add element ip lab lost { " + from + " . " + to + " }");
}

void Lab::heal(const std::string& a, const std::string& b) {
  // Adding first makes it one transaction that works whichever of the two directions was lost.
  const std::string pairs = "{ " + a + " . " + b + ", " + b + " . " + a + " }";
  core_.nft("add element ip lab lost " + pairs + "\ndelete element ip lab lost " + pairs);
}

void Lab::cut(const std::string& public_address) { core_.nft("add element ip lab cut { " + public_address + " }"); }
void Lab::mend(const std::string& public_address) { core_.nft("delete element ip lab cut { " + public_address + " }"); }

void Lab::reboot_nat(const Site& site) { flush_conntrack(site.gateway()); }

void Lab::change_address(Site& site, const std::string& new_public_address) {
  Host& gateway = *site.gateway_;
  const auto port =
      std::find_if(ports_.begin(), ports_.end(), [&](const auto& p) { return p.first == gateway.name(); });
  core_.ip("route add " + new_public_address + "/32 dev " + port->second + "\nroute del " + gateway.address + "/32");
  gateway.ip("addr add " + new_public_address + "/32 dev wan\naddr del " + gateway.address + "/32 dev wan");
  gateway.address = new_public_address;
  flush_conntrack(gateway);
}

}  // namespace ginnel::lab
