#include "lab/plan.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "base/address.hpp"
#include "lab/subnet.hpp"

namespace ginnel::lab {
namespace {

constexpr size_t kNameMax = 24;
constexpr size_t kNodesMax = 200;  ///< addresses are given by number below

/// The first sentence that is wrong ends it; complete_plan alone catches.
struct Wrong {
  std::string sentence;
};

[[noreturn]] void fail_at(const std::string& where, const std::string& sentence) {
  throw Wrong{(where.empty() ? "" : where + ": ") + sentence};
}
template <typename NodePlan>
[[noreturn]] void fail(const NodePlan& node, const std::string& what) {
  fail_at(node.where, "\"" + node.name + "\" " + what);
}

std::string hex(size_t n) {
  char text[20];
  std::snprintf(text, sizeof text, "%zx", n);
  return text;
}

class Completion {
 public:
  explicit Completion(Plan plan) : plan_(std::move(plan)) {}

  Plan complete() {
    check_names();
    sort_nats();
    for (const char* router : {"192.0.2.1", "2001:db8::1"}) taken_.insert({"", router});
    for (auto& nat : plan_.nats) reserve(nat);
    for (auto& host : plan_.hosts) reserve(host);
    for (auto& nat : plan_.nats) fill(nat);
    for (auto& host : plan_.hosts) fill(host);
    for (const auto& timed : plan_.changes) check(timed);
    std::stable_sort(plan_.changes.begin(), plan_.changes.end(), [](auto& a, auto& b) { return a.at < b.at; });
    return std::move(plan_);
  }

 private:
  // ---- names
  template <typename NodePlan>
  void check_name(const NodePlan& node) {
    const std::string& name = node.name;
    const auto good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'; };
    if (name.empty() || name.size() > kNameMax || !std::all_of(name.begin(), name.end(), good) || name[0] == '-' ||
        name[0] == '.') {
      fail(node, "is no name for a node: a name has up to 24 small letters, digits, dots and dashes.");
    }
    if (name == "core" || name == "exchange" || name == "localhost")
      fail(node, "is the lab's own name: choose another.");
    if (!names_.insert(name).second) fail(node, "is there twice: every host and NAT has a name of its own.");
  }
  void check_names() {
    for (const auto& nat : plan_.nats) check_name(nat);
    for (const auto& host : plan_.hosts) check_name(host);
    if (names_.size() > kNodesMax)
      throw Wrong{"A lab holds 200 hosts and NATs, not " + std::to_string(names_.size()) + "."};
    for (const auto& nat : plan_.nats) check_behind(nat);
    for (const auto& host : plan_.hosts) check_behind(host);
  }
  template <typename NodePlan>
  void check_behind(const NodePlan& node) {
    if (node.behind.empty() || plan_.nat(node.behind)) return;
    fail(node, "is behind \"" + node.behind + "\", but there is no NAT of that name.");
  }
  void sort_nats() {
    std::vector<NatPlan> sorted;
    auto placed = [&](const std::string& name) {
      return name.empty() || std::any_of(sorted.begin(), sorted.end(), [&](auto& n) { return n.name == name; });
    };
    while (!plan_.nats.empty()) {
      const auto next = std::find_if(plan_.nats.begin(), plan_.nats.end(), [&](auto& n) { return placed(n.behind); });
      if (next == plan_.nats.end()) fail(plan_.nats[0], "is behind itself: some NAT must hang on the internet.");
      sorted.push_back(std::move(*next));
      plan_.nats.erase(next);
    }
    plan_.nats = std::move(sorted);
  }
  void check(const TimedChange& timed) {
    using Verb = Change::Verb;
    const Change& change = timed.change;
    const bool wants_nat = change.verb == Verb::reboot || change.verb == Verb::address ||
                           change.verb == Verb::block_udp || change.verb == Verb::allow_udp;
    const bool wants_pair = change.verb == Verb::blackhole || change.verb == Verb::heal;
    const auto no_such = [&](const std::string& what, const std::string& name) {
      fail_at(timed.where, "There is no " + what + " \"" + name + "\" for the event \"" + change.to_string() + "\".");
    };
    if (!names_.contains(change.node)) no_such(wants_nat ? "NAT" : "node", change.node);
    if (wants_nat && !plan_.nat(change.node)) no_such("NAT", change.node);
    if (wants_pair && !names_.contains(change.other)) no_such("node", change.other);
  }

  // ---- addresses that were given
  template <typename NodePlan>
  void take(const NodePlan& node, const std::string& address) {
    if (taken_.insert({node.behind, address}).second) return;
    fail(node, "has the address " + address + ", which is taken.");
  }
  void reserve(const NatPlan& nat) {
    if (!nat.address.empty()) {
      if (!is_ipv4(nat.address)) fail(nat, "has the address " + nat.address + ", which is no IPv4 address.");
      take(nat, nat.address);
    }
    if (nat.inside.empty()) return;
    if (!Subnet::parse(nat.inside)) fail(nat, "has inside " + nat.inside + ": write a network such as 192.168.1.0/24.");
  }
  void reserve(HostPlan& host) {
    for (auto& address : host.addresses) {
      if (!is_ipv4(address) && !is_ipv6(address)) fail(host, "has the address " + address + ", which is none.");
      if (is_ipv6(address)) address = Address::parse("[" + address + "]:0")->ip_to_string();  // one spelling
      take(host, address);
    }
  }

  // ---- addresses that were not
  template <typename NodePlan>
  std::string free_in(const NodePlan& node, const Subnet& net, uint32_t first) {
    for (uint32_t n = first; n + 1 < net.size(); ++n) {
      const std::string address = net.address(n);
      if (taken_.insert({node.behind, address}).second) return address;
    }
    fail(node, "gets no address: " + net.to_string() + " is full.");
  }
  /// A public /29 for what stands behind a router; from the top, away from those that people write down.
  std::string free_routed() {
    const Subnet all = *Subnet::parse("192.0.2.0/24");
    const uint32_t place = 256 - 8 * ++routed_;
    return all.address(place) + "/29";
  }
  bool holds_nats(const std::string& name) const {
    return std::any_of(plan_.nats.begin(), plan_.nats.end(), [&](auto& n) { return n.behind == name; });
  }

  void fill(NatPlan& nat) {
    const NatPlan* outer = plan_.nat(nat.behind);
    if (nat.ipv4) {
      if (outer && !outer->ipv4) fail(nat, "has IPv4, but \"" + nat.behind + "\" has none.");
      if (nat.inside.empty() && !nat.kind.translates() && routed_ == 30) fail(nat, "is one router too many.");
      if (nat.inside.empty()) {
        nat.inside = !nat.kind.translates() ? free_routed()
                     : holds_nats(nat.name) ? "100.64." + std::to_string(carriers_++) + ".0/24"
                                            : "192.168.1.0/24";
      }
      const Subnet zone = *Subnet::parse(outer ? outer->inside : "198.51.100.0/24");
      if (nat.address.empty()) nat.address = free_in(nat, zone, outer ? 2 : 10);
      if (outer && !zone.contains(nat.address))
        fail(nat, "has " + nat.address + ", which is not in " + outer->inside + ".");
      if (outer && Subnet::parse(nat.inside)->overlaps(zone)) {
        fail(nat, "has the same network inside and outside: " + nat.inside + ".");
      }
    } else if (nat.kind.ipv6 == Ipv6::off) {
      fail(nat, "has neither IPv4 nor IPv6.");
    }
    if (nat.kind.ipv6 == Ipv6::off) return;
    if (outer && outer->kind.ipv6 == Ipv6::off) fail(nat, "has IPv6, but \"" + nat.behind + "\" has none.");
    nat.address6 = outer ? next6(*outer) : public6();
    nat.inside6 = "2001:db8:" + hex(++prefixes_) + "::";
  }

  void fill(HostPlan& host) {
    const NatPlan* nat = plan_.nat(host.behind);
    const bool has4 = std::any_of(host.addresses.begin(), host.addresses.end(), is_ipv4);
    const bool has6 = std::any_of(host.addresses.begin(), host.addresses.end(), is_ipv6);
    if (!nat) {
      if (!has4 && !has6) {
        host.addresses.push_back(free_in(host, *Subnet::parse("203.0.113.0/24"), 10));
      }
      if (host.ipv6 && !has6) host.addresses.push_back(public6());
      return;
    }
    for (const auto& address : host.addresses) {
      if (!nat->ipv4 || is_ipv6(address) || !Subnet::parse(nat->inside)->contains(address)) {
        fail(host, "has " + address + ", which is not in \"" + nat->name + "\"'s " + nat->inside + ".");
      }
      if (address == Subnet::parse(nat->inside)->address(1))
        fail(host, "has the address " + address + ", which is \"" + nat->name + "\"'s own.");
    }
    if (nat->ipv4 && !has4) {
      host.addresses.push_back(free_in(host, *Subnet::parse(nat->inside), 2));
    }
    if (nat->kind.ipv6 != Ipv6::off) host.addresses.push_back(next6(*nat));
  }

  std::string public6() {
    while (true) {
      const std::string address = "2001:db8::" + hex(0x10 + publics6_++);
      if (taken_.insert({"", address}).second) return address;
    }
  }
  std::string next6(const NatPlan& nat) { return nat.inside6 + hex(2 + inside6_[nat.name]++); }

  Plan plan_;
  std::set<std::string> names_;
  std::set<std::pair<std::string, std::string>> taken_;  ///< the NAT it is behind, or ""; address
  uint32_t routed_ = 0, carriers_ = 0;
  size_t prefixes_ = 0, publics6_ = 0;
  std::map<std::string, size_t> inside6_;
};

}  // namespace

const NatPlan* Plan::nat(const std::string& name) const {
  const auto at = std::find_if(nats.begin(), nats.end(), [&](auto& n) { return n.name == name; });
  return at == nats.end() ? nullptr : &*at;
}

const HostPlan* Plan::host(const std::string& name) const {
  const auto at = std::find_if(hosts.begin(), hosts.end(), [&](auto& h) { return h.name == name; });
  return at == hosts.end() ? nullptr : &*at;
}

Result<Plan> complete_plan(Plan plan) {
  try {
    return Completion(std::move(plan)).complete();
  } catch (const Wrong& wrong) {
    return Error{Errc::usage, wrong.sentence};
  }
}

}  // namespace ginnel::lab
