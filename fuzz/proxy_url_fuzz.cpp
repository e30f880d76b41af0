// Any text as a proxy's URL, and as a list of hosts that want none. Promises: a host that is accepted holds only
// characters that are safe in a request's lines; user and password hold no control character; what is read can be
// written and read again; a refusal has a sentence; and an exemption does not depend on the case of the host.
#include <cstdint>
#include <string>

#include "base/bytes.hpp"
#include "fuzz/check.hpp"
#include "wire/proxy_url.hpp"
#include "wire/url_text.hpp"

using namespace ginnel;
using namespace ginnel::wire;

namespace {

bool has_control(const std::string& text) {
  for (unsigned char c : text)
    if (c < 0x20 || c == 0x7f) return true;
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text = as_text({data, size});
  auto proxy = parse_proxy_url(text);
  if (proxy) {
    FUZZ_CHECK(!proxy->host.empty() && proxy->host.size() <= 253 && proxy->port > 0);
    FUZZ_CHECK(proxy->host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-_:") == std::string::npos);
    FUZZ_CHECK(!has_control(proxy->user) && !has_control(proxy->password) && proxy->user.size() <= 255 &&
               proxy->password.size() <= 255);
    FUZZ_CHECK(proxy->user.find(':') == std::string::npos);
    auto back = parse_proxy_url(proxy->to_string());
    FUZZ_CHECK(back && back->host == proxy->host && back->port == proxy->port && back->user.empty());
  } else {
    FUZZ_CHECK(proxy.error().code == Errc::usage && proxy.error().text.ends_with('.') &&
               proxy.error().text.size() < 300);
  }
  // The first line is a host, the rest a list.
  size_t end = std::min(text.find('\n'), text.size());
  std::string host(text.substr(0, end));
  std::string_view list = text.substr(end);
  bool exempt = is_exempt(list, host);
  FUZZ_CHECK(is_exempt(list, lower_case(host)) == exempt);
  FUZZ_CHECK(is_exempt(std::string(list) + " *", host));
  return 0;
}
