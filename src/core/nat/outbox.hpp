// Packets that the NAT itself sends: errors, resets, echo replies, pieces of packets that were too big, fragments that
// waited. Knows order, a bound and a rate; refuses to know why they are sent. RFC 1812 section 4.3.2.8 (rate limit).
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "base/instant.hpp"
#include "core/nat/ring.hpp"

namespace ginnel::nat {

enum class Side : uint8_t { inside, outside };

class Outbox {
 public:
  static constexpr size_t packets_max = 256;

  explicit Outbox(uint32_t per_second) : per_second_(per_second) {}

  void set_rate(uint32_t per_second) { per_second_ = per_second; }
  /// May another packet of our own be made now? Takes from the budget if so.
  bool allow(Instant now) {
    if (per_second_ == 0) return false;
    Duration since = now - refilled_;
    uint64_t full = uint64_t{per_second_} * 1000;
    if (since >= 1s) {
      budget_ = full;
      refilled_ = now;
    } else if (since > 0s) {
      uint64_t more = static_cast<uint64_t>(since.count()) * per_second_ / 1'000'000;
      if (more > 0) refilled_ = now;
      budget_ = std::min(full, budget_ + more);
    }
    if (budget_ < 1000) return false;
    budget_ -= 1000;
    return true;
  }

  /// Room for one packet that goes to `side`, or nothing when the box is full.
  MutableBytes add(Side side, size_t size) {
    Packet* packet = packets_.push();
    if (!packet) return {};
    packet->side = side;
    packet->bytes.resize(size);
    return packet->bytes;
  }
  /// After add() with room to spare: this much was written.
  void shrink_last(size_t size) { packets_[packets_.size() - 1].bytes.resize(size); }

  struct Out {
    Side side;
    Bytes bytes;
  };
  /// The bytes are copied into `room`; what does not fit is lost.
  std::optional<Out> poll(MutableBytes room) {
    while (!packets_.empty()) {
      Packet& packet = packets_.front();
      Side side = packet.side;
      size_t size = packet.bytes.size();
      bool fits = size <= room.size();
      if (fits) std::copy(packet.bytes.begin(), packet.bytes.end(), room.begin());
      packets_.pop();
      if (fits) return Out{side, room.first(size)};
    }
    return {};
  }
  bool empty() const { return packets_.empty(); }
  void clear() { packets_.clear(); }

 private:
  struct Packet {
    Side side = Side::inside;
    std::vector<uint8_t> bytes;  ///< keeps its room for the next one
  };
  Ring<Packet> packets_{packets_max};
  uint32_t per_second_;
  uint64_t budget_ = 0;  ///< thousandths of a packet
  Instant refilled_{Duration::min() / 4};
};

}  // namespace ginnel::nat
