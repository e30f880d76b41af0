// What the two halves of a tester say to each other when a NAT stands between them: "emit this packet", "this arrived".
// Knows the messages and their bounds; refuses to know sockets and who may ask for what. Our own format, no RFC.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "core/conform/packet.hpp"

namespace ginnel::conform {

inline constexpr size_t control_size_max = 4096;
inline constexpr size_t control_packet_max = control_size_max - 3;
inline constexpr size_t control_addresses_max = 8;

using ControlToken = std::array<uint8_t, 16>;

/// From the inside, first of all.
struct ControlHello {
  ControlToken token{};
};
/// The answer: whom the outside sees, and the addresses it has to offer; ports mean nothing.
struct ControlWelcome {
  Address you;
  std::vector<Address> addresses;
};
/// From the inside: emit it.
struct ControlSend {
  PacketBytes packet;
};
/// From the outside: it came.
struct ControlArrived {
  PacketBytes packet;
};
using ControlMessage = std::variant<ControlHello, ControlWelcome, ControlSend, ControlArrived>;

/// Lists and packets that are too long are cut.
std::vector<uint8_t> encode(const ControlMessage& message);

struct NextControl {
  std::optional<ControlMessage> message;
  size_t size = 0;  ///< of the message; 0: not whole yet
  bool malformed = false;
};
/// The first message of a stream.
NextControl next_control(Bytes stream);

}  // namespace ginnel::conform
