// Any datagram as SSDP, and any text as a URL. Promises: views stay inside the datagram and hold no line break; what is
// understood, written again, is understood the same; a URL that is accepted can be written into a request line. UPnP
// Device Architecture 1.1 section 1, RFC 3986.
#include <cstdint>

#include "fuzz/check.hpp"
#include "wire/http_url.hpp"
#include "wire/ssdp.hpp"

using namespace ginnel;
using namespace ginnel::wire;

namespace {

void check_view(std::string_view view, std::string_view whole) {
  if (view.empty()) return;
  FUZZ_CHECK(view.data() >= whole.data() && view.data() + view.size() <= whole.data() + whole.size());
  FUZZ_CHECK(view.find_first_of(std::string_view("\r\n\0", 3)) == view.npos);
}

void check_url(const HttpUrl& url) {
  FUZZ_CHECK(url.host.port != 0 && url.path.size() <= http_url_max && url.path.starts_with('/'));
  for (char c : url.path) FUZZ_CHECK(c > ' ' && c < 0x7f);
  if (url.to_string().size() <= http_url_max) FUZZ_CHECK(parse_http_url(url.to_string()) == url);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes datagram(data, size);
  std::string_view whole = as_text(datagram);
  const HttpUrl base{Address::v4(192, 168, 1, 1, 5000), "/dir/root.xml"};
  if (auto url = parse_http_url(whole)) check_url(*url);
  if (auto url = resolve_http_url(base, whole)) check_url(*url);
  auto m = parse_ssdp(datagram);
  if (!m) return 0;
  for (std::string_view view : {m->target, m->usn, m->location}) check_view(view, whole);
  FUZZ_CHECK(!m->target.empty() && m->mx <= 5 && m->max_age <= ssdp_max_age_max);
  std::string text = ssdp_text(*m);
  if (text.size() > ssdp_message_max) return 0;  // line ends are longer now
  FUZZ_CHECK(parse_ssdp(as_bytes(text)) == m);
  return 0;
}
