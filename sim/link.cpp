#include "sim/link.hpp"

#include <algorithm>

namespace ginnel::sim {

namespace {

constexpr size_t headers = 28;  // IPv4 and UDP

}  // namespace

void Link::send(size_t datagram_size, Schedule::Job arrive, bool stream) {
  ++sent;
  bool fits = stream || datagram_size <= config.datagram_max;
  if (fits) bytes += datagram_size + headers;
  if (cut || !fits || random_.chance(config.loss)) {
    ++lost;
    return;
  }
  if (config.bits_per_second > 0 && free_at_ > clock_->now()) {
    double queued = to_ms(free_at_ - clock_->now()) / 1e3 * config.bits_per_second / 8;
    if (queued + static_cast<double>(datagram_size) > static_cast<double>(config.queue_bytes)) {
      ++overflowed;
      return;
    }
  }
  Instant due = enqueue(datagram_size + headers) + config.delay;
  if (config.jitter > Duration::zero()) due += random_.between(Duration::zero(), config.jitter);
  if (!config.reorder) due = last_arrival_ = std::max(last_arrival_, due);
  clock_->at(due, std::move(arrive));
}

Instant Link::enqueue(size_t size) {
  free_at_ = std::max(free_at_, clock_->now());
  if (config.bits_per_second > 0)
    free_at_ += Duration(static_cast<int64_t>(static_cast<double>(size) * 8e9 / config.bits_per_second));
  return free_at_;
}

}  // namespace ginnel::sim
