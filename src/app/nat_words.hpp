// The words of `ginnel nat`, from the command line and the control socket: presets, knobs, forwards, addresses. Each
// that cannot be read gives one sentence with what would have been right.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.hpp"
#include "base/result.hpp"
#include "core/nat/behaviour.hpp"

namespace ginnel::app {

Result<nat::Behaviour> parse_preset(const std::string& name);
/// "udp.mapping=address-dependent"; nothing if the knob was turned.
std::optional<Error> turn_knob(nat::Behaviour& behaviour, const std::string& text);

struct NatForward {
  uint8_t protocol = 0;
  uint16_t port = 0;  ///< of the public address
  Address inside;
  std::string to_string() const;
};
/// "tcp:8080=10.0.0.5:80".
Result<NatForward> parse_forward(const std::string& text);
/// Its left half alone, "tcp:8080".
Result<NatForward> parse_forwarded_port(const std::string& text);

/// An IPv4 address without port.
Result<Address> parse_public_address(const std::string& text);

std::string protocol_name(uint8_t protocol);  ///< "udp", "tcp", "icmp", "all" for 0, else the number

/// Those that are spelled most like the word, at most three; none if nothing is near.
std::vector<std::string_view> near_words(std::string_view word, std::span<const std::string_view> words);

}  // namespace ginnel::app
