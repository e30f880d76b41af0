#include "drive/socket_address.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace ginnel {

SocketAddress::SocketAddress(const Address& address) {
  if (address.v6) {
    raw_.v6.sin6_family = AF_INET6;
    raw_.v6.sin6_port = htons(address.port);
    std::copy(address.ip.begin(), address.ip.end(), raw_.v6.sin6_addr.s6_addr);
  } else {
    raw_.v4.sin_family = AF_INET;
    raw_.v4.sin_port = htons(address.port);
    std::memcpy(&raw_.v4.sin_addr, address.ip.data(), 4);
  }
}

socklen_t SocketAddress::size() const {
  if (raw_.any.sa_family == AF_INET) return sizeof raw_.v4;
  return raw_.any.sa_family == AF_INET6 ? sizeof raw_.v6 : room();
}

Address SocketAddress::from(const sockaddr* raw) {
  if (raw->sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, raw, sizeof v4);
    return Address::from_ip({reinterpret_cast<const uint8_t*>(&v4.sin_addr), 4}, ntohs(v4.sin_port));
  }
  if (raw->sa_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, raw, sizeof v6);
    return Address::from_ip({v6.sin6_addr.s6_addr, 16}, ntohs(v6.sin6_port));
  }
  return {};
}

Address local_address_of(int fd) {
  SocketAddress local;
  socklen_t size = SocketAddress::room();
  if (::getsockname(fd, local.data(), &size) != 0) return {};
  return local.address();
}

Error bind_error(int error, std::string_view what, const Address& address) {
  std::string place = std::string(what) + " port " + std::to_string(address.port) + " on " + address.ip_to_string();
  switch (error) {
    case EADDRINUSE:
      return {Errc::in_use, place + " is already in use. Choose another port, or stop the program that holds it."};
    case EACCES:
    case EPERM:
      return {Errc::permission, place + " may not be used by this user. Choose a port from 1024 up."};
    case EADDRNOTAVAIL:
      return {Errc::usage, address.ip_to_string() + " is not an address of this machine. Choose one that is."};
    case EAFNOSUPPORT:
      return {Errc::usage, std::string("This machine has no ") + (address.v6 ? "IPv6" : "IPv4") + ". Use " +
                               (address.v6 ? "an IPv4" : "an IPv6") + " address instead of " + address.ip_to_string() +
                               "."};
    default:
      return {Errc::internal, place + " cannot be opened: " + errno_text(error) + "."};
  }
}

std::string errno_text(int error) { return std::system_category().message(error); }

}  // namespace ginnel
