// The peer at the other end of a node's session: proves a key like any other, and then says whatever a test wants. Its
// packets go by the relay of a FakeServer.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/peer/peer.hpp"
#include "core/quic/session.hpp"
#include "core/stun/credentials.hpp"
#include "tests/support/fake_server.hpp"
#include "wire/peer_message.hpp"

namespace ginnel::test {

class Puppet {
 public:
  Puppet(FakeServer& server, const crypto::Identity& key, Rng& rng) : server_(server), key_(key), rng_(rng) {}

  /// Dials the node; the server has announced it by that route.
  void dial(Instant now, const PublicKey& node, wire::RouteNumber by) {
    route = by;
    quic::SessionConfig config;
    config.alpn = peer::peer_alpn;
    config.expected_peer = node;
    config.streams_max = 0;
    session = quic::Session::dial(now, key_, config, static_cast<quic::Tag>(rng_.u64()), rng_);
  }
  /// Waits for the node's dial by that route.
  void await(wire::RouteNumber by) { route = by; }

  void say(const wire::PeerMessage& message) { say_bytes(wire::encode(message)); }
  void say_bytes(Bytes bytes) { session->send(*control, bytes); }

  /// A packet that the node sent by the relay.
  void hear(Instant now, MutableBytes packet) {
    if (deaf) return;
    auto kind = wire::packet_kind(packet);
    if (kind == wire::PacketKind::stun && answers_relay) {
      if (auto answer = answer_to_check(packet, Address{})) server_replies.push_back(*answer);
      return;
    }
    if (kind != wire::PacketKind::quic) return;
    if (!session) {
      quic::SessionConfig config;
      config.alpn = peer::peer_alpn;
      session = quic::Session::accept(now, key_, config, static_cast<quic::Tag>(rng_.u64()), rng_, packet);
    }
    if (session) session->handle_packet(now, packet);
  }
  /// All that is due. True if there was something for the node.
  bool work(Instant now) {
    bool did = !server_replies.empty();
    for (auto& reply : std::exchange(server_replies, {})) server_.relay(now, route, reply);
    if (!session) return did;
    session->handle_timeout(now);
    while (auto event = session->poll_event()) {
      if (std::holds_alternative<quic::Connected>(*event) && session->is_dialler()) {
        control = session->open_stream();
        if (hello) say(*hello);
        if (on_connected) on_connected();
      }
      if (auto* opened = std::get_if<quic::StreamOpened>(&*event))
        if (!control) control = opened->id;
      if (auto* readable = std::get_if<quic::StreamReadable>(&*event)) read(now, readable->id);
      if (auto* end = std::get_if<quic::Closed>(&*event)) closed = *end;
    }
    Octets room(16 * 1200);
    for (quic::Train train; (train = session->write(now, room, 1200, 0)).size > 0;) {
      did = true;
      for (size_t at = 0; at < train.size; at += train.segment)
        server_.relay(now, route, Bytes(room).subspan(at, std::min(train.segment, train.size - at)));
    }
    return did;
  }

  /// The answer to one of the node's checks; nothing if it is none.
  std::optional<Octets> answer_to_check(Bytes packet, const Address& mapped) const {
    auto message = wire::parse_stun(packet);
    if (!message || message->cls != wire::StunClass::request || !message->username) return {};
    Octets room(300);
    wire::StunWriter out(room, wire::StunClass::success, wire::stun_binding, message->id);
    out.xor_mapped_address(mapped);
    Bytes whole = stun::sign(out, password);
    return Octets(whole.begin(), whole.end());
  }
  /// A check of its own, with the credentials that the node told.
  Octets check(std::optional<std::string> node_ufrag = {}, std::optional<std::string> node_password = {}) const {
    std::string name = node_ufrag.value_or(told.empty() ? "none" : told.back().second.ufrag);
    Octets room(300);
    wire::StunWriter out(room, wire::StunClass::request, wire::stun_binding, rng_.array<12>());
    out.username(name + ":" + ufrag);
    out.priority(1);
    session && session->is_dialler() ? out.ice_controlling(1) : out.ice_controlled(1);
    Bytes whole = stun::sign(out, node_password.value_or(told.empty() ? "none" : told.back().second.password));
    return {whole.begin(), whole.end()};
  }
  /// What it says of itself; the rest is for the test to fill in.
  wire::Candidates candidates(uint32_t generation, uint32_t opened, std::vector<wire::Candidate> list = {}) const {
    wire::Candidates m;
    m.ufrag = ufrag;
    m.password = password;
    m.generation = generation;
    m.opened = opened;
    m.candidates = std::move(list);
    return m;
  }

  wire::RouteNumber route = 0;
  std::unique_ptr<quic::Session> session;
  std::optional<quic::StreamId> control;
  std::optional<wire::Hello> hello;                 ///< said as soon as it may, if there is one
  std::function<void()> on_connected;
  std::optional<quic::Closed> closed;
  std::vector<std::pair<Instant, wire::Candidates>> told;  ///< by the node
  size_t welcomes = 0;
  bool deaf = false;                                ///< nothing reaches it
  bool answers_relay = true;                        ///< checks that come by the relay
  std::string ufrag = "puppet01", password = "apasswordOf24Letters+more";

 private:
  void read(Instant now, quic::StreamId id) {
    for (Bytes piece; !(piece = session->received(id)).empty(); session->consume(id, piece.size()))
      received_ += as_text(piece);
    for (auto next = wire::next_peer_message(as_bytes(received_)); next.size > 0;
         next = wire::next_peer_message(as_bytes(received_))) {
      if (next.message) {
        if (auto* c = std::get_if<wire::Candidates>(&*next.message)) told.emplace_back(now, *c);
        if (std::holds_alternative<wire::Hello>(*next.message)) say(wire::Welcome{});
        welcomes += std::holds_alternative<wire::Welcome>(*next.message);
      }
      received_.erase(0, next.size);
    }
  }
  FakeServer& server_;
  const crypto::Identity& key_;
  Rng& rng_;
  std::string received_;
  std::vector<Octets> server_replies;
};

}  // namespace ginnel::test
