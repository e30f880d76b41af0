#include "wire/checksum.hpp"

#include "wire/ip_fields.hpp"

namespace ginnel::wire {

uint64_t checksum_add(uint64_t sum, Bytes bytes) {
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 4; left -= 4, at += 4) sum += load32(at);  // two words at once: the carry folds later (RFC 1071 s.2)
  if (left >= 2) {
    sum += load16(at);
    at += 2;
    left -= 2;
  }
  if (left) sum += uint32_t{*at} << 8;
  return sum;
}

uint64_t pseudo_header_sum(Bytes source, Bytes destination, uint8_t protocol, size_t length) {
  return checksum_add(checksum_add(0, source), destination) + protocol + length;
}

}  // namespace ginnel::wire
