#include "lab/change.hpp"

#include <array>
#include <charconv>
#include <cmath>

#include "lab/process.hpp"
#include "lab/subnet.hpp"

namespace ginnel::lab {
namespace {

using Verb = Change::Verb;
using Direction = Change::Direction;
using Rest = std::span<const std::string>;

struct Form {
  std::string_view word;
  Verb verb;
  std::string_view form;
  bool (*read)(Rest, Change&);
};

bool read_node(Rest rest, Change& out) {
  if (rest.size() != 1) return false;
  out.node = rest[0];
  return true;
}

bool read_pair(Rest rest, Change& out) {
  if (rest.size() != 2) return false;
  out.node = rest[0], out.other = rest[1];
  return true;
}

bool read_blackhole(Rest rest, Change& out) {
  out.one_way = rest.size() == 3 && rest[2] == "one-way";
  return read_pair(out.one_way ? rest.first(2) : rest, out);
}

bool read_address(Rest rest, Change& out) { return read_pair(rest, out) && is_ipv4(out.other); }

bool read_link(Rest rest, Change& out) {
  if (rest.size() != 2 && rest.size() != 3) return false;
  out.node = rest[0];
  if (rest.size() == 3) {
    if (rest[1] != "up" && rest[1] != "down") return false;
    out.direction = rest[1] == "up" ? Direction::up : Direction::down;
  }
  const auto spec = link::parse_spec(rest.back() == "none" ? "" : rest.back());
  if (spec) out.spec = *spec;
  return true;  // a spec that cannot be read has a sentence of its own
}

constexpr std::array<Form, 9> forms{{
    {"cut", Verb::cut, "cut NODE", read_node},
    {"mend", Verb::mend, "mend NODE", read_node},
    {"blackhole", Verb::blackhole, "blackhole NODE NODE [one-way]", read_blackhole},
    {"heal", Verb::heal, "heal NODE NODE", read_pair},
    {"link", Verb::link, "link NODE [up|down] SPEC|none", read_link},
    {"reboot", Verb::reboot, "reboot NAT", read_node},
    {"address", Verb::address, "address NAT ADDRESS", read_address},
    {"block-udp", Verb::block_udp, "block-udp NAT", read_node},
    {"allow-udp", Verb::allow_udp, "allow-udp NAT", read_node},
}};

const Form* form_of(std::string_view word) {
  for (const Form& form : forms) {
    if (form.word == word) return &form;
  }
  return nullptr;
}

Error wrong(std::string sentence) { return {Errc::usage, std::move(sentence)}; }

std::string joined(Rest words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

}  // namespace

std::string Change::to_string() const {
  std::string out;
  for (const Form& form : forms) {
    if (form.verb == verb) out = std::string(form.word) + " " + node;
  }
  if (!other.empty()) out += " " + other;
  if (one_way) out += " one-way";
  if (verb != Verb::link) return out;
  if (direction != Direction::both) out += direction == Direction::up ? " up" : " down";
  const std::string text = link::to_text(spec);
  return out + " " + (text.empty() ? "none" : text);
}

Result<Change> parse_change(Rest words) {
  if (words.empty()) return wrong("An event is one of " + std::string(change_forms()) + ".");
  const Form* form = form_of(words[0]);
  if (!form) return wrong("There is no event \"" + words[0] + "\": there is " + std::string(change_forms()) + ".");
  Change out{.verb = form->verb};
  if (!form->read(words.subspan(1), out)) {
    return wrong("This event is written \"" + std::string(form->form) + "\", not \"" + joined(words) + "\".");
  }
  if (form->verb == Verb::link && words.back() != "none") {
    if (const auto spec = link::parse_spec(words.back()); !spec) return spec.error();
  }
  return out;
}

Result<Change> parse_change(std::string_view text) {
  const auto list = lab::words(text);
  return parse_change(Rest(list));
}

Result<Duration> parse_moment(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  const double ns = unit == "s" ? 1e9 : unit == "ms" ? 1e6 : unit == "m" ? 60e9 : 0;
  if (error != std::errc() || ns == 0 || !(value >= 0) || value * ns > 86'400e9) {
    return wrong("A moment is written like 2.5s, 300ms or 2m, not \"" + std::string(text) + "\".");
  }
  return Duration(std::llround(value * ns));
}

std::string_view change_forms() {
  static const std::string all = [] {
    std::string out;
    for (const Form& form : forms) out += (out.empty() ? "" : ", ") + std::string(form.form);
    return out;
  }();
  return all;
}

}  // namespace ginnel::lab
