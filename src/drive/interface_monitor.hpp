// Notices that the network changed: an interface, an address, a route.
#pragma once
#include <functional>

#include "drive/fd.hpp"
#include "drive/loop.hpp"

namespace ginnel {

/// Calls back 200 ms after the kernel's first announcement of a change, once for all that came meanwhile. Whether
/// anything that matters changed is for the caller to compare (routers re-announce what stays the same). Not movable;
/// may be destroyed in its callback.
class InterfaceMonitor {
 public:
  static constexpr Duration settle = 200ms;

  InterfaceMonitor(Loop& loop, std::function<void()> on_change);
  InterfaceMonitor(const InterfaceMonitor&) = delete;
  InterfaceMonitor& operator=(const InterfaceMonitor&) = delete;

  /// False where the kernel gives no netlink socket (a sandbox): then on_change never comes; ask now and then.
  bool active() const { return static_cast<bool>(fd_); }

 private:
  void on_readable();

  Loop& loop_;
  Fd fd_;
  Loop::Watch watch_;
  Loop::Timer settled_;
};

}  // namespace ginnel
