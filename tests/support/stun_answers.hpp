// Binding responses as a server gives them, for tests of what asks. Knows what a request was; refuses to know why. No RFC
// of its own: wire/stun writes them.
#pragma once
#include <optional>
#include <vector>

#include "wire/stun.hpp"

namespace ginnel::test {

/// A message with the bytes that its views point into.
struct StunBytes {
  std::vector<uint8_t> bytes;
  wire::StunMessage message() const { return wire::parse_stun(bytes).value(); }
};

struct StunAnswer {
  std::optional<Address> mapped;
  std::optional<Address> other = {};
  std::optional<uint32_t> instance = {};
  wire::StunClass cls = wire::StunClass::success;
  uint16_t method = wire::stun_binding;
  bool unknown_required = false;
};

inline StunBytes answer_to(const wire::TransactionId& id, const StunAnswer& what) {
  std::vector<uint8_t> room(200);
  wire::StunWriter out(room, what.cls, what.method, id);
  if (what.mapped) out.xor_mapped_address(*what.mapped);
  if (what.other) out.other_address(*what.other);
  if (what.instance) out.server_instance(*what.instance);
  Bytes whole = out.finish();
  std::vector<uint8_t> bytes(whole.begin(), whole.end());
  if (what.unknown_required) {  // an attribute that nobody defined, comprehension-required
    bytes.insert(bytes.end(), {0, 4, 0, 4, 0, 0, 0, 6});
    bytes[3] = static_cast<uint8_t>(bytes.size() - 20);
  }
  return {bytes};
}

inline wire::TransactionId id_of(Bytes request) { return wire::parse_stun(request).value().id; }

}  // namespace ginnel::test
