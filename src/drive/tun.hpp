// A TUN device: IP packets to and from this machine's own routing. Packets pass whole, as the stack holds them: up to
// 64 KiB, to be cut into segments later, with checksums still to be finished. Knows the kernel's device; refuses to
// look into packets.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "drive/fd.hpp"

namespace ginnel {

/// What goes with a packet and is not in it: how it will be cut, and what of its checksum is missing. Layout and
/// numbers of the virtio network header (OASIS virtio 1.2 section 5.1.6), in this machine's byte order.
struct TunHeader {
  uint8_t flags = 0;         ///< needs_checksum: the sum from checksum_start on is still to be made
  uint8_t cut = 0;           ///< 0: as it is, whole; else with cut_ecn or without
  uint16_t header_size = 0;  ///< a hint
  uint16_t segment = 0;      ///< payload of each piece it will be cut into
  uint16_t checksum_start = 0;
  uint16_t checksum_offset = 0;

  static constexpr uint8_t needs_checksum = 1;
  static constexpr uint8_t cut_tcp4 = 1, cut_tcp6 = 4, cut_udp = 5, cut_ecn = 0x80;
};
static_assert(sizeof(TunHeader) == 10);

/// Non-blocking, move-only. The device exists as long as this does. Watch fd() with a Loop::Watch.
class Tun {
 public:
  static constexpr size_t packet_max = 65535;

  /// `pattern` is a name with %d in it, of which the kernel makes a free one. Errc::permission, usage (no TUN here).
  static Result<Tun> open(const std::string& pattern);

  /// One packet into `room` (packet_max bytes hold any); its size, or 0 if there is none now.
  size_t read(TunHeader& header, MutableBytes room);
  /// False if the kernel did not take it: malformed, no memory, device down. The packet is lost then.
  bool write(const TunHeader& header, Bytes packet);
  /// Somebody deleted the device: nothing will come any more, and its descriptor is always readable.
  bool gone() const { return gone_; }

  const std::string& name() const { return name_; }
  uint32_t index() const { return index_; }
  int fd() const { return fd_.get(); }
  /// Whether datagrams pass uncut too (Linux 6.2 and later); TCP segments always do.
  bool udp_offload() const { return udp_offload_; }

 private:
  Tun(Fd fd, std::string name, uint32_t index, bool udp_offload)
      : fd_(std::move(fd)), name_(std::move(name)), index_(index), udp_offload_(udp_offload) {}

  Fd fd_;
  std::string name_;
  uint32_t index_;
  bool udp_offload_;
  bool gone_ = false;
};

}  // namespace ginnel
