// NAT-PMP requests to leases and answers. Knows results; refuses to act for anybody but the sender. RFC 6886 sections
// 3.2, 3.3 (mapping), 3.4 (deleting), 3.5 (results).
#include "core/portmap/nat_pmp_server.hpp"

#include <algorithm>

#include "core/portmap/whole_seconds.hpp"
#include "wire/ip.hpp"

namespace ginnel::portmap {

using wire::NatPmpOpcode;
using wire::NatPmpResult;

namespace {

NatPmpResult result_of(Refusal why) {
  switch (why) {
    case Refusal::no_address:
      return NatPmpResult::network_failure;
    case Refusal::host_full:
    case Refusal::book_full:
      return NatPmpResult::out_of_resources;
    default:
      return NatPmpResult::refused;
  }
}

}  // namespace

std::optional<Bytes> NatPmpServer::handle(Instant now, const Address& from, Bytes datagram, MutableBytes room) {
  if (!book_.is_inside(from) || from.v6) return {};
  auto incoming = wire::parse_nat_pmp_request(datagram);
  if (std::holds_alternative<std::monostate>(incoming)) return {};
  if (auto* error = std::get_if<NatPmpResult>(&incoming))
    return wire::put_nat_pmp_error(datagram[1], *error, book_.epoch(now), room);
  const auto& request = std::get<wire::NatPmpRequest>(incoming);
  if (request.opcode == NatPmpOpcode::public_address) return announcement(now, room);
  return wire::put_nat_pmp_response(map(now, from, request), room);
}

Bytes NatPmpServer::announcement(Instant now, MutableBytes room) const {
  wire::NatPmpResponse response;
  response.epoch = book_.epoch(now);
  response.address = book_.external();
  if (response.address.is_unspecified()) response.result = NatPmpResult::network_failure;
  return wire::put_nat_pmp_response(response, room);
}

wire::NatPmpResponse NatPmpServer::map(Instant now, const Address& from, const wire::NatPmpRequest& request) {
  wire::NatPmpResponse response{request.opcode, NatPmpResult::success, book_.epoch(now), {}, request.internal_port};
  uint8_t protocol = request.opcode == NatPmpOpcode::map_tcp ? wire::ip_protocol_tcp : wire::ip_protocol_udp;
  Address inside = from.with_port(request.internal_port);
  if (request.lifetime == 0) {  // section 3.4: what is not there was deleted before; port 0 means all of the protocol
    for (const Lease& lease : book_.of_host(Method::nat_pmp, from, protocol))
      if (inside.port == 0 || lease.forward.inside == inside) book_.release(lease);
    return response;
  }
  if (inside.port == 0) {
    response.result = NatPmpResult::refused;
    return response;
  }
  auto outcome = book_.ask(
      now, {.method = Method::nat_pmp,
            .protocol = protocol,
            .inside = inside,
            .port = request.external_port,
            .lifetime = std::clamp<Duration>(std::chrono::seconds(request.lifetime), lifetime_min, lifetime_max),
            .description = {}});
  if (auto* why = std::get_if<Refusal>(&outcome)) {
    response.result = result_of(*why);
    return response;
  }
  const auto& lease = std::get<Lease>(outcome);
  response.external_port = lease.forward.outside.port;
  response.lifetime = whole_seconds(lease.expires - now);
  return response;
}

}  // namespace ginnel::portmap
