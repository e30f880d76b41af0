#include "core/rendezvous/server.hpp"

#include <algorithm>
#include <utility>

#include "core/rendezvous/server_agent.hpp"
#include "core/stun/binding_server.hpp"
#include "wire/demux.hpp"
#include "wire/tcp_frame.hpp"

namespace ginnel::rendezvous {

namespace {

constexpr size_t udp_packet_size = 1200;
constexpr Duration sweep_interval = 5s;
constexpr size_t replies_max = 256;
constexpr size_t unheard_max = 256 * 1024;  // of signals that an agent did not acknowledge: then it is put out

template <typename... F>
struct Overloaded : F... { using F::operator()...; };
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace

Server::Server(const crypto::Identity& self, std::set<PublicKey> allowed, uint32_t instance, Rng& rng, ServerLimits limits)
    : self_(self), door_(self), allowed_(std::move(allowed)), instance_(instance), rng_(rng), limits_(limits) {}

Server::~Server() = default;

// ---- inputs

void Server::handle(Instant now, Input& input) {
  // A queue filled in the middle of a drain: what is still to be forwarded lies in the input before.
  if (std::holds_alternative<TcpFull>(input)) return;
  runs_.clear();
  next_run_ = 0;
  if (!next_sweep_) next_sweep_ = now + sweep_interval;
  std::visit(Overloaded{
                 [&](Datagrams& in) { handle_datagrams(now, in); },
                 [&](TcpReceived& in) { handle_tcp(now, in); },
                 [&](TcpAccepted& in) {
                   if (tcp_strangers_ >= limits_.tcp_strangers) {
                     ++counters_.shed;
                     actions_.push_back(CloseTcp{in.id});
                     return;
                   }
                   ++tcp_strangers_;
                   tcp_[in.id] = {in.from, nullptr, now + limits_.stranger_time};
                 },
                 [&](TcpClosed& in) { forget_tcp(in.id); },
                 [](auto&) {},
             },
             input);
}

void Server::handle_datagrams(Instant now, Datagrams& in) {
  size_t segment = std::max<size_t>(in.segment, 1);
  for (size_t at = 0; at < in.bytes.size(); at += segment)
    handle_packet(now, in.from, in.socket, in.bytes.subspan(at, std::min(segment, in.bytes.size() - at)));
}

void Server::handle_packet(Instant now, const Address& from, SocketId socket, MutableBytes packet) {
  auto kind = wire::packet_kind(packet);
  if (kind == wire::PacketKind::stun) {
    // Asked on another socket it proves nothing about the way to the one that the agent uses.
    if (auto at = by_address_.find(from); at != by_address_.end() && at->second->socket == socket) at->second->heard = now;
    return answer_stun(from, socket, 0, packet);
  }
  if (kind == wire::PacketKind::relay) return relay_udp(now, from, socket, packet);
  if (kind == wire::PacketKind::quic) return handle_quic(now, {from, socket}, packet);
  ++counters_.malformed;
}

void Server::answer_stun(const Address& from, SocketId socket, TcpId tcp, Bytes packet) {
  std::array<uint8_t, 96> room;
  static constexpr stun::Faces one_socket{};
  auto answer = stun::answer_binding(packet, from, socket, tcp ? one_socket : faces_[from.v6], instance_, room);
  if (answer) reply({tcp ? from : answer->to, answer->socket, tcp}, answer->bytes);
}

void Server::handle_tcp(Instant now, TcpReceived& in) {
  auto at = tcp_.find(in.id);
  if (at == tcp_.end()) return;
  for (;;) {
    MutableBytes rest = in.bytes.subspan(in.consumed);
    wire::TcpFrame frame = wire::next_tcp_frame(rest);
    if (frame.broken) {
      ++counters_.malformed;
      actions_.push_back(CloseTcp{in.id});
      return forget_tcp(in.id);
    }
    if (frame.packet.empty()) return;
    in.consumed += wire::tcp_frame_header_size + frame.packet.size();
    auto kind = wire::packet_kind(frame.packet);
    Agent* agent = at->second.agent;
    if (kind == wire::PacketKind::relay && agent && agent->proven)
      relay_tcp(now, *agent, rest.first(wire::tcp_frame_header_size + frame.packet.size()));
    else if (kind == wire::PacketKind::quic)
      handle_quic(now, {at->second.from, 0, in.id}, frame.packet);
    else if (kind == wire::PacketKind::stun)  // who punches TCP asks for its address there (RFC 6544 section 5.2)
      answer_stun(at->second.from, 0, in.id, frame.packet), at->second.until = now + limits_.asker_time;
    at = tcp_.find(in.id);
    if (at == tcp_.end()) return;
  }
}

void Server::forget_tcp(TcpId id) {
  auto at = tcp_.find(id);
  if (at == tcp_.end()) return;
  Agent* agent = at->second.agent;
  if (!agent || !agent->proven) --tcp_strangers_;
  tcp_.erase(at);
  if (agent) remove(*agent);
}

void Server::handle_timeout(Instant now) {
  runs_.clear();
  next_run_ = 0;
  while (auto tag = timers_.take_due(now)) {
    Agent& agent = *agents_.at(*tag);
    agent.session->handle_timeout(now);
    process(now, agent);
  }
  if (next_sweep_ && *next_sweep_ <= now) sweep(now);
}

void Server::sweep(Instant now) {
  next_sweep_ = now + sweep_interval;
  std::vector<Agent*> gone;
  for (auto& [tag, agent] : agents_)  // order does not matter: each is judged alone
    if (agent->tcp == 0 && now - agent->heard > limits_.silence) gone.push_back(agent.get());
  std::sort(gone.begin(), gone.end(), [](Agent* a, Agent* b) { return a->tag < b->tag; });
  for (Agent* agent : gone) remove(*agent);
  std::vector<TcpId> strangers;
  for (auto& [id, peer] : tcp_)
    if ((!peer.agent || !peer.agent->proven) && peer.until < now) strangers.push_back(id);
  std::sort(strangers.begin(), strangers.end());
  for (TcpId id : strangers) {
    actions_.push_back(CloseTcp{id});
    forget_tcp(id);
  }
}

void Server::shut_down() {
  for (auto& [tag, agent] : agents_) {
    agent->session->close(quic::Code::closing, "the server stops");
    touch(*agent);
  }
}

// ---- the relay

const Server::Route* Server::route_of(Agent& from, MutableBytes frame) {
  auto number = wire::relay_route(frame);
  if (!number) return nullptr;
  if (from.last_route && from.last_number == *number) return from.last_route;
  auto at = from.routes.find(*number);
  if (at == from.routes.end()) {
    ++counters_.unroutable;
    return nullptr;
  }
  from.last_number = *number;
  return from.last_route = &at->second;
}

void Server::relay_udp(Instant now, const Address& from, SocketId socket, MutableBytes frame) {
  auto at = by_address_.find(from);
  if (at == by_address_.end()) {
    ++counters_.unroutable;
    std::array<uint8_t, wire::relay_header_size> unknown;
    wire::put_relay_header(unknown.data(), wire::unknown_route);
    // One a batch is enough. Never one to its own like: two servers would answer each other for ever.
    if (replies_.empty() && frame.size() > wire::relay_header_size) reply({from, socket}, unknown);
    return;
  }
  at->second->heard = now;
  if (frame.size() > wire::tcp_packet_max) {  // behind a TCP header it would break the receiver's connection
    ++counters_.malformed;
    return;
  }
  const Route* route = route_of(*at->second, frame);
  if (!route) return;
  wire::put_relay_header(frame.data(), route->number);
  ++counters_.relayed_packets;
  counters_.relayed_bytes += frame.size();
  if (!runs_.empty()) {  // continue the train, if this packet lies right behind it and fits its shape
    Run& run = runs_.back();
    bool follows = run.bytes.data() + run.bytes.size() == frame.data() && run.bytes.size() % run.segment == 0;
    if (run.to == route->to && !run.framed && follows && frame.size() <= run.segment) {
      run.bytes = {run.bytes.data(), run.bytes.size() + frame.size()};
      return;
    }
  }
  runs_.push_back({route->to, frame, frame.size(), false});
}

void Server::relay_tcp(Instant now, Agent& from, MutableBytes framed) {
  from.heard = now;
  MutableBytes frame = framed.subspan(wire::tcp_frame_header_size);
  const Route* route = route_of(from, frame);
  if (!route) return;
  wire::put_relay_header(frame.data(), route->number);
  ++counters_.relayed_packets;
  counters_.relayed_bytes += frame.size();
  Run* last = runs_.empty() ? nullptr : &runs_.back();
  bool same = last && last->to == route->to;
  if (route->to->tcp != 0) {  // from TCP to TCP the length headers stay where they are
    if (same && last->bytes.data() + last->bytes.size() == framed.data())
      last->bytes = {last->bytes.data(), last->bytes.size() + framed.size()};
    else
      runs_.push_back({route->to, framed, 0, true});
    return;
  }
  // From TCP to UDP the length headers go: move the packet down to the end of its train.
  if (same && last->bytes.size() % last->segment == 0 && frame.size() <= last->segment &&
      last->bytes.size() + frame.size() <= train_bytes_max && last->bytes.size() / last->segment < train_segments_max) {
    std::memmove(last->bytes.data() + last->bytes.size(), frame.data(), frame.size());
    last->bytes = {last->bytes.data(), last->bytes.size() + frame.size()};
    return;
  }
  runs_.push_back({route->to, frame, frame.size(), false});
}

std::optional<Action> Server::forward(MutableBytes room) {
  if (next_run_ == runs_.size()) return {};
  Run& run = runs_[next_run_];
  if (run.to->tcp == 0 || run.framed) {
    ++next_run_;
    return Transmit{run.to->address, run.to->tcp, run.bytes, run.framed ? run.bytes.size() : run.segment, run.to->socket};
  }
  Writer out(room);  // from UDP to TCP: put the length headers in
  while (!run.bytes.empty()) {
    Bytes packet = run.bytes.first(std::min(run.segment, run.bytes.size()));
    if (out.size() + wire::tcp_frame_header_size + packet.size() > room.size()) break;
    out.u16(static_cast<uint16_t>(packet.size()));
    out.put(packet);
    run.bytes = run.bytes.subspan(packet.size());
  }
  if (run.bytes.empty()) ++next_run_;
  return Transmit{run.to->address, run.to->tcp, out.written(), out.size()};
}

// ---- sessions with agents

void Server::handle_quic(Instant now, const Origin& origin, MutableBytes packet) {
  auto info = quic::look_at(packet);
  if (!info) {
    ++counters_.malformed;
    return;
  }
  Agent* agent = nullptr;
  if (auto at = info->tag ? agents_.find(*info->tag) : agents_.end(); at != agents_.end()) {
    agent = at->second.get();
  } else if (auto half = half_open_.find({origin.from, std::string(as_text(info->connection_id))}); half != half_open_.end()) {
    agent = half->second;
  } else if (info->initial) {
    agent = open_session(now, origin, packet, *info);
  } else {
    std::array<uint8_t, 320> room;
    if (auto reset = door_.reset(packet, rng_, room)) reply(origin, *reset);
  }
  if (!agent) return;
  if (agent->session->handle_packet(now, packet)) {
    agent->heard = now;
    bool same = agent->address == origin.from && agent->tcp == origin.tcp && agent->socket == origin.socket;
    if (agent->proven && !same) moved(*agent, origin);
  }
  process(now, *agent);
}

Server::Agent* Server::open_session(Instant now, const Origin& origin, MutableBytes packet, const quic::PacketInfo& info) {
  const auto& [from, socket, tcp] = origin;
  if (agents_.size() >= limits_.agents || half_open_.size() >= limits_.half_open) {
    ++counters_.shed;
    return nullptr;
  }
  if (tcp != 0 && tcp_.at(tcp).agent) {  // a connection holds one session at a time
    ++counters_.malformed;
    return nullptr;
  }
  std::optional<quic::Session::Retried> retried;
  if (tcp == 0 && half_open_.size() >= limits_.half_open_trusting) {
    retried = door_.check_token(now, packet, from);
    if (!retried) {
      std::array<uint8_t, 320> room;
      if (auto retry = door_.retry(now, packet, from, rng_, room)) reply(origin, *retry);
      return nullptr;
    }
  }
  auto tag = static_cast<quic::Tag>(rng_.u64());
  if (agents_.contains(tag)) return nullptr;
  auto session = quic::Session::accept(now, self_, server_session_config(chunks_), tag, rng_, packet, retried);
  if (!session) {
    ++counters_.malformed;
    return nullptr;
  }
  auto agent = std::make_unique<Agent>();
  agent->tag = tag;
  agent->session = std::move(session);
  agent->address = from;
  agent->socket = socket;
  agent->tcp = tcp;
  agent->heard = now;
  agent->first_id = std::string(as_text(info.connection_id));
  agent->next_route = static_cast<wire::RouteNumber>(rng_.below(wire::route_number_max / 2)) | 1;
  half_open_[{from, agent->first_id}] = agent.get();
  if (tcp != 0) tcp_.at(tcp).agent = agent.get();
  return (agents_[tag] = std::move(agent)).get();
}

void Server::process(Instant now, Agent& agent) {
  while (auto event = agent.session->poll_event()) {
    if (auto* connected = std::get_if<quic::Connected>(&*event)) {
      authenticated(agent, connected->peer);
    } else if (auto* opened = std::get_if<quic::StreamOpened>(&*event)) {
      if (!agent.signals) agent.signals = opened->id;
    } else if (std::holds_alternative<quic::StreamReadable>(*event)) {
      read_signals(now, agent);
    } else if (std::holds_alternative<quic::Closed>(*event)) {
      // What is still to be said (CONNECTION_CLOSE) is said at once; then the agent is gone.
      std::array<uint8_t, 1400> room;
      auto last = agent.session->write(now, room, udp_packet_size, agent.tcp != 0 ? wire::tcp_frame_header_size : 0);
      if (last.size > 0 && last.size <= sizeof(Reply::bytes)) {
        if (agent.tcp != 0) wire::put_tcp_frame_header(room.data(), last.size - wire::tcp_frame_header_size);
        replies_.push_back({{agent.address, agent.socket, agent.tcp}, last.size, {}});
        std::copy_n(room.begin(), last.size, replies_.back().bytes.begin());
      }
      return remove(agent);
    }
  }
  touch(agent);
}

void Server::authenticated(Agent& agent, const PublicKey& key) {
  half_open_.erase({agent.address, agent.first_id});
  if (!allowed_.empty() && !allowed_.contains(key)) {
    agent.session->close(quic::Code::refused, "this server does not serve your key");
    return;
  }
  agent.proven = true;
  agent.serial = ++last_serial_;
  agent.key = key;
  if (agent.tcp != 0)
    --tcp_strangers_;
  else
    moved(agent, {agent.address, agent.socket});
  events_.push_back({"agent " + key.short_name() + " came from " + agent.address.to_string() + (agent.tcp ? " (tcp)" : "")});
}

void Server::moved(Agent& agent, const Origin& origin) {
  const auto& [from, socket, tcp] = origin;
  // An authentic packet from a new address: the agent's NAT or network changed, and it is followed (as RFC 9000 section
  // 9 has servers do; SECURITY.md says what that costs).
  if (tcp != agent.tcp || tcp != 0) return;  // a session never changes its transport
  if (auto at = by_address_.find(agent.address); at != by_address_.end() && at->second == &agent) by_address_.erase(at);
  if (auto at = by_address_.find(from); at != by_address_.end() && at->second != &agent) {
    Agent* old = at->second;  // the same socket address cannot hold two living agents
    by_address_.erase(at);
    remove(*old);
  }
  bool is_new = agent.address != from;
  agent.address = from;
  agent.socket = socket;
  by_address_[from] = &agent;
  if (is_new) tell(agent, wire::Registered{from});
}

void Server::read_signals(Instant now, Agent& agent) {
  if (!agent.signals || !agent.proven) return;
  for (Bytes piece; !(piece = agent.session->received(*agent.signals)).empty();) {
    agent.received.append(as_text(piece));
    agent.session->consume(*agent.signals, piece.size());
  }
  size_t used = 0;
  for (;;) {
    auto next = wire::next_signal(as_bytes(agent.received).subspan(used));
    if (next.malformed) {
      ++counters_.malformed;
      return agent.session->close(quic::Code::malformed, "malformed signal");
    }
    if (next.size == 0) break;
    used += next.size;
    if (next.signal) handle_signal(now, agent, *next.signal);
  }
  agent.received.erase(0, used);
}

void Server::handle_signal(Instant now, Agent& agent, const wire::Signal& signal) {
  std::visit(Overloaded{
                 [&](const wire::Register& m) { handle_register(agent, m); },
                 [&](const wire::Dial& m) { handle_dial(agent, m); },
                 [&](const wire::RouteClosed& m) { close_route(agent, m.route, m.code); },
                 [&](const wire::Vouch& m) { handle_vouch(now, agent, m); },
                 [](const auto&) {},  // what only a server says
             },
             signal);
}

/// Who gets no answer finds no port, and may ask again.
void Server::handle_vouch(Instant now, Agent& agent, const wire::Vouch& message) {
  if (message.over) return search_turns_.end(agent.key);
  auto at = agent.routes.find(message.route);
  if (at == agent.routes.end()) return;
  Agent& other = *at->second.to;
  if (!search_turns_.take(now, {agent.key, agent.address}, {other.key, other.address})) return;
  tell(other, wire::Vouched{at->second.number, agent.address});
}

void Server::handle_register(Agent& agent, const wire::Register& message) {
  for (const auto& id : agent.services) services_.erase({agent.key, id});
  agent.services = message.services;
  for (const auto& id : agent.services) {
    Agent*& holder = services_[{agent.key, id}];
    if (holder && holder->serial > agent.serial) {  // a late word from a session that its agent has left
      tell(agent, wire::Notice{wire::SignalCode::replaced, id});
      continue;
    }
    if (holder && holder != &agent) {  // the newest wins, and the other is told
      std::erase(holder->services, id);
      tell(*holder, wire::Notice{wire::SignalCode::replaced, id});
      // Most likely the same agent on another carrier: its diallers shall come after it.
      while (holder->services.empty() && !holder->routes.empty())
        close_route(*holder, holder->routes.begin()->first, wire::SignalCode::peer_left);
    }
    holder = &agent;
  }
  tell(agent, wire::Registered{agent.address});
}

void Server::handle_dial(Agent& agent, const wire::Dial& message) {
  auto refuse = [&](wire::SignalCode code) { tell(agent, wire::DialFailed{message.route, code}); };
  if (message.route == 0 || message.route % 2 != 0) return refuse(wire::SignalCode::refused);
  auto at = services_.find({message.peer, message.service});
  if (at == services_.end()) return refuse(wire::SignalCode::not_here);
  Agent& target = *at->second;
  if (agent.routes.size() >= limits_.routes_per_agent || target.routes.size() >= limits_.routes_per_agent) {
    ++counters_.shed;
    return refuse(wire::SignalCode::too_many);
  }
  if (agent.routes.contains(message.route)) close_route(agent, message.route, wire::SignalCode::replaced);
  wire::RouteNumber number = target.next_route;  // odd: the even ones are the agent's own to choose
  while (target.routes.contains(number)) number = (number + 2) & wire::route_number_max;
  target.next_route = (number + 2) & wire::route_number_max;
  agent.routes[message.route] = {&target, number};
  target.routes[number] = {&agent, message.route};
  ++counters_.introductions;
  tell(target, wire::Incoming{number, agent.key, message.service, message.session});
}

void Server::close_route(Agent& agent, wire::RouteNumber number, wire::SignalCode code) {
  auto at = agent.routes.find(number);
  if (at == agent.routes.end()) return;
  Route other = at->second;
  agent.routes.erase(at);
  agent.last_route = nullptr;
  other.to->routes.erase(other.number);
  other.to->last_route = nullptr;
  tell(*other.to, wire::RouteClosed{other.number, code});
}

void Server::tell(Agent& agent, const wire::Signal& signal) {
  if (agent.signals && agent.session->unacknowledged(*agent.signals) < unheard_max) {
    agent.session->send(*agent.signals, wire::encode(signal));
  } else if (agent.signals) {
    ++counters_.shed;
    agent.session->close(quic::Code::too_many, "too many signals unheard");
  }
  touch(agent);
}

void Server::remove(Agent& agent) {
  while (!agent.routes.empty()) close_route(agent, agent.routes.begin()->first, wire::SignalCode::peer_left);
  for (const auto& id : agent.services)
    if (auto at = services_.find({agent.key, id}); at != services_.end() && at->second == &agent) services_.erase(at);
  if (auto at = by_address_.find(agent.address); at != by_address_.end() && at->second == &agent) by_address_.erase(at);
  if (auto at = half_open_.find({agent.address, agent.first_id}); at != half_open_.end() && at->second == &agent)
    half_open_.erase(at);
  if (auto at = tcp_.find(agent.tcp); at != tcp_.end() && at->second.agent == &agent) {
    if (agent.proven) ++tcp_strangers_;  // the connection may stay open, but belongs to nobody again
    at->second.agent = nullptr;
  }
  timers_.set(agent.tag, {});
  std::erase_if(runs_, [&](const Run& run) { return run.to == &agent; });
  if (agent.proven) events_.push_back({"agent " + agent.key.short_name() + " left"});
  agents_.erase(agent.tag);
}

void Server::touch(Agent& agent) {
  if (!std::exchange(agent.dirty, true)) dirty_.push_back(agent.tag);
}

void Server::reply(const Origin& to, Bytes bytes) {
  if (replies_.size() >= replies_max || bytes.size() + wire::tcp_frame_header_size > sizeof(Reply::bytes)) return;
  Reply& r = replies_.emplace_back(Reply{to, 0, {}});
  Writer out(r.bytes);
  if (to.tcp != 0) out.u16(static_cast<uint16_t>(bytes.size()));
  out.put(bytes);
  r.size = out.size();
}

// ---- polls

std::optional<Action> Server::poll_action(Instant now, MutableBytes room) {
  // Signals first: an Incoming must not be overtaken by the packets that came behind its Dial in one batch.
  while (!dirty_.empty()) {
    auto at = agents_.find(dirty_.front());
    if (at != agents_.end())
      if (auto packets = poll_session(now, *at->second, room)) return packets;
    dirty_.pop_front();
  }
  if (auto packets = forward(room)) return packets;
  if (!replies_.empty()) {
    Reply r = replies_.front();
    replies_.pop_front();
    std::copy_n(r.bytes.begin(), r.size, room.begin());
    return Transmit{r.to.from, r.to.tcp, room.first(r.size), r.size, r.to.socket};
  }
  if (!actions_.empty()) {
    Action action = std::move(actions_.front());
    actions_.pop_front();
    return action;
  }
  return {};
}

std::optional<Action> Server::poll_session(Instant now, Agent& agent, MutableBytes room) {
  size_t headroom = agent.tcp != 0 ? wire::tcp_frame_header_size : 0;
  quic::Train train = agent.session->write(now, room.first(train_bytes_max), udp_packet_size, headroom);
  if (train.size > 0) {
    for (size_t at = 0; agent.tcp != 0 && at < train.size; at += train.segment)
      wire::put_tcp_frame_header(room.data() + at, std::min(train.segment, train.size - at) - headroom);
    return Transmit{agent.address, agent.tcp, room.first(train.size), train.segment, agent.socket};
  }
  agent.dirty = false;
  if (agent.session->closed()) {
    timers_.set(agent.tag, now);  // it said its last word: process() will take it away
  } else if (auto deadline = agent.session->next_deadline()) {
    timers_.set(agent.tag, deadline->when);
  }
  return {};
}

std::optional<ServerEvent> Server::poll_event() {
  if (events_.empty()) return {};
  ServerEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

std::optional<Deadline> Server::next_deadline() const {
  std::optional<Deadline> next;
  if (auto when = timers_.next()) next = Deadline{*when, "an agent's session"};
  if (next_sweep_) next = earlier(next, Deadline{*next_sweep_, "sweep"});
  return next;
}

}  // namespace ginnel::rendezvous
