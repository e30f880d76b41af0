#include "core/link/spec.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <span>

namespace ginnel::link {

namespace {

constexpr Duration longest = 60s;
constexpr uint64_t fastest = 100'000'000'000;
constexpr size_t largest_queue = 1u << 30;
constexpr uint32_t smallest_mtu = 68;  // RFC 791 section 3.2

struct Unit {
  std::string_view name;
  double factor;
};
// Smallest first.
constexpr Unit times[] = {{"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
constexpr Unit rates[] = {{"bit", 1}, {"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}};
constexpr Unit sizes[] = {{"b", 1}, {"kb", 1e3}, {"mb", 1e6}};
constexpr Unit shares[] = {{"%", 0.01}};

/// A number and one of the units, nothing before, between or behind.
std::optional<double> quantity(std::string_view text, std::span<const Unit> units) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(value) || value < 0) return {};
  std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  for (const auto& u : units)
    if (u.name == unit) return value * u.factor;
  return {};
}

bool read_time(std::string_view text, Duration& out) {
  auto value = quantity(text, times);
  if (!value || *value > static_cast<double>(longest.count())) return false;
  out = Duration(std::llround(*value));
  return true;
}

bool read_share(std::string_view text, double& out) {
  auto value = quantity(text, shares);
  if (!value || *value > 1) return false;
  out = *value;
  return true;
}

bool read_jitter(std::string_view text, Spec& spec) {
  size_t colon = text.find(':');
  if (colon != text.npos && text.substr(colon + 1) != "reorder") return false;
  spec.jitter_reorders = colon != text.npos;
  return read_time(text.substr(0, colon), spec.jitter);
}

bool read_rate(std::string_view text, Spec& spec) {
  auto value = quantity(text, rates);
  if (!value || *value < 1 || *value > static_cast<double>(fastest)) return false;
  spec.bits_per_second = static_cast<uint64_t>(std::llround(*value));
  return true;
}

bool read_queue(std::string_view text, Spec& spec) {
  if (read_time(text, spec.queue_time)) return spec.queue_time > Duration::zero();
  auto value = quantity(text, sizes);
  if (!value || *value < 1 || *value > static_cast<double>(largest_queue)) return false;
  spec.queue_bytes = static_cast<size_t>(std::llround(*value));
  return true;
}

bool read_burst(std::string_view text, Spec& spec) {
  constexpr Unit none[] = {{"", 1}};
  auto value = quantity(text, none);
  if (!value || *value < 1 || *value > 10'000) return false;
  spec.burst = *value;
  return true;
}

bool read_reorder(std::string_view text, Spec& spec) {
  size_t colon = text.find(':');
  if (colon == text.npos) return false;
  return read_share(text.substr(0, colon), spec.reorder) && read_time(text.substr(colon + 1), spec.reorder_by);
}

bool read_mtu(std::string_view text, Spec& spec) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), spec.mtu);
  return error == std::errc() && end == text.data() + text.size() && spec.mtu >= smallest_mtu && spec.mtu <= 65535;
}

bool read_icmp(std::string_view text, Spec& spec) {
  spec.icmp = text == "on";
  return text == "on" || text == "off";
}

struct Key {
  std::string_view name;
  bool (*read)(std::string_view, Spec&);
  std::string_view form;
};

constexpr Key keys[] = {
    {"delay", [](std::string_view t, Spec& s) { return read_time(t, s.delay); }, "a time up to 60s, such as 20ms"},
    {"jitter", read_jitter, "a time such as 2ms, or 2ms:reorder if packets may overtake each other"},
    {"rate", read_rate, "bits a second up to 100gbit, such as 100mbit"},
    {"queue", read_queue, "a time such as 50ms, or bytes such as 64kb"},
    {"loss", [](std::string_view t, Spec& s) { return read_share(t, s.loss); }, "a share such as 1%"},
    {"burst", read_burst, "the packets lost in a row on average, 1 to 10000"},
    {"reorder", read_reorder, "a share and a time, such as 1%:5ms"},
    {"duplicate", [](std::string_view t, Spec& s) { return read_share(t, s.duplicate); }, "a share such as 0.1%"},
    {"corrupt", [](std::string_view t, Spec& s) { return read_share(t, s.corrupt); }, "a share such as 0.01%"},
    {"mtu", read_mtu, "bytes, 68 to 65535"},
    {"icmp", read_icmp, "on or off"},
};

Error wrong(std::string sentence) { return {Errc::usage, std::move(sentence)}; }

std::string known_keys() {
  std::string out;
  for (const auto& key : keys) out += (out.empty() ? "" : ", ") + std::string(key.name);
  return out;
}

std::string shown(std::string_view text) { return "\"" + std::string(text.substr(0, 80)) + "\""; }

/// Keys that mean nothing alone.
std::optional<Error> lonely(const Spec& spec, bool icmp_given) {
  if ((spec.queue_bytes > 0 || spec.queue_time > Duration::zero()) && spec.bits_per_second == 0)
    return wrong("A line has a \"queue\" only with a \"rate\": add one, such as rate=100mbit.");
  if (spec.burst > 1 && spec.loss == 0)
    return wrong("A line has a \"burst\" only with a \"loss\": add one, such as loss=1%.");
  if (icmp_given && spec.mtu == 0) return wrong("A line has \"icmp\" only with an \"mtu\": add one, such as mtu=1400.");
  return {};
}

/// With the largest unit in which it is a whole number.
std::string text_of(double value, std::span<const Unit> units) {
  const Unit* best = &units.front();
  for (const auto& unit : units)
    if (value >= unit.factor && std::fmod(value, unit.factor) == 0) best = &unit;
  char digits[40];
  auto end = std::to_chars(digits, digits + sizeof digits, value / best->factor, std::chars_format::fixed).ptr;
  return std::string(digits, end) + std::string(best->name);
}

std::string text_of(Duration time) { return text_of(static_cast<double>(time.count()), times); }

std::string share_text(double share) {
  char digits[40];
  // nine digits undo what the division by a hundred did
  auto end = std::to_chars(digits, digits + sizeof digits, share * 100, std::chars_format::fixed, 9).ptr;
  std::string out(digits, end);
  out.erase(out.find_last_not_of('0') + 1);
  if (out.back() == '.') out.pop_back();
  return out + "%";
}

}  // namespace

size_t Spec::queue_limit() const {
  if (queue_bytes > 0) return queue_bytes;
  double per_second = static_cast<double>(bits_per_second) / 8;
  if (queue_time > Duration::zero())
    return static_cast<size_t>(per_second * static_cast<double>(queue_time.count()) / 1e9);
  return 128 * 1024 + static_cast<size_t>(per_second / 50);
}

bool Spec::takes_trains() const {
  constexpr uint64_t slowest = 100'000'000;  // a train of 64 KB is through in five milliseconds
  bool own_fates = loss > 0 || reorder > 0 || duplicate > 0 || corrupt > 0 || mtu > 0;
  return !own_fates && jitter == Duration::zero() && (bits_per_second == 0 || bits_per_second >= slowest);
}

bool Spec::only_rate() const {
  Spec rest = *this;
  rest.bits_per_second = 0, rest.queue_bytes = 0, rest.queue_time = {};
  return rest == Spec{};
}

Result<Spec> parse_spec(std::string_view text) {
  Spec spec;
  bool icmp_given = false;
  for (size_t at = 0; at < text.size();) {
    std::string_view word = text.substr(at, text.find(',', at) - at);
    at += word.size() + 1;
    size_t equals = word.find('=');
    auto key =
        std::find_if(std::begin(keys), std::end(keys), [&](const Key& k) { return k.name == word.substr(0, equals); });
    if (key == std::end(keys))
      return wrong("A line has no " + shown(word.substr(0, equals)) + ": it has " + known_keys() + ".");
    std::string_view value = equals == word.npos ? "" : word.substr(equals + 1);
    if (!key->read(value, spec))
      return wrong("A line's \"" + std::string(key->name) + "\" is " + std::string(key->form) + ", not " +
                   shown(value) + ".");
    icmp_given |= key->name == "icmp";
  }
  if (auto error = lonely(spec, icmp_given)) return *error;
  return spec;
}

std::string to_text(const Spec& s) {
  std::string out;
  auto add = [&out](bool given, std::string_view key, const std::string& value) {
    if (given) out += (out.empty() ? "" : ",") + std::string(key) + "=" + value;
  };
  add(s.delay > Duration::zero(), "delay", text_of(s.delay));
  add(s.jitter > Duration::zero(), "jitter", text_of(s.jitter) + (s.jitter_reorders ? ":reorder" : ""));
  add(s.bits_per_second > 0, "rate", text_of(static_cast<double>(s.bits_per_second), rates));
  add(s.queue_bytes > 0, "queue", text_of(static_cast<double>(s.queue_bytes), sizes));
  add(s.queue_bytes == 0 && s.queue_time > Duration::zero(), "queue", text_of(s.queue_time));
  add(s.loss > 0, "loss", share_text(s.loss));
  add(s.burst > 1, "burst", text_of(s.burst, std::span<const Unit>({Unit{"", 1}})));
  add(s.reorder > 0, "reorder", share_text(s.reorder) + ":" + text_of(s.reorder_by));
  add(s.duplicate > 0, "duplicate", share_text(s.duplicate));
  add(s.corrupt > 0, "corrupt", share_text(s.corrupt));
  add(s.mtu > 0, "mtu", std::to_string(s.mtu));
  add(!s.icmp, "icmp", "off");
  return out;
}

}  // namespace ginnel::link
