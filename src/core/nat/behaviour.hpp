// What a NAT does, as plain values: every choice that RFC 4787, 5382, 5508, 6888 and 7857 leave or forbid is one knob,
// and the defaults obey all of them. Knows names of knobs and of whole behaviours (presets); refuses to know packets.
// The sections stand beside the knobs.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/instant.hpp"

namespace ginnel::nat {

/// Of which part of the remote endpoint a decision depends. As mapping (RFC 4787 section 4.1): EIM, ADM, APDM; as
/// filtering (section 5): EIF, ADF, APDF.
enum class Depends : uint8_t { on_nothing, on_address, on_address_and_port };

/// Where an external port comes from (RFC 4787 section 4.2). Those that preserve fall back when the port is taken:
/// to nothing, to a random one, or to the next one.
enum class PortChoice : uint8_t { preserve, preserve_then_random, preserve_then_sequential, sequential, random, block };
enum class Pooling : uint8_t { one, paired, arbitrary };                   // RFC 4787 REQ-2
enum class Refresh : uint8_t { out, in, both };                            // RFC 4787 REQ-6; of UDP and ICMP
enum class UnsolicitedSyn : uint8_t { silent, rst, icmp, icmp_after_6s };  // RFC 5382 REQ-4
enum class UnsolicitedUdp : uint8_t { silent, icmp };                      // icmp: 3/3
enum class Hairpin : uint8_t { off, external_source, internal_source };    // RFC 4787 REQ-9
enum class Fragments : uint8_t { track, in_order, drop };                  // RFC 4787 REQ-14
/// Errors about mapped packets (RFC 5508 REQ-4 and 5). kills_mapping breaks RFC 4787 REQ-12 and RFC 5382 REQ-10.
enum class IcmpErrors : uint8_t { full, outer_only, drop, kills_mapping };
enum class LimitAnswer : uint8_t {
  silent,
  icmp_prohibited,
  icmp_host_unreachable
};  // RFC 5508 REQ-8: 13, RFC 6888 REQ-11: 1

struct ProtocolBehaviour {
  Depends mapping = Depends::on_nothing;    // RFC 4787 REQ-1, RFC 5382 REQ-1, RFC 5508 REQ-1a
  Depends filtering = Depends::on_address;  // RFC 4787 REQ-8, RFC 5382 REQ-3
  bool operator==(const ProtocolBehaviour&) const = default;
};

struct PortBehaviour {
  PortChoice choice = PortChoice::preserve_then_random;
  uint16_t step = 1;      // of the sequential choices
  bool per_host = false;  // sequential: each inside host counts for itself
  uint16_t block = 512;   // ports of a block (RFC 6888 section 4: one log line a block)
  uint16_t first = 1024;
  uint16_t last = 65535;
  bool keep_range_class = true;  // RFC 4787 REQ-3a
  bool keep_parity = false;      // RFC 4787 REQ-4, made optional by RFC 7857 section 8
  bool keep_contiguity = false;  // RFC 4787 section 4.2.3
  bool overloading = false;      // RFC 4787 REQ-3, RFC 5382 REQ-7: one port for several hosts while remotes differ
  bool operator==(const PortBehaviour&) const = default;
};

struct Timers {
  Duration udp_one_way = 300s;  // RFC 4787 REQ-5c
  Duration udp_two_way = 300s;
  Duration udp_well_known =
      0s;               // REQ-5a: destination ports 0-1023 may have a shorter one; 0: they have none of their own
  Duration icmp = 60s;  // RFC 5508 REQ-2
  Duration tcp_half_open = 240s;     // RFC 5382 REQ-5, RFC 7857 section 2.2
  Duration tcp_established = 7440s;  // 2 h 4 min
  Duration tcp_closing = 240s;
  Duration tcp_reset = 240s;  // RFC 7857 section 2.3
  Duration other = 300s;
  Duration port_quarantine = 0s;  // RFC 6888 REQ-8: 120 s
  Duration fragment = 15s;
  Duration unsolicited_syn = 6s;  // RFC 5382 REQ-4
};

struct Behaviour {
  std::string_view name = "rfc";
  ProtocolBehaviour udp, tcp, icmp{Depends::on_nothing, Depends::on_address};
  PortBehaviour ports;
  Pooling pooling = Pooling::paired;
  bool basic = false;  // one inside address to one outside address, ports untouched (RFC 2663 section 4.1.1)
  Refresh refresh = Refresh::out;
  bool refused_refreshes = false;  // RFC 7857 section 7
  bool errors_refresh = false;     // RFC 7857 section 7.1
  Timers timers;
  bool simultaneous_open = true;  // RFC 5382 REQ-2a
  bool tcp_pickup = false;        // segments other than SYN may open a mapping, as Linux's tcp_loose
  bool tcp_window_check = false;  // segments far outside what was seen are dropped
  UnsolicitedSyn unsolicited_syn = UnsolicitedSyn::icmp_after_6s;
  UnsolicitedUdp unsolicited_udp = UnsolicitedUdp::silent;
  bool strangers_keep_state =
      false;                // a refused packet from outside occupies its 5-tuple, as on Linux with an open INPUT
  bool answer_ping = true;  // echo to the outside address itself (RFC 1812 section 4.3.3.6)
  Hairpin hairpin = Hairpin::external_source;
  Fragments fragments = Fragments::track;
  IcmpErrors icmp_errors = IcmpErrors::full;
  bool too_big_answer = true;    // RFC 4787 REQ-13; off: a path MTU black hole
  bool fragment_too_big = true;  // REQ-13a
  bool decrement_ttl = true;
  bool fresh_ip_id = true;               // RFC 7857 section 10, RFC 6864 section 5.3.1
  uint32_t ports_per_host = 0;           // RFC 6888 REQ-4; 0: no limit
  uint32_t sessions_per_host = 0;        // RFC 6888 REQ-5
  uint32_t new_mappings_per_second = 0;  // of a host, with a burst of as many
  LimitAnswer limit_answer = LimitAnswer::icmp_prohibited;
  uint32_t generated_per_second = 1000;  // own ICMP and RST (RFC 1812 section 4.3.2.8); 0: none at all (RFC 5508 REQ-9)
  uint32_t table_size = 65536;           // sessions, and mappings; never more
  uint16_t mtu_outside = 1500;
  uint16_t mtu_inside = 1500;
};

/// Every preset, the default first.
std::span<const Behaviour> presets();
std::optional<Behaviour> preset(std::string_view name);
/// What the preset is, in a sentence for people.
std::string_view preset_text(std::string_view name);

/// Turns one knob by its name ("udp.mapping", "timers.udp_two_way"). Values are words ("endpoint-independent"), "on"
/// and "off", or numbers; times are in seconds. Nothing, or a sentence that says what was wrong.
std::optional<std::string> set_knob(Behaviour& behaviour, std::string_view knob, std::string_view value);
/// All knobs and their values, in order; the same words set_knob takes.
struct KnobValue {
  std::string_view name;
  std::string value;
};
std::string knob_value(const Behaviour& behaviour, std::string_view knob);
std::span<const std::string_view> knob_names();
/// The words it takes; empty: it takes numbers.
std::span<const std::string_view> knob_words(std::string_view knob);

}  // namespace ginnel::nat
