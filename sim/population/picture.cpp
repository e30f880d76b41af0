#include "sim/population/picture.hpp"

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>

namespace ginnel::sim::population {

namespace {

constexpr double width = 860, left = 250, right = 70, bar_height = 22, bar_gap = 10, top = 64;
constexpr double bars_width = width - left - right;
constexpr double curve_height = 170;
constexpr double seconds_max = 5;

struct Colour {
  const char* technique;  ///< what it is in words; "tcp": by TCP, in any way
  const char* colour;
};
/// In the order in which they are stacked. Light and dark enough for either background.
constexpr Colour colours[] = {
    {"udp-punch", "#2f6fb3"}, {"reversal", "#5fa2dd"},   {"port-mapping", "#7f6fbf"}, {"ipv6", "#2f9c8f"},
    {"tcp", "#8fb84a"},       {"prediction", "#e0a030"}, {"birthday", "#d97830"},     {"relay", "#9a9a9a"},
};

[[gnu::format(printf, 2, 3)]] void put(std::string& out, const char* format, ...) {
  char text[400];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  out.append(text).push_back('\n');
}

double part_of(const Tally& tally, std::string_view technique) {
  uint64_t count = 0;
  for (auto& [name, counts] : tally.techniques) {
    bool tcp = name.find("tcp") != std::string::npos;
    if (technique == "tcp" ? tcp : name == technique) count += counts.second;
  }
  return tally.natted.pairs == 0 ? 0 : static_cast<double>(count) / static_cast<double>(tally.natted.pairs);
}

void put_bar(std::string& out, const Bar& bar, double y) {
  put(out, "<text x='%.0f' y='%.0f' text-anchor='end'>%s</text>", left - 8, y + 15, bar.name.c_str());
  double x = left;
  for (const Colour& c : colours) {
    double length = part_of(*bar.tally, c.technique) * bars_width;
    if (length > 0)
      put(out, "<rect x='%.1f' y='%.0f' width='%.1f' height='%.0f' fill='%s'/>", x, y, length, bar_height, c.colour);
    x += length;
  }
  put(out, "<text x='%.0f' y='%.0f' font-weight='bold'>%.1f %%</text>", left + bars_width + 6, y + 15,
      100 * bar.tally->natted.rate());
}

void put_legend(std::string& out) {
  double x = left;
  for (const Colour& c : colours) {
    put(out, "<rect x='%.0f' y='38' width='10' height='10' fill='%s'/>", x, c.colour);
    put(out, "<text x='%.0f' y='47' font-size='11'>%s</text>", x + 13, c.technique);
    x += 24 + 6.3 * static_cast<double>(std::string_view(c.technique).size());
  }
}

void put_axes(std::string& out, double y) {
  for (int second = 0; second <= static_cast<int>(seconds_max); ++second) {
    double x = left + bars_width * second / seconds_max;
    put(out, "<line x1='%.0f' y1='%.0f' x2='%.0f' y2='%.0f' stroke='#9a9a9a' stroke-width='0.5'/>", x, y, x,
        y + curve_height);
    put(out, "<text x='%.0f' y='%.0f' text-anchor='middle'>%d s</text>", x, y + curve_height + 16, second);
  }
  for (int percent = 0; percent <= 100; percent += 25) {
    double at = y + curve_height * (1 - percent / 100.0);
    put(out, "<line x1='%.0f' y1='%.0f' x2='%.0f' y2='%.0f' stroke='#9a9a9a' stroke-width='0.5'/>", left, at,
        left + bars_width, at);
    put(out, "<text x='%.0f' y='%.0f' text-anchor='end'>%d %%</text>", left - 8, at + 4, percent);
  }
}

/// The part of all pairs for which it took no longer than x.
void put_curve(std::string& out, const Spread& spread, uint64_t pairs, double y, const char* colour) {
  std::string points;
  double all = static_cast<double>(pairs), known = static_cast<double>(spread.count());
  for (int i = 0; i <= 200 && known > 0; ++i) {
    double part = i / 200.0, seconds = spread.quantile(part) / 1e3;
    if (seconds > seconds_max) break;
    char point[40];
    std::snprintf(point, sizeof point, "%.1f,%.1f ", left + bars_width * seconds / seconds_max,
                  y + curve_height * (1 - part * known / all));
    points += point;
  }
  put(out, "<polyline fill='none' stroke='%s' stroke-width='2' points='", colour);
  out.append(points).append("'/>\n");
}

}  // namespace

std::string picture(const std::vector<Bar>& bars) {
  double curves = top + static_cast<double>(bars.size()) * (bar_height + bar_gap) + 50;
  double height = curves + curve_height + 34;
  std::string out;
  put(out, "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %.0f %.0f' font-family='sans-serif' font-size='12'>",
      width, height);
  put(out, "<rect width='%.0f' height='%.0f' fill='#ffffff'/>", width, height);
  put(out, "<text x='%.0f' y='22' font-size='14'>What connects two peers that are both behind a NAT or firewall</text>",
      left);
  put_legend(out);
  double y = top;
  for (const Bar& bar : bars) {
    put_bar(out, bar, y);
    y += bar_height + bar_gap;
  }
  if (!bars.empty()) {
    const Bar& last = bars.back();
    put(out, "<text x='%.0f' y='%.0f' font-size='14'>How soon, of all pairs: %s</text>", left, curves - 14,
        last.name.c_str());
    put_axes(out, curves);
    put_curve(out, last.tally->first_byte, last.tally->all.pairs, curves, "#9a9a9a");
    put_curve(out, last.tally->direct, last.tally->all.pairs, curves, "#2f6fb3");
    put(out, "<text x='%.0f' y='%.0f' text-anchor='end' fill='#6a6a6a'>the first byte</text>", left + bars_width - 6,
        curves + curve_height - 30);
    put(out, "<text x='%.0f' y='%.0f' text-anchor='end' fill='#2f6fb3'>a direct path</text>", left + bars_width - 6,
        curves + curve_height - 14);
  }
  out.append("</svg>\n");
  return out;
}

}  // namespace ginnel::sim::population
