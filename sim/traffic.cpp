#include "sim/traffic.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace ginnel::sim {

namespace {

/// The bytes of a speech from `offset` on: a word of noise for each eight.
void fill_pattern(uint64_t seed, size_t offset, MutableBytes out) {
  for (size_t i = 0; i < out.size();) {
    uint64_t word = splitmix64(seed + (offset + i) / 8);
    std::array<uint8_t, 8> bytes;
    std::memcpy(bytes.data(), &word, bytes.size());
    size_t skip = (offset + i) % 8, n = std::min(8 - skip, out.size() - i);
    std::memcpy(out.data() + i, bytes.data() + skip, n);
    i += n;
  }
}

bool matches_pattern(uint64_t seed, size_t offset, Bytes bytes) {
  std::vector<uint8_t> expected(bytes.size());
  fill_pattern(seed, offset, expected);
  return std::equal(bytes.begin(), bytes.end(), expected.begin());
}

}  // namespace

StreamEnd::StreamEnd(World& world, Agent& agent, peer::PeerId peer, quic::StreamId id, Speech says, Speech hears,
                     uint64_t seed, bool dialler, bool slow)
    : world_(world), agent_(agent), peer_(peer), id_(id), says_(says), hears_(hears),
      out_seed_(splitmix64(seed + (dialler ? 0 : 1))), in_seed_(splitmix64(seed + (dialler ? 1 : 0))), slow_(slow),
      random_(out_seed_) {}

void StreamEnd::begin() {
  if (says_.chunk > 0) return tick();
  agent_.use(peer_, [&](peer::Peer& peer) { write(*peer.session()); });
}

void StreamEnd::tick() {
  budget_ += says_.chunk;
  agent_.use(peer_, [&](peer::Peer& peer) { write(*peer.session()); });
  if (budget_ < says_.bytes) world_.clock.after(says_.every, [this] { tick(); });
}

void StreamEnd::handle(const peer::PeerEvent& event) {
  if (std::holds_alternative<quic::StreamReadable>(event)) {
    agent_.use(peer_, [&](peer::Peer& peer) { read(*peer.session()); });
  } else if (std::holds_alternative<quic::StreamWritable>(event)) {
    agent_.use(peer_, [&](peer::Peer& peer) { write(*peer.session()); });
  } else if (std::holds_alternative<quic::StreamStopped>(event)) {
    said_all_ = true;
  } else if (auto* closed = std::get_if<quic::StreamClosed>(&event)) {
    ended(*closed);
    agent_.use(peer_, [&](peer::Peer& peer) { peer.session()->release(id_); });
  }
}

void StreamEnd::write(quic::Session& session) {
  if (closed_ || said_all_ || !session.has_stream(id_)) return;
  while (written_ < says_.bytes) {
    size_t allowed = says_.chunk > 0 ? std::min(budget_, says_.bytes) - written_ : says_.bytes - written_;
    if (allowed == 0) return;
    MutableBytes room = session.reserve(id_);
    if (room.empty()) return;
    size_t n = std::min(room.size(), allowed);
    fill_pattern(out_seed_, written_, room.first(n));
    session.commit(id_, n);
    written_ += n;
  }
  said_all_ = true;
  if (says_.reset)
    session.reset(id_, quic::Code::reset);
  else
    session.finish(id_);
  if (says_.reset) heard_end_ = true;  // a reset is of both directions: there is nothing more to hear
}

void StreamEnd::read(quic::Session& session) {
  if (closed_ || reading_later_) return;
  for (Bytes piece; !(piece = session.received(id_)).empty();) {
    if (slow_) piece = piece.first(std::min<size_t>(piece.size(), random_.between(1, 16'384)));
    if (!matches_pattern(in_seed_, received_, piece)) problem_ = "a wrong byte after " + std::to_string(received_);
    received_ += piece.size();
    if (received_ > hears_.bytes) problem_ = "more bytes than were sent";
    if (arrivals_.empty() || arrivals_.back() != world_.clock.now()) arrivals_.push_back(world_.clock.now());
    session.consume(id_, piece.size());
    if (slow_ && random_.chance(0.5)) {
      reading_later_ = true;
      world_.clock.after(random_.between(Duration::zero(), 5ms), [this] {
        reading_later_ = false;
        agent_.use(peer_, [&](peer::Peer& peer) { read(*peer.session()); });
      });
      return;
    }
  }
  if (auto code = session.reset_by_peer(id_)) {
    reset_ = code;
    session.reset(id_, *code);  // as an application whose connection was reset: our direction is over, too
    said_all_ = true;
  } else if (session.finished_by_peer(id_)) {
    heard_end_ = true;
  }
}

void StreamEnd::ended(const quic::StreamClosed& event) {
  if (std::exchange(closed_, true)) problem_ = "closed twice";
  if (!heard_end_ && !reset_) {
    if (event.reset) reset_ = event.reset;
    heard_end_ = event.finished;
  }
  if (reset_) said_all_ = true;
  if (!heard_end_ && !reset_) problem_ = "closed without an end";
  if (heard_end_ && !says_.reset && received_ != hears_.bytes)
    problem_ = "ended after " + std::to_string(received_) + " of " + std::to_string(hears_.bytes);
  if (reset_ && !hears_.reset) problem_ = "an unplanned reset";
}

std::string StreamEnd::state() const {
  return std::to_string(written_) + "/" + std::to_string(says_.bytes) + (said_all_ ? " said" : "") + ", " +
         std::to_string(received_) + "/" + std::to_string(hears_.bytes) + (heard_end_ ? " heard" : "") +
         (reset_ ? " reset" : "") + (closed_ ? " closed" : "");
}

// ---- both ends

Traffic::Traffic(World& world, Agent& dialler, Agent& acceptor, peer::PeerId dialled)
    : world_(world), dialler_(dialler), acceptor_(acceptor), dialled_(dialled), seed_(world.random.next()) {
  dialler.listen(acceptor.key(), [this](peer::PeerId id, const peer::PeerEvent& event) { near_event(id, event); });
  acceptor.listen(dialler.key(), [this](peer::PeerId id, const peer::PeerEvent& event) { far_event(id, event); });
}

void Traffic::open_waiting() {
  if (!connected_ || std::exchange(opening_, true)) return;
  while (near_.size() < plans_.size()) {
    std::optional<quic::StreamId> id;
    dialler_.use(dialled_, [&](peer::Peer& peer) { id = peer.session()->open_stream(); });
    if (!id) break;
    const StreamPlan& plan = plans_[near_.size()];
    near_ids_[*id] = near_.size();
    ids_.push_back(*id);
    near_.push_back(std::make_unique<StreamEnd>(world_, dialler_, dialled_, *id, plan.up, plan.down,
                                                seed_ + 2 * near_.size(), true, plan.slow_readers));
    near_.back()->begin();
  }
  opening_ = false;
}

namespace {

/// The stream that an event is about.
std::optional<quic::StreamId> stream_of(const peer::PeerEvent& event) {
  return std::visit(
      [](const auto& e) -> std::optional<quic::StreamId> {
        if constexpr (requires { e.id; })
          return e.id;
        else
          return {};
      },
      event);
}

}  // namespace

void Traffic::near_event(peer::PeerId id, const peer::PeerEvent& event) {
  if (id != dialled_) return;
  if (std::holds_alternative<peer::PeerConnected>(event)) connected_ = true;
  if (std::holds_alternative<peer::PeerClosed>(event)) ended_ = true;
  if (auto stream = stream_of(event))
    if (auto at = near_ids_.find(*stream); at != near_ids_.end()) near_[at->second]->handle(event);
  open_waiting();
}

void Traffic::far_event(peer::PeerId id, const peer::PeerEvent& event) {
  if (std::holds_alternative<peer::PeerClosed>(event)) ended_ = true;
  auto stream = stream_of(event);
  if (!stream) return;
  if (std::holds_alternative<quic::StreamOpened>(event)) {
    auto nth = near_ids_.find(*stream);
    if (nth == near_ids_.end()) {
      problem_ = "a stream that nobody opened";
      return;
    }
    const StreamPlan& plan = plans_[nth->second];
    auto& end = far_[*stream];
    if (end) problem_ = "a stream opened twice";
    end = std::make_unique<StreamEnd>(world_, acceptor_, id, *stream, plan.down, plan.up, seed_ + 2 * nth->second, false,
                                      plan.slow_readers);
    end->begin();
  } else if (auto at = far_.find(*stream); at != far_.end()) {
    at->second->handle(event);
  }
}

StreamEnd* Traffic::far(size_t nth) {
  auto at = nth < ids_.size() ? far_.find(ids_[nth]) : far_.end();
  return at == far_.end() ? nullptr : at->second.get();
}

bool Traffic::done() const {
  auto is_done = [](const StreamEnd& end) { return end.done(); };
  return near_.size() == plans_.size() && std::all_of(near_.begin(), near_.end(), [&](auto& e) { return is_done(*e); }) &&
         std::all_of(ids_.begin(), ids_.end(), [&](quic::StreamId id) {
           auto far = far_.find(id);
           // A stream that was reset before it said anything may never have existed for the other side.
           return far != far_.end() ? is_done(*far->second) : plans_[near_ids_.at(id)].up.reset;
         });
}

std::string Traffic::problems() const {
  std::string out = problem_;
  auto add = [&](const char* side, quic::StreamId id, const StreamEnd& end) {
    if (end.problem().empty()) return;
    out += std::string(out.empty() ? "" : "; ") + side + " end of stream " + std::to_string(id) + ": " + end.problem();
  };
  for (const auto& [id, nth] : near_ids_) add("near", id, *near_[nth]);
  for (const auto& [id, end] : far_) add("far", id, *end);
  return out;
}

std::string Traffic::state() const {
  std::string out = connected_ ? "" : "not connected ";
  if (ended_) out += "session over ";
  for (const auto& [id, nth] : near_ids_) {
    auto far = far_.find(id);
    bool whole = near_[nth]->closed() && far != far_.end() && far->second->closed();
    if (whole && near_ids_.size() > 4) continue;
    out += "[" + std::to_string(id) + ": " + near_[nth]->state() + " | " + (far == far_.end() ? "-" : far->second->state()) + "] ";
  }
  return out;
}

Duration Traffic::longest_gap(const StreamEnd& end, Instant from, Instant to) {
  Duration longest{};
  Instant last = from;
  for (Instant t : end.arrivals()) {
    if (t <= from) continue;
    longest = std::max(longest, std::min(t, to) - last);
    last = t;
    if (t >= to) return longest;
  }
  return std::max(longest, to - last);
}

}  // namespace ginnel::sim
