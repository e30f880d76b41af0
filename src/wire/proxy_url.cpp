// Reads the settings for an HTTP proxy. RFC 3986 sections 2.1 and 3.2.1 (user and password), RFC 7617 section 2 (what
// may stand in them). There is no standard for $no_proxy: this is what curl, Go and Python agree on, and networks.
#include "wire/proxy_url.hpp"

#include <charconv>
#include <optional>

#include "base/address.hpp"
#include "wire/server_url.hpp"
#include "wire/url_text.hpp"

namespace ginnel::wire {

namespace {

constexpr uint16_t http_port = 80;      // RFC 9110 section 4.2.1
constexpr size_t credential_max = 255;  // of user and of password

Error bad(std::string_view sentence) { return Error{Errc::usage, std::string(sentence)}; }

/// A user or password without its percent signs; nothing if it is broken, too long, or holds a control character.
std::optional<std::string> decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<uint8_t>(text[i]);
    if (c == '%') {
      auto digits = text.substr(i + 1, 2);
      auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), c, 16);
      if (digits.size() != 2 || failed != std::errc{} || end != digits.data() + 2) return {};
      i += 2;
    }
    if (c < 0x20 || c == 0x7f) return {};  // RFC 7617 section 2
    out += static_cast<char>(c);
  }
  if (out.size() > credential_max) return {};
  return out;
}

std::optional<Address> as_address(std::string_view text) {
  bool bare_v6 = text.find(':') != text.npos && !text.starts_with('[');
  std::string host = bare_v6 ? "[" + std::string(text) + "]" : std::string(text);
  return Address::parse(host + ":0");
}

bool in_network(const Address& address, std::string_view network) {
  size_t slash = network.find('/');
  auto base = as_address(network.substr(0, slash));
  std::string_view digits = network.substr(slash + 1);
  unsigned bits = 0;
  auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  if (!base || failed != std::errc{} || end != digits.data() + digits.size() || digits.empty()) return false;
  if (base->v6 != address.v6 || bits > base->ip_bytes().size() * 8) return false;
  for (unsigned i = 0; i < bits; ++i)
    if ((base->ip[i / 8] ^ address.ip[i / 8]) & (0x80 >> i % 8)) return false;
  return true;
}

/// Without ":PORT", where that cannot be part of an IPv6 address.
std::string_view without_port(std::string_view word) {
  size_t colon = word.find(':');
  return word.rfind(':') == colon ? word.substr(0, colon) : word;
}

bool names(std::string_view word, std::string_view host, const std::optional<Address>& address) {
  if (word == "*") return true;
  if (address) {
    if (word.find('/') != word.npos) return in_network(*address, word);
    auto same = as_address(without_port(word));
    return same && *same == *address;
  }
  std::string name = lower_case(without_port(word));
  if (name.starts_with('*')) name.erase(0, 1);
  if (name.starts_with('.')) name.erase(0, 1);
  if (name.empty() || !host.ends_with(name)) return false;
  return host.size() == name.size() || host[host.size() - name.size() - 1] == '.';
}

}  // namespace

Result<HttpProxy> parse_proxy_url(std::string_view input) {
  std::string_view text = trim(input);
  if (has_space(text)) return bad("The proxy's URL has a space or line break inside; write http://HOST:PORT.");
  if (size_t scheme = text.find("://"); scheme != text.npos) {
    if (lower_case(text.substr(0, scheme)) != "http")
      return bad("Only HTTP proxies are known here, not this kind: write http://HOST:PORT.");
    text.remove_prefix(scheme + 3);
  }
  if (text.ends_with('/')) text.remove_suffix(1);
  HttpProxy proxy;
  if (size_t at = text.rfind('@'); at != text.npos) {
    std::string_view credentials = text.substr(0, at);
    size_t colon = credentials.find(':');
    auto user = decode(credentials.substr(0, colon));
    auto password = colon == credentials.npos ? std::string() : decode(credentials.substr(colon + 1));
    if (!user || !password || user->find(':') != user->npos)
      return bad(
          "The user name or password in the proxy's URL cannot be read: write http://USER:PASSWORD@HOST:PORT, other "
          "characters than letters and digits as %XX.");
    proxy.user = *user, proxy.password = *password;
    text.remove_prefix(at + 1);
  }
  auto where = parse_host_port(text, http_port);
  if (!where) return Error{Errc::usage, "The proxy's URL cannot be read. " + where.error().text};
  proxy.host = where->first, proxy.port = where->second;
  return proxy;
}

bool is_exempt(std::string_view no_proxy, std::string_view host) {
  std::string name = lower_case(host);
  auto address = as_address(name);
  constexpr std::string_view separators = ", \t\r\n";
  for (size_t at = 0; (at = no_proxy.find_first_not_of(separators, at)) != no_proxy.npos;) {
    size_t end = std::min(no_proxy.find_first_of(separators, at), no_proxy.size());
    if (names(no_proxy.substr(at, end - at), name, address)) return true;
    at = end;
  }
  return false;
}

}  // namespace ginnel::wire
