// What a tester can do to a NAT: send raw packets from both of its sides and see what arrives there. Knows the two
// sides and their addresses; refuses to know whether time is real and whose NAT it is. No RFC.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/instant.hpp"
#include "core/conform/packet.hpp"

namespace ginnel::conform {

enum class Side : uint8_t { inside, outside };

/// Where the tester stands. Ports of the addresses are ignored: any port can be used.
struct Network {
  std::vector<Address> inside;            ///< the tester's own; at least one
  std::vector<Address> outside;           ///< at least one
  std::optional<Address> overlapping;     ///< an outside address whose number lies in the inside network
  std::optional<Address> gateway_inside;  ///< the NAT's own address there
  uint16_t mtu_outside = 0;   ///< of the NAT's outside link if smaller than the inside's; 0: not known to be
  size_t load = 400;          ///< mappings that may be made to see whether load changes anything
  size_t mappings_max = 600;  ///< that one host may open to find its limit; 0: do not try
  unsigned attempts = 1;      ///< how often a packet is sent that has to arrive, if the way may lose some
};

class Bench {
 public:
  virtual ~Bench() = default;

  virtual const Network& network() const = 0;
  /// Sends one IPv4 packet as it is, from the tester's own place on that side.
  virtual void send(Side from, Bytes packet) = 0;
  /// The next packet that has arrived on that side, in their order; nothing when what was sent will bring no more. How
  /// one knows that is the bench's affair: it waits long enough, or watches a packet of its own pass.
  virtual std::optional<PacketBytes> next(Side at) = 0;
  /// The next one, if it arrives within this time.
  virtual std::optional<PacketBytes> receive(Side at, Duration how_long) = 0;
  virtual void wait(Duration how_long) = 0;
  /// Since the bench was set up.
  virtual Duration elapsed() const = 0;
};

}  // namespace ginnel::conform
