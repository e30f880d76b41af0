// Where the engine as `linux` does not do what the kernel does, and why that is meant. The comparer of
// tests/differential excuses nothing else; docs/compliance.md prints the sentences. No RFC.
#pragma once
#include <string_view>

namespace ginnel::test {

struct KernelDifference {
  std::string_view rule, text;
};

inline constexpr KernelDifference wrong_checksum{
    "wrong-checksum",
    "A packet of a known session with a wrong transport checksum: the kernel does not translate it, the engine does, "
    "and it "
    "stays as wrong as it was. Verifying would cost a pass over every byte; what opens a session is verified, if it "
    "does not come in fragments."};
inline constexpr KernelDifference tcp_invalid{
    "tcp-invalid",
    "A segment that conntrack calls invalid by its table of states or its windows. The engine follows connections as "
    "RFC "
    "7857 section 2.1 asks, by the states of RFC 6146, and its window check is coarse: it lets more pass, never less."};
inline constexpr KernelDifference tcp_far{
    "tcp-far",
    "A segment more than 64 MiB ahead while a connection is being opened: conntrack has states in which it looks at no "
    "numbers, the engine drops it."};
inline constexpr KernelDifference obsolete_errors{"icmp-obsolete-errors",
                                                  "Source quench (RFC 5508 REQ-10c: SHOULD NOT be supported, RFC 6633) "
                                                  "and redirects about a known session: the kernel "
                                                  "translates them, the engine drops them."};
inline constexpr KernelDifference obsolete_queries{
    "icmp-obsolete-queries",
    "Address mask requests: the kernel translates them, the engine drops them (RFC 5508 REQ-11, RFC 6918)."};

inline constexpr KernelDifference kernel_differences[] = {wrong_checksum, tcp_invalid, tcp_far, obsolete_errors,
                                                          obsolete_queries};

/// What scripts leave out, because the two would think differently of what follows though they are both right.
inline constexpr std::string_view left_out_of_scripts[] = {
    "what follows a segment that was dropped for its TTL or its size: it counts for conntrack, not for the engine",
    "what follows a segment whose number is far ahead, and a RST of whoever opened and had no answer",
    "fragments of which some are missing: the kernel puts datagrams together, the engine passes the pieces on",
    "echoes and timestamps with one identifier: conntrack tells them apart, the engine does not",
    "time: scripts last milliseconds. Timers are in tests/unit, and in `ginnel lab conformance --slow`",
};

}  // namespace ginnel::test
