#include "sim/stack.hpp"

#include <algorithm>

#include "sim/internet.hpp"
#include "wire/icmp.hpp"
#include "wire/ip_fields.hpp"
#include "wire/udp.hpp"

namespace ginnel::sim {

namespace {

constexpr uint64_t ephemeral_first = 32'768, ephemeral_last = 60'999;  // as Linux chooses
constexpr int errors_burst = 6;                                        // and a second for each after that, as Linux

uint32_t hash_of(uint32_t number, bool v6) {
  return static_cast<uint32_t>(splitmix64(uint64_t{number} << 1 | (v6 ? 1u : 0u)));
}

bool is_on(const Bridge& bridge, const Address& to) {
  if (to.v6 || bridge.address.v6) return false;
  uint32_t difference = wire::load32(to.ip.data()) ^ wire::load32(bridge.address.ip.data());
  return difference >> (32 - bridge.prefix) == 0;
}

}  // namespace

Stack::Stack(Internet& internet, Schedule& clock, Random random)
    : internet_(internet), clock_(clock), random_(random.fork()), tcp_(*this, clock, random.fork()) {}

// ---- packets

void Stack::receive(PacketPtr packet) {
  PacketView view;
  if (asleep_ || !read_packet(packet->bytes(), view)) return;
  switch (view.protocol) {
    case wire::ip_protocol_udp: {
      uint32_t at = process_ ? find_udp(view.to) : nat::no_index;
      if (at == nat::no_index) return port_unreachable(view, packet->bytes());
      size_t header = static_cast<size_t>(view.transport.data() - packet->bytes().data()) + wire::udp_header_size;
      MutableBytes payload = packet->bytes().subspan(header);
      return process_->datagram(udp_[at].id, view.from, std::move(packet), payload);
    }
    case wire::ip_protocol_tcp:
      return tcp_.receive(view, std::move(packet->payload));
    case wire::ip_protocol_icmp:
    case wire::ip_protocol_icmp6:
      // UDP believes no ICMP, as drive/udp_socket; echo replies are nobody's here.
      if (PacketView quoted; read_icmp_error(view, quoted) && quoted.protocol == wire::ip_protocol_tcp)
        tcp_.unreachable(quoted.from, quoted.to);
      return;
    default:
      return;
  }
}

PacketPtr Stack::new_packet() { return internet_.pool.take(); }

void Stack::send(PacketPtr packet, const Address& to) {
  if (is_own(to)) {  // never from inside the call
    clock_.at(clock_.now(), [this, packet = std::move(packet)]() mutable { receive(std::move(packet)); });
    return;
  }
  if (std::any_of(bridges_.begin(), bridges_.end(), [&](const Bridge& b) { return is_on(b, to); })) return;
  internet_.send(member, std::move(packet));
}

Address Stack::source_for(const Address& to) const {
  if (is_own(to)) return to.with_port(0);
  for (const Address& own : addresses_)
    if (own.v6 == to.v6) return own;
  return Address{.ip = {}, .port = 0, .v6 = to.v6};
}

bool Stack::is_own(const Address& ip) const {
  auto same = [&](const Address& own) { return own.same_ip(ip); };
  return std::any_of(addresses_.begin(), addresses_.end(), same) ||
         std::any_of(bridges_.begin(), bridges_.end(), [&](const Bridge& b) { return same(b.address); });
}

/// RFC 1122 section 4.1.3.1, at most so many: a kernel does not answer a flood.
void Stack::port_unreachable(const PacketView& view, Bytes packet) {
  ++refused;
  wire::Ipv4Header ip;
  if (view.to.v6 || wire::parse_quoted_ipv4(packet, ip) != wire::IpFault::none || !wire::icmp_may_answer(packet, ip))
    return;
  auto seconds = (clock_.now() - errors_filled_) / 1s;
  if (seconds > 0) {
    errors_left_ = static_cast<int>(std::min<int64_t>(errors_burst, errors_left_ + seconds));
    errors_filled_ = clock_.now();
  }
  if (errors_left_ == 0) return;
  --errors_left_;
  PacketPtr answer = new_packet();
  uint8_t* room = answer->resize(wire::icmp_error_max).data();
  answer->resize(
      wire::put_icmp_error(room, ip.destination, wire::icmp_unreachable, wire::icmp_port_unreachable, 0, packet, ip));
  send(std::move(answer), view.from);
}

// ---- sockets

void Stack::run(Process* process) {
  if (process_ && !process) {
    tcp_.kill();
    udp_.clear();
    udp_free_.clear();
    udp_by_id_.clear();
    udp_by_port_.clear();
  }
  process_ = process;
}

uint32_t Stack::find_udp(SocketId id, bool v6) const {
  return udp_by_id_.find(hash_of(id, v6), [&](uint32_t i) { return udp_[i].id == id && udp_[i].local.v6 == v6; });
}

uint32_t Stack::find_udp(const Address& to) const {
  return udp_by_port_.find(hash_of(to.port, to.v6), [&](uint32_t i) {
    const Address& local = udp_[i].local;
    return local.port == to.port && local.v6 == to.v6 && (local.is_unspecified() || local.same_ip(to));
  });
}

uint16_t Stack::ephemeral_port() { return static_cast<uint16_t>(random_.between(ephemeral_first, ephemeral_last)); }

Address Stack::open_udp(SocketId id, const Address& local) {
  Address got = local;
  auto taken = [&](uint16_t port) {
    return udp_by_port_.find(hash_of(port, local.v6), [&](uint32_t i) {
      const Address& other = udp_[i].local;
      bool overlap = other.is_unspecified() || local.is_unspecified() || other.same_ip(local);
      return other.port == port && other.v6 == local.v6 && overlap;
    }) != nat::no_index;
  };
  if (find_udp(id, local.v6) != nat::no_index || (local.port != 0 && taken(local.port))) return local.with_port(0);
  while (got.port == 0 || taken(got.port)) got.port = ephemeral_port();
  uint32_t at;
  if (udp_free_.empty()) {
    at = static_cast<uint32_t>(udp_.size());
    udp_.emplace_back();
  } else {
    at = udp_free_.back();
    udp_free_.pop_back();
  }
  udp_[at] = {id, got};
  udp_by_id_.insert(hash_of(id, got.v6), at);
  udp_by_port_.insert(hash_of(got.port, got.v6), at);
  return got;
}

void Stack::close_udp(SocketId id, bool v6) {
  uint32_t at = find_udp(id, v6);
  if (at == nat::no_index) return;
  udp_by_id_.erase(hash_of(id, v6), at);
  udp_by_port_.erase(hash_of(udp_[at].local.port, v6), at);
  udp_free_.push_back(at);
}

uint16_t Stack::udp_port(SocketId id, bool v6) const {
  uint32_t at = find_udp(id, v6);
  return at == nat::no_index ? uint16_t{0} : udp_[at].local.port;
}

void Stack::send_udp(SocketId id, const Address& to, Bytes datagram, uint8_t hops) {
  uint32_t at = find_udp(id, to.v6);
  if (at == nat::no_index) return;
  const Address& local = udp_[at].local;
  Address from = local.is_unspecified() ? source_for(to).with_port(local.port) : local;
  size_t headers = (to.v6 ? wire::ipv6_header_size : wire::ipv4_header_min) + wire::udp_header_size;
  if (from.is_unspecified() || headers + datagram.size() > Packet::size_max) return;  // no route; EMSGSIZE
  PacketPtr packet = new_packet();
  put_udp(*packet, from, to, hops ? hops : usual_hops, datagram);
  send(std::move(packet), to);
}

std::vector<Address> Stack::addresses() const {
  std::vector<Address> out = addresses_;
  for (const Bridge& bridge : bridges_) out.push_back(bridge.address.with_port(0));
  return out;
}

void Stack::replace_address(const Address& before, const Address& after) {
  for (Address& own : addresses_)
    if (own.same_ip(before)) own = after.with_port(0);
}

}  // namespace ginnel::sim
