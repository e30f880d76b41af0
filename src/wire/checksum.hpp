// The Internet checksum, whole and changed by a difference. Knows one's complement sums; refuses to know where in a
// packet the sum stands or what it covers. RFC 1071, RFC 1624 section 3 (equation 3).
#pragma once
#include <cstdint>

#include "base/bytes.hpp"

namespace ginnel::wire {

/// Adds bytes to a running sum that begins with 0; an odd last byte counts as the high half of a word, so only the last
/// piece may be odd.
uint64_t checksum_add(uint64_t sum, Bytes bytes);
inline uint16_t checksum_fold(uint64_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}
/// What goes into the field: the complement of the folded sum.
inline uint16_t checksum_finish(uint64_t sum) { return static_cast<uint16_t>(~checksum_fold(sum)); }
inline uint16_t internet_checksum(Bytes bytes) { return checksum_finish(checksum_add(0, bytes)); }

/// The sum of a pseudo header (RFC 768, RFC 793 section 3.1; RFC 8200 section 8.1): addresses as they stand in the
/// packet, protocol and length of the transport part.
uint64_t pseudo_header_sum(Bytes source, Bytes destination, uint8_t protocol, size_t length);

/// A change of the covered words, gathered and then applied: HC' = ~(~HC + ~m + m'), RFC 1624 section 3.
class ChecksumChange {
 public:
  void word(uint16_t before, uint16_t after) { sum_ += static_cast<uint16_t>(~before) + uint32_t{after}; }
  void pair(uint32_t before, uint32_t after) {
    word(static_cast<uint16_t>(before >> 16), static_cast<uint16_t>(after >> 16));
    word(static_cast<uint16_t>(before), static_cast<uint16_t>(after));
  }
  uint16_t apply(uint16_t checksum) const { return checksum_finish(uint64_t{static_cast<uint16_t>(~checksum)} + sum_); }

 private:
  uint64_t sum_ = 0;
};

}  // namespace ginnel::wire
