// The five verbs. A machine decides; hands (drive/, or sim/) do. The law: give it one input, then drain it.
//
//   handle(now, input)        something happened
//   handle_timeout(now)       the time of next_deadline() has come
//   poll_action(now, room)    what to do next; bytes of a Transmit are written into room
//   poll_event()              what to tell the one who uses the machine
//   next_deadline()           when to call handle_timeout, and why
//
// Nearly all machines take the inputs and give the actions of base/; one that needs others names its own.
//
// A machine touches no socket, clock, thread or file; time and randomness are arguments. That makes it testable by the
// thousand in virtual time.
#pragma once
#include <concepts>
#include <optional>

#include "base/action.hpp"
#include "base/deadline.hpp"
#include "base/input.hpp"
#include "base/instant.hpp"

namespace ginnel {

template <typename M, typename In = Input, typename Out = Action>
concept Machine = requires(M m, const M c, Instant now, In& input, MutableBytes room) {
  { m.handle(now, input) };
  { m.handle_timeout(now) };
  { m.poll_action(now, room) } -> std::same_as<std::optional<Out>>;
  { m.poll_event().has_value() } -> std::same_as<bool>;
  { c.next_deadline() } -> std::same_as<std::optional<Deadline>>;
};

}  // namespace ginnel
