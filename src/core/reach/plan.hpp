// When a dialler tries again, and by what means, as long as no direct path carries data: first the main sockets, then TCP
// beside them, then fresh sockets (a NAT may hold a bad state for the old ones), then ever more rarely. Knows times and
// facts about both NATs; refuses to know addresses. The other side follows (wire/peer_message: Candidates).
#pragma once
#include <optional>

#include "base/deadline.hpp"
#include "base/instant.hpp"
#include "wire/peer_message.hpp"

namespace ginnel::reach {

/// What a round of trying begins with, besides what stands already.
struct Means {
  bool fresh_socket = false;
  bool tcp = false;
  bool any() const { return fresh_socket || tcp; }
  bool operator==(const Means&) const = default;
};

class Plan {
 public:
  static constexpr Duration tcp_after = 1s;     // a UDP path that can be had stands by then
  static constexpr Duration fresh_after = 3s;
  static constexpr Duration again_first = 20s;  // no two rounds are nearer after the first two; doubles up to:
  static constexpr Duration again_max = 10min;

  /// Checks began: the first time, or since the network of one side changed.
  void begin(Instant now, const wire::NatView& own, const wire::NatView& theirs);
  /// How the peer can be reached directly now: by UDP, at all. When that was lost the next round is soon.
  void note_direct(Instant now, bool udp, bool any);
  /// The next round, if its time has come.
  std::optional<Means> handle_timeout(Instant now);
  std::optional<Deadline> next_deadline() const;
  int rounds() const { return rounds_; }

 private:
  bool can_udp_ = true;
  bool udp_ = false, any_ = false;
  int rounds_ = 0;
  Duration again_ = again_first;
  std::optional<Instant> last_;  ///< round that did something
  std::optional<Instant> next_;
};

}  // namespace ginnel::reach
