#include "lab/nat_kind.hpp"

#include <algorithm>
#include <span>

namespace ginnel::lab {
namespace {

using Mapping = NatKind::Mapping;
using Filtering = NatKind::Filtering;
using Strangers = NatKind::Strangers;

struct Named {
  std::string_view name;
  NatKind kind;
};

std::span<const Named> named_kinds() {
  static const Named all[] = {
      {"none", {.mapping = Mapping::none, .firewall = false}},
      {"fw", {.mapping = Mapping::none}},
      {"home", {}},
      {"linux-open", {.strangers = Strangers::accept}},
      {"symmetric", {.mapping = Mapping::random}},
      {"cone", {.mapping = Mapping::cone, .filtering = Filtering::nothing}},
      {"arcone", {.mapping = Mapping::cone, .filtering = Filtering::address}},
      {"prcone", {.mapping = Mapping::cone}},
      {"udp-blocked", {.udp = NatKind::Udp::blocked}},
      {"strict", {.web_only = true}},
  };
  return all;
}

Error wrong(std::string sentence) { return {Errc::usage, std::move(sentence)}; }

std::string shown(std::string_view text) { return "\"" + std::string(text.substr(0, 80)) + "\""; }

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

/// An empty sentence if it is one.
std::string set_kernel_knob(NatKind& kind, std::string_view knob, std::string_view value) {
  if (knob != "strangers") return "A kernel NAT has no knob " + shown(knob) + ": it has strangers and ipv6.";
  const std::pair<std::string_view, Strangers> words[] = {
      {"drop", Strangers::drop}, {"reset", Strangers::reset}, {"accept", Strangers::accept}};
  for (const auto& [word, meaning] : words) {
    if (word == value) return kind.strangers = meaning, std::string();
  }
  return "A NAT's knob \"strangers\" is drop, reset or accept, not " + shown(value) + ".";
}

Result<NatKind> base_kind(std::string_view name) {
  const size_t colon = name.find(':');
  const std::string_view maker = colon == name.npos ? "kernel" : name.substr(0, colon);
  const std::string_view rest = colon == name.npos ? name : name.substr(colon + 1);
  NatKind kind;
  if (maker == "ginnel") {
    if (rest.empty()) return wrong("\"ginnel:\" wants the name of a preset, such as ginnel:symmetric.");
    kind.preset = rest;
    return kind;
  }
  for (const auto& named : named_kinds()) {
    if (maker == "kernel" && named.name == rest) return named.kind;
  }
  return wrong("There is no NAT " + shown(name) + ": write ginnel:PRESET, or kernel: and one of " +
               joined(kernel_kinds()) + ".");
}

const char* verdict_on_strangers(const NatKind& kind) {
  switch (kind.strangers) {
    case Strangers::accept:
      return "accept";
    case Strangers::reset:
      return "meta l4proto tcp reject with tcp reset\n    iifname \"wan\" drop";
    case Strangers::drop:
      break;
  }
  return "drop";
}

/// One mapping for all destinations although ports are random: the first packet's port is learnt. What may come in is
/// learnt with it, under the key that the filtering looks at.
std::string cone_rules(Filtering filtering) {
  const bool by_address = filtering == Filtering::address;
  const std::string in_type = by_address ? "ipv4_addr . inet_proto . inet_service" : "inet_proto . inet_service";
  const std::string source = by_address ? "ip saddr . " : "", target = by_address ? "ip daddr . " : "";
  std::string out = R"(
table ip lab {
  map out { type ipv4_addr . inet_proto . inet_service : inet_service; flags dynamic, timeout; timeout 2m; size 65535; }
  map in { type )" + in_type +
                    R"( : ipv4_addr . inet_service; flags dynamic, timeout; timeout 2m; size 65535; }
  chain translate_out {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "wan" meta l4proto { tcp, udp } masquerade to : ip saddr . meta l4proto . th sport map @out
    oifname "wan" masquerade fully-random
  }
  chain learn {
    type filter hook postrouting priority srcnat + 10; policy accept;
    oifname "wan" meta l4proto { tcp, udp } ct direction original update @out { ct original ip saddr . meta l4proto . ct original proto-src : th sport }
)";
  if (filtering != Filtering::endpoint) {
    out += R"(    oifname "wan" meta l4proto { tcp, udp } update @in { )" + target +
           R"(meta l4proto . th sport : ct original ip saddr . ct original proto-src }
  }
  chain translate_in {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "wan" dnat ip to )" +
           source + R"(meta l4proto . th dport map @in
)";
  }
  return out + "  }\n}\n";
}

std::string translation(const NatKind& kind) {
  if (kind.mapping == Mapping::none) return {};
  if (kind.mapping == Mapping::cone) return cone_rules(kind.filtering);
  return std::string(R"(
table ip lab {
  chain translate_out {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "wan" masquerade)") +
         (kind.mapping == Mapping::random ? " fully-random" : "") + "\n  }\n}\n";
}

constexpr const char* kNoIpv6 = R"(
table ip6 lab {
  chain forward {
    type filter hook forward priority filter; policy drop;
  }
}
)";

/// What the chain "forward" does with packets that no connection owns.
std::string forwarding(const NatKind& kind) {
  std::string out;
  // What conntrack does not know would leave with its inside address.
  if (kind.translates()) out += "    oifname \"wan\" ct state invalid drop\n";
  if (kind.web_only) {
    out += "    iifname \"lan\" oifname \"wan\" tcp dport { 80, 443 } accept\n";
  } else {
    out += "    iifname \"lan\" oifname \"wan\" accept\n";
  }
  out += "    ct status dnat accept\n";
  if (kind.ipv6 == Ipv6::open) out += "    meta nfproto ipv6 accept\n";
  if (kind.mapping == Mapping::none && !kind.firewall) out += "    meta nfproto ipv4 accept\n";
  if (kind.mapping == Mapping::none && kind.strangers == Strangers::reset) {
    out += "    iifname \"wan\" meta nfproto ipv4 meta l4proto tcp reject with tcp reset\n";
  }
  return out;
}

}  // namespace

std::vector<std::string> kernel_kinds() {
  std::vector<std::string> out;
  for (const auto& named : named_kinds()) out.emplace_back(named.name);
  return out;
}

Result<Ipv6> parse_ipv6(std::string_view word) {
  const std::pair<std::string_view, Ipv6> words[] = {
      {"off", Ipv6::off}, {"firewall", Ipv6::firewall}, {"open", Ipv6::open}, {"broken", Ipv6::broken}};
  for (const auto& [name, meaning] : words) {
    if (name == word) return meaning;
  }
  return wrong("\"ipv6\" of a NAT is off, firewall, open or broken, not " + shown(word) + ".");
}

Result<NatKind> parse_nat_kind(std::string_view text) {
  auto kind = base_kind(text.substr(0, text.find('+')));
  if (!kind) return kind;
  kind->text = text;
  for (size_t at = text.find('+'); at != text.npos; at = text.find('+', at + 1)) {
    const std::string_view knob = text.substr(at + 1, text.find('+', at + 1) - at - 1);
    const size_t equals = knob.find('=');
    if (equals == knob.npos || equals == 0)
      return wrong("A knob of a NAT is written KNOB=VALUE, not " + shown(knob) + ".");
    const std::string_view name = knob.substr(0, equals), value = knob.substr(equals + 1);
    if (name == "ipv6") {
      const auto ipv6 = parse_ipv6(value);
      if (!ipv6) return ipv6.error();
      kind->ipv6 = *ipv6;
    } else if (kind->is_kernel()) {
      if (auto sentence = set_kernel_knob(*kind, name, value); !sentence.empty()) return wrong(sentence);
    } else {
      kind->knobs.emplace_back(name, value);
    }
  }
  if (!kind->is_kernel() && kind->ipv6 == Ipv6::open) {
    return wrong("`ginnel nat` firewalls IPv6: it cannot be open behind " + shown(text) + ".");
  }
  return kind;
}

std::string nat_rules(const NatKind& kind) {
  if (!kind.is_kernel()) return kind.ipv6 == Ipv6::broken ? kNoIpv6 : "";
  std::string out = R"(
table inet lab {
  set blocked { type inet_proto; }
  chain input {
    type filter hook input priority filter; policy accept;
    meta l4proto ipv6-icmp accept
    iifname "wan" ct state established,related accept
    iifname "wan" )";
  out += verdict_on_strangers(kind);
  out += R"(
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    meta l4proto @blocked drop
)";
  if (kind.ipv6 == Ipv6::broken) out += "    meta nfproto ipv6 drop\n";
  out += "    ct state established,related accept\n" + forwarding(kind) + "  }\n}\n";
  if (kind.udp == NatKind::Udp::blocked) out += "add element inet lab blocked { udp }\n";
  return out + translation(kind);
}

}  // namespace ginnel::lab
