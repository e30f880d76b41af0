// One node with everything around it played by a test, without delay: a server that says what the test wants, hands that
// open and close what they are asked to and keep a ledger, and a network that sees every packet. What a node must never do
// (send to where it must not, use what is not open, close what is not there) is noted as an offence.
#pragma once
#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/peer/node.hpp"
#include "core/rendezvous/server_link.hpp"
#include "tests/support/seeded_rng.hpp"
#include "tests/support/stun_answers.hpp"
#include "wire/demux.hpp"
#include "wire/tcp_frame.hpp"

namespace ginnel::test {

using Octets = std::vector<uint8_t>;

class FakeServer {
 public:
  FakeServer(peer::Node& node, const crypto::Identity& key, Rng& rng) : node_(node), key_(key), rng_(rng) {}

  // ---- what the test makes it do
  /// Starts the node, and lets it come up.
  void connect(Instant& now) {
    node_.start(now);
    for (int i = 0; i < 10; ++i) pump(now);
  }
  /// A millisecond passes: QUIC paces its packets.
  void pump(Instant& now) {
    now += 1ms;
    work(now);
  }
  /// From deadline to deadline; `also` works each time.
  void run(Instant& now, Duration time, const std::function<std::optional<Deadline>()>& also = {}) {
    for (Instant until = now + time;;) {
      work(now);
      auto next = earlier(node_.next_deadline(), session_ ? session_->next_deadline() : std::nullopt);
      if (also) next = earlier(next, also());
      if (!answers_.empty()) next = Deadline{now, "hands"};
      if (now >= until) return;
      standstill_ = next && next->when <= now ? standstill_ + 1 : 0;
      if (standstill_ > 200) offend("it does not settle: " + std::string(next->why));
      if (standstill_ > 200) return;
      now = next ? std::clamp(next->when, now, until) : until;
    }
  }
  /// All that is due now, on both sides, until nothing happens any more.
  void work(Instant now) {
    node_.handle_timeout(now);
    if (session_) session_->handle_timeout(now);
    if (answers_.empty()) kept_.clear();
    for (auto due = std::exchange(answers_, {}); !due.empty(); due.pop_front()) give(now, std::move(due.front()));
    drain(now);
    if (!session_) return;
    while (auto event = session_->poll_event()) {
      if (auto* opened = std::get_if<quic::StreamOpened>(&*event)) stream_ = opened->id;
      if (auto* readable = std::get_if<quic::StreamReadable>(&*event)) read(readable->id);
    }
    Octets room(8 * 1200);
    for (quic::Train train; (train = session_->write(now, room, 1200, 0)).size > 0;) {
      Octets bytes(room.begin(), room.begin() + static_cast<ptrdiff_t>(train.size));
      give(now, Datagrams{address, bytes, train.segment});
    }
    drain(now);
  }
  void give(Instant now, Input input) {
    if (auto* closed = std::get_if<TcpClosed>(&input)) tcp.erase(closed->id);
    if (auto* accepted = std::get_if<TcpAccepted>(&input)) tcp[accepted->id] = accepted->from;
    node_.handle(now, input);
  }
  void say(Instant& now, const wire::Signal& signal) {
    session_->send(*stream_, wire::encode(signal));
    for (int i = 0; i < 5; ++i) pump(now);
  }
  /// A packet of a peer, by the relay.
  void relay(Instant now, wire::RouteNumber route, Bytes packet) {
    Octets frame(wire::relay_header_size + packet.size());
    wire::put_relay_header(frame.data(), route);
    std::copy(packet.begin(), packet.end(), frame.begin() + wire::relay_header_size);
    give(now, Datagrams{address, frame, frame.size()});
  }
  /// A frame on a TCP connection.
  void tcp_packet(Instant now, TcpId id, Bytes packet) {
    Octets bytes(wire::tcp_frame_header_size + packet.size());
    wire::put_tcp_frame_header(bytes.data(), packet.size());
    std::copy(packet.begin(), packet.end(), bytes.begin() + wire::tcp_frame_header_size);
    give(now, TcpReceived{id, bytes});
  }

  /// What the node gets next, after all that it does now.
  void later(Input input) { answers_.push_back(std::move(input)); }
  void later(const Address& from, SocketId socket, Octets packet) {
    auto& kept = kept_.emplace_back(std::move(packet));
    answers_.push_back(Datagrams{from, kept, kept.size(), socket});
  }
  void later_tcp(TcpId id, Bytes packet) {
    auto& kept = kept_.emplace_back(wire::tcp_frame_header_size + packet.size());
    wire::put_tcp_frame_header(kept.data(), packet.size());
    std::copy(packet.begin(), packet.end(), kept.begin() + wire::tcp_frame_header_size);
    answers_.push_back(TcpReceived{id, kept});
  }

  // ---- what it knows
  template <typename E>
  std::vector<E> heard() const {
    std::vector<E> out;
    for (auto& signal : signals)
      if (auto* found = std::get_if<E>(&signal)) out.push_back(*found);
    return out;
  }
  template <typename E>
  size_t count() const {
    return static_cast<size_t>(
        std::count_if(events.begin(), events.end(), [](auto& e) { return std::holds_alternative<E>(e); }));
  }
  quic::Session* session() { return session_.get(); }
  void offend(std::string what) {
    if (offences.size() < 20) offences.push_back(std::move(what));
  }

  Address address = Address::v4(203, 0, 113, 1, 3478);
  std::optional<uint16_t> second_port;                            ///< for those who ask about their NAT
  Address outside = Address::v4(198, 51, 100, 3, 0);              ///< of the node, as everybody sees it
  bool opens = true, answers_stun = false, accepts_tcp = true;    ///< what the hands and the server do by themselves
  std::function<void(const peer::NodeEvent&)> on_event;
  std::function<void(wire::RouteNumber, MutableBytes)> on_relay;  ///< a packet for a peer, by the relay
  std::function<void(const Transmit&)> on_direct;                 ///< one that did not go to the server

  std::vector<std::pair<Address, Octets>> sent;  ///< each datagram
  std::vector<wire::Signal> signals;             ///< that the node said
  std::vector<peer::NodeEvent> events;
  std::set<SocketId> udp;                        ///< fresh sockets that are open
  std::map<TcpId, Address> tcp;                  ///< connections, or dials, with whom
  std::vector<std::pair<Instant, ConnectTcp>> dials;
  size_t sockets_opened = 0;
  std::array<uint16_t, 2> listening{};
  std::vector<std::string> offences;

 private:
  void drain(Instant now) {
    for (bool again = true; again;) {
      again = false;
      for (int n = 0; auto action = node_.poll_action(now, room_); ++n) {
        if (n > 100'000) return offend("it never stops acting");
        std::visit([&](auto& a) { perform(now, a); }, *action);
      }
      while (auto event = node_.poll_event()) {
        again = true;  // whoever hears it may command
        if (on_event) on_event(*event);
        events.push_back(std::move(*event));
      }
    }
  }
  void perform(Instant, const Resolve&) { answers_.push_back(Resolved{{address}}); }
  void perform(Instant, const OpenUdp& a) {
    if (!udp.insert(a.id).second || a.id == 0) offend("a socket is opened twice");
    ++sockets_opened;
    if (!opens) return;
    answers_.push_back(UdpOpened{a.id, Address::v4(0, 0, 0, 0, static_cast<uint16_t>(50'000 + a.id % 10'000))});
  }
  void perform(Instant, const CloseUdp& a) {
    if (udp.erase(a.id) == 0) offend("a socket is closed that is not open");
  }
  void perform(Instant, const ListenTcp& a) {
    if (listening[a.local.v6] != 0) offend("it listens twice");
    uint16_t port = a.local.port ? a.local.port : 45'000;
    listening[a.local.v6] = port;
    if (opens) answers_.push_back(TcpListening{a.local.with_port(port)});
  }
  void perform(Instant, const StopListening& a) { listening[a.v6] = 0; }
  void perform(Instant now, const ConnectTcp& a) {
    if (!tcp.emplace(a.id, a.to).second || a.id == 0 || a.id >> 31) offend("a TCP id is used twice");
    if (a.to != address && !a.to.is_probeable()) offend("it dials " + a.to.to_string());
    dials.emplace_back(now, a);
    if (a.to == address && accepts_tcp) answers_.push_back(TcpConnected{a.id, outside.with_port(a.from_port)});
  }
  void perform(Instant, const CloseTcp& a) {
    if (tcp.erase(a.id) == 0) offend("a connection is closed that is not there");
  }
  void perform(Instant now, const Transmit& t) {
    if (t.bytes.empty() || t.segment == 0) return offend("it sends nothing");
    if (t.tcp != 0) return transmit_tcp(t);
    if (t.socket != 0 && !udp.contains(t.socket)) offend("it sends on a socket that is closed");
    for (size_t at = 0; at < t.bytes.size(); at += t.segment) {
      Bytes piece = t.bytes.subspan(at, std::min(t.segment, t.bytes.size() - at));
      Octets packet(piece.begin(), piece.end());
      sent.emplace_back(t.to, packet);
      if (!t.to.is_probeable() && !address.is_loopback()) offend("it sends to " + t.to.to_string());
      if (!t.to.same_ip(address)) {
        if (on_direct) on_direct({t.to, 0, packet, packet.size(), t.socket, t.hops});
      } else if (t.hops != 0) {
        offend("a packet to the server has few hops");
      } else {
        take(now, t, packet);
      }
    }
  }
  void transmit_tcp(const Transmit& t) {
    auto at = tcp.find(t.tcp);
    if (at == tcp.end()) return offend("it sends on a connection that is closed");
    Octets copy(t.bytes.begin(), t.bytes.end());
    for (MutableBytes rest = copy; !rest.empty();) {
      wire::TcpFrame frame = wire::next_tcp_frame(rest);
      if (frame.broken || frame.packet.empty()) return offend("broken framing");
      rest = rest.subspan(wire::tcp_frame_header_size + frame.packet.size());
      if (at->second != address) {
        if (on_direct) on_direct({at->second, t.tcp, frame.packet, frame.packet.size()});
      } else if (answers_stun && wire::packet_kind(frame.packet) == wire::PacketKind::stun) {
        later_tcp(t.tcp, answer_to(id_of(frame.packet), {outside.with_port(45'000)}).bytes);
      }
    }
  }
  void take(Instant now, const Transmit& t, Octets& packet) {
    auto kind = wire::packet_kind(packet);
    if (kind == wire::PacketKind::stun && answers_stun) {
      auto port = static_cast<uint16_t>(t.socket == 0 ? 61'000 : 50'000 + t.socket % 10'000);
      StunAnswer answer{outside.with_port(port)};
      if (second_port) answer.other = Address{}.with_port(*second_port);
      later(t.to, t.socket, answer_to(id_of(packet), answer).bytes);
    }
    if (t.to != address) return;
    if (kind == wire::PacketKind::relay && on_relay)
      if (auto route = wire::relay_route(packet)) on_relay(*route, MutableBytes(packet).subspan(wire::relay_header_size));
    if (kind != wire::PacketKind::quic) return;
    if (!session_) session_ = quic::Session::accept(now, key_, server_config(), 77, rng_, packet);
    if (session_) session_->handle_packet(now, packet);
  }
  static quic::SessionConfig server_config() {
    quic::SessionConfig config;
    config.alpn = rendezvous::server_alpn;
    return config;
  }
  void read(quic::StreamId id) {
    for (Bytes piece; !(piece = session_->received(id)).empty(); session_->consume(id, piece.size()))
      received_ += as_text(piece);
    for (auto next = wire::next_signal(as_bytes(received_)); next.size > 0;
         next = wire::next_signal(as_bytes(received_))) {
      if (next.signal) signals.push_back(*next.signal);
      received_.erase(0, next.size);
    }
  }

  peer::Node& node_;
  const crypto::Identity& key_;
  Rng& rng_;
  std::unique_ptr<quic::Session> session_;
  std::optional<quic::StreamId> stream_;
  std::string received_;
  std::deque<Input> answers_;  ///< inputs that follow from the node's actions
  std::deque<Octets> kept_;    ///< their bytes
  Octets room_ = Octets(room_size);
  int standstill_ = 0;
};

}  // namespace ginnel::test
