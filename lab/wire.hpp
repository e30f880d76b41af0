// A wire with faults: joins two interfaces of one namespace and carries each frame over as two lanes of core/link
// decide, one for each direction; for kernels without netem. It is a process of the lab's own between two packet
// sockets, accurate to about a millisecond. Frames come as the interfaces' far ends give them: whole trains of packets
// where no lane minds (link::Spec::takes_trains), single ones where the ends were told to segment (line.cpp does that).
#pragma once
#include <string>

#include "core/link/spec.hpp"
#include "lab/frame.hpp"
#include "lab/host.hpp"

namespace ginnel::lab {

/// What a line does. "Up" is from `a` to `b` of its wire: from a node towards the internet.
struct LineState {
  link::Spec up, down;
  bool udp_blocked = false;

  bool operator==(const LineState&) const = default;
  bool is_plain() const { return *this == LineState{}; }
};

class Wire {
 public:
  /// Forwards between interfaces `a` and `b` of `middle` until it is destroyed.
  Wire(const Host& middle, const std::string& a, const std::string& b, const RouterAddresses& router, uint64_t seed);

  /// From now on; what is on its way stays so. Returns when the wire has taken it.
  void set(const LineState& state);

 private:
  void tell(const std::string& line);

  Process process_;
};

/// Can packet sockets carry trains of UDP here? (Linux 6.2)
bool wires_take_trains();

}  // namespace ginnel::lab
