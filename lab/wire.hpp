// A long wire: joins two interfaces of one namespace and carries each frame over after a fixed delay, for kernels
// without netem. It is a process of the lab's own between two packet sockets. Frames come whole and full-checksummed,
// because plain_frames() has switched the offloads off at the ends that feed it.
#pragma once
#include <string>

#include "lab/host.hpp"

namespace ginnel::lab {

struct WireOptions {
  Duration delay{};                ///< one way
  size_t queue_bytes = 32u << 20;  ///< in flight in each direction; more is dropped
};

/// Forwards between interfaces `a` and `b` of `middle` until the Process is destroyed.
Process start_wire(const Host& middle, const std::string& a, const std::string& b, const WireOptions& options);

/// Switches segmentation, checksum and receive offloads of an interface off.
void plain_frames(const Host& host, const std::string& interface);

}  // namespace ginnel::lab
