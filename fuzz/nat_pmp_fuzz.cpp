// Any datagram as NAT-PMP request and response. Promises: what is understood, written again, is understood the same; an
// answer is no request. RFC 6886 section 3.
#include <array>
#include <cstdint>

#include "fuzz/check.hpp"
#include "wire/nat_pmp.hpp"

using namespace ginnel;
using namespace ginnel::wire;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes datagram(data, size);
  std::array<uint8_t, nat_pmp_message_max> room;
  auto incoming = parse_nat_pmp_request(datagram);
  if (auto* error = std::get_if<NatPmpResult>(&incoming)) {
    Bytes answer = put_nat_pmp_error(datagram[1], *error, 1, room);
    FUZZ_CHECK(std::holds_alternative<std::monostate>(parse_nat_pmp_request(answer)));
    auto response = parse_nat_pmp_response(answer);
    FUZZ_CHECK(!response || response->result == *error);
  }
  if (auto* request = std::get_if<NatPmpRequest>(&incoming)) {
    Bytes again = put_nat_pmp_request(*request, room);
    FUZZ_CHECK(again.size() <= size && parse_nat_pmp_request(again) == incoming);
  }
  if (auto response = parse_nat_pmp_response(datagram)) {
    Bytes again = put_nat_pmp_response(*response, room);
    FUZZ_CHECK(parse_nat_pmp_response(again) == response);
  }
  return 0;
}
