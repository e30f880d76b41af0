// One plain TCP connection that carries packets.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "drive/connection.hpp"
#include "drive/fd.hpp"
#include "drive/loop.hpp"

namespace ginnel {

class TcpConnection final : public Connection {
 public:
  /// Over a connection that stands (TcpListener::accept).
  TcpConnection(Loop& loop, Fd accepted, Callbacks callbacks);
  /// Begins to connect; on_connected or on_closed follows within connect_limit. What is sent before waits in the queue.
  /// With `from_port` it leaves from there, whoever else of ours uses that port with SO_REUSEPORT.
  static std::unique_ptr<TcpConnection> connect(Loop& loop, const Address& to, Callbacks callbacks, uint16_t from_port = 0);
  ~TcpConnection() override;
  TcpConnection(const TcpConnection&) = delete;
  TcpConnection& operator=(const TcpConnection&) = delete;

  Queued send(Bytes bytes) override;
  void close() override;
  /// Gives the descriptor away, for what turned out to be another kind of connection; it is as closed then, without a
  /// callback. What was received and not consumed is the caller's, who has seen it; nothing may be queued.
  Fd detach();

  bool closing() const override { return closing_; }
  size_t queued() const override { return queue_.size() - queue_head_; }
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
