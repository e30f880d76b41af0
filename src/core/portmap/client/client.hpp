// An agent's port mapping: asks its gateway by PCP, NAT-PMP and UPnP at once, keeps the best that answers, and keeps
// the mappings alive. Knows which way to prefer and when to look again; each protocol's own knowledge is in a mapper.
// The composite that hands drive. RFC 6887, RFC 6886 appendix A of the former (both on one port), UPnP.
#pragma once
#include <array>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/machine.hpp"
#include "core/portmap/client/datagram_mapper.hpp"
#include "core/portmap/client/igd_mapper.hpp"
#include "core/portmap/method.hpp"

namespace ginnel::portmap {

// ---- events

/// Replaces what was told of the same port before.
struct Mapped {
  Wanted inside;
  Address external;
  Method method = Method::pcp;
  Duration lifetime{};  ///< renewed in time
  bool reachable =
      true;  ///< false: `external` is private, there is another NAT outside of the gateway (or a carrier's)
};
struct Unmapped {
  Wanted inside;
  std::string why;
};

/// What is known of each protocol; indexed by Method.
struct MethodState {
  Presence presence = Presence::unknown;
  std::string why;  ///< absent, or present but no use: a half sentence for people
};
using MethodStates = std::array<MethodState, 3>;

/// All three have been looked for. `gateway_name` as UPnP tells it, for people.
struct Capabilities {
  MethodStates methods;
  std::string gateway_name;
};
/// None maps anything now; it is tried again by and by.
struct NoMapping {
  MethodStates methods;
};

using ClientEvent = std::variant<Mapped, Unmapped, Capabilities, NoMapping>;

// ---- inputs and actions
using ClientInput = std::variant<Datagram, HttpAnswer, HttpFailed>;
using ClientAction = std::variant<SendDatagram, HttpAsk, HttpForget>;

class Client {
 public:
  /// What a better protocol gets after the first has answered: long enough for its second probe, should one be lost.
  static constexpr Duration grace = 300ms;
  static constexpr Duration retry_first = 30s;  // where mapping has worked before; doubles up to:
  static constexpr Duration retry_longest = 30min;
  static constexpr Duration retry_rarely = 10min;  ///< where it never has: so long, and up to twice as long again
  static constexpr Duration close_limit = 1s;

  explicit Client(Rng& rng);
  Client(const Client&) = delete;

  // ---- inputs
  void handle(Instant now, ClientInput& input);
  void handle_timeout(Instant now);

  // ---- commands
  /// The default route, at the start and after each change; nothing: there is none.
  void set_network(Instant now, const std::optional<Network>& network);
  /// At most wanted_max; replaces what was wanted before.
  void want(Instant now, std::vector<Wanted> wanted);
  /// Gives everything back; drain until closed(). Nothing else works after that.
  void close(Instant now);

  // ---- polls; room: at least 1,400 bytes
  std::optional<ClientAction> poll_action(Instant now, MutableBytes room);
  std::optional<ClientEvent> poll_event();
  std::optional<Deadline> next_deadline() const;

  // ---- getters
  bool closed() const { return closing_until_ && idle(); }
  std::optional<Method> method() const { return chosen_; }

 private:
  void handle_datagram(Instant now, const Datagram& in);
  void start(Instant now);
  void stop(const std::string& why);
  void review(Instant now);
  void choose(Instant now);
  bool may_choose(Instant now, size_t method) const;
  void give_up(Instant now);
  void collect(Instant now);
  void collect(Instant now, const MapperEvent& event);
  void dismiss(Instant now);
  bool idle() const;
  Presence presence(size_t method) const;
  const std::string& why(size_t method) const;
  MethodStates states() const;
  void want_of(Instant now, size_t method, std::span<const Wanted> wanted);

  Rng& rng_;
  std::array<DatagramMapper, 2> mappers_;  ///< PCP, NAT-PMP
  IgdMapper igd_;
  std::optional<Network> network_;
  std::vector<Wanted> wanted_;
  bool racing_ = false;  ///< started, and not stopped since
  std::optional<Method> chosen_;
  std::array<std::string, 3> failed_;      ///< why it answered but did not map, this time
  std::vector<Wanted> granted_, refused_;  ///< of the chosen one
  std::vector<Wanted> mapped_;             ///< as told
  std::optional<Instant> first_answer_;
  bool capabilities_told_ = false;
  bool worked_ = false;  ///< in this network
  Duration pause_ = retry_first;
  std::optional<Instant> retry_at_;
  std::optional<Instant> closing_until_;
  std::deque<ClientEvent> events_;
};

static_assert(Machine<Client, ClientInput, ClientAction>);

std::string_view to_string(Presence presence);

}  // namespace ginnel::portmap
