// The one kind of URL that a gateway may name: http, an IP address, a port, a path. Knows its form and how a relative
// one is completed; refuses names, other schemes, user names and whatever could break a request line. RFC 3986 sections
// 3 and 5, RFC 9112 section 3.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/address.hpp"

namespace ginnel::wire {

inline constexpr size_t http_url_max = 1024;

struct HttpUrl {
  Address host;
  std::string path;  ///< begins with '/'; query included, fragment not
  bool operator==(const HttpUrl&) const = default;

  std::string to_string() const { return "http://" + host.to_string() + path; }
};

/// Nothing if it is anything else than http://IP[:PORT][/PATH], or longer than http_url_max.
std::optional<HttpUrl> parse_http_url(std::string_view text);

/// `reference` as a document at `base` means it: a whole URL, "/path" or "path". Nothing if it leads nowhere allowed.
std::optional<HttpUrl> resolve_http_url(const HttpUrl& base, std::string_view reference);

}  // namespace ginnel::wire
