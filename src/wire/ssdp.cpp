// SSDP text to values and back. Knows the lines; refuses whatever is not exactly one of the four messages. UPnP Device
// Architecture 1.1 sections 1.2.2 (alive), 1.2.3 (byebye), 1.3.2 (search), 1.3.3 (response).
#include "wire/ssdp.hpp"

#include <algorithm>
#include <charconv>

#include "wire/url_text.hpp"

namespace ginnel::wire {

namespace {

struct Headers {
  std::optional<std::string_view> st, nt, nts, usn, location, man, mx, cache_control;
};

/// The next line without its end; RFC 9112 section 2.2 lets a lone line feed pass.
std::string_view take_line(std::string_view& rest) {
  size_t end = std::min(rest.find('\n'), rest.size());
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool is_text(char c) { return (c >= ' ' && c != 0x7f) || c == '\t' || static_cast<unsigned char>(c) >= 0x80; }

std::optional<std::string_view>* place_of(Headers& headers, std::string_view name) {
  std::string lower = lower_case(name);
  if (lower == "st") return &headers.st;
  if (lower == "nt") return &headers.nt;
  if (lower == "nts") return &headers.nts;
  if (lower == "usn") return &headers.usn;
  if (lower == "location") return &headers.location;
  if (lower == "man") return &headers.man;
  if (lower == "mx") return &headers.mx;
  if (lower == "cache-control") return &headers.cache_control;
  return nullptr;
}

std::optional<Headers> read_headers(std::string_view rest) {
  Headers out;
  for (size_t count = 0; !rest.empty(); ++count) {
    std::string_view line = take_line(rest);
    if (line.empty()) break;
    size_t colon = line.find(':');
    // RFC 9112 section 5.1: no space before the colon; and no folding, whose lines begin with one.
    if (count == ssdp_headers_max || colon == line.npos || colon == 0 || has_space(line.substr(0, colon))) return {};
    if (!std::all_of(line.begin(), line.end(), is_text)) return {};
    auto* place = place_of(out, line.substr(0, colon));
    if (!place) continue;
    if (*place) return {};  // which of two counts is a question for attackers
    *place = trim(line.substr(colon + 1));
  }
  return out;
}

std::optional<uint32_t> number(std::string_view text) {
  uint32_t value = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end == text.data()) return {};
  return value;
}

uint32_t max_age_of(const Headers& headers) {
  std::string text = lower_case(headers.cache_control.value_or(""));
  size_t at = text.find("max-age");
  if (at == text.npos) return 0;
  std::string_view rest = std::string_view(text).substr(at + 7);
  while (!rest.empty() && (is_space(rest.front()) || rest.front() == '=')) rest.remove_prefix(1);
  return std::min(number(rest).value_or(0), ssdp_max_age_max);
}

bool has(const std::optional<std::string_view>& header) { return header && !header->empty(); }

std::optional<SsdpMessage> read_search(const Headers& h) {
  if (h.man != "\"ssdp:discover\"" || !has(h.st)) return {};
  SsdpMessage m{SsdpKind::search, *h.st};
  // Section 1.3.2: larger values are treated as 5.
  if (h.mx) m.mx = std::clamp<uint32_t>(number(*h.mx).value_or(1), 1, 5);
  return m;
}

std::optional<SsdpMessage> read_notify(const Headers& h) {
  if (!has(h.nt) || !has(h.usn)) return {};
  if (h.nts == "ssdp:byebye") return SsdpMessage{SsdpKind::byebye, *h.nt, *h.usn};
  if (h.nts != "ssdp:alive" || !has(h.location)) return {};
  return SsdpMessage{SsdpKind::alive, *h.nt, *h.usn, *h.location, 0, max_age_of(h)};
}

std::optional<SsdpMessage> read_response(const Headers& h) {
  if (!has(h.st) || !has(h.usn) || !has(h.location)) return {};
  return SsdpMessage{SsdpKind::response, *h.st, *h.usn, *h.location, 0, max_age_of(h)};
}

void add(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

std::optional<SsdpMessage> parse_ssdp(Bytes datagram) {
  if (datagram.size() > ssdp_message_max) return {};
  std::string_view rest = as_text(datagram);
  std::string_view first = take_line(rest);
  auto headers = read_headers(rest);
  if (!headers) return {};
  if (first == "M-SEARCH * HTTP/1.1") return read_search(*headers);
  if (first == "NOTIFY * HTTP/1.1") return read_notify(*headers);
  if (first.starts_with("HTTP/1.1 200") || first.starts_with("HTTP/1.0 200")) return read_response(*headers);
  return {};
}

std::string ssdp_text(const SsdpMessage& m, std::string_view server) {
  std::string out;
  bool notice = m.kind == SsdpKind::alive || m.kind == SsdpKind::byebye;
  if (m.kind == SsdpKind::response)
    out = "HTTP/1.1 200 OK\r\n";
  else
    out = (notice ? "NOTIFY" : "M-SEARCH") + std::string(" * HTTP/1.1\r\nHOST: ") + ssdp_group.to_string() + "\r\n";
  if (m.kind == SsdpKind::search) {
    add(out, "MAN", "\"ssdp:discover\"");
    if (m.mx > 0) add(out, "MX", std::to_string(m.mx));
  }
  if (m.kind == SsdpKind::response || m.kind == SsdpKind::alive) {
    add(out, "CACHE-CONTROL", "max-age=" + std::to_string(m.max_age));
    if (m.kind == SsdpKind::response) add(out, "EXT", "");
    add(out, "LOCATION", m.location);
    if (!server.empty()) add(out, "SERVER", server);
  }
  add(out, notice ? "NT" : "ST", m.target);
  if (notice) add(out, "NTS", m.kind == SsdpKind::alive ? "ssdp:alive" : "ssdp:byebye");
  if (m.kind != SsdpKind::search) add(out, "USN", m.usn);
  return out + "\r\n";
}

}  // namespace ginnel::wire
