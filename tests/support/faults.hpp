// NATs that do wrong what no knob of the engine can: each is the engine with one fault, by name. Knows packets as bytes
// on their way in and out; refuses to know which requirement will notice. No RFC.
#pragma once
#include <algorithm>
#include <memory>
#include <set>
#include <string>

#include "core/conform/packet.hpp"
#include "tests/support/engine_bench.hpp"
#include "tests/support/packets.hpp"

namespace ginnel::test {

inline bool is_icmp_error(Bytes p) {
  return protocol_of(p) == 1 && !is_fragment(p) && p.size() > 28 &&
         (icmp_type(p) == 3 || icmp_type(p) == 4 || icmp_type(p) == 11 || icmp_type(p) == 12);
}
inline bool is_icmp_of(Bytes p, uint8_t type) { return protocol_of(p) == 1 && p.size() >= 28 && icmp_type(p) == type; }
inline bool is_tcp_with(Bytes p, uint8_t flags) { return protocol_of(p) == 6 && (tcp_flags(p) & flags) == flags; }

/// Loses what matches, where it would arrive.
template <typename Match>
Fault loses(std::string_view name, conform::Side side, Match match) {
  return {name, {}, [=](conform::Side at, conform::PacketBytes& p) { return at != side || !match(p); }};
}
/// Lets what matches through untranslated, as Linux does with what conntrack calls invalid.
template <typename Match>
Fault leaks(std::string_view name, conform::Side side, Match match) {
  return {name,
          [=](conform::Side from, conform::PacketBytes& p, nat::Gateway&, Instant) {
            return from == side && match(p) ? Fault::Fate::untouched : Fault::Fate::go_on;
          },
          {}};
}
/// Changes what matches, before the engine sees it or after it comes out.
template <typename Match, typename Change>
Fault mends(std::string_view name, Match match, Change change) {
  return {name,
          [=](conform::Side, conform::PacketBytes& p, nat::Gateway&, Instant) {
            if (match(p)) change(p);
            return Fault::Fate::go_on;
          },
          {}};
}
template <typename Match, typename Change>
Fault spoils(std::string_view name, Match match, Change change) {
  return {name, {}, [=](conform::Side, conform::PacketBytes& p) {
            if (match(p)) change(p), fix_checksums(p);
            return true;
          }};
}

/// Prolongs an echo session by every error about it: repeats the request to the engine.
inline Fault error_prolongs_query() {
  auto last = std::make_shared<conform::PacketBytes>();
  return {"error-prolongs-query",
          [last](conform::Side from, conform::PacketBytes& p, nat::Gateway& gateway, Instant now) {
            if (from == conform::Side::inside && is_icmp_of(p, 8)) *last = p;
            conform::PacketBytes again = *last;
            if (from == conform::Side::outside && is_icmp_error(p) && !again.empty()) gateway.handle_inside(now, again);
            return Fault::Fate::go_on;
          },
          {}};
}
/// What a port is for TCP it may not be for UDP.
inline Fault one_port_for_all_protocols() {
  auto taken = std::make_shared<std::set<uint16_t>>();
  return {"one-port-for-all-protocols", {}, [taken](conform::Side at, conform::PacketBytes& p) {
            if (at != conform::Side::outside || is_fragment(p)) return true;
            if (protocol_of(p) == 6) taken->insert(source_of(p).port);
            return protocol_of(p) != 17 || !taken->contains(source_of(p).port);
          }};
}
/// Makes room for a host's new mappings by ending its first.
inline Fault evicts_the_first() {
  auto seen = std::make_shared<std::set<uint16_t>>();
  auto first = std::make_shared<uint16_t>();
  return {"evicts-the-first",
          [=](conform::Side from, conform::PacketBytes& p, nat::Gateway&, Instant) {
            if (protocol_of(p) != 17 || is_fragment(p)) return Fault::Fate::go_on;
            if (from == conform::Side::outside)
              return seen->size() > 50 && destination_of(p).port == *first ? Fault::Fate::lose : Fault::Fate::go_on;
            if (seen->empty()) *first = source_of(p).port;  // this engine keeps ports
            seen->insert(source_of(p).port);
            return Fault::Fate::go_on;
          },
          {}};
}

inline std::vector<Fault> faults() {
  using conform::Side;
  auto text_of = [](Bytes p) { return std::string(p.begin() + 28, p.end()); };
  auto sip = [text_of](Bytes p) {
    return !is_fragment(p) && p.size() > 60 && text_of(p).find("INVITE") != std::string::npos;
  };
  auto error = [](Bytes p) { return is_icmp_error(p); };
  auto quoted_header = [](Bytes p) { return header_size(quoted_of(p)); };
  return {
      loses("no-way-to-overlapping", Side::outside,
            [](Bytes p) { return destination_of(p).ip_to_string() == "10.0.0.200"; }),
      spoils("alg", sip, [](PacketBytes& p) { *std::search(p.begin(), p.end(), "10.", "10." + 3) = '9'; }),
      loses("loses-fin", Side::inside, [](Bytes p) { return is_tcp_with(p, fin); }),
      loses("loses-rst", Side::inside, [](Bytes p) { return is_tcp_with(p, rst); }),
      loses("loses-echo-replies", Side::inside, [](Bytes p) { return is_icmp_of(p, 0); }),
      mends("believes-any-checksum", error, [](PacketBytes& p) { fix_checksums(p); }),
      mends("believes-any-quoted-header", error,
            [](PacketBytes& p) { fix_ip_checksum(MutableBytes(p).subspan(28)), fix_checksums(p); }),
      loses("stops-at-options", Side::inside, [=](Bytes p) { return error(p) && quoted_header(p) > 20; }),
      loses("checks-too-much", Side::inside,
            [=](Bytes p) { return error(p) && quoted_header(p) == 20 && !checksums_right(quoted_of(p)); }),
      spoils("cuts-extensions", error, [](PacketBytes& p) { p.back() ^= 0xff; }),
      leaks("leaks-errors-inwards", Side::outside, error),
      leaks("leaks-errors-outwards", Side::inside, error),
      spoils("one-kind-of-error", error, [](PacketBytes& p) { p[20] = 3, p[21] = 0; }),
      spoils("errors-to-the-wrong-host", error, [](PacketBytes& p) { p[19] ^= 1; }),
      spoils("errors-from-nowhere", error, [](PacketBytes& p) { p[12] = 10; }),
      error_prolongs_query(),
      leaks("leaks-source-quench", Side::outside, [](Bytes p) { return is_icmp_of(p, 4); }),
      spoils("routine-precedence", error, [](PacketBytes& p) { p[1] = 0; }),
      mends(
          "answers-errors", [](Bytes p) { return is_icmp_error(p) && p[8] == 1; },
          [](PacketBytes& p) { p[20] = 8, fix_checksums(p); }),
      leaks("leaks-other-icmp", Side::inside, [](Bytes p) { return is_icmp_of(p, 17) || is_icmp_of(p, 40); }),
      one_port_for_all_protocols(),
      leaks("leaks-syn", Side::outside, [](Bytes p) { return is_tcp_with(p, syn); }),
      evicts_the_first(),
  };
}

inline Fault fault(std::string_view name) {
  for (Fault& each : faults())
    if (each.name == name) return each;
  return {};
}

}  // namespace ginnel::test
