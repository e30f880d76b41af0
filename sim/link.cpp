#include "sim/link.hpp"

namespace ginnel::sim {

namespace {

constexpr size_t headers = 28;              // IPv4 and UDP
constexpr Duration retransmission = 200ms;  // what one loss costs a TCP stream here

}  // namespace

link::Fate Link::send(size_t size) {
  return lane_.offer(clock_->now(), size + headers);
}

Instant Link::stream_arrival(size_t size) {
  Instant due = lane_.occupy(clock_->now(), size) + lane_.spec().delay;
  while (random_.chance(lane_.spec().loss)) due += retransmission;
  return due;
}

}  // namespace ginnel::sim
