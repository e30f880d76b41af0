#include "cli/nat_show.hpp"

#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <thread>

#include "drive/line_client.hpp"
#include "drive/terminal.hpp"

namespace ginnel::cli {

namespace json = boost::json;

namespace {

/// An answer that is "ok", or its error.
Result<json::object> ask(LineClient& client, const std::string& request) {
  auto line = client.ask(request);
  if (!line) return line.error();
  boost::system::error_code failed;
  json::value answer = json::parse(*line, failed);
  if (failed || !answer.is_object())
    return Error{Errc::internal, "The gateway answered with something that is no JSON."};
  json::object out = std::move(answer.get_object());
  if (out["ok"].is_bool() && out["ok"].get_bool()) return out;
  auto code = out["code"].is_int64() ? static_cast<Errc>(out["code"].get_int64()) : Errc::internal;
  return Error{code, out["error"].is_string() ? std::string(out["error"].get_string()) : "The gateway refused."};
}

Result<json::object> ask_all(LineClient& client) {
  auto show = ask(client, R"({"command":"show"})");
  if (!show) return show;
  json::array all;
  json::value cursor = 0;
  while (!cursor.is_null()) {
    auto part = ask(client, json::serialize(json::object{{"command", "mappings"}, {"cursor", cursor}}));
    if (!part) return part;
    for (json::value& one : (*part)["mappings"].as_array()) all.push_back(std::move(one));
    cursor = (*part)["cursor"];
  }
  (*show)["mappings"] = std::move(all);
  return show;
}

std::string text(const json::object& from, std::string_view key) {
  auto* value = from.if_contains(key);
  if (!value) return {};
  return value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
}

double number(const json::object& from, std::string_view key) {
  auto* value = from.if_contains(key);
  return value && value->is_number() ? value->to_number<double>() : 0;
}

std::string joined(const json::object& from, std::string_view key) {
  std::string out;
  for (const json::value& one : from.at(key).as_array())
    out += (out.empty() ? "" : ", ") + std::string(one.as_string());
  return out;
}

std::string bytes(double n) {
  const char* units[] = {"B", "kB", "MB", "GB", "TB"};
  size_t unit = 0;
  for (; n >= 1000 && unit < 4; ++unit) n /= 1000;
  char out[32];
  std::snprintf(out, sizeof out, unit ? "%.1f %s" : "%.0f %s", n, units[unit]);
  return out;
}

void print(const json::object& show) {
  std::printf("%s -> %s, public %s, preset %s, up %.0f s\n", joined(show, "inside").c_str(),
              text(show, "outside").c_str(), joined(show, "public").c_str(), text(show, "preset").c_str(),
              number(show, "uptime_s"));
  std::printf("%.0f mappings, %.0f sessions, %s\n", number(show, "mapping_count"), number(show, "session_count"),
              bytes(number(show, "memory")).c_str());
  const json::array& mappings = show.at("mappings").as_array();
  if (!mappings.empty())
    std::printf("\n%-5s %-22s %-22s %-22s %8s  %s\n", "", "inside", "outside", "only to", "sessions", "ends in");
  for (const json::value& one : mappings) {
    const json::object& m = one.as_object();
    char ends[32] = "never";
    if (m.contains("expires_s")) std::snprintf(ends, sizeof ends, "%.0f s", number(m, "expires_s"));
    std::printf("%-5s %-22s %-22s %-22s %8.0f  %s %s\n", text(m, "protocol").c_str(), text(m, "inside").c_str(),
                text(m, "outside").c_str(), text(m, "remote").c_str(), number(m, "sessions"),
                m.contains("static") ? "never" : ends, text(m, "tcp").c_str());
  }
  const json::object& c = show.at("counters").as_object();
  std::printf("\nfrom inside %.0f packets, %s; from outside %.0f packets, %s; hairpinned %.0f; its own %.0f\n",
              number(c, "inside_packets"), bytes(number(c, "inside_bytes")).c_str(), number(c, "outside_packets"),
              bytes(number(c, "outside_bytes")).c_str(), number(c, "hairpinned"), number(c, "generated"));
  std::string drops;
  for (const auto& [why, count] : c.at("drops").as_object())
    drops += (drops.empty() ? "" : ", ") + std::string(why) + " " + json::serialize(count);
  if (!drops.empty()) std::printf("dropped: %s\n", drops.c_str());
}

}  // namespace

std::optional<Error> show_nat(const std::string& control, bool as_json, bool watch) {
  auto client = LineClient::open(control);
  if (!client) return client.error();
  auto start = std::chrono::steady_clock::now();
  while (true) {
    auto show = ask_all(*client);
    if (!show) return show.error();
    if (as_json) {
      std::chrono::duration<double, std::milli> since = std::chrono::steady_clock::now() - start;
      json::object line{{"event", "show"}, {"t_ms", since.count()}};
      for (auto& [key, value] : *show)
        if (key != "ok") line[key] = std::move(value);
      std::printf("%s\n", json::serialize(line).c_str());
    } else {
      if (watch && stdout_is_terminal()) std::printf("\033[H\033[2J");
      print(*show);
    }
    std::fflush(stdout);
    if (!watch) return {};
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

std::optional<Error> command_nat(const std::string& control, const std::string& request) {
  auto client = LineClient::open(control);
  if (!client) return client.error();
  auto answer = ask(*client, request);
  return answer ? std::nullopt : std::optional(answer.error());
}

}  // namespace ginnel::cli
