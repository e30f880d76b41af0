#include "sim/host.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace ginnel::sim {

namespace {

constexpr int actions_at_once_max = 100'000;
constexpr int wakes_at_once_max = 1'000;

}  // namespace

Host::Host(Commons& commons, Stack& stack, Random random, std::string name)
    : commons_(commons), stack_(stack), random_(random), name_(std::move(name)) {
  stack_.run(this);
}

Host::~Host() { kill(); }

void Host::kill() {
  if (!std::exchange(dead_, true)) stack_.run(nullptr);
}

void Host::set_asleep(bool asleep) {
  stack_.set_asleep(asleep);
  if (!asleep) drain();
}

// ---- what the kernel brings

void Host::datagram(SocketId socket, const Address& from, PacketPtr packet, MutableBytes payload) {
  if (payload.empty()) return;
  pending_.push_back({from, socket, std::move(packet), payload});
  if (std::exchange(flushing_, true)) return;
  commons_.clock.after(random_.between(Duration::zero(), coalesce), [this] { flush(); });
}

/// Receive offload: equal sizes from one sender to one socket, the last may be shorter.
void Host::flush() {
  flushing_ = false;
  flushed_.swap(pending_);
  for (size_t i = 0; i < flushed_.size() && !dead_ && !stack_.asleep();) {
    const Datagram& first = flushed_[i];
    size_t segment = first.payload.size(), bytes = segment, count = 1;
    size_t most = random_.chance(0.2) ? random_.between(1, 8) : train_segments_max;
    for (; i + count < flushed_.size() && count < most && bytes == count * segment; ++count) {
      const Datagram& next = flushed_[i + count];
      if (next.from != first.from || next.socket != first.socket || next.payload.size() > segment ||
          bytes + next.payload.size() > train_bytes_max)
        break;
      bytes += next.payload.size();
    }
    give_batch(i, count);
    i += count;
  }
  flushed_.clear();
}

void Host::give_batch(size_t first, size_t count) {
  const Datagram& head = flushed_[first];
  MutableBytes bytes = head.payload;
  if (count > 1) {
    commons_.batch.clear();
    for (size_t i = first; i < first + count; ++i)
      commons_.batch.insert(commons_.batch.end(), flushed_[i].payload.begin(), flushed_[i].payload.end());
    bytes = commons_.batch;
  }
  if (commons_.trace.on)
    commons_.trace.packet(now(), name_, "<-", head.from.to_string(), bytes.size(), head.payload.size());
  Input in = Datagrams{head.from, bytes, head.payload.size(), head.socket};
  handle(in);
  drain();
}

void Host::tcp_accepted(TcpId id, const Address& from, const Address& local) { input(TcpAccepted{id, from, local}); }
void Host::tcp_connected(TcpId id, const Address& local) { input(TcpConnected{id, local}); }
void Host::tcp_writable(TcpId id) { input(TcpWritable{id}); }
void Host::tcp_closed(TcpId id, std::string_view why) { input(TcpClosed{id, std::string(why)}); }

size_t Host::tcp_received(TcpId id, MutableBytes bytes) {
  Input in = TcpReceived{id, bytes};
  if (commons_.trace.on) commons_.trace.packet(now(), name_, "<=", std::to_string(id), bytes.size(), 0);
  handle(in);
  drain();
  size_t consumed = std::get<TcpReceived>(in).consumed;
  if (consumed > bytes.size()) throw std::logic_error(name_ + " consumed more than there was");
  return consumed;
}

void Host::input(Input input) {
  if (dead_) return;
  handle(input);
  drain();
}

void Host::answer_later(Input input) {
  commons_.clock.at(now(), [this, input = std::move(input)]() mutable { this->input(std::move(input)); });
}

// ---- what the machine wants

void Host::drain() {
  if (dead_ || stack_.asleep() || std::exchange(draining_, true)) return;
  int actions = 0;
  for (bool more = true; more && !dead_;) {
    more = false;
    while (auto action = poll_action(commons_.room)) {
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
    if (commons_.trace.on) commons_.trace.line(now(), name_, "connect", connect->to.to_string());
    stack_.tcp().connect(connect->id, connect->to, connect->from_port);
  } else if (auto* close = std::get_if<CloseTcp>(&action)) {
    if (commons_.trace.on) commons_.trace.line(now(), name_, "close", std::to_string(close->id));
    stack_.tcp().close(close->id);
  } else if (auto* open = std::get_if<OpenUdp>(&action)) {
    Address any{.ip = {}, .port = 0, .v6 = open->v6};
    answer_later(UdpOpened{open->id, stack_.open_udp(open->id, any)});
  } else if (auto* shut = std::get_if<CloseUdp>(&action)) {
    if (shut->id != 0) stack_.close_udp(shut->id, shut->v6);
  } else if (auto* listen = std::get_if<ListenTcp>(&action)) {
    Address any{.ip = {}, .port = listen->local.port, .v6 = listen->local.v6};
    answer_later(TcpListening{stack_.tcp().listen(any)});
  } else if (auto* stop = std::get_if<StopListening>(&action)) {
    stack_.tcp().stop_listening(stop->v6);
  } else if (auto* resolve = std::get_if<Resolve>(&action)) {
    Resolved found{commons_.server};
    for (Address& a : found.addresses) a.port = resolve->port;
    answer_later(std::move(found));
  }
}

void Host::transmit(const Transmit& t) {
  if (t.bytes.empty()) throw std::logic_error(name_ + " sends nothing to " + t.to.to_string());
  Trace& trace = commons_.trace;
  if (t.tcp != 0) {
    if (trace.on) trace.packet(now(), name_, "=>", std::to_string(t.tcp), t.bytes.size(), t.segment);
    if (stack_.tcp().send(t.tcp, t.bytes)) return;
    Input full = TcpFull{t.tcp};  // as app/driver: at once, in the middle of the drain
    return handle(full);
  }
  if (trace.on) trace.packet(now(), name_, "->", t.to.to_string(), t.bytes.size(), t.segment);
  size_t segments = t.segment == 0 ? 0 : (t.bytes.size() + t.segment - 1) / t.segment;
  if (segments == 0 || segments > train_segments_max || t.bytes.size() > train_bytes_max)
    throw std::logic_error(name_ + " made a train that no kernel takes");
  for (size_t at = 0; at < t.bytes.size(); at += t.segment)
    stack_.send_udp(t.socket, t.to, t.bytes.subspan(at, std::min(t.segment, t.bytes.size() - at)), t.hops);
}

// ---- time

/// One wake-up waits in the schedule. If the machine puts its deadline off, that wake-up finds nothing to do and waits
/// anew; only for an earlier deadline a second one is queued.
void Host::arm() {
  auto deadline = next_deadline();
  if (!deadline) return;
  Instant when = std::max(deadline->when, now());
  if (armed_ && *armed_ <= when) return;
  armed_ = when;
  commons_.clock.at(when, [this, when] {
    if (dead_ || armed_ != when) return;
    armed_.reset();
    if (!stack_.asleep()) wake();
  });
}

void Host::wake() {
  auto deadline = next_deadline();
  if (!deadline || deadline->when > now()) return arm();
  wakes_at_once_ = woken_at_ == now() ? wakes_at_once_ + 1 : 0;
  woken_at_ = now();
  if (wakes_at_once_ > wakes_at_once_max)
    throw std::logic_error(name_ + " is woken at one instant for ever: " + std::string(deadline->why));
  handle_timeout();
  drain();
}

}  // namespace ginnel::sim
