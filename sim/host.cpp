#include "sim/host.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace ginnel::sim {

namespace {

constexpr int actions_at_once_max = 100'000;
constexpr int wakes_at_once_max = 1'000;

}  // namespace

Host::Host(Network& network, Schedule& clock, Trace& trace, Random random, SiteId site, std::string name)
    : clock_(clock), trace_(trace), network_(network), random_(random), site_(site), name_(std::move(name)),
      room_(room_size) {}

void Host::receive(const Address& from, std::vector<uint8_t> datagram) {
  if (dead_) return;
  pending_.push_back({from, std::move(datagram)});
  if (std::exchange(flushing_, true)) return;
  clock_.after(random_.between(Duration::zero(), coalesce), [this] { flush(); });
}

void Host::flush() {
  flushing_ = false;
  std::vector<Datagram> all = std::exchange(pending_, {});
  for (size_t i = 0; i < all.size() && !dead_;) {
    // Receive offload: equal sizes from one sender, the last may be shorter.
    size_t segment = all[i].bytes.size(), run_max = random_.chance(0.2) ? random_.between(1, 8) : train_segments_max;
    std::vector<uint8_t> batch = std::move(all[i].bytes);
    Address from = all[i].from;
    size_t run = 1;
    for (++i; i < all.size() && run < run_max && batch.size() == run * segment; ++i, ++run) {
      const auto& next = all[i];
      if (next.from != from || next.bytes.size() > segment || batch.size() + next.bytes.size() > train_bytes_max) break;
      batch.insert(batch.end(), next.bytes.begin(), next.bytes.end());
    }
    trace_.packet(clock_.now(), name_, "<-", from.to_string(), batch.size(), segment);
    Input in = Datagrams{from, batch, segment};
    handle(in);
    drain();
  }
}

void Host::tcp_bytes(TcpId id, const std::vector<uint8_t>& bytes) {
  if (dead_) return;
  std::vector<uint8_t>& kept = leftover_[id];
  kept.insert(kept.end(), bytes.begin(), bytes.end());
  std::vector<uint8_t> all = std::move(kept);
  Input in = TcpReceived{id, all};
  trace_.packet(clock_.now(), name_, "<=", std::to_string(id), all.size(), bytes.size());
  handle(in);
  drain();
  size_t consumed = std::get<TcpReceived>(in).consumed;
  if (consumed > all.size()) throw std::logic_error(name_ + " consumed more than there was");
  leftover_[id].assign(all.begin() + static_cast<ptrdiff_t>(consumed), all.end());
}

void Host::tcp_closed(TcpId id, std::string why) {
  leftover_.erase(id);
  input(TcpClosed{id, std::move(why)});
}

void Host::input(Input input) {
  if (dead_) return;
  handle(input);
  drain();
}

void Host::drain() {
  if (dead_ || std::exchange(draining_, true)) return;
  int actions = 0;
  for (bool more = true; more && !dead_;) {
    more = false;
    while (auto action = poll_action(room_)) {
      if (++actions > actions_at_once_max) throw std::logic_error(name_ + " does not settle: it acts for ever");
      perform(*action);
    }
    while (take_event()) more = true;
  }
  draining_ = false;
  arm();
}

void Host::perform(const Action& action) {
  if (auto* t = std::get_if<Transmit>(&action)) return transmit(*t);
  if (auto* connect = std::get_if<ConnectTcp>(&action)) {
    trace_.line(clock_.now(), name_, "connect", connect->to.to_string());
    network_.connect_tcp(site_, connect->id, connect->to);
  } else if (auto* close = std::get_if<CloseTcp>(&action)) {
    trace_.line(clock_.now(), name_, "close", std::to_string(close->id));
    leftover_.erase(close->id);
    network_.close_tcp(site_, close->id);
  } else if (std::holds_alternative<Resolve>(action)) {
    clock_.at(clock_.now(), [this] { input(Resolved{{network_.resolve()}}); });
  }
}

void Host::transmit(const Transmit& t) {
  if (t.bytes.empty()) throw std::logic_error(name_ + " sends nothing to " + t.to.to_string());
  if (t.tcp != 0) {
    trace_.packet(clock_.now(), name_, "=>", std::to_string(t.tcp), t.bytes.size(), t.segment);
    if (network_.send_tcp(site_, t.tcp, t.bytes)) return;
    Input full = TcpFull{t.tcp};  // as app/driver: at once, in the middle of the drain
    return handle(full);
  }
  trace_.packet(clock_.now(), name_, "->", t.to.to_string(), t.bytes.size(), t.segment);
  size_t segments = t.segment == 0 ? 0 : (t.bytes.size() + t.segment - 1) / t.segment;
  if (segments == 0 || segments > train_segments_max || t.bytes.size() > train_bytes_max)
    throw std::logic_error(name_ + " made a train that no kernel takes");
  for (size_t at = 0; at < t.bytes.size(); at += t.segment)
    network_.send_datagram(site_, t.to, t.bytes.subspan(at, std::min(t.segment, t.bytes.size() - at)));
}

void Host::arm() {
  auto deadline = next_deadline();
  if (!deadline) {
    armed_.reset();
    return;
  }
  Instant when = std::max(deadline->when, clock_.now());
  if (armed_ == when && when > clock_.now()) return;
  armed_ = when;
  clock_.at(when, [this, turn = ++arming_, why = deadline->why] {
    if (dead_ || turn != arming_ || !armed_) return;
    armed_.reset();
    wakes_at_once_ = woken_at_ == clock_.now() ? wakes_at_once_ + 1 : 0;
    woken_at_ = clock_.now();
    if (wakes_at_once_ > wakes_at_once_max)
      throw std::logic_error(name_ + " is woken at one instant for ever: " + std::string(why));
    handle_timeout();
    drain();
  });
}

}  // namespace ginnel::sim
