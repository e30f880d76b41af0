// The line between a node and the segment it hangs on: a cable as long as nothing is to go wrong with it, a wire
// (wire.hpp) while something is, nothing at all while it is cut. A cable can be as slow as 100 Mbit/s: the kernel's
// token buckets (tbf) do that, for less CPU than a wire and whatever else the machine does. All lines come together in
// one namespace, the exchange, where a segment is a bridge; so a line can be changed while programs use it, and neither
// end notices how.
//
//   node [interface]--veth--[near]  bridge of the segment            a cable
//   node [interface]--veth--[near]  wire  [entry]--veth--[exit]  bridge      a wire
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "lab/wire.hpp"

namespace ginnel::lab {

/// The same in both directions, from its text; throws LabError with the sentence of link::parse_spec.
link::Spec spec_of(std::string_view text);

/// Whether the kernel may give an interface trains of packets whose checksums are still to be made.
void set_offloads(const Host& host, const std::string& interface, bool on);

class Line {
 public:
  /// Makes `interface` in `node`, down, and joins it to `segment`, a bridge in `exchange`, as soon as that is flushed.
  /// `number` names its parts there.
  Line(Host& exchange, const std::string& segment, size_t number, const Host& node, std::string interface,
       const RouterAddresses& router, uint64_t seed);

  // Commands. They take effect before they return.
  void set(const LineState& state);
  void cut(bool cut);

  const LineState& state() const { return state_; }

 private:
  void plug();
  void become_cable();
  void become_wire();
  void unplug();
  bool set_limits();
  void remove_limits();

  const Host& exchange_;
  const Host& node_;
  std::string segment_, interface_, near_, entry_, exit_;
  RouterAddresses router_;
  uint64_t seed_;
  LineState state_;
  bool cut_ = false;
  bool has_entry_ = false;
  bool limited_ = false;
  std::optional<Wire> wire_;
};

}  // namespace ginnel::lab
