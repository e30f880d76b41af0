// The event loop: descriptors, timers, signals and names, on one thread. Asio is behind it, in loop.cpp, so that nothing
// else pays for its headers (but for drive/asio_context.hpp).
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/instant.hpp"

namespace boost::asio {
class io_context;
}

namespace ginnel {

/// Runs callbacks on the thread that calls run(). Everything here belongs to that thread; there is nothing to lock.
/// Must outlive every Watch, Timer and Lookup made from it. The constructor throws std::system_error.
class Loop {
 public:
  class Watch;
  class Timer;
  class Lookup;

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Serves until stop(); may be called again after that. An exception from a callback comes out here.
  void run();
  void stop();
  /// Calls `job` from run(), never from inside post().
  void post(std::function<void()> job);
  /// Calls `handler` with the number of each of these signals that arrives, as long as the loop lives.
  void on_signal(const std::vector<int>& signals, std::function<void(int)> handler);
  /// Looks a name up and calls `done` once, never from inside resolve(): at most 8 addresses, IPv6 and IPv4 as the
  /// system orders them, empty when there is none now. An IP literal (brackets allowed) costs no thread. Dropping the
  /// returned handle cancels; a lookup that hangs delays neither others nor the end of the program.
  [[nodiscard]] Lookup resolve(std::string host, uint16_t port, std::function<void(std::vector<Address>)> done);

  /// CLOCK_BOOTTIME: time in which the machine was suspended counts.
  Instant now() const;

 private:
  friend boost::asio::io_context& asio_context(Loop& loop);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Tells when one descriptor, which it does not own, can be read or written. Level semantics: a callback repeats while
/// the interest is on and the descriptor is ready, and may now and then come when it is not (then EAGAIN answers).
/// Destroy it before the descriptor is closed, from anywhere, its own callback included; no callback comes after that.
class Loop::Watch {
 public:
  Watch() = default;
  /// No interest is on at first. Makes the descriptor non-blocking. A regular file is always ready. At most one Watch a
  /// descriptor. Throws std::system_error if the kernel has no memory for another watch.
  Watch(Loop& loop, int fd, std::function<void()> on_readable, std::function<void()> on_writable = {});
  Watch(Watch&&) noexcept = default;
  Watch& operator=(Watch&& other) noexcept;
  ~Watch() { reset(); }

  void want_read(bool on);
  void want_write(bool on);
  /// As if destroyed.
  void reset();

  explicit operator bool() const { return state_ != nullptr; }

 private:
  friend class Loop;
  struct State;
  std::shared_ptr<State> state_;
};

/// Calls back once at an instant of Loop::now(), with nanosecond precision; at once (but from run()) if that is past.
/// Timers fire in the order of their instants. May be destroyed or set again from its own callback.
class Loop::Timer {
 public:
  Timer() = default;
  Timer(Loop& loop, std::function<void()> on_time);
  Timer(Timer&&) noexcept = default;
  Timer& operator=(Timer&& other) noexcept;
  ~Timer() { reset(); }

  /// Replaces an earlier setting. Setting the same instant again costs nothing; a later one costs no system call.
  void set(Instant when);
  void cancel();
  /// As if destroyed.
  void reset();

  bool is_set() const;

 private:
  friend class Loop;
  struct State;
  std::shared_ptr<State> state_;
};

/// A name being looked up. Dropping it cancels the answer.
class Loop::Lookup {
 public:
  Lookup() = default;
  Lookup(Lookup&&) noexcept = default;
  Lookup& operator=(Lookup&& other) noexcept;
  ~Lookup() { reset(); }

  void reset();

 private:
  friend class Loop;
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ginnel
