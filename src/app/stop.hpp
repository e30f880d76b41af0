// SIGINT and SIGTERM: the first asks politely, the second ends the loop at once.
#pragma once
#include <csignal>
#include <functional>
#include <optional>

#include "base/result.hpp"
#include "drive/loop.hpp"

namespace ginnel::app {

class StopSignal {
 public:
  StopSignal(Loop& loop, std::function<void()> politely) {
    loop.on_signal({SIGINT, SIGTERM}, [this, &loop, politely = std::move(politely)](int signal) {
      if (asked_ != 0) return loop.stop();
      asked_ = signal;
      politely();
    });
  }

  /// How a role ends that was told to: SIGTERM is an ordinary end, Ctrl-C is told by the exit code.
  std::optional<Error> outcome() const {
    if (asked_ == SIGINT) return Error{Errc::interrupted, ""};
    return {};
  }

 private:
  int asked_ = 0;
};

}  // namespace ginnel::app
