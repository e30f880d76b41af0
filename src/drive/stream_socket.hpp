// Byte streams of applications: the local proxy's clients and the service behind `expose`. Plain calls on descriptors,
// never blocking, that keep apart what a proxy must keep apart: end (FIN), reset (RST), refusal, not now.
#pragma once
#include <optional>
#include <string>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"
#include "drive/fd.hpp"

namespace ginnel::stream_socket {

/// Exactly one of the cases: n > 0, eof, reset, blocked, error != 0.
struct ReadResult {
  size_t n = 0;
  bool eof = false;      ///< the other side will send no more (a terminal or pipe: it is gone)
  bool reset = false;    ///< the connection was torn down
  bool blocked = false;  ///< nothing now: wait until readable
  int error = 0;         ///< errno of anything else
};

/// n bytes were taken (may be fewer than given); if none: why not.
struct WriteResult {
  size_t n = 0;
  bool reset = false;    ///< nobody reads any more
  bool blocked = false;  ///< no room now: wait until writable
  int error = 0;         ///< errno of anything else
};

/// Begins to connect. When the descriptor becomes writable, connect_error() tells how it went. An error that is known
/// at once is returned: Errc::refused, unreachable or permission.
Result<Fd> connect(const Address& to);
/// The same for a unix-domain socket; `path` beginning with '@' is an abstract name.
Result<Fd> connect_unix(const std::string& path);
/// Nothing if the connection stands. `to` is only for the sentence.
std::optional<Error> connect_error(int fd, const std::string& to);

ReadResult read(int fd, MutableBytes room);
/// For sockets, and for pipes and terminals (SIGPIPE must be ignored for those: process_limits.hpp).
WriteResult write(int fd, Bytes bytes);

/// FIN after what was written. Not for pipes: close those.
void shutdown_write(int fd);
/// Closes with RST instead of FIN. A unix-domain socket has no RST: there it is a plain close, which the other side
/// sees as a reset only if it sent something that was not read.
void abort(Fd fd);

}  // namespace ginnel::stream_socket
