// Any bytes as a packet that arrived at the conformance suite. Promises: reading ends, what was read (but
// for options) is written as a packet with right checksums, and that is read as the same again. RFC 791, 768, 9293, 792.
#include "core/conform/packet.hpp"
#include "fuzz/check.hpp"

using namespace ginnel;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes bytes(data, size);
  conform::read_quoted(bytes);
  auto packet = conform::read(bytes);
  if (!packet) return 0;
  FUZZ_CHECK(packet->payload.size() <= size);
  if (packet->is_fragment()) return 0;  // without its options a first one may have a size that no fragment may have
  conform::PacketBytes written = conform::write(*packet);
  auto again = conform::read(written);
  FUZZ_CHECK(again.has_value());
  FUZZ_CHECK(again->checksums_right);
  FUZZ_CHECK(conform::write(*again) == written);
  return 0;
}
