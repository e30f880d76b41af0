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

#include "base/http_proxy.hpp"
#include "base/machine.hpp"
#include "drive/http_tunnel.hpp"
#include "drive/loop.hpp"
#include "drive/receive_buffers.hpp"
#include "drive/socket_address.hpp"
#include "drive/tcp_connection.hpp"
#include "drive/tcp_listener.hpp"
#include "drive/tls_context.hpp"
#include "drive/udp_socket.hpp"
#include "drive/websocket_connection.hpp"
#include "wire/tcp_frame.hpp"

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

  /// For machines that ask for connections by proxy; none is used otherwise.
  void set_proxy(std::optional<HttpProxy> proxy) { proxy_ = std::move(proxy); }
  /// Connections that come in may wear TLS and a WebSocket.
  void set_tls(TlsContext tls) { tls_ = std::move(tls); }

  std::optional<Error> open_udp(const Address& bind, SocketId id = 0) {
    auto socket = UdpSocket::open(bind);
    if (!socket) return socket.error();
    auto& port = udp_[{id, bind.v6}];
    port = std::make_unique<UdpPort>(UdpPort{id, std::move(*socket), {}, {}});
    UdpPort* p = port.get();
    p->watch = Loop::Watch(loop_, p->socket.fd(), [this, p] { read_udp(*p); }, [this, p] { write_udp(*p); });
    p->watch.want_read(true);
    if (id == 0) main_[bind.v6] = p;
    return {};
  }

  /// `shared`: outgoing connections may leave from the same port, and it may be closed again (StopListening).
  std::optional<Error> listen_tcp(const Address& bind, bool shared = false) {
    auto listener = TcpListener::open(bind, shared ? TcpListener::Port::shared : TcpListener::Port::own);
    if (!listener) return listener.error();
    auto& l = listeners_.emplace_back(Listening{std::move(*listener), {}, {}, shared});
    l.watch = Loop::Watch(loop_, l.listener.fd(), [this, &l] { accept(l); });
    l.pause = Loop::Timer(loop_, [&l] { l.watch.want_read(true); });
    l.watch.want_read(true);
    return {};
  }

  Address udp_address(SocketId id, bool v6) const { return udp_.at({id, v6})->socket.local_address(); }
  uint16_t udp_port(bool v6) const { return main_[v6] ? main_[v6]->socket.local_address().port : uint16_t{0}; }
  const UdpCounters* udp_counters(bool v6) const { return main_[v6] ? &main_[v6]->socket.counters() : nullptr; }

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
    SocketId id;
    UdpSocket socket;
    Loop::Watch watch;
    std::optional<std::pair<Transmit, std::vector<uint8_t>>> waiting;
  };
  struct Listening {
    TcpListener listener;
    Loop::Watch watch;
    Loop::Timer pause;
    bool shared;
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
        connect_tcp(*connect);
      } else if (auto* close = std::get_if<CloseTcp>(&*action)) {
        tunnels_.erase(close->id);
        if (auto at = tcp_.find(close->id); at != tcp_.end()) at->second->close();
      } else if (auto* open = std::get_if<OpenUdp>(&*action)) {
        open_more_udp(*open);
      } else if (auto* shut = std::get_if<CloseUdp>(&*action)) {
        close_udp(shut->id, shut->v6);
      } else if (auto* listen = std::get_if<ListenTcp>(&*action)) {
        listen_as_asked(listen->local);
      } else if (auto* stop = std::get_if<StopListening>(&*action)) {
        listeners_.remove_if([&](auto& l) { return l.shared && l.listener.local_address().v6 == stop->v6; });
      } else if (auto* resolve = std::get_if<Resolve>(&*action)) {
        lookup_ = loop_.resolve(resolve->host, resolve->port,
                                [this](std::vector<Address> found) { give(Resolved{std::move(found)}); });
      }
    }
  }

  // Answers to what the machine asks are inputs, and an input waits until the drain that asked is over.
  void answer(Input input) {
    loop_.post([this, input = std::move(input)]() mutable { give(std::move(input)); });
  }

  void open_more_udp(const OpenUdp& open) {
    Address any;
    any.v6 = open.v6;
    bool opened = !open_udp(any, open.id);
    answer(UdpOpened{open.id, opened ? udp_.at({open.id, open.v6})->socket.local_address() : any});
  }

  void close_udp(SocketId id, bool v6) {
    auto at = udp_.find({id, v6});
    if (id == 0 || at == udp_.end()) return;
    if (at->second->waiting) blocked_ = false;
    at->second->watch.reset();
    closed_.push_back(std::move(at->second));  // it may be the one that is being read
    udp_.erase(at);
    loop_.post([this] { closed_.clear(); });
  }

  void listen_as_asked(Address local) {
    bool listening = !listen_tcp(local, true);
    answer(TcpListening{listening ? listeners_.back().listener.local_address() : local.with_port(0)});
  }

  UdpPort* port_of(const Transmit& t) {
    if (t.socket == 0) return main_[t.to.v6];
    auto at = udp_.find({t.socket, t.to.v6});
    return at == udp_.end() ? nullptr : at->second.get();
  }

  void send_udp(const Transmit& t) {
    UdpPort* port = port_of(t);
    if (!port) return;
    if (port->socket.send(t.to, t.bytes, t.segment, t.hops) != Sent::blocked || when_blocked_ == WhenBlocked::drop) return;
    port->waiting.emplace(t, std::vector<uint8_t>(t.bytes.begin(), t.bytes.end()));
    blocked_ = true;
    port->watch.want_write(true);
  }

  void write_udp(UdpPort& port) {
    if (port.waiting) {
      const auto& [t, bytes] = *port.waiting;
      if (port.socket.send(t.to, bytes, t.segment, t.hops) == Sent::blocked) return;
      port.waiting.reset();
    }
    port.watch.want_write(false);
    blocked_ = false;
    pump();
  }

  void read_udp(UdpPort& port) {
    if (when_blocked_ == WhenBlocked::drop) {  // a relay's answer lies in the input: out with it before the next
      port.socket.receive(buffers_, [this, &port](Datagrams in) {
        in.socket = port.id;
        give(in);
      });
      return;
    }
    // An agent's trains may be taken together: one acknowledgement and one write to the application for all of them.
    port.socket.receive(buffers_, [this, &port](Datagrams in) {
      in.socket = port.id;
      Input input = in;
      machine_.handle(loop_.now(), input);
    });
    pump();
  }

  void send_tcp(const Transmit& t) {
    auto at = tcp_.find(t.tcp);
    if (at == tcp_.end() || at->second->closing()) return;
    if (at->second->send(t.bytes) == Connection::Queued::ok) return;
    Input full = TcpFull{t.tcp};
    machine_.handle(loop_.now(), full);
  }

  void connect_tcp(const ConnectTcp& c) {
    if (c.by_proxy && proxy_)
      tunnels_[c.id] = std::make_unique<HttpTunnel>(loop_, *proxy_, c.host, c.to.port, [this, c](Result<Fd> fd) { tunnelled(c, std::move(fd)); });
    else if (c.by_proxy)
      answer(TcpClosed{c.id, "there is no proxy"});
    else if (c.dress == Dress::websocket)
      tcp_[c.id] = WebSocketConnection::connect(loop_, c.to, c.host, callbacks(c.id));
    else
      tcp_[c.id] = TcpConnection::connect(loop_, c.to, callbacks(c.id), c.from_port);
  }

  void tunnelled(const ConnectTcp& c, Result<Fd> fd) {
    tunnels_.erase(c.id);
    if (!fd) return give(TcpClosed{c.id, fd.error().text});
    if (c.dress == Dress::websocket) {
      tcp_[c.id] = WebSocketConnection::over(loop_, std::move(*fd), c.host, c.to.port, callbacks(c.id));
      return;
    }
    Address local = local_address_of(fd->get());
    tcp_[c.id] = std::make_unique<TcpConnection>(loop_, std::move(*fd), callbacks(c.id));
    give(TcpConnected{c.id, local});
  }

  Connection::Callbacks callbacks(TcpId id) {
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

  /// As the others, but the first bytes tell whether it is plain.
  Connection::Callbacks accepted_callbacks(TcpId id) {
    Connection::Callbacks calls = callbacks(id);
    if (!tls_) return calls;
    calls.on_received = [this, id, plain = std::move(calls.on_received), known = false](MutableBytes bytes) mutable -> size_t {
      if (known) return plain(bytes);
      if (bytes.size() < wire::tls_prefix_size) return 0;
      known = true;
      if (!wire::begins_with_tls(bytes)) return plain(bytes);
      Fd fd = static_cast<TcpConnection&>(*tcp_.at(id)).detach();
      tcp_[id] = WebSocketConnection::accept(loop_, std::move(fd), *tls_, bytes, callbacks(id));
      return bytes.size();
    };
    return calls;
  }

  void accept(Listening& l) {
    while (auto accepted = l.listener.accept()) {
      TcpId id = next_accepted_++;
      if (next_accepted_ == 0) next_accepted_ = TcpId{1} << 31;
      Address from = accepted->second, local = local_address_of(accepted->first.get());
      tcp_[id] = std::make_unique<TcpConnection>(loop_, std::move(accepted->first), accepted_callbacks(id));
      give(TcpAccepted{id, from, local});
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
  std::map<std::pair<SocketId, bool>, std::unique_ptr<UdpPort>> udp_;  ///< by id and whether IPv6
  UdpPort* main_[2] = {};                                              ///< those with id 0
  std::vector<std::unique_ptr<UdpPort>> closed_;
  std::list<Listening> listeners_;
  std::map<TcpId, std::unique_ptr<Connection>> tcp_;
  std::map<TcpId, std::unique_ptr<HttpTunnel>> tunnels_;  ///< connections by proxy, before the proxy said yes
  std::optional<HttpProxy> proxy_;
  std::optional<TlsContext> tls_;
  TcpId next_accepted_ = TcpId{1} << 31;
  Loop::Lookup lookup_;
  Loop::Timer timer_;
  bool blocked_ = false;
  bool pumping_ = false;
  bool again_ = false;
  bool posted_ = false;
};

}  // namespace ginnel::app
