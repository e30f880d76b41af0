// Finds packet boundaries in a TCP stream. Knows two bytes of length and one cap; refuses to know what a packet is.
// RFC 4571 section 2.
#include "wire/tcp_frame.hpp"

namespace ginnel::wire {

TcpFrame next_tcp_frame(MutableBytes stream) {
  TcpFrame frame;
  Reader in(stream);
  size_t size = in.u16();
  if (in.failed()) return frame;
  // The length is judged before its bytes are there: a liar is cut off, not buffered for.
  frame.broken = size == 0 || size > tcp_packet_max;
  if (!frame.broken && size <= in.rest().size()) frame.packet = stream.subspan(tcp_frame_header_size, size);
  return frame;
}

}  // namespace ginnel::wire
