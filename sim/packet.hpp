// One IP packet of the simulated world, as real as a gateway needs it: IPv4 or IPv6 header, UDP, TCP or ICMP header,
// checksums. Knows how to write and read one; refuses to know where it goes. The bytes of a TCP stream travel beside
// their header and are never copied on the way, so one "segment" may be as long as what a kernel hands to its network
// card at once. RFC 791, RFC 8200, RFC 768, RFC 9293.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/address.hpp"
#include "base/bytes.hpp"

namespace ginnel::sim {

/// A part of a TCP stream: written once, then shared by everybody who sends it or holds it.
struct Slice {
  std::shared_ptr<uint8_t[]> memory;
  uint32_t begin = 0;
  uint32_t size = 0;
  Bytes bytes() const { return {memory.get() + begin, size}; }
  Slice part(uint32_t offset, uint32_t length) const { return {memory, begin + offset, length}; }
};

class Packet {
 public:
  static constexpr size_t size_max = 1500;

  MutableBytes bytes() { return {room_.data(), size_}; }
  Bytes bytes() const { return {room_.data(), size_}; }
  /// Room for `size` bytes, whose former contents mean nothing.
  MutableBytes resize(size_t size) { return {room_.data(), size_ = size}; }
  /// With what travels beside it.
  size_t wire_size() const { return size_ + payload.size; }
  bool v6() const { return room_[0] >> 4 == 6; }

  Slice payload;  ///< of TCP

 private:
  size_t size_ = 0;
  std::array<uint8_t, size_max> room_;
};

/// Where packets come from and go back to. Outlives them all.
class PacketPool {
 public:
  struct Return {
    PacketPool* pool = nullptr;
    void operator()(Packet* packet) const { pool->give(packet); }
  };
  using Ptr = std::unique_ptr<Packet, Return>;

  Ptr take() {
    if (spare_.empty()) spare_.emplace_back(new Packet);  // not zeroed
    Packet* packet = spare_.back().release();
    spare_.pop_back();
    return {packet, Return{this}};
  }

 private:
  void give(Packet* packet) {
    packet->payload = {};
    spare_.emplace_back(packet);
  }
  std::vector<std::unique_ptr<Packet>> spare_;
};
using PacketPtr = PacketPool::Ptr;

inline constexpr uint8_t usual_hops = 64;

/// `payload` fits: at most Packet::size_max with the headers. UDP over IPv4 has no checksum, over IPv6 the right one.
void put_udp(Packet& packet, const Address& from, const Address& to, uint8_t hops, Bytes payload);

struct TcpFields {
  uint32_t sequence = 0;
  uint32_t acknowledged = 0;
  uint8_t flags = 0;
};
/// The IP length and the checksum are those of the header alone; the payload stays beside it.
void put_tcp(Packet& packet, const Address& from, const Address& to, const TcpFields& fields);

/// A packet's headers, read but not checked: whoever could have broken one has been written by us.
struct PacketView {
  Address from, to;  ///< ports of UDP and TCP
  uint8_t protocol = 0;
  uint8_t hops = 0;
  Bytes transport;  ///< header and what is behind it
};
bool read_packet(Bytes packet, PacketView& out);
/// What an ICMP error quotes, and whether it says that nothing arrives there (unreachable, time exceeded); ICMPv6, too.
bool read_icmp_error(const PacketView& icmp, PacketView& quoted);
TcpFields read_tcp(Bytes transport);

/// Takes `hops` routers' share of the time to live; false: it ends on the way.
bool pass_hops(MutableBytes packet, uint8_t hops);

}  // namespace ginnel::sim
