// What the NAT remembers: mappings (an inside endpoint's outside one), sessions (one remote endpoint of a mapping) and
// inside hosts, found by the packet's own fields. Knows how to store, find, link and forget them; refuses to decide
// whether they may exist. RFC 2663 section 2.3 (sessions), RFC 4787 section 4.1 (mappings).
#pragma once
#include <array>
#include <cstdint>

#include "base/rng.hpp"
#include "core/nat/index_table.hpp"
#include "core/nat/slab.hpp"
#include "core/nat/tcp_state.hpp"
#include "core/nat/timer_wheel.hpp"

namespace ginnel::nat {

struct Endpoint {
  uint32_t ip = 0;
  uint16_t port = 0;  ///< of ICMP queries the identifier; 0 of protocols that have none
  bool operator==(const Endpoint&) const = default;
};

/// A packet's way through the NAT as one side sees it: the near endpoint, the remote one, the protocol.
struct FlowKey {
  Endpoint near, remote;
  uint8_t protocol = 0;
};

struct Host {
  uint32_t next = no_index;
  uint32_t ip = 0;
  uint32_t mappings = 0;
  uint32_t sessions = 0;
  Instant refilled{};        ///< the token bucket of new mappings
  uint32_t tokens = 0;       ///< thousandths
  uint16_t last_port = 0;    ///< sequential for each host
  uint16_t pool_index = 0;   ///< the outside address it is paired with
  uint16_t block_first = 0;  ///< 0: has no block
  bool used = false;
};

struct Mapping {
  uint32_t next = no_index;          ///< of the free list
  Endpoint inside, outside, remote;  ///< remote: reduced to what the mapping depends on, else zero
  uint32_t host = no_index;
  uint32_t first_session = no_index;
  uint32_t holders = 0;  ///< sessions that keep it alive
  uint8_t protocol = 0;  ///< 0: a whole address (basic NAT)
  bool is_static = false;
  bool used = false;
};

struct alignas(64) Session {
  Instant expires{};
  uint32_t next = no_index, previous = no_index;  ///< of the same mapping
  uint32_t mapping = no_index;                    ///< no_index: a stranger's, that only occupies the outside
  Endpoint inside, outside, remote;               ///< 8 bytes each
  uint32_t sequence_out = 0, sequence_in = 0;     ///< one past the last octet seen from each side
  TcpState tcp = TcpState::none;
  uint8_t protocol = 0;
  bool used : 1 = false;
  bool holds : 1 = false;  ///< counts in its mapping's holders: the inside spoke
  bool saw_out : 1 = false;
  bool saw_in : 1 = false;
  bool hairpin : 1 = false;  ///< the remote is an outside address of ours
  bool permits : 1 = false;  ///< counts in the permissions
};
static_assert(sizeof(Session) == 64);
static_assert(sizeof(Mapping) <= 48);

class MappingTable {
 public:
  MappingTable(uint32_t limit, Rng& rng);

  // ---- sessions
  uint32_t find_inside(const FlowKey& key) const;   ///< near: the inside endpoint
  uint32_t find_outside(const FlowKey& key) const;  ///< near: the outside endpoint
  /// Keeps `key` of both sides; no_index when full. `mapping` may be no_index (a stranger).
  uint32_t add_session(uint32_t mapping, const FlowKey& inside, const Endpoint& outside);
  /// Makes it the first of its mapping, where the ones that hold it are looked for.
  void move_to_front(uint32_t session);
  void remove_session(uint32_t session);  ///< its mapping stays, whatever its holders
  Session& session(uint32_t index) { return sessions_[index]; }
  const Session& session(uint32_t index) const { return sessions_[index]; }

  // ---- mappings; `key.remote` reduced
  uint32_t find_mapping(const FlowKey& key) const;
  uint32_t find_mapping_outside(uint8_t protocol, const Endpoint& outside) const;
  uint32_t add_mapping(const FlowKey& key, const Endpoint& outside, uint32_t host);
  void remove_mapping(uint32_t mapping);  ///< and its sessions
  Mapping& mapping(uint32_t index) { return mappings_[index]; }
  const Mapping& mapping(uint32_t index) const { return mappings_[index]; }

  // ---- hosts
  uint32_t find_host(uint32_t ip) const;
  uint32_t add_host(uint32_t ip);
  void remove_host(uint32_t host);
  Host& host(uint32_t index) { return hosts_[index]; }

  // ---- permissions of address-dependent filtering: does any session of the mapping go to that address?
  void permit(Session& session);
  bool permitted(uint32_t mapping, uint32_t remote_ip) const;

  void clear();
  void set_limit(uint32_t limit);  ///< what is beyond it stays
  bool full() const { return sessions_.full() || mappings_.full(); }
  uint32_t session_count() const { return sessions_.size(); }
  uint32_t session_end() const { return sessions_.end(); }
  uint32_t mapping_count() const { return mappings_.size(); }
  uint32_t mapping_end() const { return mappings_.end(); }
  uint32_t host_count() const { return hosts_.size(); }
  size_t memory() const;

  // ---- hints for a batch: first where to look, then what is there
  [[gnu::always_inline]] void prefetch_slot_inside(const FlowKey& key) const { by_inside_.prefetch(hash(key)); }
  [[gnu::always_inline]] void prefetch_slot_outside(const FlowKey& key) const { by_outside_.prefetch(hash(key)); }
  [[gnu::always_inline]] void prefetch_session_inside(const FlowKey& key) const {
    prefetch(by_inside_.guess(hash(key)));
  }
  [[gnu::always_inline]] void prefetch_session_outside(const FlowKey& key) const {
    prefetch(by_outside_.guess(hash(key)));
  }

  TimerWheel wheel;  ///< of sessions

 private:
  struct Permission {
    uint32_t next = no_index;
    uint32_t mapping = 0, ip = 0;
    uint32_t count = 0;
    bool used = false;
  };

  uint32_t hash(const FlowKey& key) const {
    uint64_t a = (uint64_t{key.near.ip} << 32 | key.remote.ip) ^ secret_[0];
    uint64_t b = (uint64_t{key.near.port} << 32 | uint64_t{key.remote.port} << 8 | key.protocol) ^ secret_[1];
    return mix(a, b);
  }
  static uint32_t mix(uint64_t a, uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    Wide product = static_cast<Wide>(a) * b;
    uint64_t folded = static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
    return static_cast<uint32_t>(folded ^ folded >> 32);
  }
  [[gnu::always_inline]] void prefetch(uint32_t session) const {
    if (session != no_index) sessions_.prefetch(session);
  }
  uint32_t permission(uint32_t mapping, uint32_t ip) const;
  void forbid(Session& session);
  void unlink(const Session& session);

  std::array<uint64_t, 2> secret_;  ///< so that nobody outside chooses what collides
  Slab<Session> sessions_;
  Slab<Mapping> mappings_;
  Slab<Host> hosts_;
  Slab<Permission> permissions_;
  IndexTable by_inside_, by_outside_, mapping_by_inside_, mapping_by_outside_, host_by_ip_, permission_by_ip_;
};

}  // namespace ginnel::nat
