// NAT-PMP: exact bytes, round trips, cut and foreign messages. Knows wire/nat_pmp; refuses to judge requests
// (tests/unit/nat_pmp_server_test.cpp). RFC 6886 sections 3.2, 3.3, 3.5.
#include "wire/nat_pmp.hpp"

#include <gtest/gtest.h>

#include "tests/support/hex.hpp"

namespace ginnel::wire {
namespace {

using test::from_hex;
using test::to_hex;
using Octets = std::vector<uint8_t>;

Octets bytes_of(const NatPmpRequest& request) {
  Octets room(nat_pmp_message_max);
  room.resize(put_nat_pmp_request(request, room).size());
  return room;
}
Octets bytes_of(const NatPmpResponse& response) {
  Octets room(nat_pmp_message_max);
  room.resize(put_nat_pmp_response(response, room).size());
  return room;
}

TEST(NatPmp, Bytes) {
  EXPECT_EQ(to_hex(bytes_of(NatPmpRequest{})), "0000");
  EXPECT_EQ(to_hex(bytes_of(NatPmpRequest{NatPmpOpcode::map_tcp, 22, 2222, 7200})),
            "000200000016"
            "08ae00001c20");
  NatPmpResponse address;
  address.epoch = 5;
  address.address = Address::v4(198, 51, 100, 7, 0);
  EXPECT_EQ(to_hex(bytes_of(address)), "0080000000000005c6336407");
  EXPECT_EQ(to_hex(bytes_of(NatPmpResponse{NatPmpOpcode::map_udp, NatPmpResult::success, 6, {}, 22, 2222, 7200})),
            "008100000000000600160"
            "8ae00001c20");
}

TEST(NatPmp, RoundTrips) {
  for (auto opcode : {NatPmpOpcode::public_address, NatPmpOpcode::map_udp, NatPmpOpcode::map_tcp}) {
    NatPmpRequest request{opcode};
    NatPmpResponse response{opcode, NatPmpResult::out_of_resources, 0xfffffffe};
    if (opcode != NatPmpOpcode::public_address) {
      request = {opcode, 65535, 1, 0xffffffff};
      response.internal_port = 65535;
      response.external_port = 1;
      response.lifetime = 0xffffffff;
    } else {
      response.address = Address::v4(1, 2, 3, 4, 0);
    }
    auto incoming = parse_nat_pmp_request(bytes_of(request));
    ASSERT_TRUE(std::holds_alternative<NatPmpRequest>(incoming));
    EXPECT_EQ(std::get<NatPmpRequest>(incoming), request);
    EXPECT_EQ(parse_nat_pmp_response(bytes_of(response)), response);
  }
}

TEST(NatPmp, WhatIsDroppedAndWhatIsAnswered) {
  auto result = [](const char* hex) { return parse_nat_pmp_request(from_hex(hex)); };
  for (const char* silent : {"", "00", "0080", "0081000000160016", "0001",
                             "00010000001600160000"
                             "1c"})
    EXPECT_TRUE(std::holds_alternative<std::monostate>(result(silent))) << silent;
  for (const char* version : {"0100", "0300", "ff01"})
    EXPECT_EQ(result(version), NatPmpIncoming(NatPmpResult::unsupported_version)) << version;
  for (const char* opcode : {"0003", "007f"})
    EXPECT_EQ(result(opcode), NatPmpIncoming(NatPmpResult::unsupported_opcode)) << opcode;
  EXPECT_EQ(result("0000aaaa"), NatPmpIncoming(NatPmpRequest{})) << "padding is no fault";
}

TEST(NatPmp, CutResponses) {
  Octets whole = bytes_of(NatPmpResponse{NatPmpOpcode::map_udp, NatPmpResult::success, 6, {}, 22, 2222, 7200});
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(parse_nat_pmp_response(Bytes(whole).first(size)));
  whole[3] = 4;  // an error may end after the epoch
  for (size_t size = 8; size < whole.size(); ++size) EXPECT_TRUE(parse_nat_pmp_response(Bytes(whole).first(size)));
  EXPECT_FALSE(parse_nat_pmp_response(Bytes(whole).first(7)));
}

TEST(NatPmp, ForeignResponses) {
  for (const char* hex : {"0001000000000006"
                          "0016"
                          "08ae00001c20",  // a request
                          "0281000000000006"
                          "0016"
                          "08ae00001c20",  // PCP's version
                          "0083000000000006"
                          "0016"
                          "08ae00001c20"})  // an opcode that there is not
    EXPECT_FALSE(parse_nat_pmp_response(from_hex(hex))) << hex;
}

TEST(NatPmp, AGatewayWithoutPcpSaysSo) {
  Octets room(nat_pmp_message_max);
  for (uint8_t opcode : {0, 1, 2, 77}) {
    Bytes error = put_nat_pmp_error(opcode, NatPmpResult::unsupported_version, 9, room);
    auto response = parse_nat_pmp_response(error);
    ASSERT_TRUE(response) << int(opcode);
    EXPECT_EQ(response->result, NatPmpResult::unsupported_version);
    EXPECT_EQ(response->epoch, 9u);
  }
}

}  // namespace
}  // namespace ginnel::wire
