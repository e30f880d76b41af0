// One TCP connection as a NAT sees it pass. Knows the states of RFC 6146 section 3.5.2 and a coarse test of sequence
// numbers; refuses to keep data or to know timers by length. RFC 6146 section 3.5.2.2, RFC 5382 section 4, RFC 7857
// section 2.
#pragma once
#include <cstdint>

namespace ginnel::nat {

enum class TcpState : uint8_t {
  none,        ///< not TCP, or new
  opened_out,  ///< SYN from inside; "V6 INIT" there
  opened_in,   ///< SYN from outside; "V4 INIT"
  established,
  fin_out,  ///< FIN from inside
  fin_in,
  fin_both,
  reset,  ///< "TRANS": RST seen, packets may still follow
};

struct Segment {
  uint8_t flags = 0;
  uint32_t sequence = 0;
  uint32_t length = 0;  ///< data octets, and one each for SYN and FIN
  uint32_t end() const { return sequence + length; }
};

/// The state after a segment has passed.
TcpState next_state(TcpState state, const Segment& segment, bool from_inside);

/// What a segment of one side is after what this side sent so far.
enum class Plausible : uint8_t {
  yes,
  old,  ///< long behind: it may pass, but says nothing about the connection
  no,
};
/// `end`: one past the last octet of this side, 0: it sent none. A reset has to be within 1 MiB, others may be 64 MiB
/// ahead; a SYN with ACK has to repeat the SYN if there was one. Netfilter's window tracking is narrower.
Plausible plausible(TcpState state, const Segment& segment, uint32_t end);

/// Which timer runs: RFC 5382 REQ-5 (established, transitory), RFC 7857 sections 2.1 to 2.3.
enum class TcpTimer : uint8_t { half_open, established, half_closed, closing, reset };
TcpTimer timer_of(TcpState state);

}  // namespace ginnel::nat
