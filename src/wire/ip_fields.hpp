// Numbers in network order at fixed places of a packet. Knows loads and stores; refuses to know what the places mean
// and checks no bounds: whoever calls has parsed the packet. RFC 791 appendix B (byte order).
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>

namespace ginnel::wire {

inline uint16_t load16(const uint8_t* at) { return static_cast<uint16_t>(at[0] << 8 | at[1]); }
inline uint32_t load32(const uint8_t* at) {
  uint32_t raw;
  std::memcpy(&raw, at, 4);
  return std::endian::native == std::endian::little ? __builtin_bswap32(raw) : raw;
}
inline void store16(uint8_t* at, uint16_t v) {
  at[0] = static_cast<uint8_t>(v >> 8);
  at[1] = static_cast<uint8_t>(v);
}
inline void store32(uint8_t* at, uint32_t v) {
  uint32_t raw = std::endian::native == std::endian::little ? __builtin_bswap32(v) : v;
  std::memcpy(at, &raw, 4);
}

}  // namespace ginnel::wire
