// Who may use a service: tickets are issued and checked with one secret per service, which never leaves this machine.
// A ticket's proof is a MAC over its limits, so nothing is kept per ticket; a new secret revokes all (docs/decisions/006).
#pragma once
#include <array>
#include <cstdint>
#include <optional>

#include "core/quic/session.hpp"
#include "wire/ticket.hpp"

namespace ginnel::peer {

using ServiceSecret = std::array<uint8_t, 32>;

/// Opaque to the server: derived from the secret, not from the service's name.
wire::ServiceId service_id(const ServiceSecret& secret);
wire::Capability issue(const ServiceSecret& secret, std::optional<uint32_t> expires_minutes);
/// Nothing if the capability is good now; else the code to close with.
std::optional<quic::Code> objection(const ServiceSecret& secret, const wire::Capability& shown, uint32_t now_minutes);

}  // namespace ginnel::peer
