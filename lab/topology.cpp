#include "lab/topology.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "lab/error.hpp"
#include "lab/sandbox.hpp"
#include "lab/subnet.hpp"

namespace ginnel::lab {
namespace {

constexpr const char* kRouter6 = "fe80::1";  ///< the core's, on every line of its own

// Sets in place of rules: what happens later is one element more, and needs no handle to be taken back.
constexpr const char* kCoreRules = R"(
table inet lab {
  set lost4 { type ipv4_addr . ipv4_addr; flags interval; }
  set lost6 { type ipv6_addr . ipv6_addr; flags interval; }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ip saddr . ip daddr @lost4 drop
    ip6 saddr . ip6 daddr @lost6 drop
  }
}
)";

/// In the core an interface has the name of what hangs on it, if that fits the kernel's 15 characters.
std::string port_name(const std::string& node, size_t number) {
  return node.size() <= 15 ? node : "port" + std::to_string(number);
}

/// Where br_netfilter is loaded, frames that only cross a bridge would have to pass iptables.
void bridge_only(const Host& host) {
  for (const char* what : {"iptables", "ip6tables", "arptables"}) {
    const std::string path = std::string("net/bridge/bridge-nf-call-") + what;
    if (::access(("/proc/sys/" + path).c_str(), F_OK) == 0) host.sysctl(path, "0");
  }
}

std::string first_of(const std::vector<std::string>& addresses, bool (*family)(const std::string&)) {
  const auto at = std::find_if(addresses.begin(), addresses.end(), family);
  return at == addresses.end() ? std::string() : *at;
}

RouterAddresses router_addresses() {
  const auto v4 = Address::parse(Lab::router_address() + ":0"), v6 = Address::parse("[2001:db8::1]:0");
  return {*v4, *v6};
}

}  // namespace

const std::string& Lab::router_address() {
  static const std::string address = "192.0.2.1";
  return address;
}

Lab::Lab(std::string binary, uint64_t seed) : binary_(std::move(binary)), seed_(seed) {
  core_.address = router_address();
  core_.ip("addr add " + router_address() + "/32 dev lo");
  core_.sysctl("net/ipv4/ip_forward", "1");
  if (core_.has_ipv6()) core_.sysctl("net/ipv6/conf/all/forwarding", "1");
  core_.nft(kCoreRules);
  bridge_only(exchange_);
}

// ---- building

std::string Lab::add_segment() {
  const std::string name = "segment" + std::to_string(segments_++);
  exchange_.later("link add name " + name + " type bridge mcast_snooping 0");
  exchange_.later("link set dev " + name + " up");
  return name;
}

void Lab::add_port(Host& host, const std::string& interface, const std::string& segment) {
  const std::string end = "port" + std::to_string(ports_++);
  exchange_.later("link add " + end + " type veth peer name " + interface + " netns " + host.name());
  exchange_.later("link set " + end + " master " + segment + " up");
  host.later("link set dev " + interface + " up");
}

/// A namespace, and its line to what it hangs on: a NAT's inside, or a segment of its own with the core.
Lab::Node& Lab::add_node(const std::string& name, const std::string& behind, const std::string& interface) {
  Node* parent = behind.empty() ? nullptr : &nat(behind);
  Node& node = nodes_.emplace_back();
  node.host = std::make_unique<Host>(name);
  node.parent = parent;
  node.interface = interface;
  node.port = parent ? "lan" : port_name(name, nodes_.size());
  const std::string segment = parent ? parent->segment : add_segment();
  if (!parent) add_port(core_, node.port, segment);
  node.line.emplace(exchange_, segment, nodes_.size(), *node.host, interface, router_addresses(),
                    seed_ * 1000 + nodes_.size());
  node.host->later("link set dev " + interface + " up");
  by_name_[name] = &node;
  return node;
}

void Lab::join(Node& node, const std::vector<std::string>& addresses) {
  node.host->address = first_of(addresses, is_ipv4);
  node.host->address6 = first_of(addresses, is_ipv6);
  if (!node.host->address6.empty()) {
    node.wants_ipv6 = true;
    if (!node.parent) core_ipv6_.push_back(node.port);
  }
  for (const auto& address : addresses) node.parent ? join_nat(node, address) : join_core(node, address);
  if (node.host->address.empty()) node.host->address = node.host->address6;
}

void Lab::join_core(Node& node, const std::string& address) {
  const bool first = address == node.host->address || address == node.host->address6;
  if (is_ipv6(address)) {
    if (first) core_.later(std::string("addr add ") + kRouter6 + "/64 dev " + node.port + " nodad");
    core_.later("route add " + address + "/128 dev " + node.port);
    node.host->later("addr add " + address + "/128 dev wan nodad");
    if (first) node.host->later(std::string("route add default via ") + kRouter6 + " dev wan");
    return;
  }
  core_.later("route add " + address + "/32 dev " + node.port);
  node.host->later("addr add " + address + "/32 dev wan");
  if (!first) return;
  node.host->later("route add " + router_address() + " dev wan");
  node.host->later("route add default via " + router_address() + " src " + address);
}

void Lab::join_nat(Node& node, const std::string& address) {
  if (is_ipv6(address)) {
    node.host->later("addr add " + address + "/64 dev " + node.interface + " nodad");
    node.host->later("route add default via " + node.parent->inside6 + "1 dev " + node.interface);
    return;
  }
  const auto inside = Subnet::parse(node.parent->inside);
  node.host->later("addr add " + address + "/" + std::to_string(inside->length) + " dev " + node.interface);
  node.host->later("route add default via " + inside->address(1));
}

void Lab::place(const HostPlan& plan) {
  Node& node = add_node(plan.name, plan.behind, plan.behind.empty() ? "wan" : "lan");
  node.link = plan.link;
  join(node, plan.addresses);
}

void Lab::place(const NatPlan& plan) {
  Node& node = add_node(plan.name, plan.behind, "wan");
  node.link = plan.link;
  node.kind = plan.kind;
  std::vector<std::string> outside;
  for (const auto& address : {plan.address, plan.address6}) {
    if (!address.empty()) outside.push_back(address);
  }
  join(node, outside);
  node.inside = plan.inside;
  node.inside6 = plan.inside6;
  node.segment = add_segment();
  add_port(*node.host, "lan", node.segment);
  if (plan.ipv4) {
    const auto inside = Subnet::parse(plan.inside);
    node.host->later("addr add " + inside->address(1) + "/" + std::to_string(inside->length) + " dev lan");
    if (!plan.kind.translates()) lead_inside(node, plan.inside, false);
  }
  if (plan.kind.ipv6 != Ipv6::off) {
    node.host->later("addr add " + plan.inside6 + "1/64 dev lan nodad");
    lead_inside(node, plan.inside6 + "/64", true);
  }
}

/// Everybody above a gateway learns the way to what is behind it.
void Lab::lead_inside(Node& node, const std::string& network, bool ipv6) {
  for (Node* at = &node; at; at = at->parent) {
    above(*at).later("route replace " + network + " via " + (ipv6 ? at->host->address6 : at->host->address) + " dev " +
                     at->port + " onlink");
  }
}

/// What was placed begins to work. Namespaces and their interfaces first, what uses them then.
void Lab::settle() {
  exchange_.flush();
  for (const auto& port : core_ipv6_) core_.enable_ipv6(port);
  core_ipv6_.clear();
  core_.flush();
  for (size_t i = settled_; i < nodes_.size(); ++i) {
    if (!nodes_[i].wants_ipv6) continue;
    nodes_[i].host->enable_ipv6(nodes_[i].interface);
    if (nodes_[i].kind) nodes_[i].host->enable_ipv6("lan");
  }
  for (Node& node : nodes_) node.host->flush();  // older ones, too: they may have new routes
  for (; settled_ < nodes_.size(); ++settled_) {
    Node& node = nodes_[settled_];
    node.line->set({node.link.up, node.link.down});
    if (node.kind) node.gateway.emplace(*node.host, *node.kind, binary_);
  }
  write_hosts_file();
}

const Host& Lab::add_host(const HostPlan& plan) {
  place(plan);
  settle();
  return *nodes_.back().host;
}

const Host& Lab::add_nat(const NatPlan& plan) {
  place(plan);
  settle();
  return *nodes_.back().host;
}

const Host& Lab::add_host(const std::string& name, const std::string& public_address, const Link& link) {
  return add_host(HostPlan{.name = name, .addresses = {public_address}, .link = link});
}

Site& Lab::add_site(const std::string& name, const SiteOptions& options) {
  const auto kind = parse_nat_kind(options.nat);
  if (!kind) throw LabError(kind.error().text, Errc::usage);
  Site& site = sites_.emplace_back();
  const std::string gateway = name + ".gw";
  place(NatPlan{
      .name = gateway, .kind = *kind, .address = options.address, .inside = options.subnet, .link = options.link});
  site.gateway_ = nodes_.back().host.get();
  for (int i = 0; i < options.machines; ++i) {
    const std::string address = Subnet::parse(options.subnet)->address(static_cast<uint32_t>(i) + 2);
    place(HostPlan{
        .name = i == 0 ? name : name + "-" + std::to_string(i + 1), .behind = gateway, .addresses = {address}});
    site.machines_.push_back(nodes_.back().host.get());
  }
  settle();
  if (options.udp_blocked) block_udp(gateway);
  return site;
}

void Lab::build(const Plan& plan) {
  for (const auto& nat : plan.nats) place(nat);
  for (const auto& host : plan.hosts) place(host);
  settle();
}

/// Names of the lab for every program in it: the sandbox has put this file in place of /etc/hosts.
void Lab::write_hosts_file() const {
  std::ofstream file(hosts_file(), std::ios::trunc);
  file << "127.0.0.1 localhost\n::1 localhost\n";
  for (const Node& node : nodes_) {
    file << node.host->address << " " << node.host->name() << "\n";
    if (!node.host->address6.empty() && node.host->address6 != node.host->address) {
      file << node.host->address6 << " " << node.host->name() << "\n";
    }
  }
}

// ---- what may happen

void Lab::block_udp(const std::string& name) {
  Node& node = nat(name);
  if (node.gateway->blocks_udp()) return node.gateway->block_udp(true);
  LineState state = node.line->state();
  state.udp_blocked = true;
  node.line->set(state);
}

void Lab::allow_udp(const std::string& name) {
  Node& node = nat(name);
  if (node.gateway->blocks_udp()) return node.gateway->block_udp(false);
  LineState state = node.line->state();
  state.udp_blocked = false;
  node.line->set(state);
}

/// What the core sees of a node: its addresses, or those of the outermost NAT that translates for it; of a router,
/// those behind it as well.
Lab::Seen Lab::seen_by_core(const std::string& name) {
  Node& node = this->node(name);
  Seen out;
  std::string address = node.host->address;
  for (Node* at = node.parent; at; at = at->parent) {
    if (at->kind->translates()) address = at->host->address;
  }
  if (is_ipv4(address)) out.v4.push_back(address);
  if (node.kind && !node.kind->translates()) out.v4.push_back(node.inside);
  if (!node.host->address6.empty()) out.v6.push_back(node.host->address6);
  if (!node.inside6.empty()) out.v6.push_back(node.inside6 + "/64");
  return out;
}

void Lab::lose(const std::string& from, const std::string& to, bool lost) {
  const Seen a = seen_by_core(from), b = seen_by_core(to);
  std::string pairs4, pairs6;
  const auto pair = [](std::string& pairs, const std::string& x, const std::string& y) {
    pairs += (pairs.empty() ? "" : ", ") + x + " . " + y;
  };
  for (const auto& x : a.v4)
    for (const auto& y : b.v4) pair(pairs4, x, y);
  for (const auto& x : a.v6)
    for (const auto& y : b.v6) pair(pairs6, x, y);
  std::string commands;
  for (const auto& [set, pairs] : {std::pair("lost4", pairs4), std::pair("lost6", pairs6)}) {
    if (pairs.empty()) continue;
    // Adding first makes it one transaction that works whatever was lost before.
    commands += std::string("add element inet lab ") + set + " { " + pairs + " }\n";
    if (!lost) commands += std::string("delete element inet lab ") + set + " { " + pairs + " }\n";
  }
  core_.nft(commands);
}

void Lab::blackhole(const std::string& a, const std::string& b) {
  lose(a, b, true);
  lose(b, a, true);
}

void Lab::blackhole_one_way(const std::string& from, const std::string& to) { lose(from, to, true); }

void Lab::heal(const std::string& a, const std::string& b) {
  lose(a, b, false);
  lose(b, a, false);
}

void Lab::cut(const std::string& name) { node(name).line->cut(true); }
void Lab::mend(const std::string& name) { node(name).line->cut(false); }

void Lab::set_link(const std::string& name, const Link& link) {
  Line& line = *node(name).line;
  line.set({link.up, link.down, line.state().udp_blocked});
}

void Lab::reboot_nat(const std::string& name) { nat(name).gateway->forget_all(); }

void Lab::change_address(const std::string& name, const std::string& address) {
  Node& node = nat(name);
  if (address == router_address()) throw LabError(address + " is the internet's router.", Errc::usage);
  for (const Node& other : nodes_) {
    if (other.parent == node.parent && other.host->address == address)
      throw LabError(address + " is taken by \"" + other.host->name() + "\".", Errc::usage);
  }
  Host& host = *node.host;
  if (!node.parent) {
    core_.ip("route add " + address + "/32 dev " + node.port + "\nroute del " + host.address + "/32");
    host.ip("addr add " + address + "/32 dev wan\nroute replace default via " + router_address() + " dev wan src " +
            address + "\naddr del " + host.address + "/32 dev wan");
  } else {
    const auto outside = Subnet::parse(node.parent->inside);
    if (!outside->contains(address)) {
      throw LabError(address + " is not in " + outside->to_string() + ", where \"" + name + "\" stands.", Errc::usage);
    }
    const std::string length = "/" + std::to_string(outside->length);
    // away first: of two addresses in one network the second one goes with the first
    host.ip("addr del " + host.address + length + " dev wan\naddr add " + address + length +
            " dev wan\nroute replace default via " + outside->address(1));
  }
  host.address = address;
  if (!node.kind->translates()) lead_inside(node, node.inside, false);
  settle();
  node.gateway->move_to(address);
}

void Lab::apply(const Change& change) {
  using Verb = Change::Verb;
  switch (change.verb) {
    case Verb::cut:
      return cut(change.node);
    case Verb::mend:
      return mend(change.node);
    case Verb::blackhole:
      return change.one_way ? blackhole_one_way(change.node, change.other) : blackhole(change.node, change.other);
    case Verb::heal:
      return heal(change.node, change.other);
    case Verb::link: {
      const LineState& now = node(change.node).line->state();
      return set_link(change.node, {change.direction == Change::Direction::down ? now.up : change.spec,
                                    change.direction == Change::Direction::up ? now.down : change.spec});
    }
    case Verb::reboot:
      return reboot_nat(change.node);
    case Verb::address:
      return change_address(change.node, change.other);
    case Verb::block_udp:
      return block_udp(change.node);
    case Verb::allow_udp:
      return allow_udp(change.node);
  }
}

// ---- getters

const Host& Lab::host(const std::string& name) const {
  const auto at = by_name_.find(name);
  if (at != by_name_.end()) return *at->second->host;
  std::string known;
  for (const auto& each : names()) known += (known.empty() ? "" : ", ") + each;
  throw LabError("There is no \"" + name + "\" in this lab: there is " + known + ".", Errc::usage);
}

std::vector<std::string> Lab::names() const {
  std::vector<std::string> out;
  for (const Node& node : nodes_) out.push_back(node.host->name());
  return out;
}

Lab::Node& Lab::node(const std::string& name) {
  host(name);
  return *by_name_.at(name);
}

Lab::Node& Lab::nat(const std::string& name) {
  Node& out = node(name);
  if (!out.kind) throw LabError("\"" + name + "\" is a host and no NAT.", Errc::usage);
  return out;
}

}  // namespace ginnel::lab
