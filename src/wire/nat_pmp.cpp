// NAT-PMP messages to bytes and back. Knows the three requests and their answers; refuses to know time and mappings.
// RFC 6886 section 3.
#include "wire/nat_pmp.hpp"

#include <cassert>

namespace ginnel::wire {

namespace {

constexpr uint8_t response_bit = 128;

}  // namespace

NatPmpIncoming parse_nat_pmp_request(Bytes datagram) {
  if (datagram.size() < 2 || datagram[1] & response_bit) return {};
  if (datagram[0] != nat_pmp_version) return NatPmpResult::unsupported_version;
  if (datagram[1] > static_cast<uint8_t>(NatPmpOpcode::map_tcp)) return NatPmpResult::unsupported_opcode;
  NatPmpRequest request;
  request.opcode = static_cast<NatPmpOpcode>(datagram[1]);
  // Longer is no fault: some clients pad, and the fields stand where they stand.
  if (request.opcode == NatPmpOpcode::public_address) return request;
  Reader in(datagram.subspan(2));
  in.take(2);
  request.internal_port = in.u16();
  request.external_port = in.u16();
  request.lifetime = in.u32();
  if (in.failed()) return {};
  return request;
}

std::optional<NatPmpResponse> parse_nat_pmp_response(Bytes datagram) {
  Reader in(datagram);
  uint8_t version = in.u8(), opcode = in.u8();
  NatPmpResponse response;
  response.result = static_cast<NatPmpResult>(in.u16());
  response.epoch = in.u32();
  if (in.failed() || version != nat_pmp_version || !(opcode & response_bit)) return {};
  opcode &= static_cast<uint8_t>(~response_bit);
  bool ok = response.result == NatPmpResult::success;
  // A gateway without PCP repeats PCP's opcode, which names something else here.
  if (response.result == NatPmpResult::unsupported_version) return response;
  if (opcode > static_cast<uint8_t>(NatPmpOpcode::map_tcp)) return {};
  response.opcode = static_cast<NatPmpOpcode>(opcode);
  if (response.opcode == NatPmpOpcode::public_address) {
    Bytes ip = in.take(4);
    if (!in.failed()) response.address = Address::from_ip(ip, 0);
  } else {
    response.internal_port = in.u16();
    response.external_port = in.u16();
    response.lifetime = in.u32();
  }
  if (in.failed() && ok) return {};
  return response;
}

Bytes put_nat_pmp_request(const NatPmpRequest& request, MutableBytes room) {
  Writer out(room);
  out.u8(nat_pmp_version);
  out.u8(static_cast<uint8_t>(request.opcode));
  if (request.opcode != NatPmpOpcode::public_address) {
    out.u16(0);
    out.u16(request.internal_port);
    out.u16(request.external_port);
    out.u32(request.lifetime);
  }
  assert(!out.failed());
  return out.written();
}

Bytes put_nat_pmp_response(const NatPmpResponse& response, MutableBytes room) {
  Writer out(room);
  out.u8(nat_pmp_version);
  out.u8(static_cast<uint8_t>(response.opcode) | response_bit);
  out.u16(static_cast<uint16_t>(response.result));
  out.u32(response.epoch);
  if (response.opcode == NatPmpOpcode::public_address) {
    assert(!response.address.v6);
    out.put(response.address.ip_bytes());
  } else {
    out.u16(response.internal_port);
    out.u16(response.external_port);
    out.u32(response.lifetime);
  }
  assert(!out.failed());
  return out.written();
}

Bytes put_nat_pmp_error(uint8_t opcode, NatPmpResult result, uint32_t epoch, MutableBytes room) {
  Writer out(room);
  out.u8(nat_pmp_version);
  out.u8(opcode | response_bit);
  out.u16(static_cast<uint16_t>(result));
  out.u32(epoch);
  assert(!out.failed());
  return out.written();
}

}  // namespace ginnel::wire
