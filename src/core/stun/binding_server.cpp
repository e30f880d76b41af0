// One request in, at most one small answer out. Knows Binding requests and nothing else; refuses to know who asks, and
// to say what software answers. RFC 8489 sections 6.3.1, 7.3; RFC 5780 section 6.1; the anti-amplification bound is ours.
#include "core/stun/binding_server.hpp"

#include "wire/stun.hpp"

namespace ginnel::stun {

namespace {

// RFC 5780 section 7.4: the address of the socket that differs in both. Where only the port can differ, no other IP.
std::optional<Address> other_address(const Faces& faces, SocketId socket) {
  const Address &both = faces[socket ^ 3], &port = faces[socket ^ 1];
  if (both.port != 0) return both;
  if (port.port == 0) return {};
  return Address{}.with_port(port.port);
}

}  // namespace

std::optional<BindingAnswer> answer_binding(Bytes request, const Address& from, SocketId socket, const Faces& faces,
                                            uint32_t instance, MutableBytes room) {
  auto message = wire::parse_stun(request);
  if (!message || message->cls != wire::StunClass::request || message->method != wire::stun_binding) return {};
  // RFC 8489 section 6.3.1 wants error 420 here. Silence instead: the sender's address may be forged, no client of ours
  // sends such attributes, and what is not sent cannot be turned against a third party.
  if (message->unknown_required || socket >= faces.size()) return {};
  // An ICE check (RFC 8445 section 7.2.2) that came to the wrong place: an unsigned answer would be worth nothing.
  if (message->username || message->integrity) return {};

  BindingAnswer answer{{}, socket, from};
  if (message->change_request) {
    if (*message->change_request & wire::stun_change_port) answer.socket ^= 1;
    if (*message->change_request & wire::stun_change_ip) answer.socket ^= 2;
    if (answer.socket != socket && faces[answer.socket].port == 0) return {};
  }
  if (message->response_port) answer.to.port = *message->response_port;
  if (answer.to.port == 0) return {};

  wire::StunWriter out(room, wire::StunClass::success, wire::stun_binding, message->id);
  out.xor_mapped_address(from);
  if (message->server_instance) out.server_instance(instance);
  // Only for who asks for it (RFC 5780 section 6.1 would have it in every answer), and not too shortly: answers stay small.
  auto other = message->change_request ? other_address(faces, socket) : std::nullopt;
  if (other && (!other->v6 || request.size() >= 36)) out.other_address(*other);
  if (message->fingerprint_ok) out.fingerprint();  // RFC 8489 section 7: in the answer if it was in the request
  answer.bytes = out.finish();
  if (answer.bytes.empty()) return {};
  return answer;
}

}  // namespace ginnel::stun
