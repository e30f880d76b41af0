#include "app/nat_network.hpp"

#include <algorithm>

namespace ginnel::app {

namespace {

// The kernel asks its rules in this order. Its own first one, for the local table, has preference 0 and is moved
// between ours, for nothing can stand before that.
constexpr uint32_t before_local = 20;
constexpr uint32_t local_moved = 21;
constexpr uint32_t after_local = 22;
constexpr uint32_t from_ourselves = 23;

constexpr uint8_t kernel_protocol = 2;  // RTPROT_KERNEL

// Two tables lead into each device. Their numbers are made of the device's, so that they are nobody else's while it
// lives, and tell whose they were.
constexpr uint32_t table_base = 0x67000000, table_end = 0x68000000;
uint32_t table_before(const Tun& tun) { return table_base + tun.index() * 2; }
uint32_t table_after(const Tun& tun) { return table_before(tun) + 1; }
bool is_orphan(uint32_t table) {
  if (table < table_base || table >= table_end) return false;
  return !interface_name((table - table_base) / 2).starts_with("ginnel-");
}

RoutingRule local_rule(uint32_t preference) {
  return {.preference = preference, .table = Routing::table_local, .from = Prefix::all(false)};
}

Address network_of(const Interface::Own& own) {
  Address out = own.ip.with_port(0);
  for (size_t bit = own.prefix; bit < (own.ip.v6 ? 128u : 32u); ++bit)
    out.ip[bit / 8] &= static_cast<uint8_t>(~(0x80 >> bit % 8));
  return out;
}

std::string names_of(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

Error no_interface(const char* option, const std::string& name) {
  return {Errc::usage,
          "There is no interface " + name + " (" + option + "). Here are: " + names_of(interface_names()) + "."};
}

/// What a killed gateway left: rules that lead nowhere, tables without a device. They do no harm, but add up.
void clear_orphans(Routing& routing) {
  for (bool v6 : {false, true}) {
    std::set<uint32_t> tables;
    for (const RoutingRule& rule : routing.our_rules(v6)) {
      if (!is_orphan(rule.table)) continue;
      tables.insert(rule.table);
      routing.remove(rule);
    }
    for (uint32_t table : tables)
      for (const TableRoute& route : routing.routes(v6, table)) routing.remove(route);
  }
}

}  // namespace

NatNetwork::NatNetwork(NatPlace place, Routing routing, Tun inside, Tun outside)
    : place_(std::move(place)),
      routing_(std::move(routing)),
      inside_tun_(std::move(inside)),
      outside_tun_(std::move(outside)) {}

Result<std::unique_ptr<NatNetwork>> NatNetwork::make(const NatPlace& place) {
  for (const auto& name : place.inside) {
    if (!find_interface(name)) return no_interface("--inside", name);
    if (name == place.outside)
      return Error{Errc::usage, name + " cannot be inside and outside at once. Name two interfaces."};
  }
  if (!find_interface(place.outside)) return no_interface("--outside", place.outside);
  auto routing = Routing::open();
  if (!routing) return routing.error();
  clear_orphans(*routing);
  auto inside = Tun::open("ginnel-in%d");
  if (!inside) return inside.error();
  auto outside = Tun::open("ginnel-out%d");
  if (!outside) return outside.error();
  std::unique_ptr<NatNetwork> network(
      new NatNetwork(place, std::move(*routing), std::move(*inside), std::move(*outside)));
  auto error = network->look();
  if (!error && network->publics_.empty())
    error = Error{Errc::usage, place.outside + " has no IPv4 address that could be the public one. Give it one first."};
  if (!error) error = network->set_interfaces();
  if (!error) error = network->settle();
  if (error) return *error;
  return network;
}

NatNetwork::~NatNetwork() {
  // The way back first: what comes in now is the kernel's again.
  for (const RoutingRule& rule : rules_) routing_.remove(rule);
  for (const TableRoute& route : routes_) routing_.remove(route);
  for (const Address& ip : answered_) routing_.stop_answering_arp(delay_device_, ip);
  if (delay_device_ != 0) routing_.set_arp_answer_delay(delay_device_, delay_before_);
  auto others = routing_.our_rules(false);
  bool alone =
      std::none_of(others.begin(), others.end(), [](const auto& rule) { return rule.preference == before_local; });
  if (local_moved_ && alone && !routing_.put(local_rule(0), kernel_protocol)) routing_.remove(local_rule(local_moved));
}

std::optional<Error> NatNetwork::refresh() {
  if (auto error = look()) return error;
  return settle();
}

std::optional<Error> NatNetwork::set_public_addresses(const std::vector<Address>& addresses) {
  auto before = std::exchange(place_.publics, addresses);
  auto error = refresh();
  if (error) place_.publics = before;
  return error;
}

/// Reads how the interfaces are now. One that is gone keeps its place: rules go by name, and it may come back.
std::optional<Error> NatNetwork::look() {
  inside_.clear();
  for (const auto& name : place_.inside)
    if (auto found = find_interface(name)) inside_.push_back(*found);
  if (auto found = find_interface(place_.outside)) outside_ = *found;
  std::vector<Address> own;
  for (const auto& address : outside_.addresses)
    if (!address.ip.v6) own.push_back(address.ip);
  for (const Address& wanted : place_.publics)
    if (std::find(own.begin(), own.end(), wanted.with_port(0)) == own.end())
      return Error{Errc::usage, wanted.ip_to_string() + " is not an address of " + place_.outside +
                                    ". Add it there first: ip address add " + wanted.ip_to_string() + "/32 dev " +
                                    place_.outside + "."};
  publics_ = place_.publics.empty() ? own : place_.publics;
  return {};
}

std::optional<Error> NatNetwork::settle() {
  if (auto error = set_ipv6()) return error;
  // Routes before the rules that use them, new ones before old ones go: nothing passes untranslated meanwhile.
  if (auto error = exchange(routes_, wanted_routes())) return error;
  if (!local_moved_) {
    if (auto error = routing_.put(local_rule(local_moved))) return error;
    routing_.remove(local_rule(0));
    local_moved_ = true;
  }
  if (auto error = exchange(rules_, wanted_rules())) return error;
  // The kernel answers ARP by itself only for what it would deliver locally.
  std::set<Address> answer(publics_.begin(), publics_.end());
  if (!outside_.arp) answer.clear();
  for (const Address& ip : answer)
    if (answered_.insert(ip).second)
      if (auto error = routing_.answer_arp(outside_.index, ip)) return error;
  std::erase_if(answered_, [&](const Address& ip) {
    bool old = !answer.contains(ip);
    if (old) routing_.stop_answering_arp(outside_.index, ip);
    return old;
  });
  return {};
}

/// Makes what is there what is wanted.
template <typename T>
std::optional<Error> NatNetwork::exchange(std::set<T>& there, const std::set<T>& wanted) {
  for (const T& one : wanted)
    if (there.insert(one).second)
      if (auto error = routing_.put(one)) return error;
  std::erase_if(there, [&](const T& one) {
    bool old = !wanted.contains(one);
    if (old) routing_.remove(one);
    return old;
  });
  return {};
}

/// Once, at the start: which packets may pass by which device.
std::optional<Error> NatNetwork::set_interfaces() {
  const std::string v4 = "net/ipv4/conf/";
  std::vector<std::string> forwarding = place_.inside;
  forwarding.insert(forwarding.end(), {place_.outside, inside_tun_.name(), outside_tun_.name()});
  for (const auto& name : forwarding)
    if (auto error = settings_.set(v4 + name + "/forwarding", "1")) return error;
  for (const Tun* tun : {&inside_tun_, &outside_tun_}) {
    const std::string own_v6 = "net/ipv6/conf/" + tun->name() + "/addr_gen_mode";
    if (KernelSettings::get(own_v6))
      if (auto error = settings_.set(own_v6, "1")) return error;  // none: it talks to nobody
    if (auto error = routing_.bring_up(tun->index(), Tun::packet_max)) return error;
  }
  // An error of the kernel's own about what came in from outside has to leave with the public address.
  if (auto error = settings_.set("net/ipv4/icmp_errors_use_inbound_ifaddr", "1")) return error;
  delay_device_ = outside_.index;
  delay_before_ = routing_.arp_answer_delay(delay_device_);
  routing_.set_arp_answer_delay(delay_device_, 0);
  return {};
}

/// IPv6 is forwarded once the inside has it. It is not turned on for nothing: forwarding changes how a host listens to
/// router advertisements.
std::optional<Error> NatNetwork::set_ipv6() {
  auto has_v6 = [](const Interface& one) {
    return std::any_of(one.addresses.begin(), one.addresses.end(),
                       [](const auto& own) { return own.ip.v6 && !own.ip.is_link_local(); });
  };
  if (ipv6_ || std::none_of(inside_.begin(), inside_.end(), has_v6)) return {};
  const std::string accept = "net/ipv6/conf/" + place_.outside + "/accept_ra";
  if (KernelSettings::get(accept) == "1")
    if (auto error = settings_.set(accept, "2")) return error;  // also while forwarding
  if (auto error = settings_.set("net/ipv6/conf/all/forwarding", "1")) return error;
  ipv6_ = true;
  return {};
}

std::set<RoutingRule> NatNetwork::wanted_rules() const {
  std::set<RoutingRule> out;
  auto lead = [&out](const std::string& from, const Tun& into, bool v6) {
    if (!v6) out.insert({before_local, table_before(into), from, Prefix::all(false)});
    out.insert({after_local, table_after(into), from, Prefix::all(v6)});
  };
  for (bool v6 : {false, true}) {
    if (v6 && !ipv6_) continue;
    lead(place_.outside, outside_tun_, v6);
    for (const auto& name : place_.inside) lead(name, inside_tun_, v6);
  }
  // This machine is one of the inside hosts, unless a socket of it chose another address: what answers to a public one
  // is translated and does not find back to a socket.
  if (Address own = inside_address(); !own.is_unspecified()) {
    out.insert({from_ourselves, table_after(inside_tun_), "lo", Prefix::host(Address{})});
    out.insert({from_ourselves, table_after(inside_tun_), "lo", Prefix::host(own)});
  }
  return out;
}

std::set<TableRoute> NatNetwork::wanted_routes() {
  std::set<TableRoute> out;
  for (const Address& ip : publics_)
    for (const Tun* tun : {&inside_tun_, &outside_tun_})
      out.insert({table_before(*tun), Prefix::host(ip), tun->index(), {}});
  for (bool v6 : {false, true}) {
    if (v6 && !ipv6_) continue;
    // Only what would leave by the outside interface is translated: where there is another way, the main table is
    // asked. What comes from outside for anybody but us goes to the engine too, which refuses it: else the kernel would
    // pass it on, and what listens only inside would be reached from outside.
    for (const Prefix& prefix : other_networks(v6)) {
      out.insert({table_after(inside_tun_), prefix, 0, {}});
      if (!v6) out.insert({table_before(outside_tun_), prefix, outside_tun_.index(), {}});
    }
    out.insert({table_after(inside_tun_), Prefix::all(v6), inside_tun_.index(), v6 ? Address{} : inside_address()});
    out.insert({table_after(outside_tun_), Prefix::all(v6), outside_tun_.index(), {}});
  }
  return out;
}

/// Those that are not reached by the outside interface.
std::set<Prefix> NatNetwork::other_networks(bool v6) {
  std::set<Prefix> out;
  for (const TableRoute& route : routing_.routes(v6, Routing::table_main))
    if (route.device != 0 && route.device != outside_.index && route.to.length > 0) out.insert(route.to);
  for (const Interface& one : inside_)  // should the route to its own subnet have been removed
    for (const auto& own : one.addresses)
      if (own.ip.v6 == v6) out.insert({network_of(own), own.prefix});
  std::erase_if(out, [](const Prefix& prefix) { return prefix.ip.v6 && prefix.ip.is_link_local(); });
  return out;
}

Address NatNetwork::inside_address(bool v6) const {
  for (const Interface& one : inside_)
    for (const auto& own : one.addresses)
      if (own.ip.v6 == v6 && !own.ip.is_link_local()) return own.ip;
  return {};
}

uint32_t NatNetwork::mtu_inside() const {
  uint32_t out = 0;
  for (const Interface& one : inside_) out = out == 0 ? one.mtu : std::min(out, one.mtu);
  return out == 0 ? 1500 : out;
}

}  // namespace ginnel::app
