// A program without a will on a simulated host: it does what the test says and remembers what it was told. Knows the
// five verbs; refuses to decide anything. No RFC.
#pragma once
#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "sim/host.hpp"
#include "sim/world.hpp"

namespace ginnel::test {

class SimPuppet {
 public:
  struct Heard {
    Instant when;
    Address from;
    SocketId socket;
    std::string text;
  };
  struct Tcp {
    bool accepted = false, connected = false;
    Address from, local;
    Instant since{};
    std::string received;
    std::string closed;  ///< why
    int full = 0, writable = 0;
  };
  struct Nothing {};

  explicit SimPuppet(Rng&) {}

  void handle(Instant now, Input& input) {
    if (auto* d = std::get_if<Datagrams>(&input)) {
      for (size_t at = 0; at < d->bytes.size(); at += d->segment) {
        Bytes one = d->bytes.subspan(at, std::min(d->segment, d->bytes.size() - at));
        heard.push_back({now, d->from, d->socket, std::string(as_text(one))});
      }
    } else if (auto* opened = std::get_if<UdpOpened>(&input)) {
      sockets[opened->id] = opened->local;
    } else if (auto* listening = std::get_if<TcpListening>(&input)) {
      listens.push_back(listening->local);
    } else if (auto* accepted = std::get_if<TcpAccepted>(&input)) {
      Tcp& c = tcp[accepted->id];
      c.accepted = true, c.from = accepted->from, c.local = accepted->local, c.since = now;
    } else if (auto* connected = std::get_if<TcpConnected>(&input)) {
      Tcp& c = tcp[connected->id];
      c.connected = true, c.local = connected->local, c.since = now;
    } else if (auto* got = std::get_if<TcpReceived>(&input)) {
      size_t use = std::min(got->bytes.size(), takes_at_once);
      tcp[got->id].received.append(as_text(got->bytes.first(use)));
      got->consumed = use;
    } else if (auto* full = std::get_if<TcpFull>(&input)) {
      ++tcp[full->id].full;
    } else if (auto* writable = std::get_if<TcpWritable>(&input)) {
      ++tcp[writable->id].writable;
    } else if (auto* closed = std::get_if<TcpClosed>(&input)) {
      tcp[closed->id].closed = closed->why;
    } else if (auto* interfaces = std::get_if<Interfaces>(&input)) {
      addresses = interfaces->addresses;
    }
  }
  void handle_timeout(Instant) {}
  std::optional<Action> poll_action(Instant, MutableBytes room) {
    if (orders.empty()) return {};
    auto [action, bytes] = std::move(orders.front());
    orders.pop_front();
    if (auto* t = std::get_if<Transmit>(&action)) {
      std::copy(bytes.begin(), bytes.end(), room.begin());
      t->bytes = room.first(bytes.size());
    }
    return action;
  }
  std::optional<Nothing> poll_event() { return {}; }
  std::optional<Deadline> next_deadline() const { return {}; }

  std::deque<std::pair<Action, std::string>> orders;
  std::vector<Heard> heard;
  std::map<SocketId, Address> sockets;
  std::vector<Address> listens, addresses;
  std::map<TcpId, Tcp> tcp;
  size_t takes_at_once = SIZE_MAX;
};

/// A puppet on a host, and short words for what it may be told.
class PuppetHost {
 public:
  PuppetHost(sim::World& world, sim::SiteId site) : PuppetHost(world, world.add_host(site)) {}
  PuppetHost(sim::World& world, sim::Stack& stack)
      : world_(world), host_(world.commons, stack, world.random.fork(), "puppet", [](auto&) {}) {}

  // ---- orders
  /// A main socket; without a port of the system's choice.
  Address open(uint16_t port = 0, bool v6 = false) {
    return stack().open_udp(0, Address{.ip = {}, .port = port, .v6 = v6});
  }
  void udp(const Address& to, const std::string& text, SocketId socket = 0, uint8_t hops = 0) {
    order(Transmit{.to = to, .segment = std::max<size_t>(text.size(), 1), .socket = socket, .hops = hops}, text);
  }
  void order(const Action& action, std::string bytes = {}) {
    machine().orders.emplace_back(action, std::move(bytes));
    host_.drain();
  }
  TcpId connect(const Address& to, uint16_t from_port = 0) {
    order(ConnectTcp{++last_id_, to, from_port});
    return last_id_;
  }
  void send(TcpId id, const std::string& bytes) {
    constexpr size_t most = 50'000;  // what fits the room for an action
    for (size_t at = 0; at < bytes.size(); at += most)
      order(Transmit{.tcp = id, .segment = most}, bytes.substr(at, most));
  }
  void close(TcpId id) { order(CloseTcp{id}); }
  void listen(uint16_t port, bool v6 = false) { order(ListenTcp{Address{.ip = {}, .port = port, .v6 = v6}}); }

  // ---- what it knows
  SimPuppet& machine() { return host_.machine(); }
  sim::Stack& stack() { return host_.stack(); }
  sim::MachineHost<SimPuppet>& host() { return host_; }
  Address ip() { return stack().addresses().front(); }
  const SimPuppet::Tcp& tcp(TcpId id) { return machine().tcp[id]; }
  /// The last connection that somebody made to it; 0: none.
  TcpId accepted() {
    TcpId out = 0;
    for (const auto& [id, c] : machine().tcp)
      if (c.accepted) out = std::max(out, id);
    return out;
  }
  bool heard(const std::string& text) {
    return std::any_of(machine().heard.begin(), machine().heard.end(), [&](auto& h) { return h.text == text; });
  }
  /// Who sent it, as seen here; unspecified if it never came.
  Address heard_from(const std::string& text) {
    for (const auto& h : machine().heard)
      if (h.text == text) return h.from;
    return {};
  }

 private:
  sim::World& world_;
  sim::MachineHost<SimPuppet> host_;
  TcpId last_id_ = 0;
};

/// Asks a puppet on the server's host (a reflector) where a socket is seen from.
inline Address reflexive(sim::World& world, PuppetHost& of, PuppetHost& reflector, const Address& at,
                         SocketId socket = 0) {
  static int nth = 0;
  std::string text = "where am I " + std::to_string(++nth);
  of.udp(at, text, socket);
  world.clock.run_for(2s);
  return reflector.heard_from(text);
}

}  // namespace ginnel::test
