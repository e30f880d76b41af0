// Any datagram as PCP request and response. Promises: what is understood, written again, is understood the same and is
// no longer than it was; what is refused can be answered, within the bounds of a message, by something a client
// understands. RFC 6887 sections 7 and 8.
#include <algorithm>
#include <array>
#include <cstdint>

#include "fuzz/check.hpp"
#include "wire/pcp.hpp"

using namespace ginnel;
using namespace ginnel::wire;

namespace {

using Room = std::array<uint8_t, pcp_message_max>;

void check_error(Bytes datagram, PcpResult error) {
  Room room;
  Bytes answer = put_pcp_error(datagram, error, 30, 1, room);
  FUZZ_CHECK(answer.size() % 4 == 0 &&
             answer.size() <= std::max<size_t>(pcp_header_size, (datagram.size() + 3) / 4 * 4));
  FUZZ_CHECK(std::holds_alternative<std::monostate>(parse_pcp_request(answer)));  // two servers do not talk for ever
  auto response = parse_pcp_response(answer);
  if (error == PcpResult::unsupp_version && (datagram[1] & 0x7f) == 0) FUZZ_CHECK(response.has_value());
  if (response) FUZZ_CHECK(response->result == error);
}

void check_request(Bytes datagram, const PcpRequest& request) {
  FUZZ_CHECK(datagram.size() <= pcp_message_max && datagram.size() % 4 == 0);
  FUZZ_CHECK(request.options.filters.size() <= pcp_message_max / 24);
  Room room;
  Bytes again = put_pcp_request(request, room);
  FUZZ_CHECK(again.size() <= datagram.size());
  auto second = parse_pcp_request(again);
  FUZZ_CHECK(std::holds_alternative<PcpRequest>(second) && std::get<PcpRequest>(second) == request);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes datagram(data, size);
  auto incoming = parse_pcp_request(datagram);
  if (auto* error = std::get_if<PcpResult>(&incoming)) check_error(datagram, *error);
  if (auto* request = std::get_if<PcpRequest>(&incoming)) check_request(datagram, *request);

  auto response = parse_pcp_response(datagram);
  if (!response) return 0;
  FUZZ_CHECK(response->version == pcp_version || response->result == PcpResult::unsupp_version);
  if (response->version != pcp_version) return 0;
  Room room;
  FUZZ_CHECK(parse_pcp_response(put_pcp_response(*response, room)) == response);
  return 0;
}
