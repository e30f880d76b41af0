// Where an HTTP proxy is, as --proxy and the environment say it: http://[USER:PASSWORD@]HOST[:PORT]; and the list of
// hosts that want none ($no_proxy).
#pragma once
#include <string_view>

#include "base/http_proxy.hpp"
#include "base/result.hpp"

namespace ginnel::wire {

/// User and password may be percent-encoded. Without a port it is 80; without a scheme it is http. Errors are
/// Errc::usage, one sentence each, and never repeat the text: it may hold a password.
Result<HttpProxy> parse_proxy_url(std::string_view text);

/// Is `host` in the list? Its words, between commas or spaces, are "*", a name (with all names under it; a dot or "*."
/// in front changes nothing), an address, or a network such as 10.0.0.0/8; a ":PORT" behind a name or IPv4 address is
/// not looked at. A word that is none of these names nobody.
bool is_exempt(std::string_view no_proxy, std::string_view host);

}  // namespace ginnel::wire
