#include "sim/gateway_box.hpp"

#include <algorithm>
#include <utility>

namespace ginnel::sim {

namespace {

// A stream's segment stands for packets that fit every path: TCP learns that from its handshake (RFC 9293 section
// 3.7.1), and gateways lower what it says to what their line takes.
constexpr size_t segment_size = 1280;

}  // namespace

GatewayBox::GatewayBox(const NatLayer& layer, std::vector<Address> outside, const std::optional<Address>& inside,
                       const Address& neighbour, Instant now, Random random)
    : behaviour_(layer.behaviour),
      outside_(std::move(outside)),
      inside_(inside),
      random_(random.fork()),
      others_(layer.cross_traffic, neighbour, now, random.fork()) {
  build();
}

void GatewayBox::build() {
  engine_.emplace(behaviour_, outside_, random_);
  if (inside_) engine_->set_inside_address(*inside_);
}

nat::Verdict GatewayBox::pass(Instant now, nat::Side from, Packet& packet) {
  others_.catch_up(now, *engine_);
  nat::Offload offload;
  if (packet.payload.size > 0) offload.wire_size = static_cast<uint16_t>(std::min(packet.wire_size(), segment_size));
  return from == nat::Side::inside ? engine_->handle_inside(now, packet.bytes(), offload)
                                   : engine_->handle_outside(now, packet.bytes(), offload);
}

void GatewayBox::reboot(bool fresh_ports) {
  if (!fresh_ports) return engine_->reboot();
  behaviour_.ports.choice = nat::PortChoice::random;
  build();
}

void GatewayBox::move_to(std::vector<Address> outside) {
  outside_ = std::move(outside);
  engine_->set_public_addresses(outside_);
}

void GatewayBox::change(const nat::Behaviour& behaviour) {
  behaviour_ = behaviour;
  build();
}

}  // namespace ginnel::sim
