// Stateful IPv6 without translation: what the inside begins may be answered. Knows flows, hop limits and path MTU;
// refuses to change addresses, and lets errors pass only for flows it knows. RFC 6092 sections 2 and 3, RFC 4890
// section 4.3 (which ICMPv6 has to pass).
#pragma once
#include <array>
#include <cstdint>
#include <optional>

#include "base/rng.hpp"
#include "core/nat/behaviour.hpp"
#include "core/nat/index_table.hpp"
#include "core/nat/outbox.hpp"
#include "core/nat/packet.hpp"
#include "core/nat/slab.hpp"
#include "core/nat/timer_wheel.hpp"
#include "core/nat/verdict.hpp"

namespace ginnel::nat {

class Firewall6 {
 public:
  Firewall6(const Behaviour& behaviour, Rng& rng, Outbox& outbox);

  Verdict handle(Instant now, MutableBytes packet, Offload offload, Side from);
  void handle_timeout(Instant now);
  std::optional<Instant> next() const { return wheel_.next(); }
  void clear();
  /// Errors come from it; without one, from the address that could not be reached.
  void set_own_address(const std::array<uint8_t, 16>& ip) { own_ = ip; }

  size_t flow_count() const { return flows_.size(); }
  size_t memory() const { return flows_.memory() + by_key_.memory() + wheel_.memory(); }

 private:
  using Ip = std::array<uint8_t, 16>;
  struct Key {
    Ip inside{}, remote{};
    uint16_t inside_port = 0, remote_port = 0;
    uint8_t protocol = 0;
    bool operator==(const Key&) const = default;
  };
  /// A flow; or, with a remote (port) of zero, what address-dependent or endpoint-independent filtering remembers.
  struct Flow {
    uint32_t next = no_index;
    Key key;
    Instant expires{};
    TcpState tcp = TcpState::none;
    bool two_way = false;
    bool used = false;
  };

  uint32_t hash(const Key& key) const;
  uint32_t find(Instant now, const Key& key);
  uint32_t add(Instant now, const Key& key);
  void remove(uint32_t flow);
  Key permit_key(const Key& key) const;
  bool read_key(Bytes packet, const wire::Ipv6Header& ip, Side from, Key& key, Segment& segment) const;
  bool error_passes(Instant now, Bytes packet, const wire::Ipv6Header& ip, Side from);
  Drop judge(Instant now, Bytes packet, const wire::Ipv6Header& ip, Side from);
  Duration lifetime(const Flow& flow) const;
  void refresh(Instant now, uint32_t flow, Duration lifetime);
  void answer(Instant now, Side to, uint8_t type, uint8_t code, uint32_t rest, Bytes packet);

  bool later_fragment_passes(Instant now, Bytes packet, Side from) const;
  void first_fragment_passed(Instant now, Bytes packet, Side from);

  /// First fragments that passed: enough to let the others through, in order, and small.
  struct Seen {
    uint32_t hash = 0;
    Instant until{Duration::min()};
  };
  const Behaviour& behaviour_;
  Outbox& outbox_;
  std::array<uint64_t, 2> secret_;
  Slab<Flow> flows_;
  IndexTable by_key_;
  TimerWheel wheel_;
  std::array<Seen, 64> seen_;
  Ip own_{};
};

}  // namespace ginnel::nat
