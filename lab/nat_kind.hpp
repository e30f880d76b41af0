// What a gateway of the lab does, as a value, and the text it is written as: "kernel:symmetric" is made of nftables
// rules (nat_rules), "ginnel:symmetric+hairpin=off" of `ginnel nat` with a preset and knobs, "home" is short for
// "kernel:home". Knows names and rules; touches no system.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace ginnel::lab {

/// What happens to IPv6 on its way through a gateway. It is never translated.
enum class Ipv6 : uint8_t {
  off,       ///< there is none
  firewall,  ///< out, and what answers; strangers are dropped
  open,
  broken,  ///< addresses and a route, and nothing arrives
};

struct NatKind {
  enum class Mapping : uint8_t {
    none,    ///< a router
    keep,    ///< masquerade: the port is kept, one mapping for all destinations
    random,  ///< masquerade fully-random: another port for every destination
    cone,    ///< a random port, one mapping for all destinations
  };
  enum class Filtering : uint8_t { endpoint, address, nothing };  ///< RFC 4787 section 5: on what it depends
  /// What a packet meets that belongs to nothing.
  enum class Strangers : uint8_t {
    drop,
    reset,   ///< TCP RST; other protocols are dropped
    accept,  ///< the gateway itself takes them for its own, and remembers them (facts: nat.md 2.3)
  };
  enum class Udp : uint8_t { passes, blocked };

  std::string text;    ///< as it was written
  std::string preset;  ///< of `ginnel nat`; empty: the kernel does it, as said below
  std::vector<std::pair<std::string, std::string>> knobs;  ///< of the preset
  Mapping mapping = Mapping::keep;
  Filtering filtering = Filtering::endpoint;  ///< narrower than endpoint only for a cone
  Strangers strangers = Strangers::drop;
  bool firewall = true;   ///< of a router: only answers come in
  bool web_only = false;  ///< TCP to ports 80 and 443 and nothing else goes out
  Udp udp = Udp::passes;
  Ipv6 ipv6 = Ipv6::off;

  bool is_kernel() const { return preset.empty(); }
  bool translates() const { return !is_kernel() || mapping != Mapping::none; }
};

/// The error is one sentence. Presets and knobs of `ginnel nat` are its own business and not checked here.
Result<NatKind> parse_nat_kind(std::string_view text);
/// "none", "fw" ..., those of the kernel.
std::vector<std::string> kernel_kinds();
Result<Ipv6> parse_ipv6(std::string_view word);

/// For `nft -f -` in the namespace of a gateway with interfaces "wan" and "lan". The kernel's NATs have a set "blocked"
/// of protocols that do not pass; `ginnel nat` wants to be alone, and has IPv6 firewalled by itself.
std::string nat_rules(const NatKind& kind);

}  // namespace ginnel::lab
