// Listens for TCP connections, or on any listening socket it is given.
#pragma once
#include <optional>
#include <utility>

#include "base/address.hpp"
#include "base/result.hpp"
#include "drive/fd.hpp"

namespace ginnel {

/// Non-blocking, move-only. Watch fd() with a Loop::Watch and accept() until it has none.
class TcpListener {
 public:
  static constexpr int backlog = 1024;

  enum class Port {
    own,     ///< nobody else may have it
    shared,  ///< our own outgoing connections may leave from it (TcpConnection::connect)
  };

  /// Port 0 lets the kernel choose; an IPv6 listener takes IPv6 only. Errors as bind_error says.
  static Result<TcpListener> open(const Address& bind, Port port = Port::own);
  /// Takes over a socket that listens already.
  explicit TcpListener(Fd listening);

  /// The next connection (non-blocking, close-on-exec) and who made it; nothing if none waits, or none can be taken.
  std::optional<std::pair<Fd, Address>> accept();

  /// The last accept() found no descriptor or memory free. The socket stays readable then: stop watching it for a
  /// while (a second), or the loop spins.
  bool out_of_files() const { return out_of_files_; }
  const Address& local_address() const { return local_; }
  int fd() const { return fd_.get(); }

 private:
  Fd fd_;
  Address local_;
  bool out_of_files_ = false;
};

}  // namespace ginnel
