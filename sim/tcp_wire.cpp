#include "sim/tcp_wire.hpp"

#include <algorithm>
#include <utility>

namespace ginnel::sim {

namespace {

constexpr size_t piece_max = 16 * 1024;
constexpr Duration first_retry = 200ms;

}  // namespace

TcpWire::TcpWire(Schedule& clock, Link& up, Link& down, Callbacks client_end, Callbacks server_end)
    : clock_(clock), ends_{std::move(client_end), std::move(server_end)} {
  ways_[client].link = &up;
  ways_[server].link = &down;
  for (int end : {client, server}) {
    ways_[end].from = &ends_[end];
    ways_[end].to = &ends_[1 - end];
  }
}

bool TcpWire::send(End from, Bytes bytes) {
  Way& way = ways_[from];
  if (deaf_[from] || way.ending) return true;  // nobody is there to be told
  if (way.queue.size() + bytes.size() > queue_max) {
    way.owes_writable = true;
    return false;
  }
  way.queue.insert(way.queue.end(), bytes.begin(), bytes.end());
  pump_soon(way, clock_.now());
  if (way.queue.size() <= queue_full) return true;
  way.owes_writable = true;
  return false;
}

void TcpWire::close(End from) {
  deaf_[from] = true;
  ways_[from].ending = true;
  pump_soon(ways_[from], clock_.now());
}

void TcpWire::kill(End from) {
  deaf_[from] = true;
  ways_[from].queue.clear();
  ways_[from].ending = true;
  pump_soon(ways_[from], clock_.now());
}

void TcpWire::pump_soon(Way& way, Instant when) {
  if (std::exchange(way.pumping, true)) return;
  clock_.at(when, [self = shared_from_this(), &way] { self->pump(way); });
}

void TcpWire::pump(Way& way) {
  way.pumping = false;
  if (way.queue.empty() && !way.ending) return;
  if (forgotten_ || way.link->is_cut()) return stuck(way);
  way.stuck_since.reset();
  if (way.queue.empty())
    return arrive(
        way, way.link->stream_arrival(0), [](Callbacks& to) { to.on_closed("the other side closed the connection"); }, true);
  size_t n = std::min(piece_max, way.queue.size());
  std::vector<uint8_t> piece(way.queue.begin(), way.queue.begin() + static_cast<ptrdiff_t>(n));
  way.queue.erase(way.queue.begin(), way.queue.begin() + static_cast<ptrdiff_t>(n));
  arrive(way, way.link->stream_arrival(n), [piece = std::move(piece)](Callbacks& to) { to.on_bytes(piece); });
  pump_soon(way, way.link->free_at());
  bool deaf = deaf_[static_cast<size_t>(way.from - ends_.data())];
  if (way.owes_writable && !deaf && way.queue.size() < queue_writable) {
    way.owes_writable = false;
    way.from->on_writable();
  }
}

void TcpWire::stuck(Way& way) {
  Instant now = clock_.now();
  if (!way.stuck_since) {
    way.stuck_since = now;
    way.retry = first_retry;
  }
  bool& deaf = deaf_[static_cast<size_t>(way.from - ends_.data())];
  if (now - *way.stuck_since < user_timeout) {
    pump_soon(way, now + way.retry);
    way.retry *= 2;
  } else if (!std::exchange(deaf, true)) {
    way.from->on_closed("the connection timed out");
  }
}

void TcpWire::arrive(Way& way, Instant when, std::function<void(Callbacks&)> job, bool last) {
  way.last_arrival = std::max(way.last_arrival, when);
  clock_.at(way.last_arrival, [self = shared_from_this(), &way, job = std::move(job), last] {
    bool& deaf = self->deaf_[static_cast<size_t>(way.to - self->ends_.data())];
    if (self->forgotten_ || deaf) return;
    deaf = last;
    job(*way.to);
  });
}

}  // namespace ginnel::sim
