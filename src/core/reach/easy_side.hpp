// The side whose own port is known: sends probes to the ports that the other side's symmetric NAT may have chosen, at a
// modest pace, each port once (a prediction: some times), until one gets through. Docs/decisions/011.
#pragma once
#include <optional>

#include "base/deadline.hpp"
#include "base/rng.hpp"
#include "core/reach/budget.hpp"
#include "wire/peer_message.hpp"

namespace ginnel::reach {

class EasySide {
 public:
  static constexpr int passes = 3;            // over the few ports of a prediction
  static constexpr Duration pass_pause = 150ms;
  static constexpr Duration last_words = 1s;  // after the last probe: it may still be answered

  /// Of an offer that was agreed to.
  EasySide(Instant now, const wire::SearchOffer& offer, Rng& rng);

  /// Where the next probe goes, if it is time.
  std::optional<Address> poll_probe(Instant now);
  std::optional<Deadline> next_deadline() const;
  bool over(Instant now) const { return probes_ >= limit_ && now >= next_ + last_words; }
  size_t probes() const { return probes_; }
  const wire::SearchOffer& offer() const { return offer_; }

 private:
  wire::SearchOffer offer_;
  uint32_t count_;        ///< of ports
  uint32_t start_, stride_;
  uint32_t limit_;
  uint32_t probes_ = 0;
  Instant next_;
};

}  // namespace ginnel::reach
