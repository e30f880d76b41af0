#include "lab/demo.hpp"

#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <random>

#include "base/result.hpp"
#include "lab/agent.hpp"
#include "lab/error.hpp"
#include "lab/narrator.hpp"
#include "lab/sandbox.hpp"
#include "lab/topology.hpp"

namespace ginnel::lab {
namespace {

using Mood = Narrator::Mood;

constexpr int kSampleMib = 32;
constexpr const char* kListen = "127.0.0.1:9000";

constexpr const char* kPicture = R"(
                         ┌───────────────────────┐
                         │     ginnel server     │
                         │     203.0.113.10      │
                         └───────────┬───────────┘
                                     │ 200 Mbit/s, 20 ms away
   ══════════════════════════ the internet ══════════════════════════
              │ 1 Gbit/s                           │ 1 Gbit/s
   ┌──────────┴───────────┐             ┌──────────┴───────────┐
   │ NAT   198.51.100.20  │             │ NAT   192.0.2.40     │
   └──────────┬───────────┘             └──────────┬───────────┘
   ┌──────────┴───────────┐             ┌──────────┴───────────┐
   │ home A  192.168.1.2  │             │ home B  10.0.0.2     │
   │ a web server         │             │ curl                 │
   │ ginnel expose 8000   │             │ ginnel connect ...   │
   └──────────────────────┘             └──────────────────────┘

)";

std::string shown(double value, int digits = 0) { return Narrator::number(value, digits); }
std::string mbit(double bytes_per_second) { return shown(bytes_per_second * 8 / 1e6) + " Mbit/s"; }
double mbit_number(double bytes_per_second) { return bytes_per_second * 8 / 1e6; }

size_t file_size(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? static_cast<size_t>(status.st_size) : 0;
}

/// Random bytes, from a generator that the kernel seeds: fast, and no path can compress or guess them.
void write_random_file(const std::string& path, int mib) {
  uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) != sizeof seed) throw_errno("cannot get a random seed");
  std::mt19937_64 generator(seed);
  std::ofstream out(path, std::ios::binary);
  std::vector<uint64_t> block((1 << 20) / sizeof(uint64_t));
  for (int i = 0; i < mib; ++i) {
    for (auto& word : block) word = generator();
    out.write(reinterpret_cast<const char*>(block.data()), 1 << 20);
  }
  if (!out) throw LabError("cannot write " + path + ": is the memory full?");
}

std::string first_word(const std::string& text) { return text.substr(0, text.find(' ')); }
std::string sha256(const std::string& path) { return first_word(run({.argv = {"sha256sum", path}}, -1, 120s)); }

void need_programs() {
  std::string missing;
  for (const char* name : {"ip", "tc", "nft", "curl", "python3", "sha256sum"}) {
    Process probe = spawn({.argv = {"sh", "-c", std::string("command -v ") + name}});
    if (probe.wait(in(10s)) != 0) missing += std::string(missing.empty() ? "" : ", ") + name;
  }
  if (missing.empty()) return;
  throw LabError("the demo needs " + missing + "; on Debian: apt install iproute2 nftables curl python3 coreutils");
}

class Demo {
 public:
  Demo(const DemoOptions& options, Narrator& narrator) : options_(options), narrator_(narrator) {}

  int run() {
    need_programs();
    narrator_.say("A small internet in this machine, with nothing of it outside:\n");
    narrator_.say(kPicture);
    prepare_files();
    build_network();
    narrator_.start_clock();
    start_service();
    measure_relay();
    const bool same = download();
    narrator_.say(direct_at_ && same ? "\nThe session began over the relay, went direct, and not one byte was lost.\n"
                                     : "\nThis is not what should happen.\n");
    narrator_.say("The small internet is gone again.\n");
    narrator_.step_for_programs("done", {{"ok", direct_at_ && same ? "true" : "false"}});
    return direct_at_ && same ? 0 : 1;
  }

 private:
  std::string folder() const { return scratch() + "/www"; }

  void prepare_files() {
    ::mkdir(folder().c_str(), 0755);
    write_random_file(folder() + "/file", options_.file_mib);
    write_random_file(folder() + "/sample", kSampleMib);
    expected_ = sha256(folder() + "/file");
  }

  void build_network() {
    server_ = &lab_.add_host("server", "203.0.113.10", both_ways("delay=10ms,rate=200mbit"));
    const Link line = both_ways("rate=1gbit");
    a_ = &lab_.add_site("home-a", {.address = "198.51.100.20", .subnet = "192.168.1.0/24", .link = line});
    b_ = &lab_.add_site("home-b", {.address = "192.0.2.40", .subnet = "10.0.0.0/24", .link = line});
  }

  void start_service() {
    serve_.emplace_back(start_server(*server_, options_.binary));
    const std::string url = serve_.back().ready().text("url");
    narrator_.step("server ready", server_->address + ":3478, UDP and TCP", {{"url", Narrator::quoted(url)}});

    web_ = a_->machine().start(
        Command{.argv = words("python3 -m http.server 8000 --bind 127.0.0.1 --directory " + folder()),
                .out = {Stream::null},
                .err = {Stream::null}});
    if (!a_->machine().wait_listening(8000, in(20s))) throw LabError("python3's web server did not start");
    serve_.emplace_back(start_expose(a_->machine(), options_.binary, "8000", url));
    ticket_ = serve_.back().ready().text("ticket");
    narrator_.step("service registered", "home A has a ticket: " + ticket_.substr(0, 30) + "...",
                   {{"ticket", Narrator::quoted(ticket_)}});
  }

  Process curl(const std::string& path, const std::string& to) {
    return b_->machine().start(
        Command{.argv = {"curl", "-sS", "--fail", "-o", to, "-w", "%{time_starttransfer} %{speed_download}\n",
                         std::string("http://") + kListen + "/" + path}});
  }

  void measure_relay() {
    Agent connect = start_connect(b_->machine(), options_.binary, ticket_, kListen, "relay-only", {"--relay-only"});
    connect.ready();
    narrator_.step("relay only", "a " + std::to_string(kSampleMib) + " MiB sample, kept on the relay on purpose");
    Process sample = curl("sample", "/dev/null");
    const std::string answer = sample.read_all(in(120s));
    if (sample.wait(in(1s)) != 0)
      throw LabError("the sample did not come over the relay; connect said: " + connect.said());
    relay_rate_ = std::stod(answer.substr(answer.find(' ')));
    const double first_ms = std::stod(answer) * 1000;
    narrator_.step("relay only", "first byte after " + shown(first_ms) + " ms, then " + mbit(relay_rate_),
                   {{"first_byte_ms", shown(first_ms, 1)}, {"mbit_s", shown(mbit_number(relay_rate_), 1)}});
  }

  void tell_path(const Event& e) {
    const bool direct = e.is_direct();
    if (direct && !direct_at_) direct_at_ = e.at, direct_from_ = file_size(target_);
    if (!direct) direct_at_.reset();
    const std::string detail =
        direct ? e.text("technique") + " over " + e.text("transport") + ", " + e.text("local") + " to " +
                     e.text("remote") + ", RTT " + shown(e.number("rtt_ms"), 1) + " ms"
               : "through the server over " + e.text("transport") + ", RTT " + shown(e.number("rtt_ms"), 1) + " ms";
    narrator_.step(direct ? "direct path" : "relay path", detail,
                   {{"technique", Narrator::quoted(e.text("technique"))},
                    {"transport", Narrator::quoted(e.text("transport"))},
                    {"local", Narrator::quoted(e.text("local"))},
                    {"remote", Narrator::quoted(e.text("remote"))},
                    {"rtt_ms", shown(e.number("rtt_ms"), 3)},
                    {"after_request_ms", shown(std::max(to_ms(e.at - begun_), 0.0), 1)}},
                   direct ? Mood::good : Mood::plain);
  }

  /// Follows the download until curl ends: path changes, the first byte, progress.
  void follow(Agent& connect, Process& curl_process) {
    const double total = static_cast<double>(options_.file_mib) * (1 << 20);
    bool first = false;
    size_t told = 0, mark_size = 0;
    Time mark = begun_;
    double rate = 0;
    while (curl_process.running()) {
      connect.pump();
      for (; told < connect.events().size(); ++told) {
        if (connect.events()[told].is("path")) tell_path(connect.events()[told]);
      }
      const size_t size = file_size(target_);
      if (size > 0 && !first) {
        first = true;
        const double ms = ms_since(begun_);
        narrator_.step("first byte", shown(ms) + " ms after curl was started", {{"after_request_ms", shown(ms, 1)}});
      }
      if (ms_since(mark) >= 250) {
        rate = static_cast<double>(size - mark_size) / (ms_since(mark) / 1000);
        mark = now(), mark_size = size;
      }
      narrator_.progress(static_cast<double>(size) / total, mbit(rate));
      if (now() > begun_ + 180s) throw LabError("the download did not end within 3 minutes");
      wait_for_output({&connect}, in(first ? 20ms : 1ms));
    }
  }

  bool download() {
    target_ = scratch() + "/received";
    Agent connect = start_connect(b_->machine(), options_.binary, ticket_, kListen);
    connect.ready();
    narrator_.step("connected", std::string(kListen) + " in home B is now the web server in home A");
    begun_ = now();
    Process fetch = curl("file", target_);
    follow(connect, fetch);
    const Time end = now();
    if (fetch.wait(end) != 0) throw LabError("curl failed; connect said: " + connect.said());
    return tell_result(end);
  }

  bool tell_result(Time end) {
    const auto size = static_cast<double>(file_size(target_));
    const std::string mib = shown(size / (1 << 20)) + " MiB";
    const double whole = size / (to_ms(end - begun_) / 1000);
    if (direct_at_) {
      const double rate = (size - static_cast<double>(direct_from_)) / (to_ms(end - *direct_at_) / 1000);
      narrator_.step("file received",
                     mib + ", directly at " + mbit(rate) + ": " + shown(rate / relay_rate_, 1) + " times the relay",
                     {{"bytes", shown(size)},
                      {"mbit_s", shown(mbit_number(whole), 1)},
                      {"direct_mbit_s", shown(mbit_number(rate), 1)}});
    } else {
      narrator_.step("file received", mib + " at " + mbit(whole) + ", but not over a direct path",
                     {{"bytes", shown(size)}, {"mbit_s", shown(mbit_number(whole), 1)}}, Mood::bad);
    }
    const std::string got = sha256(target_);
    const bool same = got == expected_;
    narrator_.step(same ? "checksum equal" : "checksum differs",
                   "sha256 " + got.substr(0, 16) + "..." + got.substr(got.size() - 8),
                   {{"expected", Narrator::quoted(expected_)}, {"received", Narrator::quoted(got)}},
                   same ? Mood::good : Mood::bad);
    return same;
  }

  const DemoOptions& options_;
  Narrator& narrator_;
  Lab lab_;
  const Host* server_ = nullptr;
  Site* a_ = nullptr;
  Site* b_ = nullptr;
  Process web_;
  std::deque<Agent> serve_;  ///< server and expose, for the whole run
  std::string ticket_, expected_, target_;
  double relay_rate_ = 1;  ///< bytes a second
  Time begun_{};
  std::optional<Time> direct_at_;
  size_t direct_from_ = 0;  ///< bytes that had come when it became direct
};

}  // namespace

int run_demo(const DemoOptions& options) {
  using Style = Narrator::Style;
  Narrator narrator(options.quiet ? Style::quiet : options.json ? Style::json : Style::human);
  std::string why;
  const int code = run_in_sandbox([&] { return Demo(options, narrator).run(); }, &why);
  if (!why.empty()) {
    std::fprintf(stderr, "lab: %s\n", why.c_str());
    return static_cast<int>(Errc::permission);
  }
  if (code > 128) narrator.say("\nInterrupted. The small internet is gone again.\n");
  return code;
}

}  // namespace ginnel::lab
