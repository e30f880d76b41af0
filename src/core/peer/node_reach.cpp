// The node and its sockets: TCP connections between peers, fresh UDP sockets, and what changes about where we are.
#include <algorithm>
#include <utility>

#include "core/peer/node.hpp"
#include "wire/demux.hpp"
#include "wire/stun.hpp"
#include "wire/tcp_frame.hpp"

namespace ginnel::peer {

namespace {

constexpr Duration offer_patience = 2s;  // of a search: the server's word may come after the peer's

}  // namespace

// ---- TCP

void Node::handle_tcp_connected(Instant now, const TcpConnected& in) {
  if (local_.tcp.handle_connected(now, in.id)) return;
  if (auto at = tcp_.find(in.id); at != tcp_.end()) {
    if (auto peer = peers_.find(at->second.peer); peer != peers_.end()) {
      peer->second.peer->handle_tcp_connected(now, in.id);
      return received(peer->first);
    }
  }
  link_.handle_tcp_connected(now, in.id);
}

void Node::handle_tcp_accepted(Instant now, const TcpAccepted& in) {
  if (strangers_.size() >= strangers_max) {  // a peer speaks at once: who has been silent longest is none
    auto oldest = std::min_element(strangers_.begin(), strangers_.end(),
                                   [](auto& a, auto& b) { return a.second.until < b.second.until; });
    actions_.push_back(CloseTcp{oldest->first});
    strangers_.erase(oldest);
  }
  strangers_[in.id] = {in.from, now + stranger_patience};
}

void Node::handle_tcp_closed(Instant now, const TcpClosed& in) {
  if (strangers_.erase(in.id) > 0) return;
  if (local_.tcp.handle_closed(now, in.id)) return;
  auto at = tcp_.find(in.id);
  if (at == tcp_.end()) return link_.handle_tcp_closed(now, in.id, in.why);
  auto peer = peers_.find(at->second.peer);
  tcp_.erase(at);
  if (peer == peers_.end()) return;
  peer->second.peer->handle_tcp_closed(now, in.id, in.why);
  received(peer->first);
}

void Node::handle_tcp_full(Instant, TcpId id, bool full) {
  if (auto at = tcp_.find(id); at != tcp_.end()) {
    auto peer = peers_.find(at->second.peer);
    if (peer == peers_.end()) return;
    peer->second.peer->set_tcp_full(id, full);
    if (!full) touch(peer->first, peer->second);
    return;
  }
  if (!link_.carrier() || link_.carrier()->tcp != id) return;
  tcp_full_ = full;
  for (auto& [peer, entry] : peers_) {
    entry.peer->set_relay_full(full);
    if (!full) touch(peer, entry);
  }
}

void Node::handle_tcp(Instant now, TcpReceived& in) {
  for (;;) {
    wire::TcpFrame frame = wire::next_tcp_frame(in.bytes.subspan(in.consumed));
    if (frame.broken) {
      ++malformed_;
      if (link_.owns(in.id)) return link_.handle_tcp_closed(now, in.id, "the server sent garbage");
      actions_.push_back(CloseTcp{in.id});
      return handle_tcp_closed(now, {in.id, "it sent garbage"});
    }
    if (frame.packet.empty()) return;
    in.consumed += wire::tcp_frame_header_size + frame.packet.size();
    handle_tcp_packet(now, in.id, frame.packet);
  }
}

void Node::handle_tcp_packet(Instant now, TcpId id, MutableBytes packet) {
  auto kind = wire::packet_kind(packet);
  if (strangers_.contains(id) && !adopt_tcp(now, id, packet)) return;
  if (auto at = tcp_.find(id); at != tcp_.end()) {
    auto peer = peers_.find(at->second.peer);
    if (peer == peers_.end()) return;
    peer->second.peer->handle_packet(now, Carrier::tcp(id, at->second.remote), packet);
    return received(peer->first);
  }
  if (local_.tcp.owns(id)) {
    auto message = kind == wire::PacketKind::stun ? wire::parse_stun(packet) : std::nullopt;
    if (message) local_.tcp.handle_stun(now, id, *message);
    return local_changed(now);
  }
  if (kind == wire::PacketKind::quic) link_.handle_tcp_packet(now, id, packet);
  if (kind == wire::PacketKind::relay && link_.carrier() && link_.carrier()->tcp == id) handle_relayed(now, packet);
}

/// The first packet on a connection that we accepted must be a check with the name of one of our peers.
bool Node::adopt_tcp(Instant now, TcpId id, MutableBytes packet) {
  Address from = strangers_.extract(id).mapped().from;
  auto message = wire::parse_stun(packet);
  if (message && message->username) {
    std::string_view ufrag = message->username->substr(0, message->username->find(':'));
    for (auto& [peer, entry] : peers_) {
      if (entry.peer->ice().ufrag() != ufrag || !entry.peer->adopt_tcp(now, id, from)) continue;
      tcp_[id] = {peer, from};
      return true;
    }
  }
  actions_.push_back(CloseTcp{id});
  return false;
}

void Node::sweep_strangers(Instant now) {
  for (auto at = strangers_.begin(); at != strangers_.end();) {
    if (at->second.until > now) {
      ++at;
      continue;
    }
    actions_.push_back(CloseTcp{at->first});
    at = strangers_.erase(at);
  }
}

// ---- what peers need for a round

void Node::serve_wish(Instant now, PeerId id, Entry& entry) {
  if (auto kind = entry.peer->poll_search_wish()) begin_search(now, id, entry, *kind);
  if (auto offer = entry.peer->poll_offer()) entry.offer = {*offer, now + offer_patience};
  if (auto end = entry.peer->poll_search_end()) handle_search_end(now, id, *end);
  auto means = entry.peer->poll_wish();
  if (!means) return;
  Wish& wish = wishes_[id];
  close_socket(wish.socket);  // of a round that was overtaken
  wish = {*means, means->fresh_socket ? open_socket() : 0, now + wish_patience};
  if (means->tcp) local_.ask_tcp(now);
  look_at_wishes(now);
}

void Node::handle_opened(Instant now, const UdpOpened& in) {
  if (local_.ports.owns(in.id)) return local_.ports.handle_opened(now, in);
  if (search_ && search_->hard && search_->hard->owns(in.id)) return search_->hard->handle_opened(now, in);
  for (auto& [id, wish] : wishes_) {
    if (wish.socket != in.id) continue;
    if (in.local.port != 0) return local_.reflexive.learn(now, in.id);
    sockets_.erase(std::exchange(wish.socket, 0));
    return;
  }
}

bool Node::waits(const Wish& wish) const {
  const reach::Reflexive& known = local_.reflexive;
  bool socket = wish.socket != 0 && !known.of(wish.socket) && !known.failed(wish.socket);
  return socket || (wish.means.tcp && !local_.tcp.settled());
}

void Node::look_at_wishes(Instant now) {
  for (auto at = wishes_.begin(); at != wishes_.end();) {
    auto& [id, wish] = *at;
    if (waits(wish) && now < wish.until) {
      ++at;
      continue;
    }
    if (!local_.reflexive.of(wish.socket)) close_socket(std::exchange(wish.socket, 0));
    Entry& entry = peers_.at(id);
    entry.peer->provide(now, wish.socket);
    touch(id, entry);
    at = wishes_.erase(at);
  }
}

SocketId Node::open_socket() {
  if (!local_.has_udp(false) || sockets_.size() >= fresh_sockets_max) return 0;
  SocketId socket = socket_ids_.next();
  sockets_.insert(socket);
  actions_.push_back(OpenUdp{socket, false});
  return socket;
}

void Node::close_socket(SocketId socket) {
  if (sockets_.erase(socket) == 0) return;
  local_.reflexive.forget(socket);
  actions_.push_back(CloseUdp{socket, false});
}

void Node::note_peers_action(Instant, PeerId id, const Action& action) {
  if (auto* connect = std::get_if<ConnectTcp>(&action)) tcp_[connect->id] = {id, connect->to};
  if (auto* close = std::get_if<CloseTcp>(&action)) tcp_.erase(close->id);
  if (auto* shut = std::get_if<CloseUdp>(&action)) {
    sockets_.erase(shut->id);
    local_.reflexive.forget(shut->id);
  }
}

void Node::close_sockets_of(PeerId id) {
  for (auto at = tcp_.begin(); at != tcp_.end();) {
    bool its = at->second.peer == id;
    if (its) actions_.push_back(CloseTcp{at->first});
    at = its ? tcp_.erase(at) : std::next(at);
  }
  if (auto wish = wishes_.extract(id); !wish.empty()) close_socket(wish.mapped().socket);
  for (SocketId socket : peers_.at(id).peer->sockets()) close_socket(socket);
}

// ---- where we are

void Node::reflexive_changed(Instant now, bool v6, const reach::Reflexive::Change& change) {
  if (change.address && link_.up()) link_.send(wire::Register{config_.services});  // so that the server follows us
  if (change.address || change.answered) local_changed(now);
  local_.look_at_ports(now);
  bool links_own = link_.up() ? link_.carrier()->server.v6 == v6 : true;
  if (!links_own) return;
  if (change.silent) server_silent_ = true;
  if (change.answered && std::exchange(server_silent_, false)) {  // the network is back, whatever backed off meanwhile
    link_.hurry(now);
    for (auto& [id, entry] : peers_) {
      entry.peer->network_changed(now);
      touch(id, entry);
    }
  }
  bool on_udp = link_.up() && link_.carrier()->tcp == 0;
  if (change.restarted || (change.silent && on_udp)) suspect_server(now);
}

void Node::local_changed(Instant now) {
  for (auto& [id, entry] : peers_) {
    entry.peer->local_changed(now);
    touch(id, entry);
  }
}

}  // namespace ginnel::peer
