// One TCP connection that carries packets: a byte stream with a bounded output queue. It knows no framing: whoever
// receives says how much it could use, and gets the rest again with more behind it.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "drive/fd.hpp"
#include "drive/loop.hpp"

namespace ginnel {

/// Not movable; the owner keeps it until on_closed and may destroy it at any time, inside any callback too. Destroying
/// closes at once, drops what is queued, and no callback comes after. Callbacks come from Loop::run() only, never from
/// inside a call to this object.
class TcpConnection {
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

  /// Over a connection that stands (TcpListener::accept).
  TcpConnection(Loop& loop, Fd accepted, Callbacks callbacks);
  /// Begins to connect; on_connected or on_closed follows within connect_limit. What is sent before waits in the queue.
  /// With `from_port` it leaves from there, whoever else of ours uses that port with SO_REUSEPORT.
  static std::unique_ptr<TcpConnection> connect(Loop& loop, const Address& to, Callbacks callbacks, uint16_t from_port = 0);
  ~TcpConnection();
  TcpConnection(const TcpConnection&) = delete;
  TcpConnection& operator=(const TcpConnection&) = delete;

  /// Writes what the kernel takes now and queues the rest, all or nothing.
  Queued send(Bytes bytes);
  /// Flushes the queue, says FIN, waits for the other side's, but no longer than close_limit; then on_closed, and no
  /// other callback before it.
  void close();

  /// close() was called: the on_closed to come is our own doing.
  bool closing() const { return closing_; }
  size_t queued() const { return queue_.size() - queue_head_; }
  const Address& remote_address() const { return remote_; }

 private:
  /// Outlives the connection while a callback runs, and tells that callback's caller that the connection is gone.
  struct Shared {
    Callbacks callbacks;
    bool dead = false;
  };

  TcpConnection(Loop& loop, const Address& to, Callbacks callbacks, uint16_t from_port);
  void start_watch();
  void start_connect(uint16_t from_port);
  void on_readable();
  void on_writable();
  void connected();
  void deliver(MutableBytes bytes);
  /// Writes from the queue until it is empty or the kernel is full; false if the connection is lost.
  bool flush();
  void after_flush();
  void enqueue(Bytes bytes);
  void finish(const std::string& why);
  /// finish() from the loop, for calls that must not call back.
  void finish_later(std::string why);

  Loop& loop_;
  std::shared_ptr<Shared> shared_;
  Fd fd_;
  Address remote_;
  Loop::Watch watch_;
  Loop::Timer limit_;
  std::vector<uint8_t> queue_;  ///< from queue_head_ on; freed when empty
  size_t queue_head_ = 0;
  std::vector<uint8_t> leftover_;  ///< received, not consumed; freed when empty
  bool connecting_ = false;
  bool closing_ = false;
  bool failed_ = false;  ///< finish() is on its way
  bool owes_writable_ = false;
};

}  // namespace ginnel
