// SIGINT and SIGTERM: the first asks politely, the second ends the loop at once.
#pragma once
#include <csignal>
#include <functional>

#include "drive/loop.hpp"

namespace ginnel::app {

class StopSignal {
 public:
  StopSignal(Loop& loop, std::function<void()> politely) {
    loop.on_signal({SIGINT, SIGTERM}, [this, &loop, politely = std::move(politely)](int) {
      if (asked_) return loop.stop();
      asked_ = true;
      politely();
    });
  }

 private:
  bool asked_ = false;
};

}  // namespace ginnel::app
