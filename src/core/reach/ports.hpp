// How a NAT chooses external ports (RFC 4787 section 4.2), told from a handful of mappings that were made one after the
// other. A pure function of what was seen; what is done with it is the business of prediction and birthday.
#pragma once
#include <cstdint>
#include <span>

#include "base/instant.hpp"
#include "wire/peer_message.hpp"

namespace ginnel::reach {

/// One new mapping: when its packet left us, from which port, and the port that the server saw.
struct PortSample {
  Instant sent;
  uint16_t local = 0;
  uint16_t external = 0;
};

/// In the order in which the packets were sent. Fewer than three say nothing.
wire::PortPattern infer_ports(std::span<const PortSample> samples);

}  // namespace ginnel::reach
