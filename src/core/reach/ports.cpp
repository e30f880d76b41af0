#include "core/reach/ports.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace ginnel::reach {

namespace {

constexpr size_t samples_max = 32;
constexpr int step_max = 64;          // of a sequence; more is no step that anybody builds
constexpr int foreign_max = 64;       // strangers' mappings between two of ours
constexpr int block_max = 4096;       // of a carrier's port block; 512 to 4032 are usual (RFC 6888, RFC 7422)

using wire::PortPattern;

/// Every advance is a multiple of a step, mostly the step itself; wrap-around at the end of the range is let pass once.
std::optional<PortPattern> as_sequence(std::span<const PortSample> samples) {
  std::array<int, samples_max> advances;
  size_t n = 0, wrapped = 0;
  int sign = 0;
  for (size_t i = 1; i < samples.size(); ++i) {
    int advance = int{samples[i].external} - int{samples[i - 1].external};
    if (advance == 0) return {};
    if (std::abs(advance) > 30'000) {  // the range began again
      if (++wrapped > 1) return {};
      continue;
    }
    if (sign == 0) sign = advance > 0 ? 1 : -1;
    if ((advance > 0) != (sign > 0)) return {};
    advances[n++] = std::abs(advance);
  }
  if (n < 2) return {};
  std::span<int> all(advances.data(), n);
  int step = *std::min_element(all.begin(), all.end());
  if (step > step_max) return {};
  long total = 0;
  for (int a : all) {
    if (a % step != 0) step = 1;  // between two steps of two, somebody took one
    if (a > step * foreign_max + step) return {};
    total += a;
  }
  PortPattern p;
  p.kind = PortPattern::Kind::sequential;
  p.step = static_cast<int16_t>(sign * step);
  double foreign = static_cast<double>(total) / step - static_cast<double>(n);
  double seconds = std::max(to_ms(samples.back().sent - samples.front().sent) / 1e3, 0.005);
  p.rate = static_cast<uint16_t>(std::clamp(foreign / seconds, 0.0, 10'000.0));
  p.low = p.high = samples.back().external;
  return p;
}

}  // namespace

PortPattern infer_ports(std::span<const PortSample> samples) {
  PortPattern unknown;
  if (samples.size() < 3) return unknown;
  if (samples.size() > samples_max) samples = samples.last(samples_max);
  bool kept = std::all_of(samples.begin(), samples.end(), [](auto& s) { return s.local == s.external; });
  if (kept) {
    unknown.kind = PortPattern::Kind::preserving;
    return unknown;
  }
  if (auto sequence = as_sequence(samples)) return *sequence;

  auto [low, high] = std::minmax_element(samples.begin(), samples.end(), [](auto& a, auto& b) { return a.external < b.external; });
  int span = high->external - low->external;
  PortPattern p;
  // Of n uniform samples the span is (n - 1) / (n + 1) of the range: so much larger may the block be, on both sides.
  double n = static_cast<double>(samples.size());
  int guess = static_cast<int>(span * (n + 1) / (n - 1));
  // By chance so many random ports lie this close with a probability of about n (guess / 64512)^(n-1): never.
  if (samples.size() >= 4 && guess <= block_max) {
    p.kind = PortPattern::Kind::block;
    int margin = std::max(span / 2, 64);
    p.low = static_cast<uint16_t>(std::max(1024, low->external - margin));
    p.high = static_cast<uint16_t>(std::min(65535, high->external + margin));
    return p;
  }
  p.kind = PortPattern::Kind::random;
  p.low = 1024;
  p.high = 65535;
  return p;
}

}  // namespace ginnel::reach
