#include "lab/conform/local_bench.hpp"

#include <algorithm>

namespace ginnel::lab {
namespace {

using conform::PacketBytes, conform::Side;

constexpr uint16_t watcher_port = 9999;
// So long does a packet take at most, when the one that watches does not come back to tell.
constexpr Duration patience = 400ms, patience_at_first = 100ms;

}  // namespace

LocalBench::LocalBench(RawPort inside, RawPort outside, conform::Network network)
    : inside_(std::move(inside)), outside_(std::move(outside)), network_(std::move(network)) {}

void LocalBench::send(Side from, Bytes packet) {
  port(from).send(packet);
  settled_ = false;
}

/// The one that watches: out to the first server, and from there back to where it came from.
bool LocalBench::is_watcher(Side at, Bytes packet) {
  const std::string text = "ginnel watches " + std::to_string(rounds_);
  auto p = conform::read(packet);
  if (!p || p->protocol != wire::ip_protocol_udp || p->is_fragment() || !p->text().starts_with("ginnel watches "))
    return false;
  if (p->text() != text) return true;  // late
  if (at == Side::outside) {
    outside_.send(conform::write(conform::udp(p->destination, p->source, text)));
  } else {
    returned_ = true;
  }
  return true;
}

void LocalBench::take_in() {
  for (Side side : {Side::outside, Side::inside})
    while (auto packet = port(side).receive())
      if (!is_watcher(side, *packet)) queue(side).push_back(std::move(*packet));
}

bool LocalBench::settle(Duration how_long) {
  ++rounds_;
  returned_ = false;
  inside_.send(conform::write(conform::udp(network_.inside[0].with_port(watcher_port),
                                           network_.outside[0].with_port(watcher_port),
                                           "ginnel watches " + std::to_string(rounds_))));
  const Time deadline = in(how_long);
  while (!returned_ && now() < deadline) {
    wait_for_any({&inside_, &outside_}, deadline);
    take_in();
  }
  take_in();
  return returned_;
}

bool LocalBench::comes_to_life(Time deadline) {
  while (!settle(patience_at_first))
    if (now() >= deadline) return false;
  return true;
}

std::optional<PacketBytes> LocalBench::take(Side at) {
  auto& all = queue(at);
  if (all.empty()) return {};
  PacketBytes out = std::move(all.front());
  all.pop_front();
  return out;
}

std::optional<PacketBytes> LocalBench::next(Side at) {
  take_in();
  if (queue(at).empty() && !settled_) {
    settle(patience);
    settled_ = true;
  }
  return take(at);
}

std::optional<PacketBytes> LocalBench::receive(Side at, Duration how_long) {
  const Time deadline = in(how_long);
  for (take_in(); queue(at).empty() && now() < deadline; take_in()) wait_for_any({&inside_, &outside_}, deadline);
  return take(at);
}

void LocalBench::wait(Duration how_long) {
  const Time deadline = in(how_long);
  while (now() < deadline) {
    wait_for_any({&inside_, &outside_}, deadline);
    take_in();
  }
}

}  // namespace ginnel::lab
