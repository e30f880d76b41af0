// The table of knobs: one line each, with its words. What it is for stands in behaviour.hpp.
#include "core/nat/behaviour.hpp"

#include <charconv>
#include <vector>

namespace ginnel::nat {
namespace {

using Words = std::span<const std::string_view>;
constexpr std::string_view mapping_words[] = {"endpoint-independent", "address-dependent",
                                              "address-and-port-dependent"};
constexpr std::string_view port_words[] = {
    "preserve", "preserve-then-random", "preserve-then-sequential", "sequential", "random", "block"};
constexpr std::string_view pool_words[] = {"one", "paired", "arbitrary"};
constexpr std::string_view refresh_words[] = {"out", "in", "both"};
constexpr std::string_view syn_words[] = {"silent", "rst", "icmp", "icmp-after-6s"};
constexpr std::string_view udp_words[] = {"silent", "icmp"};
constexpr std::string_view hairpin_words[] = {"off", "external-source", "internal-source"};
constexpr std::string_view fragment_words[] = {"track", "in-order", "drop"};
constexpr std::string_view error_words[] = {"full", "outer-only", "drop", "kills-mapping"};
constexpr std::string_view limit_words[] = {"silent", "icmp-prohibited", "icmp-host-unreachable"};
constexpr std::string_view switch_words[] = {"off", "on"};

/// A field seen as a number: get and set, and the largest that it takes. `words` name the numbers from 0.
struct Knob {
  std::string_view name;
  Words words;
  uint64_t largest;
  uint64_t (*get)(const Behaviour&);
  void (*set)(Behaviour&, uint64_t);
};

#define GINNEL_WORDS(name, field, words)                                                                              \
  Knob {                                                                                                              \
    name, words, std::size(words) - 1, [](const Behaviour& b) -> uint64_t { return static_cast<uint64_t>(b.field); }, \
        [](Behaviour& b, uint64_t v) { b.field = static_cast<decltype(b.field)>(v); }                                 \
  }
#define GINNEL_NUMBER(name, field, largest)                                           \
  Knob {                                                                              \
    name, {}, largest, [](const Behaviour& b) -> uint64_t { return b.field; },        \
        [](Behaviour& b, uint64_t v) { b.field = static_cast<decltype(b.field)>(v); } \
  }
#define GINNEL_TIME(field)                                                                         \
  Knob {                                                                                           \
    "timers." #field, {}, 10'000'000,                                                              \
        [](const Behaviour& b) -> uint64_t { return static_cast<uint64_t>(b.timers.field / 1s); }, \
        [](Behaviour& b, uint64_t v) { b.timers.field = std::chrono::seconds(v); }                 \
  }

const std::vector<Knob>& knobs() {
  static const std::vector<Knob> all = {
      GINNEL_WORDS("udp.mapping", udp.mapping, mapping_words),
      GINNEL_WORDS("udp.filtering", udp.filtering, mapping_words),
      GINNEL_WORDS("tcp.mapping", tcp.mapping, mapping_words),
      GINNEL_WORDS("tcp.filtering", tcp.filtering, mapping_words),
      GINNEL_WORDS("icmp.mapping", icmp.mapping, mapping_words),
      GINNEL_WORDS("icmp.filtering", icmp.filtering, mapping_words),
      GINNEL_WORDS("ports", ports.choice, port_words),
      GINNEL_NUMBER("ports.step", ports.step, 65535),
      GINNEL_WORDS("ports.per_host", ports.per_host, switch_words),
      GINNEL_NUMBER("ports.block", ports.block, 32768),
      GINNEL_NUMBER("ports.first", ports.first, 65535),
      GINNEL_NUMBER("ports.last", ports.last, 65535),
      GINNEL_WORDS("ports.keep_range_class", ports.keep_range_class, switch_words),
      GINNEL_WORDS("ports.keep_parity", ports.keep_parity, switch_words),
      GINNEL_WORDS("ports.keep_contiguity", ports.keep_contiguity, switch_words),
      GINNEL_WORDS("ports.overloading", ports.overloading, switch_words),
      GINNEL_WORDS("pooling", pooling, pool_words),
      GINNEL_WORDS("basic", basic, switch_words),
      GINNEL_WORDS("refresh", refresh, refresh_words),
      GINNEL_WORDS("refused_refreshes", refused_refreshes, switch_words),
      GINNEL_WORDS("errors_refresh", errors_refresh, switch_words),
      GINNEL_TIME(udp_one_way),
      GINNEL_TIME(udp_two_way),
      GINNEL_TIME(udp_well_known),
      GINNEL_TIME(icmp),
      GINNEL_TIME(tcp_half_open),
      GINNEL_TIME(tcp_established),
      GINNEL_TIME(tcp_closing),
      GINNEL_TIME(tcp_reset),
      GINNEL_TIME(other),
      GINNEL_TIME(port_quarantine),
      GINNEL_TIME(fragment),
      GINNEL_TIME(unsolicited_syn),
      GINNEL_WORDS("simultaneous_open", simultaneous_open, switch_words),
      GINNEL_WORDS("tcp_pickup", tcp_pickup, switch_words),
      GINNEL_WORDS("tcp_window_check", tcp_window_check, switch_words),
      GINNEL_WORDS("unsolicited_syn", unsolicited_syn, syn_words),
      GINNEL_WORDS("unsolicited_udp", unsolicited_udp, udp_words),
      GINNEL_WORDS("strangers_keep_state", strangers_keep_state, switch_words),
      GINNEL_WORDS("answer_ping", answer_ping, switch_words),
      GINNEL_WORDS("hairpin", hairpin, hairpin_words),
      GINNEL_WORDS("fragments", fragments, fragment_words),
      GINNEL_WORDS("icmp_errors", icmp_errors, error_words),
      GINNEL_WORDS("too_big_answer", too_big_answer, switch_words),
      GINNEL_WORDS("fragment_too_big", fragment_too_big, switch_words),
      GINNEL_WORDS("decrement_ttl", decrement_ttl, switch_words),
      GINNEL_WORDS("fresh_ip_id", fresh_ip_id, switch_words),
      GINNEL_NUMBER("ports_per_host", ports_per_host, UINT32_MAX),
      GINNEL_NUMBER("sessions_per_host", sessions_per_host, UINT32_MAX),
      GINNEL_NUMBER("new_mappings_per_second", new_mappings_per_second, 10'000'000),
      GINNEL_WORDS("limit_answer", limit_answer, limit_words),
      GINNEL_NUMBER("generated_per_second", generated_per_second, 10'000'000),
      GINNEL_NUMBER("table_size", table_size, 64'000'000),
      GINNEL_NUMBER("mtu_outside", mtu_outside, 65535),
      GINNEL_NUMBER("mtu_inside", mtu_inside, 65535),
  };
  return all;
}

const Knob* find(std::string_view name) {
  for (const Knob& knob : knobs())
    if (knob.name == name) return &knob;
  return nullptr;
}

}  // namespace

std::optional<std::string> set_knob(Behaviour& behaviour, std::string_view name, std::string_view value) {
  const Knob* knob = find(name);
  if (!knob) return "there is no knob '" + std::string(name) + "'";
  if (!knob->words.empty()) {
    for (size_t i = 0; i < knob->words.size(); ++i) {
      if (knob->words[i] != value) continue;
      knob->set(behaviour, i);
      return {};
    }
    std::string text = std::string(name) + " takes";
    for (auto word : knob->words) text += " " + std::string(word);
    return text + ", not '" + std::string(value) + "'";
  }
  uint64_t number = 0;
  auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc{} || end != value.data() + value.size() || number > knob->largest)
    return std::string(name) + " takes a number from 0 to " + std::to_string(knob->largest) + ", not '" +
           std::string(value) + "'";
  knob->set(behaviour, number);
  return {};
}

std::string knob_value(const Behaviour& behaviour, std::string_view name) {
  const Knob* knob = find(name);
  if (!knob) return {};
  uint64_t value = knob->get(behaviour);
  return knob->words.empty() ? std::to_string(value) : std::string(knob->words[value]);
}

std::span<const std::string_view> knob_words(std::string_view name) {
  const Knob* knob = find(name);
  return knob ? knob->words : Words{};
}

std::span<const std::string_view> knob_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> out;
    for (const Knob& knob : knobs()) out.push_back(knob.name);
    return out;
  }();
  return names;
}

}  // namespace ginnel::nat
