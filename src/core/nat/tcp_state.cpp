#include "core/nat/tcp_state.hpp"

#include "wire/tcp.hpp"

namespace ginnel::nat {
namespace {

using wire::tcp_ack, wire::tcp_fin, wire::tcp_rst, wire::tcp_syn;

TcpState first_state(const Segment& segment, bool from_inside) {
  if (segment.flags & tcp_rst) return TcpState::reset;
  if (!(segment.flags & tcp_syn)) return TcpState::established;  // picked up in the middle
  return from_inside ? TcpState::opened_out : TcpState::opened_in;
}

}  // namespace

TcpState next_state(TcpState state, const Segment& segment, bool from_inside) {
  bool syn = segment.flags & tcp_syn, fin = segment.flags & tcp_fin, rst = segment.flags & tcp_rst;
  switch (state) {
    case TcpState::none:
      return first_state(segment, from_inside);
    case TcpState::opened_out:  // a SYN from the other side, with or without ACK, completes it (RFC 5382 REQ-2a)
      if (rst) return from_inside ? TcpState::reset : state;  // RFC 6146: a refused SYN may be tried again
      return !from_inside && syn ? TcpState::established : state;
    case TcpState::opened_in:
      if (rst) return state;
      return from_inside && syn ? TcpState::established : state;
    case TcpState::established:
      if (rst) return TcpState::reset;
      if (fin) return from_inside ? TcpState::fin_out : TcpState::fin_in;
      return state;
    case TcpState::fin_out:
      if (rst) return TcpState::reset;
      return fin && !from_inside ? TcpState::fin_both : state;
    case TcpState::fin_in:
      if (rst) return TcpState::reset;
      return fin && from_inside ? TcpState::fin_both : state;
    case TcpState::fin_both:
      // RFC 9293 section 3.6.1: a new connection may begin on the same ports.
      return syn && !(segment.flags & tcp_ack) ? first_state(segment, from_inside) : state;
    case TcpState::reset:
      if (rst) return state;
      if (syn && !(segment.flags & tcp_ack)) return first_state(segment, from_inside);
      return TcpState::established;  // it was forged: RFC 7857 section 2.3
  }
  return state;
}

Plausible plausible(TcpState state, const Segment& segment, uint32_t end) {
  if (end == 0 || state == TcpState::none) return Plausible::yes;
  bool syn = segment.flags & tcp_syn;
  bool begins = syn && !(segment.flags & tcp_ack);
  bool opening = state == TcpState::opened_out || state == TcpState::opened_in;
  if (begins && (opening || state == TcpState::fin_both || state == TcpState::reset)) return Plausible::yes;
  int32_t distance = static_cast<int32_t>(segment.sequence - end);
  constexpr int32_t near = 1 << 20, far = 64 << 20, window = 65535;
  if (segment.flags & tcp_rst) return distance >= -near && distance <= near ? Plausible::yes : Plausible::no;
  // In the middle of opening only the same SYN may come again: a listener's own SYN-ACK would have another number.
  if (syn && segment.end() == end) return Plausible::yes;
  if (distance > (syn ? window : far)) return Plausible::no;
  return distance < -far || syn ? Plausible::old : Plausible::yes;
}

TcpTimer timer_of(TcpState state) {
  switch (state) {
    case TcpState::none:
    case TcpState::opened_out:
    case TcpState::opened_in:
      return TcpTimer::half_open;
    case TcpState::established:
      return TcpTimer::established;
    case TcpState::fin_out:
    case TcpState::fin_in:
      return TcpTimer::half_closed;
    case TcpState::fin_both:
      return TcpTimer::closing;
    case TcpState::reset:
      return TcpTimer::reset;
  }
  return TcpTimer::half_open;
}

}  // namespace ginnel::nat
