// Packets between the two TUN devices and the translation engine: read, translated in place, written. Knows batches,
// the kernel's offload headers and the one timer; refuses to know what a mapping is.
#pragma once
#include <array>
#include <vector>

#include "app/capture.hpp"
#include "core/nat/gateway.hpp"
#include "drive/loop.hpp"
#include "drive/tun.hpp"

namespace ginnel::app {

/// How the engine sees what the kernel says of a packet.
nat::Offload offload_of(const TunHeader& header, Bytes packet);
/// The kernel routes each packet to us and again from us, and takes a hop each time, where a NAT is one hop: gives one
/// back. Header checksum included.
void give_back_hop(MutableBytes packet);

class NatPump {
 public:
  struct Counters {
    uint64_t large = 0;      ///< packets that stood for several on the wire
    uint64_t not_taken = 0;  ///< the kernel refused to take them
  };

  /// All outlive the pump. `on_gone` is called when somebody deleted a device.
  NatPump(Loop& loop, Tun& inside, Tun& outside, nat::Gateway& gateway, std::function<void()> on_gone);

  void start();
  /// After a command to the gateway: sends what it has to say and sets the timer.
  void settle();
  /// Everything that passes on that side from now on; nullptr: nothing.
  void set_capture(nat::Side side, Capture* capture) { port(side).capture = capture; }
  const Counters& counters() const { return counters_; }

 private:
  static constexpr size_t batch_max = 32;
  static constexpr int batches_max = 16;  ///< then the other side's turn, and the control socket's
  struct Port {
    Tun& tun;
    Loop::Watch watch;
    Capture* capture = nullptr;
  };
  struct Slot {
    TunHeader header;
    MutableBytes packet;
  };

  Port& port(nat::Side side) { return side == nat::Side::inside ? inside_ : outside_; }
  void serve(nat::Side from);
  size_t read_batch(Port& port);
  void translate(Instant now, nat::Side from, Slot& slot);
  void send(nat::Side to, const TunHeader& header, MutableBytes packet);
  void send_generated();

  Loop& loop_;
  nat::Gateway& gateway_;
  Port inside_, outside_;
  std::function<void()> on_gone_;
  Loop::Timer timer_;
  Counters counters_;
  std::array<Slot, batch_max> slots_;
  std::array<MutableBytes, batch_max> views_;
  std::vector<uint8_t> arena_;  ///< small packets by the batch, a large one alone: what is worked on stays cached
  std::vector<uint8_t> generated_;
};

}  // namespace ginnel::app
