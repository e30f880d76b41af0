// The conformance suite's bench around ginnel's own NAT: everything in one process, in virtual time. Knows how a
// Gateway is fed and drained, and can hurt packets on their way so that the suite has something to notice. No RFC.
#pragma once
#include <array>
#include <deque>
#include <functional>
#include <string_view>
#include <vector>

#include "core/conform/bench.hpp"
#include "core/nat/gateway.hpp"
#include "tests/support/seeded_rng.hpp"

namespace ginnel::test {

/// Something that a NAT may do wrong and the engine does not.
struct Fault {
  enum class Fate { go_on, lose, untouched };  ///< untouched: comes out on the other side as it went in
  std::string_view name;
  std::function<Fate(conform::Side from, conform::PacketBytes& packet, nat::Gateway& gateway, Instant now)> before;
  std::function<bool(conform::Side at, conform::PacketBytes& packet)> after;  ///< false: it does not arrive
};

class EngineBench : public conform::Bench {
 public:
  /// Four inside hosts and three outside ones; as many outside addresses as hosts for basic NAT, else two.
  explicit EngineBench(const nat::Behaviour& behaviour, Fault fault = {}, uint64_t seed = 1)
      : rng_(seed), fault_(std::move(fault)), gateway_(with_small_mtu(behaviour), pool(behaviour.basic ? 4 : 2), rng_) {
    for (uint8_t i = 2; i < 6; ++i) network_.inside.push_back(Address::v4(10, 0, 0, i, 0));
    for (uint8_t i = 1; i < 4; ++i) network_.outside.push_back(Address::v4(203, 0, 113, i, 0));
    network_.overlapping = Address::v4(10, 0, 0, 200, 0);
    network_.mtu_outside = mtu_outside;
    network_.mappings_max = 4000;
  }

  const conform::Network& network() const override { return network_; }
  void send(conform::Side from, Bytes packet) override {
    conform::PacketBytes p(packet.begin(), packet.end());
    Fault::Fate fate = fault_.before ? fault_.before(from, p, gateway_, now_) : Fault::Fate::go_on;
    if (fate == Fault::Fate::lose) return;
    if (fate == Fault::Fate::untouched)
      return arrive(from == conform::Side::inside ? conform::Side::outside : conform::Side::inside, std::move(p));
    nat::Verdict verdict =
        from == conform::Side::inside ? gateway_.handle_inside(now_, p) : gateway_.handle_outside(now_, p);
    p.resize(verdict.size);
    if (verdict.action == nat::Action::forward_out) arrive(conform::Side::outside, std::move(p));
    if (verdict.action == nat::Action::forward_in || verdict.action == nat::Action::hairpin)
      arrive(conform::Side::inside, std::move(p));
    take_generated();
  }
  std::optional<conform::PacketBytes> next(conform::Side at) override {
    auto& queue = arrived_[static_cast<size_t>(at)];
    if (queue.empty()) return {};
    conform::PacketBytes out = std::move(queue.front());
    queue.pop_front();
    return out;
  }
  std::optional<conform::PacketBytes> receive(conform::Side at, Duration how_long) override {
    Instant until = now_ + how_long;
    while (arrived_[static_cast<size_t>(at)].empty() && now_ < until) turn(until);
    return next(at);
  }
  void wait(Duration how_long) override {
    for (Instant until = now_ + how_long; now_ < until;) turn(until);
  }
  Duration elapsed() const override { return now_ - begun_; }

  nat::Gateway& gateway() { return gateway_; }

 private:
  static constexpr uint16_t mtu_outside = 1280;

  static nat::Behaviour with_small_mtu(nat::Behaviour behaviour) {
    behaviour.mtu_outside = mtu_outside;
    return behaviour;
  }
  static std::vector<Address> pool(uint8_t size) {
    std::vector<Address> out;
    for (uint8_t i = 1; i <= size; ++i) out.push_back(Address::v4(198, 51, 100, i, 0));
    return out;
  }
  /// To the next deadline, or to `until`.
  void turn(Instant until) {
    auto next = gateway_.next_deadline();
    now_ = next && next->when < until ? std::max(now_, next->when) : until;
    if (next && next->when <= now_) gateway_.handle_timeout(now_);
    take_generated();
  }
  void arrive(conform::Side at, conform::PacketBytes packet) {
    if (!fault_.after || fault_.after(at, packet)) arrived_[static_cast<size_t>(at)].push_back(std::move(packet));
  }
  void take_generated() {
    std::array<uint8_t, 65536> room;
    while (auto own = gateway_.poll_generated(room))
      arrive(own->side == nat::Side::inside ? conform::Side::inside : conform::Side::outside,
             {own->bytes.begin(), own->bytes.end()});
  }

  SeededRng rng_;
  Fault fault_;
  nat::Gateway gateway_;
  conform::Network network_;
  Instant begun_{1h}, now_{1h};
  std::array<std::deque<conform::PacketBytes>, 2> arrived_;
};

}  // namespace ginnel::test
