// Asks a gateway for mappings over port 5351, in one dialect: finds out whether anybody answers, asks, asks again,
// renews, makes anew what the gateway forgot, gives back. Knows moments; refuses to know messages (dialect) and who
// else could be asked (client). RFC 6887 sections 8.1.1, 8.5, 11.2.1, 14.1; RFC 6886 sections 3.1 to 3.7.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/deadline.hpp"
#include "base/rng.hpp"
#include "core/portmap/client/dialect.hpp"

namespace ginnel::portmap {

class DatagramMapper {
 public:
  // Both RFCs go on for minutes (3 s or 250 ms, doubling). The gateway is one hop away: who is silent for two seconds
  // is not there, and is looked for again later.
  static constexpr Duration first_timeout = 250ms;  // doubles, +-10 % (RFC 6887 section 8.1.1)
  static constexpr int probes = 3;                  // 250 + 500 + 1000 ms
  static constexpr int asks = 4;                    // 250 + 500 + 1000 + 2000 ms
  static constexpr int releases = 2;
  /// After an announcement everybody asks at once: not in the same moment (RFC 6887 section 14.1.3 allows 5 s).
  static constexpr Duration scatter = 1s;
  /// Announcements can be forged: mappings are not made anew more often than this.
  static constexpr Duration renewals_apart = 5s;

  DatagramMapper(std::unique_ptr<Dialect> dialect, Rng& rng)
      : dialect_(std::move(dialect)), rng_(rng), nonce_(rng.array<12>()) {}

  // ---- inputs
  /// From the gateway's port 5351, the caller has seen to that. What it announces to all is heeded only where it has
  /// answered before: that it speaks does not mean that it listens.
  void handle(Instant now, Bytes datagram, bool announced);
  void handle_timeout(Instant now);

  // ---- commands
  /// Forgets everything and looks whether anybody is there.
  void start(Instant now, const Network& network);
  /// Maps these and gives back all others.
  void want(Instant now, std::span<const Wanted> wanted);
  /// Forgets everything, without a word.
  void stop();

  // ---- polls
  /// What to send to the gateway's port 5351; room: pcp_message_max bytes.
  std::optional<Bytes> poll_datagram(Instant now, MutableBytes room);
  std::optional<MapperEvent> poll_event();
  std::optional<Deadline> next_deadline() const;

  // ---- getters
  Presence presence() const { return presence_; }
  const std::string& why() const { return why_; }  ///< absent
  bool idle() const { return slots_.empty(); }     ///< nothing mapped, nothing to give back

 private:
  enum class State : uint8_t { asking, granted, refused, releasing };
  struct Slot {
    Wanted wanted;
    wire::PcpNonce nonce{};
    State state = State::asking;
    bool held = false;  ///< Granted was told
    Address external;   ///< the last one, suggested again
    Instant granted_at{};
    Duration lifetime{};
    int tries = 0;
    Instant next{};  ///< send, or give up
  };

  wire::PcpNonce nonce_of(const Wanted& wanted) const;
  void handle_mapping(Instant now, const Reply& reply);
  void handle_address(const Address& address);
  void granted(Instant now, Slot& slot, const Reply& reply);
  void refused(Instant now, Slot& slot, const std::string& why, Duration retry);
  void check_epoch(Instant now, uint32_t epoch);
  void absent(Instant now, const std::string& why);
  void timeout(Instant now, Slot& slot);
  Duration pause(int tries);
  void tell(MapperEvent event);

  std::unique_ptr<Dialect> dialect_;
  Rng& rng_;
  const wire::PcpNonce nonce_;
  Network network_;
  Presence presence_ = Presence::absent;
  std::string why_;
  int probes_sent_ = 0;
  std::optional<Instant> next_probe_;
  bool ask_address_ = false;
  Address address_;  ///< NAT-PMP: the gateway's own
  std::vector<Slot> slots_;
  std::optional<std::pair<Instant, uint32_t>> epoch_;  ///< when it was told
  std::optional<Instant> made_anew_;
  std::deque<MapperEvent> events_;
};

}  // namespace ginnel::portmap
