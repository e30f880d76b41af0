// Raw IPv4 packets out of and into one network namespace: packets leave by its routes, whatever their source, and those
// that arrive are seen before its own stack sees them. Knows sockets; refuses to know what the packets are.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "drive/fd.hpp"
#include "lab/time.hpp"

namespace ginnel::lab {

class RawPort {
 public:
  /// In the namespace of the descriptor `netns`, or here. `interface`: only what arrives there; empty: anywhere. Throws
  /// LabError (it takes the right to raw sockets).
  explicit RawPort(const std::string& interface = {}, int netns = -1);

  /// The packet as it is, but for its header checksum and an identification of 0, which the kernel fills in. One that
  /// the kernel does not take is lost.
  void send(Bytes packet);
  /// The next that has arrived; does not wait.
  std::optional<std::vector<uint8_t>> receive();
  int fd() const { return in_.get(); }  ///< readable when one has

 private:
  Fd in_, out_;
};

/// Waits until one of them has something, or the deadline.
void wait_for_any(const std::vector<const RawPort*>& ports, Time deadline);

}  // namespace ginnel::lab
