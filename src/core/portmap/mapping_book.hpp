// The ways in that hosts inside asked for: who has which outside port, until when. Knows owners, leases, quotas and the
// epoch, the same for every protocol that asks, so that none can take what another gave; refuses to know messages, and
// to translate: that is the engine's business. RFC 6887 sections 8.5 (epoch), 11.3 (who may renew), 15 (lifetimes), RFC
// 6886 section 3.3.
#pragma once
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "base/address.hpp"
#include "base/deadline.hpp"
#include "base/rng.hpp"
#include "base/timer_set.hpp"
#include "core/portmap/method.hpp"
#include "core/portmap/prefix.hpp"
#include "wire/pcp.hpp"

namespace ginnel::portmap {

/// What arrives at `outside` goes to `inside`, whoever sent it.
struct Forward {
  uint8_t protocol = 0;  ///< as in IP: TCP or UDP
  Address outside, inside;
  bool operator==(const Forward&) const = default;
};

/// The NAT that carries forwards out. Called from inside a request, because the answer must be true: an outside port
/// may be taken by a flow that only the engine knows.
class ForwardEngine {
 public:
  virtual ~ForwardEngine() = default;
  /// False if the outside endpoint is taken or not ours; nothing has changed then.
  virtual bool add_forward(const Forward& forward) = 0;
  /// It may be gone already, with its address.
  virtual void remove_forward(const Forward& forward) = 0;
};

struct Lease {
  Method method = Method::pcp;
  Forward forward;
  Instant expires{};
  wire::PcpNonce nonce{};   ///< of PCP: who knows it is the owner
  std::string description;  ///< of UPnP
};

struct BookLimits {
  size_t per_host = 64;
  size_t total = 4096;
  uint16_t port_min = 1024;  ///< of the outside; lower ones are for the gateway's owner to give away
  uint16_t port_max = 65535;
};

struct Wish {
  Method method = Method::pcp;
  uint8_t protocol = 0;
  Address inside;
  uint16_t port = 0;      ///< outside, suggested; 0: any
  bool no_other = false;  ///< that port or none
  Duration lifetime{};
  wire::PcpNonce nonce{};
  std::string description;
};

enum class Refusal : uint8_t {
  no_address,     ///< the gateway itself has none outside
  not_permitted,  ///< that port, and no other would do
  taken,          ///< likewise
  not_owner,      ///< a lease of the same endpoint has another nonce
  host_full,
  book_full,
};

struct LeaseEvent {
  enum class What : uint8_t { mapped, unmapped, expired } what = What::mapped;
  Lease lease;
};

class MappingBook {
 public:
  static constexpr size_t events_max = 256;  ///< then the oldest is forgotten

  /// The engine outlives the book. Hosts outside of `networks` own nothing.
  MappingBook(Instant now, std::vector<Prefix> networks, const BookLimits& limits, ForwardEngine& engine, Rng& rng);
  MappingBook(const MappingBook&) = delete;

  // ---- commands
  /// Renews the lease this wish already has, or makes one. PCP and NAT-PMP give an inside endpoint one lease; UPnP
  /// names leases by the outside port.
  std::variant<Lease, Refusal> ask(Instant now, const Wish& wish);
  void release(const Lease& lease);
  /// The outside address changed, or came (unspecified: went). Leases move along with their ports where the engine lets
  /// them (it should know the new address by now). The epoch begins anew; true if so: tell everybody.
  bool set_external(Instant now, const Address& address);
  /// As if the power had failed: no leases, a new epoch.
  void reset(Instant now);
  void handle_timeout(Instant now);

  // ---- polls
  std::optional<LeaseEvent> poll_event();
  std::optional<Deadline> next_deadline() const;

  // ---- getters
  bool is_inside(const Address& host) const;
  const Address& external() const { return external_; }  ///< port 0
  uint32_t epoch(Instant now) const;                     ///< seconds
  const Lease* at(uint8_t protocol, uint16_t outside_port) const;
  /// The lease that PCP or NAT-PMP gave an inside endpoint.
  const Lease* of(Method method, uint8_t protocol, const Address& inside) const;
  /// Of a host (port ignored), by one protocol (0: both).
  std::vector<Lease> of_host(Method method, const Address& host, uint8_t protocol) const;
  /// In order of protocol and port; nullptr past the last.
  const Lease* nth(size_t index) const;
  size_t size() const { return leases_.size(); }

 private:
  using Key = std::pair<uint8_t, uint16_t>;  ///< protocol, outside port
  using Inside = std::tuple<Method, uint8_t, Address>;

  Lease* existing(const Wish& wish);
  std::optional<uint16_t> choose_port(const Wish& wish);
  bool permits(uint16_t port) const { return port >= limits_.port_min && port <= limits_.port_max; }
  bool try_port(const Wish& wish, uint16_t port);
  void remove(const Key& key, LeaseEvent::What what);
  void forget(const Key& key, LeaseEvent::What what);
  void tell(LeaseEvent::What what, const Lease& lease);

  std::vector<Prefix> networks_;
  BookLimits limits_;
  ForwardEngine& engine_;
  Rng& rng_;
  Address external_;
  Instant epoch_began_;
  std::map<Key, Lease> leases_;
  std::map<Inside, Key> by_inside_;  ///< not of UPnP
  std::map<Address, size_t> per_host_;
  TimerSet<Key> expiry_;
  std::deque<LeaseEvent> events_;
};

}  // namespace ginnel::portmap
