// The CRC-32 that FINGERPRINT and the ticket's checksum share. Knows one polynomial and finds accidents; refuses to
// know about attackers, whom only a MAC stops. RFC 8489 section 14.7 (ITU-T V.42, the CRC of Ethernet and zip).
#pragma once
#include <cstdint>

#include "base/bytes.hpp"

namespace ginnel::wire {

/// Of `bytes`; give the CRC of what came before to go on from there.
uint32_t crc32(Bytes bytes, uint32_t before = 0);

}  // namespace ginnel::wire
