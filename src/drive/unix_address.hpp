// A unix-domain socket's name as the kernel takes it.
#pragma once
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <optional>
#include <string>

namespace ginnel {

/// A path, or an abstract name if it begins with '@'.
struct UnixAddress {
  sockaddr_un raw{};
  socklen_t size = 0;

  /// Nothing if the path is empty or longer than the kernel's 107 bytes.
  static std::optional<UnixAddress> make(const std::string& path) {
    UnixAddress out;
    if (path.empty() || path.size() >= sizeof out.raw.sun_path) return {};
    out.raw.sun_family = AF_UNIX;
    std::memcpy(out.raw.sun_path, path.data(), path.size());
    bool abstract = path[0] == '@';
    if (abstract) out.raw.sun_path[0] = '\0';
    // An abstract name has no end but its length; a path ends with a zero byte.
    out.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
    return out;
  }
  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&raw); }
};

}  // namespace ginnel
