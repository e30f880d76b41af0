// Joins one machine to sockets, timers and the resolver: gives it one input, then drains it. The same for the server and
// for agents; neither knows.
#pragma once
#include <cassert>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/machine.hpp"
#include "drive/loop.hpp"
#include "drive/receive_buffers.hpp"
#include "drive/tcp_connection.hpp"
#include "drive/tcp_listener.hpp"
#include "drive/udp_socket.hpp"

namespace ginnel::app {

/// What to do with packets that a full UDP socket does not take.
enum class WhenBlocked {
  wait,  ///< an agent's own packets: they keep, and nothing else is sent before them
  drop,  ///< a relay's: it must not hold up the others
};

template <Machine M>
class Driver {
 public:
  /// `on_events` is called after each drain: poll the machine's events there. Machine and loop outlive the driver.
  Driver(Loop& loop, M& machine, WhenBlocked when_blocked, std::function<void()> on_events)
      : loop_(loop), machine_(machine), when_blocked_(when_blocked), on_events_(std::move(on_events)), room_(room_size),
        timer_(loop, [this] {
          machine_.handle_timeout(loop_.now());
          pump();
        }) {}

  std::optional<Error> open_udp(const Address& bind) {
    auto socket = UdpSocket::open(bind);
    if (!socket) return socket.error();
    auto& port = udp_[bind.v6];
    port = std::make_unique<UdpPort>(UdpPort{std::move(*socket), {}, {}});
    UdpPort* p = port.get();
    p->watch = Loop::Watch(loop_, p->socket.fd(), [this, p] { read_udp(*p); }, [this, p] { write_udp(*p); });
    p->watch.want_read(true);
    return {};
  }

  std::optional<Error> listen_tcp(const Address& bind) {
    auto listener = TcpListener::open(bind);
    if (!listener) return listener.error();
    auto& l = listeners_.emplace_back(Listening{std::move(*listener), {}, {}});
    l.watch = Loop::Watch(loop_, l.listener.fd(), [this, &l] { accept(l); });
    l.pause = Loop::Timer(loop_, [&l] { l.watch.want_read(true); });
    l.watch.want_read(true);
    return {};
  }

  uint16_t udp_port(bool v6) const { return udp_[v6] ? udp_[v6]->socket.local_address().port : uint16_t{0}; }
  const UdpCounters* udp_counters(bool v6) const { return udp_[v6] ? &udp_[v6]->socket.counters() : nullptr; }

  void give(Input input) {
    machine_.handle(loop_.now(), input);
    pump();
  }

  /// Drain the machine; call it after each command. Calls from inside a drain are served by the one under way.
  void pump() {
    again_ = true;
    if (pumping_) return;
    pumping_ = true;
    int trains = 0;
    while (std::exchange(again_, false)) {
      drain(trains);
      on_events_();
    }
    pumping_ = false;
    if (trains >= trains_max && !std::exchange(posted_, true))  // let the sockets be read in between
      loop_.post([this] {
        posted_ = false;
        pump();
      });
    if (auto deadline = machine_.next_deadline())
      timer_.set(deadline->when);
    else
      timer_.cancel();
  }

 private:
  static constexpr int trains_max = 16;

  struct UdpPort {
    UdpSocket socket;
    Loop::Watch watch;
    std::optional<std::pair<Transmit, std::vector<uint8_t>>> waiting;
  };
  struct Listening {
    TcpListener listener;
    Loop::Watch watch;
    Loop::Timer pause;
  };

  void drain(int& trains) {
    bool bounded = when_blocked_ == WhenBlocked::wait;  // a relay's packets lie in the input: they go now or never
    while (!blocked_ && !(bounded && trains >= trains_max)) {
      auto action = machine_.poll_action(loop_.now(), room_);
      if (!action) return;
      if (auto* transmit = std::get_if<Transmit>(&*action)) {
        ++trains;
        transmit->tcp != 0 ? send_tcp(*transmit) : send_udp(*transmit);
      } else if (auto* connect = std::get_if<ConnectTcp>(&*action)) {
        TcpId id = connect->id;
        tcp_[id] = TcpConnection::connect(loop_, connect->to, callbacks(id));
      } else if (auto* close = std::get_if<CloseTcp>(&*action)) {
        if (auto at = tcp_.find(close->id); at != tcp_.end()) at->second->close();
      } else if (auto* resolve = std::get_if<Resolve>(&*action)) {
        lookup_ = loop_.resolve(resolve->host, resolve->port,
                                [this](std::vector<Address> found) { give(Resolved{std::move(found)}); });
      }
    }
  }

  void send_udp(const Transmit& t) {
    UdpPort* port = udp_[t.to.v6].get();
    if (!port) return;
    if (port->socket.send(t.to, t.bytes, t.segment) != Sent::blocked || when_blocked_ == WhenBlocked::drop) return;
    port->waiting.emplace(t, std::vector<uint8_t>(t.bytes.begin(), t.bytes.end()));
    blocked_ = true;
    port->watch.want_write(true);
  }

  void write_udp(UdpPort& port) {
    if (port.waiting) {
      const auto& [t, bytes] = *port.waiting;
      if (port.socket.send(t.to, bytes, t.segment) == Sent::blocked) return;
      port.waiting.reset();
    }
    port.watch.want_write(false);
    blocked_ = false;
    pump();
  }

  void read_udp(UdpPort& port) {
    if (when_blocked_ == WhenBlocked::drop) {  // a relay's answer lies in the input: out with it before the next
      port.socket.receive(buffers_, [this](Datagrams in) { give(in); });
      return;
    }
    // An agent's trains may be taken together: one acknowledgement and one write to the application for all of them.
    port.socket.receive(buffers_, [this](Datagrams in) {
      Input input = in;
      machine_.handle(loop_.now(), input);
    });
    pump();
  }

  void send_tcp(const Transmit& t) {
    auto at = tcp_.find(t.tcp);
    if (at == tcp_.end() || at->second->closing()) return;
    if (at->second->send(t.bytes) == TcpConnection::Queued::ok) return;
    Input full = TcpFull{t.tcp};
    machine_.handle(loop_.now(), full);
  }

  TcpConnection::Callbacks callbacks(TcpId id) {
    return {
        .on_connected = [this, id](const Address& local) { give(TcpConnected{id, local}); },
        .on_received =
            [this, id](MutableBytes bytes) {
              Input in = TcpReceived{id, bytes};
              machine_.handle(loop_.now(), in);
              pump();
              return std::get<TcpReceived>(in).consumed;
            },
        .on_writable = [this, id] { give(TcpWritable{id}); },
        .on_closed =
            [this, id](const std::string& why) {
              auto at = tcp_.find(id);
              bool told = at != tcp_.end() && at->second->closing();
              if (at != tcp_.end()) tcp_.erase(at);
              if (!told) give(TcpClosed{id, why});
            },
    };
  }

  void accept(Listening& l) {
    while (auto accepted = l.listener.accept()) {
      TcpId id = next_accepted_++;
      if (next_accepted_ == 0) next_accepted_ = TcpId{1} << 31;
      Address from = accepted->second;
      tcp_[id] = std::make_unique<TcpConnection>(loop_, std::move(accepted->first), callbacks(id));
      give(TcpAccepted{id, from});
    }
    if (!l.listener.out_of_files()) return;
    l.watch.want_read(false);  // no descriptors left: look again in a second instead of spinning
    l.pause.set(loop_.now() + 1s);
  }

  Loop& loop_;
  M& machine_;
  WhenBlocked when_blocked_;
  std::function<void()> on_events_;
  std::vector<uint8_t> room_;
  ReceiveBuffers buffers_;
  std::unique_ptr<UdpPort> udp_[2];  ///< IPv4, IPv6
  std::list<Listening> listeners_;
  std::map<TcpId, std::unique_ptr<TcpConnection>> tcp_;
  TcpId next_accepted_ = TcpId{1} << 31;
  Loop::Lookup lookup_;
  Loop::Timer timer_;
  bool blocked_ = false;
  bool pumping_ = false;
  bool again_ = false;
  bool posted_ = false;
};

}  // namespace ginnel::app
