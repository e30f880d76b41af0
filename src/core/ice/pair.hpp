// One way to the peer: one of our sockets and a remote candidate, a TCP connection, or the relay, with what its checks
// have shown. RFC 8445 calls it a candidate pair.
#pragma once
#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "base/carrier.hpp"
#include "base/instant.hpp"
#include "wire/peer_message.hpp"
#include "wire/stun.hpp"

namespace ginnel::ice {

/// Every carrier must take this much (RFC 9000 section 14: QUIC's smallest maximum).
inline constexpr size_t packet_size_min = 1200;
/// Sizes that are tried on a path that answers: the least, Ethernet less IPv6 and UDP headers, Ethernet less IPv4 and UDP
/// headers, jumbo frames, the limit of TCP frames.
inline constexpr std::array<size_t, 5> packet_sizes = {packet_size_min, 1352, 1452, 8900, 16000};

struct Pair {
  enum class State { waiting, checking, alive, dead };  // RFC 8445 section 6.1.2.6: waiting, in-progress, succeeded, failed

  struct Outstanding {
    wire::TransactionId id;
    Instant sent;
    Instant doubt_at;     ///< unusually late: others are sent meanwhile
    Instant lost_at;
    size_t size;          ///< it was padded to this; 0: not padded
    bool search = false;  ///< looks for a larger size: its loss says nothing about the path
    bool doubted = false;
    bool lost = false;    ///< counted; a late answer still proves the path
  };

  Carrier carrier;
  wire::CandidateType remote_type = wire::CandidateType::host;
  uint32_t remote_priority = 0;

  State state = State::waiting;
  Instant next_check{};             ///< when the next check is due; checks of waiting pairs are paced besides
  bool triggered = false;           ///< RFC 8445 section 7.3.1.4: answer a check with one of our own, unpaced
  bool opener_due = false;          ///< a packet that opens our NAT and dies before it reaches theirs
  bool held = false;                ///< full checks wait for the other side's word, or for next_check
  int tries = 0;                    ///< since the state last became checking
  std::vector<Outstanding> outstanding;

  std::optional<Duration> srtt;
  Duration rttvar{};
  double loss = 0;                  ///< share of checks that got no answer, of late
  std::optional<Address> mapped;    ///< our address as the peer sees it here
  Instant last_answer{};            ///< proof that both directions work
  Instant last_received{};          ///< anything authentic on this path
  Instant first_loss_sent{};        ///< when the first of the lost checks in a row was sent
  int losses = 0;                   ///< in a row
  bool doubtful = false;            ///< an answer is late
  int large_losses = 0;             ///< in a row, of checks as large as data

  size_t packet_size = 0;                ///< proven towards the peer; 0: not even the least, no data then
  int searches_left = 0;                 ///< rounds through packet_sizes
  size_t search_size = 0;                ///< the last one tried in this round
  Instant next_search{};

  /// May it carry data?
  bool usable() const { return state == State::alive && packet_size >= packet_size_min; }
  /// The smallest RTT of the last half to one minute: queues that our own traffic fills do not count.
  std::optional<Duration> min_rtt() const { return min_now && min_before ? std::min(*min_now, *min_before) : min_now ? min_now : min_before; }
  void add_rtt(Instant now, Duration sample) {
    if (now - min_since > 30s) {
      min_before = std::exchange(min_now, std::nullopt);
      min_since = now;
    }
    min_now = min_now ? std::min(*min_now, sample) : sample;
    if (!srtt) {
      srtt = sample;
      rttvar = sample / 2;
    } else {  // RFC 6298 section 2
      Duration off = *srtt > sample ? *srtt - sample : sample - *srtt;
      rttvar = (rttvar * 3 + off) / 4;
      srtt = (*srtt * 7 + sample) / 8;
    }
  }
  void note_loss(bool lost) { loss += ((lost ? 1.0 : 0.0) - loss) / 16; }
  void forget_measurements() {
    loss = 0;
    srtt.reset();
    min_now.reset();
    min_before.reset();
  }

 private:
  std::optional<Duration> min_now, min_before;
  Instant min_since{};
};

}  // namespace ginnel::ice
