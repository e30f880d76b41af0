// Names to addresses, as the system does it. Blocking; Loop::resolve calls it on a thread.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/address.hpp"

namespace ginnel {

inline constexpr size_t resolved_addresses_max = 8;

/// "192.0.2.1", "2001:db8::1" or "[2001:db8::1]"; no name, no zone.
std::optional<Address> parse_ip(std::string host, uint16_t port);

/// getaddrinfo's answer in its order, without duplicates and link-local IPv6; empty when there is none.
std::vector<Address> look_up_name(const std::string& host, uint16_t port);

}  // namespace ginnel
