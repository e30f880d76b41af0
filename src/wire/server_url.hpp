// Where a server is and who it is: ginnel-server://KEY@HOST:PORT  (KEY in base32; HOST a name, an IPv4 address or a
// bracketed IPv6 address; :PORT may be left out and is then 3478).
#pragma once
#include <string>
#include <string_view>

#include "base/public_key.hpp"
#include "base/result.hpp"

namespace ginnel::wire {

inline constexpr uint16_t default_port = 3478;

struct ServerUrl {
  PublicKey key;
  std::string host;  ///< at most 253 characters of [A-Za-z0-9.-_], or an IP address without brackets
  uint16_t port = default_port;

  static Result<ServerUrl> parse(std::string_view text);  ///< errors are Errc::bad_ticket, one sentence each
  std::string to_string() const;
  bool operator==(const ServerUrl&) const = default;
};

/// "HOST:PORT", "HOST", "[v6]:PORT", "[v6]" into its two parts; also used for tickets.
Result<std::pair<std::string, uint16_t>> parse_host_port(std::string_view text, uint16_t port_if_absent);
std::string host_port_to_string(const std::string& host, uint16_t port);  ///< brackets IPv6; always with the port

}  // namespace ginnel::wire
