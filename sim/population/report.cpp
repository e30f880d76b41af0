#include "sim/population/report.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <vector>

namespace ginnel::sim::population {

namespace {

[[gnu::format(printf, 2, 3)]] void line(std::string& out, const char* format, ...) {
  char text[200];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  out.append(text).push_back('\n');
}

void share_line(std::string& out, const std::string& name, const Share& share) {
  line(out, "  %-34s %8llu %8llu  %6.2f %%", name.c_str(), static_cast<unsigned long long>(share.pairs),
       static_cast<unsigned long long>(share.direct), 100 * share.rate());
}

void spread_line(std::string& out, const std::string& name, const Spread& s, const char* unit) {
  line(out, "  %-34s %8.0f %8.0f %8.0f %8.0f  %s", name.c_str(), s.quantile(0.5), s.quantile(0.95), s.quantile(0.99),
       s.mean(), unit);
}

}  // namespace

std::string report_counts(const std::string& title, const Tally& t) {
  std::string out;
  line(out, "%s", title.c_str());
  line(out, "  %-34s %8s %8s", "", "pairs", "direct");
  share_line(out, "all pairs", t.all);
  share_line(out, "both behind a NAT or firewall", t.natted);
  line(out, "  %-34s %8llu", "no connection at all", static_cast<unsigned long long>(t.failed));

  line(out, "  %-34s %8s %8s", "technique", "all", "natted");
  using Row = std::pair<std::string, std::pair<uint64_t, uint64_t>>;
  std::vector<Row> rows(t.techniques.begin(), t.techniques.end());
  std::stable_sort(rows.begin(), rows.end(), [](auto& a, auto& b) { return a.second.first > b.second.first; });
  for (auto& [name, counts] : rows)
    line(out, "  %-34s %8llu %8llu", name.c_str(), static_cast<unsigned long long>(counts.first),
         static_cast<unsigned long long>(counts.second));

  line(out, "  %-34s %8s %8s", "kinds", "pairs", "direct");
  for (auto& [name, share] : t.kinds) share_line(out, name, share);
  return out;
}

std::string report_costs(const Tally& t) {
  std::string out;
  line(out, "  %-34s %8s %8s %8s %8s", "", "median", "95 %", "99 %", "mean");
  spread_line(out, "to the first byte", t.first_byte, "ms");
  spread_line(out, "to a direct path", t.direct, "ms");
  spread_line(out, "  since the session stood", t.from_relay, "ms");
  for (auto& [name, search] : t.found) {
    spread_line(out, name + ", since the session stood", search.from_relay, "ms");
    spread_line(out, name + ", probes", search.probes, "");
    spread_line(out, name + ", sockets", search.sockets, "");
  }
  spread_line(out, "probes of " + std::to_string(t.searched) + " pairs that searched", t.probes, "");
  spread_line(out, "sent by both", t.bytes, "bytes");
  spread_line(out, "passed on by the server", t.relayed, "bytes");
  return out;
}

}  // namespace ginnel::sim::population
