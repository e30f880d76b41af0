// An HTTP proxy that connects to others on our behalf (CONNECT, RFC 9110 section 9.3.6), as settings name it.
#pragma once
#include <cstdint>
#include <string>

namespace ginnel {

struct HttpProxy {
  std::string host;  ///< a name, or an IP address without brackets
  uint16_t port = 80;
  std::string user, password;  ///< empty: none

  /// For people: never with user and password.
  std::string to_string() const {
    bool v6 = host.find(':') != host.npos;
    return "http://" + (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
  }
  bool operator==(const HttpProxy&) const = default;
};

}  // namespace ginnel
