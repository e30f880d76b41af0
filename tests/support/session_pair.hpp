// Two QUIC sessions joined by a perfect wire in virtual time.
#pragma once
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "core/quic/door.hpp"
#include "core/quic/session.hpp"
#include "tests/support/seeded_rng.hpp"

namespace ginnel::test {

struct SessionEnd {
  std::unique_ptr<quic::Session> session;
  std::vector<quic::Event> events;
  std::map<quic::StreamId, std::string> text;  ///< what arrived, if `read` is set
  std::map<quic::StreamId, quic::Code> resets;
  bool read = true;

  void drain() {
    while (auto event = session->poll_event()) {
      if (auto* readable = std::get_if<quic::StreamReadable>(&*event)) {
        if (read) take(readable->id);
        if (auto code = session->reset_by_peer(readable->id)) {
          resets[readable->id] = *code;
          session->reset(readable->id, *code);  // as an application does whose connection was reset
        }
      }
      if (auto* closed = std::get_if<quic::StreamClosed>(&*event)) session->release(closed->id);
      events.push_back(std::move(*event));
    }
  }
  void take(quic::StreamId id) {
    for (Bytes piece; !(piece = session->received(id)).empty(); session->consume(id, piece.size())) text[id] += as_text(piece);
  }
  template <typename E>
  const E* find() const {
    for (const auto& event : events)
      if (auto* found = std::get_if<E>(&event)) return found;
    return nullptr;
  }
};

struct SessionPair {
  SeededRng rng{1};
  Instant now{1h};
  Duration one_way = 10ms;
  size_t packet_size = 1200;
  crypto::Identity dialler_key = crypto::Identity::generate(rng);
  crypto::Identity acceptor_key = crypto::Identity::generate(rng);
  quic::SessionConfig acceptor_config{.alpn = "test"};
  SessionEnd dialler, acceptor;
  bool cut = false;  ///< lose everything
  struct Packet { Instant due; bool to_acceptor; std::vector<uint8_t> bytes; };
  std::deque<Packet> wire;

  explicit SessionPair(quic::SessionConfig config = {.alpn = "test"}) {
    if (!config.expected_peer) config.expected_peer = acceptor_key.public_key();
    dialler.session = quic::Session::dial(now, dialler_key, config, 1, rng);
  }

  void pump(SessionEnd& end, bool to_acceptor) {
    std::vector<uint8_t> room(65507);
    for (;;) {
      quic::Train train = end.session->write(now, room, packet_size, 0);
      if (train.size == 0) break;
      for (size_t at = 0; at < train.size; at += train.segment) {
        size_t n = std::min(train.segment, train.size - at);
        if (!cut) wire.push_back({now + one_way, to_acceptor, {room.begin() + at, room.begin() + at + n}});
      }
    }
    end.drain();
  }

  void step(Instant until) {
    pump(dialler, true);
    if (acceptor.session) pump(acceptor, false);
    std::optional<Deadline> next = Deadline{until, "end"};
    if (!wire.empty()) next = earlier(next, Deadline{wire.front().due, "wire"});
    next = earlier(next, dialler.session->next_deadline());
    if (acceptor.session) next = earlier(next, acceptor.session->next_deadline());
    now = std::max(now, next->when);
    while (!wire.empty() && wire.front().due <= now) {
      Packet p = std::move(wire.front());
      wire.pop_front();
      if (p.to_acceptor && !acceptor.session)
        acceptor.session = quic::Session::accept(now, acceptor_key, acceptor_config, 2, rng, p.bytes);
      SessionEnd& end = p.to_acceptor ? acceptor : dialler;
      if (end.session) end.session->handle_packet(now, p.bytes);
    }
    dialler.session->handle_timeout(now);
    if (acceptor.session) acceptor.session->handle_timeout(now);
  }

  void run(Duration how_long) {
    for (Instant until = now + how_long; now < until;) step(until);
    pump(dialler, true);
    if (acceptor.session) pump(acceptor, false);
  }
};

}  // namespace ginnel::test
