// Any text as a ticket, and any values in one. Promises: a ticket that is read is written in one spelling, which reads
// as the same ticket and differs from the text in letter case and outer white space only; every ticket that can be
// issued can be read; and a refusal has a sentence that repeats nothing secret. No RFC: the format is ours.
#include <cstdint>
#include <string>

#include "fuzz/check.hpp"
#include "wire/ticket.hpp"
#include "wire/url_text.hpp"

using namespace ginnel;
using namespace ginnel::wire;

namespace {

void check_text(std::string_view text) {
  auto ticket = Ticket::parse(text);
  if (!ticket) {
    const std::string& sentence = ticket.error().text;
    FUZZ_CHECK(ticket.error().code == Errc::bad_ticket && sentence.ends_with('.'));
    // The longest sentence is a known one: a text that is repeated would make it longer, or put odd bytes into it.
    FUZZ_CHECK(sentence.size() < 200 && sentence.find_first_of("\n\r\t\x1b") == sentence.npos);
    return;
  }
  std::string again = ticket->to_string();
  FUZZ_CHECK(again == lower_case(trim(text)));
  auto back = Ticket::parse(again);
  FUZZ_CHECK(back && *back == *ticket);
}

void check_values(Bytes bytes) {
  Reader in(bytes);
  Ticket ticket;
  in.fill(std::span(ticket.peer.bytes));
  in.fill(std::span(ticket.server.key.bytes));
  in.fill(std::span(ticket.capability.service));
  in.fill(std::span(ticket.capability.proof));
  if (in.u8() & 1) ticket.capability.expires_minutes = in.u32();
  auto host_port = parse_host_port(as_text(in.rest()), default_port);
  if (in.failed() || !host_port) return;
  ticket.server.host = host_port->first;
  ticket.server.port = host_port->second;
  auto back = Ticket::parse(ticket.to_string());
  FUZZ_CHECK(back && *back == ticket);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  check_text(as_text({data, size}));
  check_values({data, size});
  return 0;
}
