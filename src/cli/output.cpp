#include "cli/output.hpp"

#include <boost/json.hpp>
#include <cstdio>
#include <string>

namespace ginnel::cli {

namespace {

std::string text(const std::string& v) { return boost::json::serialize(boost::json::string_view(v)); }
std::string text(int64_t v) { return std::to_string(v); }
std::string text(const std::vector<std::string>& v) {
  std::string out;
  for (const auto& one : v) out += (out.empty() ? "[" : ",") + text(one);
  return (out.empty() ? "[" : out) + "]";
}
std::string text(bool v) { return v ? "true" : "false"; }
std::string text(double v) {  // boost::json would write 1.5E0
  char out[48];
  std::snprintf(out, sizeof out, "%.3f", v);
  return out;
}

}  // namespace

Output::Output(bool json, int verbosity, bool to_stderr) : json_(json), verbosity_(verbosity), to_stderr_(to_stderr) {}

void Output::report(const app::Report& report) {
  if (json_ && !report.event.empty()) return print_json(report);
  if (json_ || report.text.empty()) return;
  if (report.kind == app::Report::Kind::detail && verbosity_ == 0) return;
  if (to_stderr_ && verbosity_ == 0) return;  // a ProxyCommand must not chatter on the user's terminal
  std::FILE* out = to_stderr_ ? stderr : stdout;
  std::fprintf(out, "ginnel: %s\n", report.text.c_str());
  std::fflush(out);
}

int Output::fail(const Error& error) {
  if (!error.text.empty()) std::fprintf(stderr, "ginnel: %s\n", error.text.c_str());
  return static_cast<int>(error.code);
}

void Output::print_json(const app::Report& report) {
  auto since = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_);
  std::string line = "{\"event\":" + text(report.event) + ",\"t_ms\":" + text(since.count());
  for (const auto& [key, value] : report.fields)
    line += "," + text(key) + ":" + std::visit([](const auto& v) { return text(v); }, value);
  std::FILE* out = to_stderr_ ? stderr : stdout;
  std::fprintf(out, "%s}\n", line.c_str());
  std::fflush(out);
}

}  // namespace ginnel::cli
