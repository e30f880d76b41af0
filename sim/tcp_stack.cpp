#include "sim/tcp_stack.hpp"

#include <algorithm>
#include <string>

#include "sim/stack.hpp"
#include "wire/tcp.hpp"

namespace ginnel::sim {

namespace {

using wire::tcp_ack, wire::tcp_fin, wire::tcp_rst, wire::tcp_syn;

uint32_t hash_id(TcpId id) { return static_cast<uint32_t>(splitmix64(id)); }

}  // namespace

TcpStack::TcpStack(Stack& stack, Schedule& clock, Random random) : stack_(stack), clock_(clock), random_(random) {}

TcpStack::Busy::~Busy() {
  if (--tcp.busy_ > 0) return;
  for (uint32_t index : tcp.finished_) {
    tcp.sockets_[index].reset();
    tcp.free_.push_back(index);
  }
  tcp.finished_.clear();
}

// ---- where they are

uint32_t TcpStack::hash(const Address& local, const Address& remote) {
  uint64_t theirs = AddressHash{}(remote);
  return static_cast<uint32_t>(splitmix64(theirs ^ uint64_t{local.port} << 40 ^ local.ip[local.v6 ? 15 : 3]));
}

uint32_t TcpStack::find(const Address& local, const Address& remote) const {
  return by_ends_.find(hash(local, remote),
                       [&](uint32_t i) { return sockets_[i]->remote() == remote && sockets_[i]->local() == local; });
}

uint32_t TcpStack::index_of(TcpId id) const {
  return by_id_.find(hash_id(id), [&](uint32_t i) { return sockets_[i]->id() == id; });
}

const TcpSocket* TcpStack::find(TcpId id) const {
  uint32_t at = index_of(id);
  return at == nat::no_index ? nullptr : sockets_[at].get();
}

uint32_t TcpStack::add(TcpId id, const Address& local, const Address& remote) {
  uint32_t at;
  if (free_.empty()) {
    at = static_cast<uint32_t>(sockets_.size());
    sockets_.emplace_back();
    serials_.push_back(0);
  } else {
    at = free_.back();
    free_.pop_back();
  }
  sockets_[at] = std::make_unique<TcpSocket>(*this, id, local, remote, static_cast<uint32_t>(random_.next()));
  by_ends_.insert(hash(local, remote), at);
  if (id != 0) by_id_.insert(hash_id(id), at);
  return at;
}

void TcpStack::remove(uint32_t at) {
  TcpSocket& socket = *sockets_[at];
  if (!std::exchange(socket.linked, false)) return;
  by_ends_.erase(hash(socket.local(), socket.remote()), at);
  if (socket.id() != 0) by_id_.erase(hash_id(socket.id()), at);
  ++serials_[at];
  finished_.push_back(at);
}

/// After anything was done to a socket.
void TcpStack::settle(uint32_t at) {
  if (sockets_[at]->state() == TcpSocket::State::closed)
    remove(at);
  else
    arm(at);
}

void TcpStack::arm(uint32_t at) {
  TcpSocket& socket = *sockets_[at];
  auto when = socket.deadline();
  if (!when || (socket.armed && *socket.armed <= *when)) return;  // a timer that comes too early sets itself again
  socket.armed = std::max(*when, clock_.now());
  clock_.at(*when, [this, at, serial = serials_[at], when = *socket.armed] {
    if (serials_[at] != serial || sockets_[at]->armed != when) return;
    Busy busy(*this);
    TcpSocket& due = *sockets_[at];
    due.armed.reset();
    if (stack_.asleep()) {
      clock_.after(1s, [this, at, serial] {
        if (serials_[at] == serial) arm(at);
      });
      return;
    }
    if (due.deadline() && *due.deadline() <= clock_.now()) due.handle_timeout(clock_.now());
    settle(at);
  });
}

// ---- from the host's kernel

void TcpStack::receive(const PacketView& segment, Slice payload) {
  Busy busy(*this);
  TcpFields fields = read_tcp(segment.transport);
  bool opens = (fields.flags & (tcp_syn | tcp_ack | tcp_rst)) == tcp_syn;
  uint32_t at = find(segment.to, segment.from);
  if (at != nat::no_index && opens && sockets_[at]->state() == TcpSocket::State::time_wait) {
    remove(at);  // RFC 9293 section 3.6.1
    at = nat::no_index;
  }
  if (at != nat::no_index) {
    sockets_[at]->handle(clock_.now(), fields, std::move(payload));
    return settle(at);
  }
  if (!opens || !listens(segment.to)) return reset(segment, fields, payload.size);
  at = add(0, segment.to, segment.from);
  sockets_[at]->accept(clock_.now(), fields);
  settle(at);
}

void TcpStack::unreachable(const Address& local, const Address& remote) {
  Busy busy(*this);
  uint32_t at = find(local, remote);
  if (at == nat::no_index) return;
  sockets_[at]->unreachable();
  settle(at);
}

void TcpStack::reset(const PacketView& segment, const TcpFields& fields, size_t length) {
  if (fields.flags & tcp_rst) return;
  ++resets_sent;
  TcpFields answer{fields.acknowledged, 0, tcp_rst};
  if (!(fields.flags & tcp_ack)) {
    bool syn = fields.flags & tcp_syn, fin = fields.flags & tcp_fin;
    answer = {0, fields.sequence + static_cast<uint32_t>(length) + syn + fin, static_cast<uint8_t>(tcp_rst | tcp_ack)};
  }
  PacketPtr packet = stack_.new_packet();
  put_tcp(*packet, segment.to, segment.from, answer);
  stack_.send(std::move(packet), segment.from);
}

void TcpStack::kill() {
  Busy busy(*this);
  listeners_.clear();
  for (uint32_t at = 0; at < sockets_.size(); ++at) {
    if (!sockets_[at] || !sockets_[at]->linked) continue;
    sockets_[at]->abort();
    remove(at);
  }
}

// ---- for the program

bool TcpStack::listens(const Address& local) const {
  return std::any_of(listeners_.begin(), listeners_.end(), [&](const Address& l) {
    return l.port == local.port && l.v6 == local.v6 && (l.is_unspecified() || l.same_ip(local));
  });
}

bool TcpStack::port_used(uint16_t port, bool v6) const {
  auto is_it = [&](const Address& a) { return a.port == port && a.v6 == v6; };
  return std::any_of(listeners_.begin(), listeners_.end(), is_it) ||
         std::any_of(sockets_.begin(), sockets_.end(), [&](auto& s) { return s && s->linked && is_it(s->local()); });
}

Address TcpStack::listen(const Address& local) {
  if (local.port != 0 && listens(local)) return local.with_port(0);
  Address got = local;
  while (got.port == 0 || (local.port == 0 && port_used(got.port, got.v6))) got.port = stack_.ephemeral_port();
  listeners_.push_back(got);
  return got;
}

void TcpStack::stop_listening(bool v6) {
  std::erase_if(listeners_, [&](const Address& l) { return l.v6 == v6; });
}

void TcpStack::connect(TcpId id, const Address& to, uint16_t from_port) {
  Busy busy(*this);
  Address local = stack_.source_for(to).with_port(from_port);
  while (local.port == 0 || (from_port == 0 && port_used(local.port, local.v6))) local.port = stack_.ephemeral_port();
  uint32_t known = find(local, to);
  if (known != nat::no_index && sockets_[known]->state() == TcpSocket::State::time_wait) {
    remove(known);
    known = nat::no_index;
  }
  if (local.is_unspecified() || known != nat::no_index) {
    clock_.at(clock_.now(), [this, id, taken = known != nat::no_index] {
      if (Process* process = stack_.process())
        process->tcp_closed(id, taken ? "cannot connect: address in use" : "no route");
    });
    return;
  }
  uint32_t at = add(id, local, to);
  sockets_[at]->connect(clock_.now());
  settle(at);
}

bool TcpStack::send(TcpId id, Bytes bytes) {
  Busy busy(*this);
  uint32_t at = index_of(id);
  if (at == nat::no_index) return true;  // nobody is there to be told
  bool more = sockets_[at]->send(clock_.now(), bytes);
  settle(at);
  return more;
}

void TcpStack::close(TcpId id) {
  Busy busy(*this);
  uint32_t at = index_of(id);
  if (at == nat::no_index) return;
  sockets_[at]->close(clock_.now());
  settle(at);
}

// ---- for its sockets

void TcpStack::transmit(const TcpSocket& from, const TcpFields& fields, Slice payload) {
  ++segments_sent;
  PacketPtr packet = stack_.new_packet();
  put_tcp(*packet, from.local(), from.remote(), fields);
  packet->payload = std::move(payload);
  stack_.send(std::move(packet), from.remote());
}

void TcpStack::opened(TcpSocket& socket, bool dialled) {
  if (!dialled) by_id_.insert(hash_id(socket.id()), find(socket.local(), socket.remote()));
  Process* process = stack_.process();
  if (!process) return;
  if (dialled)
    process->tcp_connected(socket.id(), socket.local());
  else
    process->tcp_accepted(socket.id(), socket.remote(), socket.local());
}

size_t TcpStack::received(const TcpSocket& socket, MutableBytes bytes) {
  Process* process = stack_.process();
  return process ? process->tcp_received(socket.id(), bytes) : bytes.size();
}

void TcpStack::writable(const TcpSocket& socket) {
  if (Process* process = stack_.process()) process->tcp_writable(socket.id());
}

void TcpStack::closed(const TcpSocket& socket, std::string_view why) {
  if (Process* process = stack_.process()) process->tcp_closed(socket.id(), why);
}

}  // namespace ginnel::sim
