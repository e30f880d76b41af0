// What one direction of a line does to packets, as plain values, and the text they are written as everywhere:
// "delay=20ms,jitter=2ms,rate=100mbit,queue=50ms,loss=1%,burst=5". Knows names, units and bounds; refuses to know
// packets. The default does nothing.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/instant.hpp"
#include "base/result.hpp"

namespace ginnel::link {

struct Spec {
  Duration delay{};
  Duration jitter{};             ///< added to the delay, uniform from zero to this
  bool jitter_reorders = false;  ///< else whoever was behind stays behind
  uint64_t bits_per_second = 0;  ///< 0: no limit
  size_t queue_bytes = 0;        ///< that wait for the rate; more are dropped. 0 and no queue_time: see queue_limit()
  Duration queue_time{};         ///< the same as the time that the rate needs for them
  double loss = 0;               ///< share of packets
  double burst = 1;              ///< packets lost in a row, on average (Gilbert's model of 1960)
  double reorder = 0;            ///< share of packets that come later by reorder_by and may be overtaken
  Duration reorder_by{};
  double duplicate = 0;  ///< share of packets that come twice
  double corrupt = 0;    ///< share of packets in which one bit is wrong
  uint32_t mtu = 0;      ///< largest IP packet; 0: whatever comes
  bool icmp = true;      ///< larger ones are answered with "too big"; off: a black hole

  bool operator==(const Spec&) const = default;

  /// Bytes that may wait: as given, or 20 ms of the rate and two trains of 64 KiB.
  size_t queue_limit() const;
  /// May a train of packets pass as if it were one? Not if each of them has a fate of its own, nor if one would notice
  /// that they arrive together.
  bool takes_trains() const;
  /// Does it do nothing, or nothing but limit the rate?
  bool only_rate() const;
};

/// Nothing given is a Spec that does nothing. The error is one sentence.
Result<Spec> parse_spec(std::string_view text);
/// In the order above, with the largest unit that needs no fraction; "" for a Spec that does nothing.
std::string to_text(const Spec& spec);

}  // namespace ginnel::link
