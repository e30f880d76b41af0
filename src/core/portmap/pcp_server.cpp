// PCP requests to leases and answers. Knows results and lifetimes; refuses to act for anybody but the sender. RFC 6887
// sections 7.4 (results), 8.3 (checks, in order), 11.3 (MAP), 13 (options), 15 (lifetimes, deletion).
#include "core/portmap/pcp_server.hpp"

#include <algorithm>

#include "core/portmap/whole_seconds.hpp"
#include "wire/ip.hpp"

namespace ginnel::portmap {

using wire::PcpOpcode;
using wire::PcpResult;

namespace {

bool is_translated(uint8_t protocol) { return protocol == wire::ip_protocol_tcp || protocol == wire::ip_protocol_udp; }

/// Section 7.4 says of each which it is.
uint32_t error_lifetime(PcpResult result) {
  switch (result) {
    case PcpResult::network_failure:
    case PcpResult::no_resources:
    case PcpResult::user_ex_quota:
    case PcpResult::cannot_provide_external:
      return PcpServer::short_error;
    default:
      return PcpServer::long_error;
  }
}

PcpResult check_options(const wire::PcpOptions& options, const Address& from) {
  // Section 13.1: needless use is a mistake even where the option is understood.
  if (options.third_party && options.third_party->same_ip(from)) return PcpResult::malformed_request;
  if (options.third_party || !options.filters.empty()) return PcpResult::unsupp_option;
  return PcpResult::success;
}

}  // namespace

std::optional<Bytes> PcpServer::handle(Instant now, const Address& from, Bytes datagram, MutableBytes room) {
  if (!book_.is_inside(from)) return {};  // section 15.1: not from where our clients are
  auto refuse = [&](PcpResult result, uint32_t lifetime) {
    return wire::put_pcp_error(datagram, result, lifetime, book_.epoch(now), room);
  };
  auto incoming = wire::parse_pcp_request(datagram);
  if (std::holds_alternative<std::monostate>(incoming)) return {};
  if (auto* error = std::get_if<PcpResult>(&incoming)) return refuse(*error, error_lifetime(*error));
  const auto& request = std::get<wire::PcpRequest>(incoming);

  PcpResult result = PcpResult::success;
  if (!request.client.same_ip(from)) result = PcpResult::address_mismatch;  // a NAT on the way
  if (result == PcpResult::success) result = check_options(request.options, from);
  if (result == PcpResult::success && request.opcode == PcpOpcode::peer) result = PcpResult::unsupp_opcode;
  if (result != PcpResult::success) return refuse(result, error_lifetime(result));

  wire::PcpResponse response{wire::pcp_version, request.opcode, PcpResult::success, 0,
                             book_.epoch(now),  request.mapping};
  if (request.opcode == PcpOpcode::map) {
    Answer answer = map(now, from, request);
    if (answer.result != PcpResult::success) return refuse(answer.result, answer.lifetime);
    response.lifetime = answer.lifetime;
    response.mapping.external = answer.external;
    response.options.prefer_failure = request.options.prefer_failure;
  }
  return wire::put_pcp_response(response, room);
}

Bytes PcpServer::announcement(Instant now, MutableBytes room) const {
  return wire::put_pcp_response({wire::pcp_version, PcpOpcode::announce, PcpResult::success, 0, book_.epoch(now)},
                                room);
}

PcpServer::Answer PcpServer::map(Instant now, const Address& from, const wire::PcpRequest& request) {
  if (from.v6) return {PcpResult::not_authorized, long_error};
  Address inside = from.with_port(request.mapping.internal_port);
  return request.lifetime == 0 ? remove(now, inside, request) : create(now, inside, request);
}

PcpServer::Answer PcpServer::create(Instant now, const Address& inside, const wire::PcpRequest& request) {
  const auto& mapping = request.mapping;
  // Section 11.1: all protocols, or all ports, is a wish for an address of one's own.
  if (!is_translated(mapping.protocol) || mapping.internal_port == 0) return {PcpResult::unsupp_protocol, long_error};
  bool elsewhere = !mapping.external.is_unspecified() && !mapping.external.same_ip(book_.external());
  if (request.options.prefer_failure && elsewhere) return refused(now, Refusal::taken, inside, mapping);
  Duration lifetime = std::clamp<Duration>(std::chrono::seconds(request.lifetime), lifetime_min, lifetime_max);
  auto outcome = book_.ask(now, {.method = Method::pcp,
                                 .protocol = mapping.protocol,
                                 .inside = inside,
                                 .port = mapping.external.port,
                                 .no_other = request.options.prefer_failure,
                                 .lifetime = lifetime,
                                 .nonce = mapping.nonce,
                                 .description = {}});
  if (auto* why = std::get_if<Refusal>(&outcome)) return refused(now, *why, inside, mapping);
  const auto& lease = std::get<Lease>(outcome);
  return {PcpResult::success, whole_seconds(lease.expires - now), lease.forward.outside};
}

PcpServer::Answer PcpServer::refused(Instant now, Refusal why, const Address& inside,
                                     const wire::PcpMapping& mapping) const {
  switch (why) {
    case Refusal::no_address:
      return {PcpResult::network_failure, short_error};
    case Refusal::not_owner: {  // section 11.3: for as long as the owner's mapping lasts
      const Lease* lease = book_.of(Method::pcp, mapping.protocol, inside);
      return {PcpResult::not_authorized, lease ? whole_seconds(lease->expires - now) : long_error};
    }
    case Refusal::host_full:
      return {PcpResult::user_ex_quota, short_error};
    case Refusal::book_full:
      return {PcpResult::no_resources, short_error};
    case Refusal::not_permitted:
    case Refusal::taken:
      break;
  }
  return {PcpResult::cannot_provide_external, short_error};
}

/// Section 15: deleting what is not there succeeds. Port 0 means all of the protocol, protocol 0 all of the host.
PcpServer::Answer PcpServer::remove(Instant now, const Address& inside, const wire::PcpRequest& request) {
  const auto& mapping = request.mapping;
  std::vector<Lease> meant;
  if (mapping.protocol == 0 || mapping.internal_port == 0)
    meant = book_.of_host(Method::pcp, inside, mapping.protocol);
  else if (const Lease* lease = book_.of(Method::pcp, mapping.protocol, inside))
    meant.push_back(*lease);
  Duration foreign{};
  size_t released = 0;
  for (const Lease& lease : meant) {
    if (lease.nonce != mapping.nonce) {
      foreign = std::max(foreign, lease.expires - now);
      continue;
    }
    book_.release(lease);
    ++released;
  }
  if (released == 0 && foreign > 0s) return {PcpResult::not_authorized, whole_seconds(foreign)};
  return {PcpResult::success, 0, mapping.external};
}

}  // namespace ginnel::portmap
