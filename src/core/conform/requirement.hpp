// One requirement of an RFC and what was found out about it. Knows names, levels and results; the scripts stand in
// the file of their RFC. RFC 2119 (levels).
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/address.hpp"
#include "base/instant.hpp"

namespace ginnel::conform {

class Tester;

/// MUST and MUST NOT; SHOULD, SHOULD NOT and RECOMMENDED; MAY. What may be done can only be told, not broken.
enum class Level : uint8_t { must, should, may };

enum class Outcome : uint8_t {
  pass,            ///< met; of a MAY: it does so
  fail,            ///< broken; of a MAY: it does not
  not_observable,  ///< not from here, or not with this NAT; the evidence says why
  skipped,         ///< takes long, and nobody asked for that
};
/// "pass", "FAIL" (of a MUST), "no" (of a SHOULD) ... as tables show it.
std::string_view to_string(Outcome outcome, Level level);

struct Finding {
  Outcome outcome = Outcome::not_observable;
  std::string evidence;  ///< a sentence: what was sent, what was seen
};

/// When a script may run: those that use the NAT up come last, those that need an hour only when asked for.
enum class Cost : uint8_t { quick, slow, exhausting };

struct Requirement {
  std::string_view rfc;   ///< "RFC 4787"
  std::string_view name;  ///< "REQ-9a"
  Level level;
  std::string_view word;      ///< "MUST NOT", as the RFC has it
  std::string_view sentence;  ///< in our words, what follows "a NAT MUST NOT"
  Cost cost;
  Finding (*script)(Tester&);  ///< nullptr: not observable from packets
  std::string_view reason;     ///< ... and why

  std::string id() const { return std::string(rfc) + " " + std::string(name); }
};

inline constexpr std::string_view in_configuration = "it is a matter of configuration, not of packets";

std::span<const Requirement> rfc4787();
std::span<const Requirement> rfc5382();
std::span<const Requirement> rfc5508();
std::span<const Requirement> rfc7857();
std::span<const Requirement> rfc6888();

// ---- how scripts speak

namespace detail {
inline void add(std::string& out, std::string_view text) { out += text; }
inline void add(std::string& out, const Address& address) {
  out += address.port ? address.to_string() : address.ip_to_string();
}
template <typename Number>
requires std::is_arithmetic_v<Number>
void add(std::string& out, Number number) { out += std::to_string(number); }
inline void add(std::string& out, Duration time) {
  out += std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
}
}  // namespace detail

/// Puts words, endpoints, numbers and times together.
template <typename... Parts>
std::string say(const Parts&... parts) {
  std::string out;
  (detail::add(out, parts), ...);
  return out;
}
template <typename... Parts>
Finding pass(const Parts&... parts) {
  return {Outcome::pass, say(parts...)};
}
template <typename... Parts>
Finding fail(const Parts&... parts) {
  return {Outcome::fail, say(parts...)};
}
template <typename... Parts>
Finding unseen(const Parts&... parts) {
  return {Outcome::not_observable, say(parts...)};
}
/// pass or fail with the same words.
template <typename... Parts>
Finding judge(bool good, const Parts&... parts) {
  return {good ? Outcome::pass : Outcome::fail, say(parts...)};
}

}  // namespace ginnel::conform
