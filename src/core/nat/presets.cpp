// The behaviours that have a name. Those of the older words (full cone and so on) differ from the default only in what
// the word says; the others describe a kind of device (facts: docs of the population, netfilter measured on 6.18).
#include <algorithm>
#include <vector>

#include "core/nat/behaviour.hpp"

namespace ginnel::nat {
namespace {

struct Preset {
  Behaviour behaviour;
  std::string_view text;
};

constexpr Depends nothing = Depends::on_nothing;
constexpr Depends address = Depends::on_address;
constexpr Depends endpoint = Depends::on_address_and_port;

Behaviour cone(std::string_view name, Depends mapping, Depends filtering) {
  Behaviour b;
  b.name = name;
  b.udp = b.tcp = {mapping, filtering};
  return b;
}

Behaviour home() {
  Behaviour b = cone("home", nothing, endpoint);
  b.unsolicited_syn = UnsolicitedSyn::silent;
  b.answer_ping = false;
  b.timers.udp_one_way = 120s;
  b.table_size = 16384;
  return b;
}

/// netfilter's masquerade on a gateway whose own INPUT is open: where it breaks the RFCs is listed in
/// docs/compliance.md.
Behaviour linux_gateway() {
  Behaviour b = cone("linux", nothing, endpoint);
  b.icmp = {nothing, endpoint};
  b.ports.overloading = true;
  b.refresh = Refresh::both;
  b.timers.udp_one_way = 30s;
  b.timers.udp_two_way = 120s;
  b.timers.icmp = 30s;
  b.timers.tcp_half_open = 120s;
  b.timers.tcp_established = 432000s;
  b.timers.tcp_half_closed = 60s;
  b.timers.tcp_closing = 120s;
  b.timers.tcp_reset = 10s;
  b.timers.tcp_refused = 0s;
  b.timers.other = 600s;
  b.tcp_pickup = true;
  b.tcp_window_check = true;
  b.unsolicited_syn = UnsolicitedSyn::rst;
  b.unsolicited_udp = UnsolicitedUdp::icmp;
  b.strangers_keep_state = true;
  b.hairpin = Hairpin::off;
  b.fresh_ip_id = false;
  b.limit_answer = LimitAnswer::silent;
  b.table_size = 262144;
  return b;
}

Behaviour symmetric() {
  Behaviour b = cone("symmetric", endpoint, endpoint);
  b.ports.choice = PortChoice::random;
  b.hairpin = Hairpin::off;
  b.unsolicited_syn = UnsolicitedSyn::silent;
  return b;
}

Behaviour symmetric_sequential() {
  Behaviour b = symmetric();
  b.name = "symmetric-sequential";
  b.ports.choice = PortChoice::sequential;
  b.unsolicited_syn = UnsolicitedSyn::rst;
  return b;
}

Behaviour cgn() {
  Behaviour b = cone("cgn", nothing, nothing);  // RFC 6888 REQ-7
  b.ports.choice = PortChoice::block;
  b.ports_per_host = 2016;
  b.sessions_per_host = 8192;
  b.new_mappings_per_second = 500;
  b.limit_answer = LimitAnswer::icmp_host_unreachable;
  b.timers.port_quarantine = 120s;
  b.table_size = 1'048'576;
  return b;
}

Behaviour basic() {
  Behaviour b = cone("basic", nothing, nothing);
  b.icmp.filtering = nothing;  // RFC 7857 section 12: queries from outside reach the mapped host
  b.basic = true;
  b.answer_ping = false;
  return b;
}

Behaviour strict() {
  Behaviour b = symmetric();
  b.name = "strict";
  b.icmp = {endpoint, endpoint};
  b.tcp_window_check = true;
  b.answer_ping = false;
  b.fragments = Fragments::in_order;
  b.ports_per_host = 1024;
  b.sessions_per_host = 1024;
  return b;
}

const std::vector<Preset>& table() {
  static const std::vector<Preset> all = {
      {Behaviour{}, "every requirement of RFC 4787, 5382, 5508 and 7857"},
      {home(), "a home router of today: endpoint-independent mapping, strict filtering, silent"},
      {linux_gateway(), "a Linux gateway with masquerade and an open INPUT chain"},
      {cone("full-cone", nothing, nothing), "endpoint-independent mapping and filtering"},
      {cone("restricted", nothing, address), "endpoint-independent mapping, address-dependent filtering"},
      {cone("port-restricted", nothing, endpoint),
       "endpoint-independent mapping, address- and port-dependent filtering"},
      {symmetric(), "another random port for every destination"},
      {symmetric_sequential(), "the next port for every destination; answers unexpected SYNs with RST"},
      {cgn(), "a carrier's NAT: port blocks, limits for each subscriber, quarantine of freed ports (RFC 6888)"},
      {basic(), "one outside address for each inside address, ports untouched"},
      {strict(), "symmetric, windows checked, nothing answered, few sessions"},
  };
  return all;
}

}  // namespace

std::span<const Behaviour> presets() {
  static const std::vector<Behaviour> all = [] {
    std::vector<Behaviour> out;
    for (const auto& preset : table()) out.push_back(preset.behaviour);
    return out;
  }();
  return all;
}

std::optional<Behaviour> preset(std::string_view name) {
  for (const auto& each : table())
    if (each.behaviour.name == name) return each.behaviour;
  return {};
}

std::string_view preset_text(std::string_view name) {
  for (const auto& each : table())
    if (each.behaviour.name == name) return each.text;
  return {};
}

}  // namespace ginnel::nat
