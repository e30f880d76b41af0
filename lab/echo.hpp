// The smallest service there is, and who uses it first: bytes that come back, and the moment the first one did.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "lab/host.hpp"

namespace ginnel::lab {

/// Sends back what comes over TCP, on any address of the host.
Process start_echo(const Host& host, uint16_t port);

/// From now on tries 127.0.0.1:port until something listens, sends a byte there, and prints when its echo came: for
/// echo_moment(). The connection stays open until the Process is destroyed.
Process start_prober(const Host& host, uint16_t port);
/// The moment that a prober's line says.
Time echo_moment(const std::string& line);

/// A socket connected to address:port; -1 if nobody listens there.
int dial(const std::string& address, uint16_t port);

}  // namespace ginnel::lab
