// When a gateway tells everybody that it forgot their mappings, or has another address: at once and nine times more,
// ever less often. Knows the schedule; refuses to know the words. RFC 6886 section 3.2.1, RFC 6887 section 14.1.1.
#pragma once
#include <optional>

#include "base/address.hpp"
#include "base/deadline.hpp"

namespace ginnel::portmap {

inline const Address announcement_group = Address::v4(224, 0, 0, 1, 5350);

class Announcer {
 public:
  static constexpr int times = 10;
  static constexpr Duration first_pause = 250ms;  // doubles each time

  void start(Instant now) {
    left_ = times;
    pause_ = first_pause;
    next_ = now;
  }
  /// True if it is time; then say it once.
  bool take_due(Instant now) {
    if (!next_ || now < *next_) return false;
    next_ = now + pause_;
    pause_ *= 2;
    if (--left_ == 0) next_.reset();
    return true;
  }
  std::optional<Deadline> next_deadline() const {
    return next_ ? std::optional(Deadline{*next_, "portmap: announce"}) : std::nullopt;
  }

 private:
  int left_ = 0;
  Duration pause_{};
  std::optional<Instant> next_;
};

}  // namespace ginnel::portmap
