// Where applications come in: a local TCP port or a unix-domain socket.
#pragma once
#include <optional>
#include <string>

#include "base/address.hpp"
#include "base/result.hpp"
#include "drive/fd.hpp"
#include "drive/tcp_listener.hpp"

namespace ginnel {

/// Non-blocking, move-only. Watch fd() with a Loop::Watch and accept() until it has none.
class StreamListener {
 public:
  /// Port 0 lets the kernel choose. Errc::in_use, permission, usage.
  static Result<StreamListener> open(const Address& bind);
  /// For this user only (mode 0600). A socket file that nobody listens on any more is replaced; the file is removed at
  /// the end. `path` beginning with '@' is an abstract name. Errors as above.
  static Result<StreamListener> open_unix(const std::string& path);
  StreamListener(StreamListener&& other) noexcept;
  StreamListener& operator=(StreamListener&& other) noexcept;
  ~StreamListener();

  /// The next connection, non-blocking; TCP with TCP_NODELAY.
  std::optional<Fd> accept();

  /// As TcpListener::out_of_files: stop watching for a second.
  bool out_of_files() const { return listener_.out_of_files(); }
  /// Unspecified for a unix-domain socket.
  const Address& local_address() const { return listener_.local_address(); }
  int fd() const { return listener_.fd(); }

 private:
  StreamListener(TcpListener listener, std::string path) : listener_(std::move(listener)), path_(std::move(path)) {}

  TcpListener listener_;
  std::string path_;  ///< of the file to remove
};

}  // namespace ginnel
