#include "core/reach/tcp_reflexive.hpp"

#include <utility>

#include "wire/tcp_frame.hpp"

namespace ginnel::reach {

// ---- inputs

void TcpReflexive::handle_listening(Instant now, const Address& local) {
  if (!asked_to_listen_[local.v6]) return;  // it was given up meanwhile
  port_[local.v6] = local.port;
  if (local.port == 0) asked_to_listen_[local.v6] = false;
  if (!waits_until_ || local.v6 != server_.v6) return;
  local.port != 0 ? connect(now) : drop();  // the address of another port would mislead the peer
}

bool TcpReflexive::handle_connected(Instant now, TcpId id) {
  if (!owns(id)) return false;
  asking_.start(now);
  return true;
}

void TcpReflexive::handle_stun(Instant now, TcpId id, const wire::StunMessage& message) {
  if (!owns(id) || !asking_.handle_response(now, message)) return;
  mapped_ = asking_.mapped();
  waits_until_.reset();
}

bool TcpReflexive::handle_closed(Instant, TcpId id) {
  if (!owns(id)) return false;
  connection_ = 0;
  waits_until_.reset();
  mapped_.reset();  // without the connection the mapping may be another next time
  asking_.stop();
  return true;
}

void TcpReflexive::handle_timeout(Instant now) {
  asking_.handle_timeout(now);
  if (waits_until_ && *waits_until_ <= now) drop();
  if (needed_until_ && *needed_until_ <= now) {
    needed_until_.reset();
    drop();
    if (!lasting_) stop_listening();
  }
}

// ---- commands

void TcpReflexive::listen(uint16_t port, bool v4, bool v6) {
  lasting_ = true;
  begin_listening(port, v4, v6);
}

void TcpReflexive::ask(Instant now, const Address& server, bool v4, bool v6) {
  needed_until_ = now + linger;
  begin_listening(0, v4, v6);
  if (mapped_ || waits_until_) return;
  server_ = server;
  waits_until_ = now + patience;
  if (port_[server.v6] != 0) connect(now);
}

void TcpReflexive::reset() { drop(); }

// ---- polls

std::optional<Action> TcpReflexive::poll_action(Instant now, MutableBytes room) {
  if (!actions_.empty()) {
    Action action = std::move(actions_.front());
    actions_.pop_front();
    return action;
  }
  if (connection_ == 0) return {};
  auto request = asking_.poll_request(now, room.subspan(wire::tcp_frame_header_size));
  if (!request) return {};
  wire::put_tcp_frame_header(room.data(), request->size());
  size_t size = wire::tcp_frame_header_size + request->size();
  return Transmit{server_, connection_, room.first(size), size};
}

std::optional<Deadline> TcpReflexive::next_deadline() const {
  std::optional<Deadline> next = asking_.next_deadline();
  if (waits_until_) next = earlier(next, Deadline{*waits_until_, "tcp: the server does not say where we are"});
  if (needed_until_) next = earlier(next, Deadline{*needed_until_, "tcp: nobody punches any more"});
  return next;
}

// ---- inside

void TcpReflexive::begin_listening(uint16_t port, bool v4, bool v6) {
  for (bool family : {false, true}) {
    if (!(family ? v6 : v4) || std::exchange(asked_to_listen_[family], true)) continue;
    Address any;
    any.v6 = family;
    actions_.push_back(ListenTcp{any.with_port(port)});
  }
}

void TcpReflexive::connect(Instant) {
  if (connection_ != 0) return;
  connection_ = ids_.next();
  actions_.push_back(ConnectTcp{connection_, server_, port_[server_.v6]});
}

void TcpReflexive::stop_listening() {
  for (bool v6 : {false, true}) {
    if (std::exchange(asked_to_listen_[v6], false)) actions_.push_back(StopListening{v6});
    port_[v6] = 0;
  }
}

void TcpReflexive::drop() {
  if (connection_ != 0) actions_.push_back(CloseTcp{connection_});
  connection_ = 0;
  waits_until_.reset();
  mapped_.reset();
  asking_.stop();
}

}  // namespace ginnel::reach
