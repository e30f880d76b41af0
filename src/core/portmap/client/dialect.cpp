// PCP and NAT-PMP from a client's mouth. Knows what each result means for somebody who wants in; refuses to judge where
// a datagram came from. RFC 6887 sections 7.4, 8.4, 8.5, 9; RFC 6886 sections 3.3, 3.5, 3.6.
#include "core/portmap/client/dialect.hpp"

#include "core/portmap/whole_seconds.hpp"
#include "wire/ip.hpp"
#include "wire/nat_pmp.hpp"

namespace ginnel::portmap {

using wire::NatPmpOpcode;
using wire::NatPmpResult;
using wire::PcpOpcode;
using wire::PcpResult;

namespace {

std::string sentence(PcpResult result) {
  switch (result) {
    case PcpResult::not_authorized:
      return "the gateway does not allow it";
    case PcpResult::network_failure:
      return "the gateway has no outside address";
    case PcpResult::no_resources:
      return "the gateway has no room";
    case PcpResult::unsupp_protocol:
      return "the gateway does not map this protocol";
    case PcpResult::user_ex_quota:
      return "this host has its share already";
    case PcpResult::cannot_provide_external:
      return "the outside port is taken";
    case PcpResult::address_mismatch:
      return "there is another NAT before the gateway";
    default:
      return "the gateway answers with PCP error " + std::to_string(static_cast<int>(result));
  }
}

std::string sentence(NatPmpResult result) {
  switch (result) {
    case NatPmpResult::refused:
      return "the gateway does not allow it";
    case NatPmpResult::network_failure:
      return "the gateway has no outside address";
    case NatPmpResult::out_of_resources:
      return "the gateway has no room";
    default:
      return "the gateway answers with NAT-PMP error " + std::to_string(static_cast<int>(result));
  }
}

}  // namespace

// ---- PCP

Bytes PcpDialect::probe(const Network& network, MutableBytes room) const {
  wire::PcpRequest request;  // section 14.1: ANNOUNCE; it costs the gateway no state
  request.client = network.local;
  return wire::put_pcp_request(request, room);
}

Bytes PcpDialect::ask(const Network& network, const Ask& ask, MutableBytes room) const {
  wire::PcpRequest request;
  request.opcode = PcpOpcode::map;
  request.lifetime = whole_seconds(ask.lifetime);
  request.client = network.local;
  request.mapping = {ask.nonce, ask.wanted.protocol, ask.wanted.port, ask.external};
  return wire::put_pcp_request(request, room);
}

Reply PcpDialect::read(Bytes datagram) const {
  Reply reply;
  // RFC 6886 section 9: a gateway that knows NAT-PMP only answers so.
  if (auto old = wire::parse_nat_pmp_response(datagram); old && old->result == NatPmpResult::unsupported_version) {
    reply.kind = Reply::Kind::no_server;
    reply.why = "the gateway speaks NAT-PMP only";
    return reply;
  }
  auto response = wire::parse_pcp_response(datagram);
  if (!response) return reply;
  if (response->version != wire::pcp_version) {
    reply.kind = Reply::Kind::no_server;
    reply.why = "the gateway speaks PCP version " + std::to_string(response->version);
    return reply;
  }
  reply.ok = response->result == PcpResult::success;
  reply.epoch = response->epoch;
  // unsupp_version in our own version is what a gateway without NAT-PMP says to the other dialect.
  if (response->opcode != PcpOpcode::map || response->result == PcpResult::unsupp_version) {
    bool mismatch = response->result == PcpResult::address_mismatch;
    reply.kind = mismatch ? Reply::Kind::no_server : Reply::Kind::alive;
    if (mismatch) reply.why = sentence(response->result);
    return reply;
  }
  reply.kind = Reply::Kind::mapping;
  reply.wanted = {response->mapping.protocol, response->mapping.internal_port};
  reply.nonce = response->mapping.nonce;
  reply.external = response->mapping.external;
  reply.lifetime = std::chrono::seconds(response->lifetime);
  if (reply.ok) return reply;
  reply.why = sentence(response->result);
  reply.retry = reply.lifetime;
  return reply;
}

/// Section 8.5: the gateway's clock may run 1/16 faster or slower than ours, and seconds are whole.
bool PcpDialect::forgot(uint32_t before, uint32_t now, Duration passed) const {
  int64_t theirs = int64_t{now} - before, ours = whole_seconds(passed);
  if (theirs < -1) return true;  // one less may be two answers that overtook each other: time decides
  return ours + 2 < theirs - theirs / 16 || theirs + 2 < ours - ours / 16;
}

// ---- NAT-PMP

Bytes NatPmpDialect::probe(const Network&, MutableBytes room) const { return wire::put_nat_pmp_request({}, room); }

Bytes NatPmpDialect::ask(const Network&, const Ask& ask, MutableBytes room) const {
  auto opcode = ask.wanted.protocol == wire::ip_protocol_tcp ? NatPmpOpcode::map_tcp : NatPmpOpcode::map_udp;
  bool remove = ask.lifetime == 0s;  // section 3.4: then the outside port is 0
  return wire::put_nat_pmp_request(
      {opcode, ask.wanted.port, remove ? uint16_t{0} : ask.external.port, whole_seconds(ask.lifetime)}, room);
}

Reply NatPmpDialect::read(Bytes datagram) const {
  Reply reply;
  if (auto pcp = wire::parse_pcp_response(datagram); pcp && pcp->result == PcpResult::unsupp_version) {
    reply.kind = Reply::Kind::no_server;  // RFC 6887 section 9: the version that it does speak
    reply.why = "the gateway speaks PCP only";
    return reply;
  }
  auto response = wire::parse_nat_pmp_response(datagram);
  if (!response) return reply;
  // Not an answer to us: the other dialect asks from the same socket.
  if (response->result == NatPmpResult::unsupported_version) return reply;
  reply.ok = response->result == NatPmpResult::success;
  reply.epoch = response->epoch;
  if (!reply.ok) {
    reply.why = sentence(response->result);
    reply.retry = response->result == NatPmpResult::refused ? retry_max : retry_min;
  }
  if (response->opcode == NatPmpOpcode::public_address) {
    reply.kind = Reply::Kind::alive;
    if (reply.ok) reply.external = response->address;
    return reply;
  }
  reply.kind = Reply::Kind::mapping;
  bool tcp = response->opcode == NatPmpOpcode::map_tcp;
  reply.wanted = {tcp ? wire::ip_protocol_tcp : wire::ip_protocol_udp, response->internal_port};
  reply.external.port = response->external_port;
  reply.lifetime = std::chrono::seconds(response->lifetime);
  return reply;
}

/// Section 3.6: at least 7/8 of our time must have passed there, give or take two seconds.
bool NatPmpDialect::forgot(uint32_t before, uint32_t now, Duration passed) const {
  int64_t ours = whole_seconds(passed);
  return int64_t{now} + 2 < int64_t{before} + ours - ours / 8;
}

}  // namespace ginnel::portmap
