// Address as the kernel writes it, in both directions, and the sentences for a local address that cannot be had.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <string_view>

#include "base/address.hpp"
#include "base/result.hpp"

namespace ginnel {

/// Room for a sockaddr of either family. Default-made it is empty room of full size, for the kernel to fill.
class SocketAddress {
 public:
  SocketAddress() { raw_.any.sa_family = AF_UNSPEC; }
  explicit SocketAddress(const Address& address);

  sockaddr* data() { return &raw_.any; }
  const sockaddr* data() const { return &raw_.any; }
  /// Bytes in use, or all the room when nothing is in it yet.
  socklen_t size() const;
  static constexpr socklen_t room() { return sizeof(Raw); }

  /// The unspecified address when the family is neither IPv4 nor IPv6.
  static Address from(const sockaddr* raw);
  Address address() const { return from(&raw_.any); }

 private:
  union Raw {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } raw_{};
};

/// Where a socket is bound; unspecified if it is not.
Address local_address_of(int fd);

/// Why `what` ("UDP", "TCP") could not bind to `address`, and what to do: Errc::in_use, permission or usage.
Error bind_error(int error, std::string_view what, const Address& address);

/// The kernel's own words for an errno.
std::string errno_text(int error);

}  // namespace ginnel
