// Reads and writes server URLs, and the host and port that tickets share with them. Knows the text's form and reduces
// every spelling of an address to one; refuses to know names (no look-up) and never repeats the input in an error, as
// the text may be a ticket pasted into the wrong place. RFC 3986 section 3.2.2 (brackets), RFC 1123 section 2.1.
#include "wire/server_url.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/address.hpp"
#include "wire/url_text.hpp"

namespace ginnel::wire {

namespace {

constexpr size_t host_max = 253;  // RFC 1035 section 2.3.4, as text
constexpr size_t label_max = 63;  // likewise

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_char(char c) { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_'; }

// One spelling: no sign, no leading zero, 1 .. 65535.
std::optional<uint16_t> parse_port(std::string_view text) {
  if (text.empty() || text.size() > 5 || text[0] == '0' || !std::all_of(text.begin(), text.end(), is_digit)) return {};
  uint32_t port = 0;
  std::from_chars(text.data(), text.data() + text.size(), port);
  if (port > 65535) return {};
  return static_cast<uint16_t>(port);
}

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > host_max) return false;
  while (true) {
    size_t dot = text.find('.');
    std::string_view label = text.substr(0, dot);
    if (label.empty() || label.size() > label_max || label.front() == '-' || label.back() == '-') return false;
    if (!std::all_of(label.begin(), label.end(), is_name_char)) return false;
    if (dot == text.npos) break;
    text.remove_prefix(dot + 1);
  }
  // `text` is the last label. Resolvers take "127.1" and "127.0x1" for addresses: a name does not end in a number.
  return !std::all_of(text.begin(), text.end(), is_digit) && !text.starts_with("0x");
}

Error bad(std::string_view sentence) { return Error{Errc::bad_ticket, std::string(sentence)}; }

// A v4 address or a bracketed v6 address in its one spelling, a name in lower case, or nothing.
std::optional<std::string> canonical_host(std::string_view text) {
  if (text.find('\0') != text.npos) return {};  // inet_pton would stop there
  if (auto address = Address::parse(std::string(text) + ":0")) return address->ip_to_string();
  std::string name = lower_case(text);
  if (is_host_name(name)) return name;
  return {};
}

}  // namespace

Result<std::pair<std::string, uint16_t>> parse_host_port(std::string_view text, uint16_t port_if_absent) {
  if (text.empty()) return bad("The host is missing: write HOST:PORT.");
  if (text.size() > host_max + 8) return bad("The host name is too long: at most 253 characters are allowed.");
  size_t host_end = text.front() == '[' ? text.find(']') : text.find(':');
  if (text.front() == '[') {
    if (host_end == text.npos) return bad("The IPv6 address is not closed: write it as [ADDRESS]:PORT.");
    ++host_end;
  } else if (std::count(text.begin(), text.end(), ':') > 1) {
    return bad("An IPv6 address needs brackets: write it as [ADDRESS]:PORT.");
  }
  uint16_t port = port_if_absent;
  if (host_end < text.size()) {
    auto given = text[host_end] == ':' ? parse_port(text.substr(host_end + 1)) : std::nullopt;
    if (!given) return bad("The port is not a number between 1 and 65535: write HOST:PORT.");
    port = *given;
  }
  auto host = canonical_host(text.substr(0, host_end));
  if (!host) return bad("The host is neither a name nor an IP address: write example.org, 192.0.2.1 or [2001:db8::1].");
  return std::pair{*host, port};
}

std::string host_port_to_string(const std::string& host, uint16_t port) {
  bool v6 = host.find(':') != host.npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<ServerUrl> ServerUrl::parse(std::string_view input) {
  constexpr std::string_view scheme = "ginnel-server://";
  std::string_view text = trim(input);
  if (text.empty()) return bad("The server URL is empty: copy the line that `ginnel server` prints.");
  if (has_scheme(text, "ginnel://"))
    return bad("This is a ticket, not a server URL: give it to `ginnel connect`, or copy the line of `ginnel server`.");
  if (!has_scheme(text, scheme))
    return bad("This is not a server URL: copy the line that begins with ginnel-server:// from `ginnel server`.");
  if (has_space(text)) return bad("The server URL has a space or line break inside: copy it again, as one line.");
  text.remove_prefix(scheme.size());
  size_t at = text.find('@');
  if (at == text.npos)
    return bad("The server URL has no key: it must look like ginnel-server://KEY@HOST:PORT; copy it again, whole.");
  auto key = PublicKey::parse(text.substr(0, at));
  if (!key) return bad("The key in the server URL is damaged: it must be 52 letters and digits; copy it again, whole.");
  auto host_port = parse_host_port(text.substr(at + 1), default_port);
  if (!host_port) return Error{Errc::bad_ticket, "The server URL is damaged. " + host_port.error().text};
  return ServerUrl{*key, std::move(host_port->first), host_port->second};
}

std::string ServerUrl::to_string() const {
  return "ginnel-server://" + key.to_string() + "@" + host_port_to_string(host, port);
}

}  // namespace ginnel::wire
