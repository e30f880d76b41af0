// PCP: exact bytes, round trips, and every wrong length, version and option. Knows wire/pcp; refuses to judge requests
// (tests/unit/pcp_server_test.cpp). RFC 6887 sections 7, 8, 9, 11, 12, 13.
#include "wire/pcp.hpp"

#include <gtest/gtest.h>

#include "tests/support/hex.hpp"
#include "wire/ip.hpp"

namespace ginnel::wire {
namespace {

using test::from_hex;
using test::to_hex;
using Octets = std::vector<uint8_t>;

const Address client = Address::v4(192, 168, 1, 2, 0);
const Address client6 = *Address::parse("[2001:db8::2]:0");

PcpRequest map_request() {
  PcpRequest r;
  r.opcode = PcpOpcode::map;
  r.lifetime = 3600;
  r.client = client;
  r.mapping = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, ip_protocol_udp, 4000, Address::v4(198, 51, 100, 7, 5000)};
  return r;
}

std::vector<PcpRequest> samples() {
  PcpRequest announce;
  announce.client = client6;
  PcpRequest peer = map_request();
  peer.opcode = PcpOpcode::peer;
  peer.peer = *Address::parse("[2001:db8::9]:443");
  peer.options.third_party = Address::v4(192, 168, 1, 9, 0);
  PcpRequest rich = map_request();
  rich.client = client6;
  rich.mapping.external = *Address::parse("[::]:0");
  rich.options.prefer_failure = true;
  rich.options.third_party = client;
  rich.options.filters = {
      {0, *Address::parse("[::]:0")}, {128, Address::v4(203, 0, 113, 5, 80)}, {48, *Address::parse("[2001:db8::]:0")}};
  return {announce, map_request(), peer, rich};
}

Octets bytes_of(const PcpRequest& request) {
  Octets room(pcp_message_max);
  room.resize(put_pcp_request(request, room).size());
  return room;
}

PcpResult error_of(const Octets& datagram) {
  auto incoming = parse_pcp_request(datagram);
  auto* error = std::get_if<PcpResult>(&incoming);
  return error ? *error : PcpResult::success;
}
bool ignored(const Octets& datagram) { return std::holds_alternative<std::monostate>(parse_pcp_request(datagram)); }

// A MAP request with these bytes as its options.
Octets with_options(std::string_view hex) {
  Octets out = bytes_of(map_request());
  Octets options = from_hex(hex);
  out.insert(out.end(), options.begin(), options.end());
  return out;
}

TEST(Pcp, MapRequestBytes) {
  EXPECT_EQ(to_hex(bytes_of(map_request())),
            to_hex(from_hex("02 01 0000 00000e10 00000000000000000000ffffc0a80102"
                            "0102030405060708090a0b0c 11 000000 0fa0 1388 00000000000000000000ffffc6336407")));
}

TEST(Pcp, RequestsRoundTrip) {
  for (const auto& request : samples()) {
    auto incoming = parse_pcp_request(bytes_of(request));
    ASSERT_TRUE(std::holds_alternative<PcpRequest>(incoming));
    EXPECT_EQ(std::get<PcpRequest>(incoming), request);
  }
}

TEST(Pcp, ResponsesRoundTrip) {
  for (const auto& request : samples()) {
    PcpResponse response{
        pcp_version, request.opcode, PcpResult::no_resources, 30, 0xfffffffe, request.mapping, request.peer, {}};
    Octets room(pcp_message_max);
    Bytes written = put_pcp_response(response, room);
    EXPECT_EQ(written.size() % 4, 0u);
    EXPECT_EQ(parse_pcp_response(written), response);
    response.options = request.options;  // they make it longer and are not read
    EXPECT_GE(put_pcp_response(response, room).size(), written.size());
  }
}

TEST(Pcp, ResponsesAndCrumbsAreNoRequests) {
  EXPECT_TRUE(ignored({}));
  EXPECT_TRUE(ignored({2}));
  Octets response = bytes_of(map_request());
  response[1] |= 0x80;  // section 8.3: silence, lest two servers answer each other for ever
  EXPECT_TRUE(ignored(response));
}

TEST(Pcp, OtherVersionsAreToldSo) {
  for (uint8_t version : {0, 1, 3, 255}) {
    Octets request = bytes_of(map_request());
    request[0] = version;
    EXPECT_EQ(error_of(request), PcpResult::unsupp_version) << int(version);
    request.resize(2);
    EXPECT_EQ(error_of(request), PcpResult::unsupp_version) << "whatever else is wrong with it";
  }
}

TEST(Pcp, WrongLengths) {
  Octets whole = bytes_of(map_request());
  for (size_t size = 2; size < whole.size(); ++size)
    EXPECT_EQ(error_of(Octets(whole.begin(), whole.begin() + static_cast<long>(size))), PcpResult::malformed_request)
        << size;
  for (size_t more : {1, 2, 3}) {
    Octets longer = whole;
    longer.resize(longer.size() + more);
    EXPECT_EQ(error_of(longer), PcpResult::malformed_request) << more;
  }
  // 1100 bytes are allowed, filled up here with an option that may be ignored.
  Octets longest = with_options("80 00 0000");
  longest[longest.size() - 2] = static_cast<uint8_t>((pcp_message_max - longest.size()) >> 8);
  longest[longest.size() - 1] = static_cast<uint8_t>(pcp_message_max - longest.size());
  longest.resize(pcp_message_max);
  EXPECT_EQ(error_of(longest), PcpResult::success);
  longest.resize(pcp_message_max + 4);
  EXPECT_EQ(error_of(longest), PcpResult::malformed_request);
}

TEST(Pcp, WrongOpcode) {
  Octets request = bytes_of(map_request());
  for (uint8_t opcode : {3, 64, 127}) {
    request[1] = opcode;
    EXPECT_EQ(error_of(request), PcpResult::unsupp_opcode) << int(opcode);
  }
}

TEST(Pcp, OptionsThatMustBeUnderstood) {
  struct {
    const char* hex;
    PcpResult result;
  } cases[] = {
      {"04 00 0000", PcpResult::unsupp_option},                // unknown, mandatory
      {"7f 00 0004 00000000", PcpResult::unsupp_option},       // likewise, the last of that range
      {"80 00 0004 00000000", PcpResult::success},             // unknown, may be ignored
      {"ff 00 0001 aa000000", PcpResult::success},             // padded to four
      {"00 00 0000", PcpResult::unsupp_option},                // reserved
      {"02 00 0000", PcpResult::success},                      // PREFER_FAILURE
      {"02 00 0000 02 00 0000", PcpResult::malformed_option},  // twice
      {"02 00 0004 00000000", PcpResult::malformed_option},    // with data
      {"01 00 0010 00000000000000000000ffffc0a80109", PcpResult::success},
      {"01 00 000c 00000000000000000000ffff", PcpResult::malformed_option},  // too short for THIRD_PARTY
      {"03 00 0014 00 80 0050 00000000000000000000ffffcb007105", PcpResult::success},
      {"03 00 0014 00 81 0050 00000000000000000000ffffcb007105", PcpResult::malformed_option},  // prefix 129
      {"03 00 0014 00 20 0050 00000000000000000000ffffcb007105", PcpResult::malformed_option},  // IPv4, prefix 32
      {"03 00 0010 00 80 0050 00000000000000000000ffff", PcpResult::malformed_option},
      {"80 00 0008 00000000", PcpResult::malformed_option},  // longer than what is there
      {"80 00 ffff 00000000", PcpResult::malformed_option},
  };
  for (const auto& c : cases) EXPECT_EQ(error_of(with_options(c.hex)), c.result) << c.hex;
}

TEST(Pcp, OptionsInTheWrongPlace) {
  PcpRequest announce;
  announce.options.third_party = client;
  EXPECT_EQ(error_of(bytes_of(announce)), PcpResult::malformed_option);
  PcpRequest peer = map_request();
  peer.opcode = PcpOpcode::peer;
  peer.options.prefer_failure = true;
  EXPECT_EQ(error_of(bytes_of(peer)), PcpResult::malformed_option);
  peer.options = {{}, false, {{0, client}}};
  EXPECT_EQ(error_of(bytes_of(peer)), PcpResult::malformed_option);
}

TEST(Pcp, ErrorsRepeatTheRequest) {
  Octets request = bytes_of(samples().back()), room(pcp_message_max);
  Bytes error = put_pcp_error(request, PcpResult::not_authorized, 1800, 77, room);
  auto response = parse_pcp_response(error);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->result, PcpResult::not_authorized);
  EXPECT_EQ(response->lifetime, 1800u);
  EXPECT_EQ(response->epoch, 77u);
  EXPECT_EQ(response->mapping, samples().back().mapping);
  EXPECT_EQ(error.size(), request.size());
  EXPECT_TRUE(std::equal(error.begin() + pcp_header_size, error.end(), request.begin() + pcp_header_size));
}

TEST(Pcp, ErrorsAreWellFormedWhateverTheRequest) {
  Octets room(pcp_message_max);
  for (size_t size : {2, 3, 23, 24, 25, 61, 1100, 1101, 65507}) {
    for (uint8_t version : {1, 2}) {
      Octets request(size, 0x55);
      request[0] = version;
      request[1] = 1;
      Bytes error = put_pcp_error(request, PcpResult::malformed_request, 0, 0, room);
      EXPECT_EQ(error[0], pcp_version);
      EXPECT_EQ(error[1], 0x81);
      EXPECT_EQ(error.size() % 4, 0u);
      EXPECT_LE(error.size(), version == 2 ? std::max<size_t>(24, (size + 3) / 4 * 4) : 24);
      EXPECT_LE(error.size(), pcp_message_max);
    }
  }
}

TEST(Pcp, ResponsesOfOtherVersionsOnlySayWhichVersion) {
  Octets room(pcp_message_max);
  PcpResponse response;
  response.version = 1;
  response.result = PcpResult::unsupp_version;
  Octets bytes(24);
  Bytes written = put_pcp_response(response, room);
  auto parsed = parse_pcp_response(written);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->version, 1);
  response.result = PcpResult::success;
  EXPECT_FALSE(parse_pcp_response(put_pcp_response(response, room)));
}

TEST(Pcp, BrokenResponses) {
  PcpResponse response{pcp_version, PcpOpcode::map, PcpResult::success, 3600, 1, map_request().mapping, {}, {}};
  Octets whole(pcp_message_max);
  whole.resize(put_pcp_response(response, whole).size());
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(parse_pcp_response(Bytes(whole).first(size))) << size;
  Octets bad = whole;
  bad[1] &= 0x7f;  // a request
  EXPECT_FALSE(parse_pcp_response(bad));
  bad[1] = 0x83;  // an opcode that nobody asked for
  EXPECT_FALSE(parse_pcp_response(bad));
  bad = whole;
  bad.resize(pcp_message_max + 4);
  EXPECT_FALSE(parse_pcp_response(bad));
}

}  // namespace
}  // namespace ginnel::wire
