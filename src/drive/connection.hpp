// A connection that carries packets, whatever it wears on the outside: a byte stream with a bounded output queue. It
// knows no framing: whoever receives says how much it could use, and gets the rest again with more behind it.
#pragma once
#include <functional>
#include <string>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/instant.hpp"

namespace ginnel {

/// Not movable; the owner keeps it until on_closed and may destroy it at any time, inside any callback too. Destroying
/// closes at once, drops what is queued, and no callback comes after. Callbacks come from Loop::run() only, never from
/// inside a call to this object.
class Connection {
 public:
  static constexpr size_t queue_full = 256 * 1024;     ///< from here on send() answers `full`
  static constexpr size_t queue_writable = 64 * 1024;  ///< below this on_writable fires
  static constexpr size_t queue_max = 1024 * 1024;     ///< beyond this send() refuses
  static constexpr size_t leftover_max = 128 * 1024;   ///< more unconsumed bytes than this end the connection
  static constexpr Duration connect_limit = 10s;
  static constexpr Duration close_limit = 2s;

  enum class Queued {
    ok,
    full,     ///< queued, but send no more until on_writable
    refused,  ///< nothing was queued: the queue is at its limit, or the connection is closing or closed
  };

  struct Callbacks {
    std::function<void(const Address& local)> on_connected;  ///< only after connect()
    /// Bytes that arrived, behind those not consumed before; they may be changed and live until the next input.
    /// Returns how many were used up.
    std::function<size_t(MutableBytes)> on_received;
    std::function<void()> on_writable;  ///< once after `full` or `refused`
    /// Always the last callback, once: the other side closed, an error, or close() is done.
    std::function<void(const std::string& why)> on_closed;
  };

  virtual ~Connection() = default;

  /// All or nothing: what does not go out now is queued. What is sent before the connection stands waits.
  virtual Queued send(Bytes bytes) = 0;
  /// Flushes the queue, says that this is the end, waits for the other side's, but no longer than close_limit; then
  /// on_closed, and no other callback before it.
  virtual void close() = 0;

  /// close() was called: the on_closed to come is our own doing.
  virtual bool closing() const = 0;
  virtual size_t queued() const = 0;
};

}  // namespace ginnel
