// The conformance suite's bench around a NAT whose two sides this process can both reach: raw packets in two namespaces
// of this machine, in real time. Nothing that does not come is waited for longer than needed: a packet of its own goes
// once through the NAT and back, and what it did not overtake will not come.
#pragma once
#include <array>
#include <deque>

#include "core/conform/bench.hpp"
#include "lab/conform/raw_port.hpp"

namespace ginnel::lab {

class LocalBench : public conform::Bench {
 public:
  LocalBench(RawPort inside, RawPort outside, conform::Network network);

  const conform::Network& network() const override { return network_; }
  void send(conform::Side from, Bytes packet) override;
  std::optional<conform::PacketBytes> next(conform::Side at) override;
  std::optional<conform::PacketBytes> receive(conform::Side at, Duration how_long) override;
  void wait(Duration how_long) override;
  Duration elapsed() const override { return now() - begun_; }

  /// Does anything pass, there and back, before the deadline?
  bool comes_to_life(Time deadline);

 private:
  RawPort& port(conform::Side side) { return side == conform::Side::inside ? inside_ : outside_; }
  std::deque<conform::PacketBytes>& queue(conform::Side side) { return arrived_[static_cast<size_t>(side)]; }
  std::optional<conform::PacketBytes> take(conform::Side at);
  void take_in();
  bool is_watcher(conform::Side at, Bytes packet);
  bool settle(Duration patience);

  RawPort inside_, outside_;
  conform::Network network_;
  std::array<std::deque<conform::PacketBytes>, 2> arrived_;
  uint32_t rounds_ = 0;    ///< of the watching packet
  bool returned_ = false;  ///< it is back
  bool settled_ = true;    ///< and nothing was sent since
  Time begun_ = now();
};

}  // namespace ginnel::lab
