// The frame that signals and peer messages share: u16 length of what follows, u8 type, fields. Knows where a message
// ends and how large it may be; refuses to know any type. Our own format, no RFC.
#pragma once
#include <cstdint>
#include <vector>

#include "base/bytes.hpp"

namespace ginnel::wire {

struct MessageFrame {
  uint8_t type = 0;
  Bytes fields;
  size_t size = 0;  ///< of all of it; 0: not whole yet
  bool malformed = false;
};

/// The first message in `stream`. A length that cannot be is refused at once, before anybody waits for its bytes.
inline MessageFrame next_message_frame(Bytes stream, size_t size_max) {
  MessageFrame frame;
  Reader in(stream);
  size_t length = in.u16();
  if (in.failed()) return frame;
  frame.malformed = length == 0 || length + 2 > size_max;
  if (frame.malformed || length > in.rest().size()) return frame;
  frame.type = in.u8();
  frame.fields = in.take(length - 1);
  frame.size = length + 2;
  return frame;
}

/// `put_fields(Writer&)` writes what is behind the type. Our own messages always fit: their lists are capped.
template <typename PutFields>
std::vector<uint8_t> make_message(uint8_t type, size_t size_max, PutFields put_fields) {
  std::vector<uint8_t> room(size_max);
  Writer out(room);
  out.u16(0);
  out.u8(type);
  put_fields(out);
  room.resize(out.size());
  Writer(room).u16(static_cast<uint16_t>(room.size() - 2));
  return room;
}

}  // namespace ginnel::wire
