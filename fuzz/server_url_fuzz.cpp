// Any text as a server URL, and as HOST:PORT. Promises: what is read is written in one spelling, which reads as the
// same value and writes as the same text; a host that is accepted holds only characters that are safe in logs, URLs and
// resolvers; and a refusal has a sentence. RFC 3986 section 3.2.2.
#include <cstdint>
#include <string>

#include "base/address.hpp"
#include "fuzz/check.hpp"
#include "wire/server_url.hpp"

using namespace ginnel;
using namespace ginnel::wire;

namespace {

void check_error(const Error& error) {
  FUZZ_CHECK(error.code == Errc::bad_ticket && error.text.ends_with('.') && error.text.size() < 200);
}

void check_host(const std::string& host, uint16_t port) {
  FUZZ_CHECK(!host.empty() && host.size() <= 253 && port > 0 && host.front() != '-');
  FUZZ_CHECK(host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-_:") == host.npos);
  std::string text = host_port_to_string(host, port);
  bool v6 = host.find(':') != host.npos;
  FUZZ_CHECK(!v6 || Address::parse(text));
  auto back = parse_host_port(text, 1);
  FUZZ_CHECK(back && back->first == host && back->second == port);
  FUZZ_CHECK(host_port_to_string(back->first, back->second) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text = as_text({data, size});
  auto url = ServerUrl::parse(text);
  if (url) {
    check_host(url->host, url->port);
    auto back = ServerUrl::parse(url->to_string());
    FUZZ_CHECK(back && *back == *url && back->to_string() == url->to_string());
  } else {
    check_error(url.error());
  }
  auto host_port = parse_host_port(text, default_port);
  if (host_port) {
    check_host(host_port->first, host_port->second);
  } else {
    check_error(host_port.error());
  }
  return 0;
}
