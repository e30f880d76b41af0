// Reads the URLs of device descriptions. Knows what may stand in them, character by character; refuses to repair. RFC
// 3986 sections 3.2.2 (an IP address is written as one), 3.3 and 5.2.
#include "wire/http_url.hpp"

#include <algorithm>

#include "wire/url_text.hpp"

namespace ginnel::wire {

namespace {

// What goes into a request line must be printable and without space: a line break would begin a header of its own.
bool is_path(std::string_view text) {
  return text.starts_with('/') && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::string_view without_fragment(std::string_view text) { return text.substr(0, text.find('#')); }

}  // namespace

std::optional<HttpUrl> parse_http_url(std::string_view text) {
  constexpr std::string_view scheme = "http://";
  if (text.size() > http_url_max || !has_scheme(text, scheme)) return {};
  text = without_fragment(text.substr(scheme.size()));
  size_t slash = std::min(text.find_first_of("/?"), text.size());
  std::string host(text.substr(0, slash)), path(text.substr(slash));
  if (!path.starts_with('/')) path.insert(0, "/");
  size_t digits = host.starts_with('[') ? host.find(']') : 0;
  if (digits == host.npos) return {};
  if (host.find(':', digits) == host.npos) host += ":80";
  auto address = Address::parse(host);  // no names, so nothing to look up and nothing to rebind
  if (!address || address->port == 0 || !is_path(path)) return {};
  return HttpUrl{*address, std::move(path)};
}

std::optional<HttpUrl> resolve_http_url(const HttpUrl& base, std::string_view reference) {
  if (reference.size() > http_url_max) return {};
  size_t colon = reference.find(':'), slash = reference.find_first_of("/?#");
  if (colon != reference.npos && colon < slash) return parse_http_url(reference);  // section 4.2: it has a scheme
  if (reference.starts_with("//")) return parse_http_url("http:" + std::string(reference));
  HttpUrl out = base;
  std::string_view path = without_fragment(reference);
  if (path.empty()) return out;
  if (path.starts_with('/')) {
    out.path = path;
  } else {
    out.path = out.path.substr(0, out.path.find('?'));
    out.path = out.path.substr(0, out.path.rfind('/') + 1) + std::string(path);
  }
  if (out.path.size() > http_url_max || !is_path(out.path)) return {};
  return out;
}

}  // namespace ginnel::wire
