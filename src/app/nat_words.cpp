#include "app/nat_words.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>

#include "wire/ip.hpp"

namespace ginnel::app {

namespace {

/// How many letters have to be put in, left out or changed (Levenshtein).
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      size_t changed = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
    }
  }
  return row[b.size()];
}

std::string listed(std::span<const std::string_view> words, const char* last) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i)
    out += (i == 0 ? "" : i + 1 == words.size() ? std::string(" ") + last + " " : ", ") + std::string(words[i]);
  return out;
}

/// " Did you mean a, b or c?", or where to look when nothing is near.
std::string hint(std::string_view word, std::span<const std::string_view> words, const std::string& otherwise) {
  auto near = near_words(word, words);
  return near.empty() ? " " + otherwise : " Did you mean " + listed(near, "or") + "?";
}

constexpr const char* forward_form =
    "A forward is written udp:PORT=HOST:PORT or tcp:PORT=HOST:PORT, such as tcp:8080=10.0.0.5:80";

Error bad_forward(const std::string& text) {
  return {Errc::usage, std::string(forward_form) + "; \"" + text + "\" is not."};
}

}  // namespace

Result<nat::Behaviour> parse_preset(const std::string& name) {
  if (auto found = nat::preset(name)) return *found;
  std::vector<std::string_view> names;
  for (const auto& each : nat::presets()) names.push_back(each.name);
  return Error{Errc::usage,
               "There is no preset \"" + name + "\"." + hint(name, names, "There are " + listed(names, "and") + ".")};
}

std::optional<Error> turn_knob(nat::Behaviour& behaviour, const std::string& text) {
  size_t equals = text.find('=');
  if (equals == std::string::npos)
    return Error{Errc::usage, "A knob is set as KNOB=VALUE, such as udp.filtering=endpoint-independent; \"" + text +
                                  "\" has no '='."};
  std::string knob = text.substr(0, equals);
  auto names = nat::knob_names();
  if (std::find(names.begin(), names.end(), knob) == names.end())
    return Error{Errc::usage,
                 "There is no knob \"" + knob + "\"." + hint(knob, names, "`ginnel nat knobs` lists them.")};
  auto wrong = nat::set_knob(behaviour, knob, text.substr(equals + 1));
  if (!wrong) return {};
  return Error{Errc::usage, *wrong + "."};
}

std::string NatForward::to_string() const {
  return protocol_name(protocol) + ":" + std::to_string(port) + "=" + inside.to_string();
}

Result<NatForward> parse_forwarded_port(const std::string& text) {
  NatForward out;
  std::string_view rest = text;
  if (rest.starts_with("udp:")) {
    out.protocol = wire::ip_protocol_udp;
  } else if (rest.starts_with("tcp:")) {
    out.protocol = wire::ip_protocol_tcp;
  } else {
    return bad_forward(text);
  }
  rest.remove_prefix(4);
  auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), out.port);
  if (error != std::errc{} || end != rest.data() + rest.size() || out.port == 0) return bad_forward(text);
  return out;
}

Result<NatForward> parse_forward(const std::string& text) {
  size_t equals = text.find('=');
  if (equals == std::string::npos) return bad_forward(text);
  auto out = parse_forwarded_port(text.substr(0, equals));
  auto inside = Address::parse(text.substr(equals + 1));
  if (!out || !inside || inside->v6 || inside->port == 0) return bad_forward(text);
  out->inside = *inside;
  return out;
}

Result<Address> parse_public_address(const std::string& text) {
  auto out = Address::parse(text + ":0");
  if (!out || out->v6 || out->is_unspecified() || out->is_loopback() || out->is_multicast_or_broadcast())
    return Error{Errc::usage, "A public address is one IPv4 address, such as 198.51.100.7; \"" + text + "\" is not."};
  return *out;
}

std::string protocol_name(uint8_t protocol) {
  switch (protocol) {
    case 0:
      return "all";
    case wire::ip_protocol_icmp:
      return "icmp";
    case wire::ip_protocol_tcp:
      return "tcp";
    case wire::ip_protocol_udp:
      return "udp";
    default:
      return std::to_string(protocol);
  }
}

std::vector<std::string_view> near_words(std::string_view word, std::span<const std::string_view> words) {
  std::vector<std::pair<size_t, std::string_view>> near;
  for (std::string_view each : words) {
    size_t far = distance(word, each);
    bool part = word.size() >= 3 && each.find(word) != std::string_view::npos;
    if (part || far <= std::max<size_t>(1, word.size() / 3)) near.emplace_back(part ? 0 : far, each);
  }
  std::stable_sort(near.begin(), near.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string_view> out;
  for (size_t i = 0; i < std::min<size_t>(near.size(), 3); ++i) out.push_back(near[i].second);
  return out;
}

}  // namespace ginnel::app
