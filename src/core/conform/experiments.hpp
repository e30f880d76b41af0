// What several requirements ask for and costs time to find out, found out once: how long idle mappings live, what
// prolongs them, what happens to an unexpected SYN, what happens when ports run out. Knows timelines and what was
// seen; refuses to judge. RFC 4787 section 4.3, RFC 5382 sections 4 and 5, RFC 7857 sections 2 and 7, RFC 6888.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/instant.hpp"
#include "core/conform/packet.hpp"

namespace ginnel::conform {

class Tester;

/// How long something lives when nobody uses it.
struct Lifetime {
  Duration alive{};              ///< it still worked after this long
  std::optional<Duration> dead;  ///< and no more after this long; nothing: it always worked
  bool at_least(Duration how_long) const { return alive >= how_long; }
};

/// After opening, silence; then one packet from outside.
struct Idle {
  Lifetime udp_one_way, udp_two_way, udp_well_known, icmp;
  bool tcp_half_open = false;    ///< alive after 239 s: a SYN from inside
  bool tcp_closing = false;      ///< ... both sides sent FIN
  bool tcp_reset = false;        ///< ... the outside sent RST
  bool tcp_half_closed = false;  ///< alive after 250 s: only the inside sent FIN
};
const Idle& idle(Tester& t);

/// Something happens shortly before a mapping would die: does it live on?
struct Refreshed {
  std::optional<bool> outbound, inbound, refused, outbound_error;  ///< nothing: it could not be found out, see why
  std::optional<bool> query_error;                                 ///< an ICMP query session; an error about it
  std::optional<bool> port_reused;  ///< another host at once had the port of a mapping that had died
  std::string why;                  ///< for those that are missing
  std::string why_port;
};
const Refreshed& refreshed(Tester& t);

/// Answers to a SYN from outside that nobody waits for, as the stranger saw them; empty: none.
struct SynAnswers {
  std::string early;  ///< within 6 s
  std::string late;   ///< later, to one that was not crossed
  bool late_is_port_unreachable = false;
  std::string crossed;         ///< at any time, to one that a SYN from inside crossed after 1 s
  bool crossing_seen = false;  ///< the inside's SYN left from the very endpoint
  bool admitted = false;       ///< the filter let one to a mapped port in: it was not unsolicited
  bool all_admitted = false;   ///< ... and one to a port that nobody had opened
};
const SynAnswers& syn_answers(Tester& t);

/// One host opens UDP mappings until it gets no more.
struct Exhaustion {
  size_t opened = 0;
  bool refused = false;
  std::optional<Packet> error;  ///< what the refused host was told
  bool first_lives = false;     ///< its first mapping still works
  bool another_host = false;    ///< somebody else still gets one
  bool others_known = false;    ///< there was somebody else to ask
};
const Exhaustion& exhaustion(Tester& t);

/// Which of four remotes reach an endpoint that spoke to the first of them, as "yynn": the same, another port, another
/// address, both.
std::string admitted(Tester& t, uint8_t protocol);

struct Experiments {
  std::optional<Idle> idle;
  std::optional<Refreshed> refreshed;
  std::optional<SynAnswers> syn_answers;
  std::optional<Exhaustion> exhaustion;
};

}  // namespace ginnel::conform
