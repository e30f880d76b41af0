// The NAT: packets of an inside network go out with an outside address, and answers find back. Knows its Behaviour,
// decides for each packet and rewrites it in place; refuses to know sockets, clocks, names and payloads (no ALG, RFC
// 4787 REQ-10). RFC 3022, RFC 4787, RFC 5382, RFC 5508, RFC 6888, RFC 7857.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/address.hpp"
#include "base/deadline.hpp"
#include "base/rng.hpp"
#include "core/nat/behaviour.hpp"
#include "core/nat/firewall6.hpp"
#include "core/nat/fragment_table.hpp"
#include "core/nat/mapping_table.hpp"
#include "core/nat/outbox.hpp"
#include "core/nat/packet.hpp"
#include "core/nat/port_allocator.hpp"
#include "core/nat/verdict.hpp"

namespace ginnel::nat {

/// One mapping, for people and for port mapping protocols.
struct MappingInfo {
  uint8_t protocol = 0;  ///< 0: every protocol of the address (basic NAT)
  Address inside, outside;
  Address remote;  ///< the only one it is for, or unspecified
  bool is_static = false;
  uint32_t sessions = 0;
  Instant expires{};  ///< of its longest session
  TcpState tcp = TcpState::none;
};

struct Counters {
  uint64_t inside_packets = 0, inside_bytes = 0;  ///< taken in from there
  uint64_t outside_packets = 0, outside_bytes = 0;
  uint64_t forwarded_out = 0, forwarded_in = 0, hairpinned = 0;
  uint64_t mappings_made = 0, mappings_ended = 0;
  uint64_t generated = 0, generated_suppressed = 0;
  std::array<uint64_t, drop_kinds> drops{};
  uint64_t dropped(Drop why) const { return drops[static_cast<size_t>(why)]; }
};

class Gateway {
 public:
  static constexpr size_t public_addresses_max = 4096;
  static constexpr size_t waiting_syns_max = 256;

  Gateway(const Behaviour& behaviour, std::span<const Address> public_addresses, Rng& rng);
  Gateway(const Gateway&) = delete;

  // ---- inputs
  /// A packet that came from the inside (outside). What is forwarded was rewritten in place and is the first
  /// Verdict::size bytes; then drain poll_generated().
  Verdict handle_inside(Instant now, MutableBytes packet, Offload offload = {});
  Verdict handle_outside(Instant now, MutableBytes packet, Offload offload = {});
  void handle_timeout(Instant now);

  // ---- commands
  /// `outside` reaches `inside` until it is removed, whatever the filter. Port 0 of both under basic NAT pairs whole
  /// addresses. False if the outside endpoint is not ours or taken.
  bool add_forward(uint8_t protocol, const Address& outside, const Address& inside);
  bool remove_forward(uint8_t protocol, const Address& outside);
  /// Drops every mapping, as if the power had failed; forwards stay, for they are configuration.
  void reboot();
  /// From now on behaves like that. True: what is changed decides which mappings there are, so they were dropped, as
  /// by reboot(). Whole-address forwards do not outlive basic NAT, nor the others its beginning.
  bool change(const Behaviour& behaviour);
  /// Every mapping ends, as by reboot(); so do forwards of addresses that are gone.
  void set_public_addresses(std::span<const Address> addresses);
  /// The gateway's own address on the inside: errors come from it (each of IPv4 and IPv6 has one), and IPv4 packets to
  /// it are `local`. Port ignored.
  void set_inside_address(const Address& address);
  /// Ends one dynamic mapping; false if there is none.
  bool remove_mapping(Instant now, uint8_t protocol, const Address& outside);

  // ---- polls
  /// A packet of the NAT's own, written into room (at least 2048 bytes, or the largest MTU).
  std::optional<Outbox::Out> poll_generated(MutableBytes room) { return outbox_.poll(room); }
  std::optional<Deadline> next_deadline() const;

  // ---- hints
  /// Fetches what a batch of packets will need into the cache; worth it from some ten thousand sessions on.
  void prefetch_inside(std::span<const MutableBytes> packets) const;
  void prefetch_outside(std::span<const MutableBytes> packets) const;

  // ---- getters
  const Behaviour& behaviour() const { return behaviour_; }
  const Counters& counters() const { return counters_; }
  /// Walks over all mappings: begin with a cursor of 0, until nothing comes.
  std::optional<MappingInfo> next_mapping(Instant now, uint32_t& cursor) const;
  /// The outside endpoint of an inside one, if it has a mapping that is not for one remote only.
  std::optional<Address> outside_of(Instant now, uint8_t protocol, const Address& inside) const;
  size_t mapping_count() const { return table_.mapping_count(); }
  size_t session_count() const { return table_.session_count(); }
  size_t memory() const;  ///< bytes of everything that grows

 private:
  struct WaitingSyn {
    Instant due{};
    Endpoint outside, remote;
    bool cancelled = false;
    uint8_t size = 0;
    std::array<uint8_t, 88> packet{};  ///< the largest IP header and 28 bytes: what an error quotes at least
  };
  struct RestingPort {
    Instant until{};
    uint32_t address = 0;
    uint16_t port = 0;
    uint8_t protocol = 0;
  };

  // gateway_inside.cpp
  Verdict outbound(Instant now, Packet& p);
  uint32_t open_outbound(Instant now, const Packet& p, Drop& why);
  uint32_t mapping_for(Instant now, const FlowKey& key, Drop& why);
  uint32_t make_mapping(Instant now, const FlowKey& reduced, const FlowKey& key, Drop& why);
  std::optional<Endpoint> choose_outside(Instant now, const FlowKey& key, Host& host);
  std::optional<Endpoint> choose_basic() const;
  bool outside_is_free(Instant now, const Endpoint& outside, const FlowKey& key);
  uint32_t host_for(Instant now, uint32_t ip, Drop& why);
  void forget_host_if_idle(uint32_t host);
  void answer_refused_inside(Instant now, const Packet& p, Drop why);
  // gateway_outside.cpp
  Verdict inbound(Instant now, Packet& p, bool hairpinned);
  uint32_t open_inbound(Instant now, Packet& p, bool hairpinned, Drop& why);
  bool passes_filter(uint32_t mapping, const FlowKey& key) const;
  void refuse_stranger(Instant now, Packet& p, bool hairpinned);
  void remember_stranger(Instant now, const Packet& p);
  void wait_with_syn(Instant now, const Packet& p);
  void cancel_waiting_syn(const Endpoint& outside, const Endpoint& remote);
  // gateway_icmp.cpp
  Verdict error_from_inside(Instant now, Packet& p);
  Verdict error_from_outside(Instant now, Packet& p, bool hairpinned);
  void send_error(Instant now, Side to, uint8_t type, uint8_t code, uint32_t rest, Bytes about,
                  const wire::Ipv4Header& ip);
  void send_echo_reply(Instant now, Side to, const Packet& request);
  void send_reset(Instant now, Side to, const Packet& about);
  // gateway_fragments.cpp
  Verdict later_fragment(Instant now, Packet& p, Side from);
  Verdict along(Instant now, Packet& p, Side from, const FragmentRoute& route);
  void first_fragment_went(Instant now, const FragmentKey& key, const FragmentRoute& route);
  bool too_big(Instant now, const Packet& p, Side from, Side to, Drop& why);
  Verdict finish(Packet& p, Side to, Action action);
  void split(Packet& p, Side to, uint16_t mtu);
  // gateway.cpp
  Verdict drop(Drop why);
  Verdict enter(Instant now, MutableBytes packet, Offload offload, Side from);
  bool tcp_passes(Session& s, Packet& p, bool from_inside);
  Duration lifetime(const Session& s) const;
  void set_expiry(uint32_t session, Instant now, Instant when);
  void touch_out(uint32_t session, Instant now, const Packet& p);
  void touch_in(uint32_t session, Instant now, const Packet& p);
  void end_session(Instant now, uint32_t session);
  void close_mapping(Instant now, uint32_t mapping);
  bool mapping_alive(Instant now, uint32_t mapping);
  void hold(uint32_t session);
  uint32_t live(Instant now, uint32_t session);
  const ProtocolBehaviour& of(uint8_t protocol) const;
  bool is_public(uint32_t ip) const { return pool_index(ip) != no_index; }
  uint32_t pool_index(uint32_t ip) const;  ///< no_index: not ours
  void expire(Instant now);

  Behaviour behaviour_;
  Rng& rng_;
  std::vector<uint32_t> pool_;
  std::vector<std::pair<uint32_t, uint32_t>> pool_by_ip_;  ///< sorted: address, index in pool_
  uint32_t pool_first_ = 0, pool_span_ = 0;                ///< the lowest, and how far above it the highest is
  uint32_t inside_address_ = 0;
  MappingTable table_;
  PortAllocator ports_;
  FragmentTable fragments_;
  Outbox outbox_;
  Firewall6 firewall6_;
  Ring<WaitingSyn> waiting_syns_{waiting_syns_max};
  Ring<RestingPort> resting_ports_{size_t{1} << 24};
  uint32_t statics_ = 0;
  uint32_t strangers_ = 0;
  uint32_t next_in_pool_ = 0;
  uint16_t next_id_ = 0;
  Counters counters_;
};

}  // namespace ginnel::nat
