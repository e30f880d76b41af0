// One request in, at most one small answer out. Knows Binding requests and nothing else; refuses to know who asks, and
// to say what software answers. RFC 8489 sections 6.3.1, 7.3; the anti-amplification bound is ours.
#include "core/stun/binding_server.hpp"

#include "wire/stun.hpp"

namespace ginnel::stun {

std::optional<Bytes> answer_binding(Bytes request, const Address& from, uint32_t instance, MutableBytes room) {
  auto message = wire::parse_stun(request);
  if (!message || message->cls != wire::StunClass::request || message->method != wire::stun_binding) return {};
  // RFC 8489 section 6.3.1 wants error 420 here. Silence instead: the sender's address may be forged, no client of ours
  // sends such attributes, and what is not sent cannot be turned against a third party.
  if (message->unknown_required) return {};
  // An ICE check (RFC 8445 section 7.2.2) that came to the wrong place: an unsigned answer would be worth nothing.
  if (message->username || message->integrity) return {};

  wire::StunWriter answer(room, wire::StunClass::success, wire::stun_binding, message->id);
  answer.xor_mapped_address(from);
  if (message->server_instance) answer.server_instance(instance);
  if (message->fingerprint_ok) answer.fingerprint();  // RFC 8489 section 7: in the answer if it was in the request
  Bytes out = answer.finish();
  if (out.empty()) return {};
  return out;
}

}  // namespace ginnel::stun
