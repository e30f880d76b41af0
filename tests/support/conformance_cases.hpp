// For each requirement that can be seen in packets: a NAT that meets it and one that breaks it, as words: a preset,
// then knobs, then a fault. The suite has to tell them apart, and docs/compliance.md prints them. No RFC.
#pragma once
#include <gtest/gtest.h>

#include <cctype>
#include <sstream>
#include <string>
#include <string_view>

#include "core/conform/suite.hpp"
#include "tests/support/faults.hpp"

namespace ginnel::test {

struct ConformanceCase {
  std::string_view id, met, broken;
};

inline constexpr ConformanceCase conformance_cases[] = {
    {"RFC 4787 REQ-1", "rfc", "symmetric"},
    {"RFC 4787 REQ-2", "rfc", "rfc pooling=arbitrary"},
    {"RFC 4787 REQ-3", "rfc", "rfc ports.overloading=on"},
    {"RFC 4787 REQ-3a", "rfc", "rfc ports=random ports.keep_range_class=off"},
    {"RFC 4787 REQ-4", "rfc ports.keep_parity=on", "rfc"},
    {"RFC 4787 REQ-5", "rfc", "rfc timers.udp_two_way=60"},
    {"RFC 4787 REQ-5a", "rfc timers.udp_well_known=30", "rfc"},
    {"RFC 4787 REQ-5c", "rfc", "home"},
    {"RFC 4787 REQ-6", "rfc", "rfc refresh=in"},
    {"RFC 4787 REQ-6a", "rfc refresh=both", "rfc"},
    {"RFC 4787 REQ-7", "rfc", "rfc fault:no-way-to-overlapping"},
    {"RFC 4787 REQ-8", "rfc", "port-restricted"},
    {"RFC 4787 REQ-9", "rfc", "rfc hairpin=off"},
    {"RFC 4787 REQ-9a", "rfc", "rfc hairpin=internal-source"},
    {"RFC 4787 REQ-10", "rfc", "rfc fault:alg"},
    {"RFC 4787 REQ-11", "rfc", "rfc strangers_keep_state=on"},
    {"RFC 4787 REQ-12", "rfc", "rfc icmp_errors=kills-mapping"},
    {"RFC 4787 REQ-12a", "rfc", "rfc icmp_errors=drop"},
    {"RFC 4787 REQ-12b", "rfc", "rfc icmp_errors=drop"},
    {"RFC 4787 REQ-13", "rfc", "rfc too_big_answer=off"},
    {"RFC 4787 REQ-13a", "rfc", "rfc fragment_too_big=off"},
    {"RFC 4787 REQ-14", "rfc", "rfc fragments=in-order"},
    {"RFC 4787 REQ-14a", "rfc", "rfc fragments=drop"},
    {"RFC 5382 REQ-1", "rfc", "symmetric"},
    {"RFC 5382 REQ-2", "rfc", "rfc fault:loses-fin"},
    {"RFC 5382 REQ-2a", "rfc", "rfc simultaneous_open=off"},
    {"RFC 5382 REQ-3", "rfc", "port-restricted"},
    {"RFC 5382 REQ-3b", "rfc tcp.filtering=address-and-port-dependent", "rfc"},
    {"RFC 5382 REQ-4", "rfc", "rfc unsolicited_syn=rst"},
    {"RFC 5382 REQ-4 crossed", "rfc", "rfc unsolicited_syn=icmp"},
    {"RFC 5382 REQ-4 after", "rfc", "rfc unsolicited_syn=silent"},
    {"RFC 5382 REQ-5", "rfc", "rfc timers.tcp_established=3600"},
    {"RFC 5382 REQ-5 transitory", "rfc", "rfc timers.tcp_closing=120"},
    {"RFC 5382 REQ-6", "rfc", "rfc fault:alg"},
    {"RFC 5382 REQ-7", "rfc", "rfc ports.overloading=on"},
    {"RFC 5382 REQ-8", "rfc", "rfc hairpin=off"},
    {"RFC 5382 REQ-8a", "rfc", "rfc hairpin=internal-source"},
    {"RFC 5382 REQ-9", "rfc", "rfc icmp_errors=drop"},
    {"RFC 5382 REQ-10", "rfc", "rfc icmp_errors=kills-mapping"},
    {"RFC 5508 REQ-1", "rfc", "rfc fault:loses-echo-replies"},
    {"RFC 5508 REQ-1a", "rfc", "rfc icmp.mapping=address-dependent"},
    {"RFC 5508 REQ-2", "rfc", "rfc timers.icmp=30"},
    {"RFC 5508 REQ-3", "rfc", "rfc fault:believes-any-checksum"},
    {"RFC 5508 REQ-3a", "rfc", "rfc fault:believes-any-quoted-header"},
    {"RFC 5508 REQ-3b", "rfc", "rfc fault:stops-at-options"},
    {"RFC 5508 REQ-3c", "rfc", "rfc fault:checks-too-much"},
    {"RFC 5508 REQ-3d", "rfc", "rfc fault:cuts-extensions"},
    {"RFC 5508 REQ-4", "rfc", "rfc fault:leaks-errors-inwards"},
    {"RFC 5508 REQ-4a", "rfc", "rfc icmp_errors=outer-only"},
    {"RFC 5508 REQ-4b", "rfc", "rfc fault:one-kind-of-error"},
    {"RFC 5508 REQ-4c", "rfc", "rfc fault:errors-to-the-wrong-host"},
    {"RFC 5508 REQ-5", "rfc", "rfc fault:leaks-errors-outwards"},
    {"RFC 5508 REQ-5a", "rfc", "rfc icmp_errors=outer-only"},
    {"RFC 5508 REQ-5b", "rfc", "rfc fault:one-kind-of-error"},
    {"RFC 5508 REQ-5c", "rfc", "rfc fault:errors-from-nowhere"},
    {"RFC 5508 REQ-6", "rfc", "rfc icmp_errors=kills-mapping"},
    {"RFC 5508 REQ-6 refresh", "rfc", "rfc fault:error-prolongs-query"},
    {"RFC 5508 REQ-7", "rfc", "rfc hairpin=off"},
    {"RFC 5508 REQ-7 queries", "basic", "basic hairpin=off"},
    {"RFC 5508 REQ-7a", "rfc", "rfc fault:errors-to-the-wrong-host"},
    {"RFC 5508 REQ-8", "rfc ports_per_host=100", "rfc ports_per_host=100 limit_answer=silent"},
    {"RFC 5508 REQ-10a exceeded", "rfc", "rfc generated_per_second=0"},
    {"RFC 5508 REQ-10a echo", "rfc", "rfc generated_per_second=0"},
    {"RFC 5508 REQ-10c", "rfc", "rfc fault:leaks-source-quench"},
    {"RFC 5508 REQ-10d", "rfc", "rfc fault:routine-precedence"},
    {"RFC 5508 REQ-10e", "rfc", "rfc fault:answers-errors"},
    {"RFC 5508 REQ-10f", "rfc", "rfc generated_per_second=100000"},
    {"RFC 5508 REQ-11", "rfc", "rfc fault:leaks-other-icmp"},
    {"RFC 7857 section 2.1", "rfc", "rfc timers.tcp_half_closed=60"},
    {"RFC 7857 section 2.3", "rfc", "rfc fault:loses-rst"},
    {"RFC 7857 section 2.3 wait", "rfc", "rfc timers.tcp_reset=10"},
    {"RFC 7857 section 3", "rfc ports.overloading=on", "rfc"},
    {"RFC 7857 section 4", "rfc", "rfc pooling=arbitrary"},
    {"RFC 7857 section 5", "rfc", "rfc fault:one-port-for-all-protocols"},
    {"RFC 7857 section 6", "rfc", "rfc fault:leaks-syn"},
    {"RFC 7857 section 7", "rfc", "rfc refused_refreshes=on"},
    {"RFC 7857 section 7.1", "rfc", "rfc errors_refresh=on"},
    {"RFC 7857 section 8", "rfc", "rfc ports.keep_parity=on"},
    {"RFC 7857 section 9", "rfc", "symmetric-sequential"},
    {"RFC 7857 section 10", "rfc", "rfc fresh_ip_id=off"},
    {"RFC 7857 section 12", "basic", "basic icmp.filtering=address-dependent"},
    {"RFC 6888 REQ-2", "rfc", "rfc pooling=arbitrary"},
    {"RFC 6888 REQ-4", "cgn", "cgn ports_per_host=0 sessions_per_host=0 table_size=300"},
    {"RFC 6888 REQ-7", "cgn", "rfc"},
    {"RFC 6888 REQ-8", "full-cone timers.port_quarantine=120", "full-cone"},
    {"RFC 6888 REQ-11", "rfc ports_per_host=100", "rfc ports_per_host=100 fault:evicts-the-first"},
    {"RFC 6888 REQ-11 error", "rfc ports_per_host=100", "rfc ports_per_host=100 limit_answer=silent"},
    {"RFC 6888 REQ-15", "rfc", "symmetric-sequential"},
};

/// "preset knob=value fault:name" as a NAT on its bench.
struct NamedNat {
  nat::Behaviour behaviour;
  Fault fault;

  explicit NamedNat(std::string_view words) {
    std::istringstream in{std::string(words)};
    std::string word;
    in >> word;
    behaviour = nat::preset(word).value();
    while (in >> word) {
      if (word.starts_with("fault:")) {
        fault = test::fault(word.substr(6));
        EXPECT_FALSE(fault.name.empty()) << word;
        continue;
      }
      size_t equals = word.find('=');
      auto wrong = nat::set_knob(behaviour, word.substr(0, equals), word.substr(equals + 1));
      EXPECT_FALSE(wrong) << *wrong;
    }
  }
};

inline conform::Result conformance_of(std::string_view id, std::string_view words) {
  NamedNat named(words);
  EngineBench bench(named.behaviour, named.fault);
  SeededRng rng(7);
  auto results = conform::run(bench, rng, {.slow = true, .only = [&](const auto& each) { return each.id() == id; }});
  return results.empty() ? conform::Result{} : results.front();
}

/// "RFC 4787 REQ-9a" -> "RFC_4787_REQ_9a": a name that a test may have.
inline std::string test_name(std::string_view id) {
  std::string out(id);
  for (char& c : out)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return out;
}

}  // namespace ginnel::test
