#include "lab/matrix.hpp"

#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>

#include "lab/agent.hpp"
#include "lab/echo.hpp"
#include "lab/error.hpp"
#include "lab/sandbox.hpp"
#include "lab/topology.hpp"

namespace ginnel::lab {
namespace {

constexpr uint16_t kEchoPort = 7;
constexpr uint16_t kServerPort = 443;  ///< the one that a strict firewall lets out
constexpr uint16_t kFirstListenPort = 9000;
constexpr Duration kPatience = 25s;  ///< for the first byte
constexpr size_t kKindsMax = 24;

std::string site_name(char side, size_t kind) { return side + std::to_string(kind); }

/// "a/b" -> a, b.
std::vector<std::string> layers_of(const std::string& kind) {
  if (kind == "double") return {"home", "home"};
  std::vector<std::string> out;
  for (size_t at = 0; at <= kind.size();) {
    const size_t end = std::min(kind.find('/', at), kind.size());
    out.push_back(kind.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

/// A machine behind its NATs; the outermost one has the line.
Result<Plan> add_site(Plan plan, const std::string& name, const std::string& kind, const link::Spec& line) {
  const auto layers = layers_of(kind);
  std::string behind;
  for (size_t layer = layers.size(); layer-- > 0;) {
    const auto parsed = parse_nat_kind(layers[layer]);
    if (!parsed) return parsed.error();
    NatPlan nat{.name = name + ".gw" + std::to_string(layer), .behind = behind, .kind = *parsed};
    if (behind.empty()) nat.link = {line, line};
    behind = nat.name;
    plan.nats.push_back(std::move(nat));
  }
  plan.hosts.push_back({.name = name, .behind = behind});
  return plan;
}

Result<Plan> plan_sites(const MatrixOptions& options) {
  if (options.kinds.empty() || options.kinds.size() > kKindsMax) {
    return Error{Errc::usage, "A matrix has 1 to 24 kinds, not " + std::to_string(options.kinds.size()) + "."};
  }
  const auto line = link::parse_spec(options.line);
  if (!line) return line.error();
  Plan plan;
  plan.hosts.push_back({.name = "server", .link = {*line, *line}});
  for (const char side : {'a', 'b'}) {
    for (size_t i = 0; i < options.kinds.size(); ++i) {
      auto more = add_site(std::move(plan), site_name(side, i), options.kinds[i], *line);
      if (!more) return more.error();
      plan = std::move(*more);
    }
  }
  return complete_plan(std::move(plan));
}

/// One pairing, from the start of its two agents to its result. Never waits.
class Pairing {
 public:
  Pairing(const MatrixOptions& options, const Lab& lab, size_t row, size_t column, const std::string& url)
      : options_(options),
        row_(row),
        column_(column),
        name_(std::to_string(row) + "-" + std::to_string(column)),
        port_(static_cast<uint16_t>(kFirstListenPort + row * options.kinds.size() + column)),
        user_(lab.host(site_name('b', column))),
        expose_(lab.host(site_name('a', row)), options.program, "expose-" + name_,
                {"expose", std::to_string(kEchoPort), "--server", url}),
        deadline_(in(kPatience)) {}

  size_t row() const { return row_; }
  size_t column() const { return column_; }
  const MatrixCell& result() const { return cell_; }

  /// Looks at what has come; true if it is over.
  bool step() {
    expose_.pump();
    if (!connect_) return !try_connect();
    connect_->pump();
    if (!cell_.connected()) take_echo();
    take_path();
    if (cell_.is_direct()) return true;
    if (cell_.connected()) return now() >= settled_;
    return is_hopeless(*connect_);
  }

  void add_outputs(std::vector<pollfd>& out) {
    for (Process* process : {&expose_.process(), connect_ ? &connect_->process() : nullptr, &prober_}) {
      if (process && process->pid() > 0 && !process->ended()) out.push_back({process->out_fd(), POLLIN, 0});
    }
  }
  Time wake() const { return cell_.connected() ? settled_ : deadline_; }

 private:
  /// False: it never will.
  bool try_connect() {
    for (const Event& event : expose_.events()) {
      if (!event.is("ready")) continue;
      prober_ = start_prober(user_, port_);
      start_ = now();
      connect_.emplace(user_, options_.program, "connect-" + name_,
                       Words{"connect", event.text("ticket"), "--listen", "127.0.0.1:" + std::to_string(port_)});
      deadline_ = start_ + kPatience;
      return true;
    }
    return !is_hopeless(expose_);
  }

  bool is_hopeless(Agent& agent) {
    if (now() < deadline_ && !agent.process().ended()) return false;
    const std::string said = agent.said();
    cell_.problem = agent.name().substr(0, agent.name().find('-')) +
                    (agent.process().ended() ? " ended" : " got nowhere within 25 s") +
                    (said.empty() ? "" : ": " + said.substr(0, said.find('\n')));
    return true;
  }

  void take_echo() {
    const auto line = prober_.next_line();
    if (!line) return;
    cell_.echo_ms = to_ms(echo_moment(*line) - start_);
    settled_ = now() + options_.settle;
  }

  void take_path() {
    const Event* path = connect_->last_path();
    if (!path) return;
    cell_.technique = path->text("technique");
    cell_.transport = path->text("transport");
    cell_.rtt_ms = path->text("rtt_ms").empty() ? -1 : path->number("rtt_ms");
    if (cell_.technique != "relay") cell_.direct_ms = to_ms(path->at - start_);
  }

  const MatrixOptions& options_;
  size_t row_, column_;
  std::string name_;
  uint16_t port_;
  const Host& user_;
  Agent expose_;
  std::optional<Agent> connect_;
  Process prober_;
  Time start_{}, deadline_, settled_{};
  MatrixCell cell_;
};

class Tournament {
 public:
  Tournament(const MatrixOptions& options, const Plan& plan, const std::function<void(size_t, size_t)>& progress)
      : options_(options), progress_(progress), lab_(options.binary, plan.seed) {
    lab_.build(plan);
    const Host& server = lab_.host("server");
    server_.emplace(server, options.program, "server",
                    Words{"server", "--listen", server.address + ":" + std::to_string(kServerPort)});
    url_ = server_->ready().text("url");
    const size_t n = options.kinds.size();
    for (size_t i = 0; i < n; ++i) echoes_.push_back(start_echo(lab_.host(site_name('a', i)), kEchoPort));
    // Along the diagonals: neighbours in this order share no site, so they can run at the same time.
    for (size_t shift = 0; shift < n; ++shift)
      for (size_t row = 0; row < n; ++row) waiting_.emplace_back(row, (row + shift) % n);
    matrix_ = {.kinds = options.kinds, .line = options.line};
    matrix_.cells.resize(n * n);
  }

  Matrix run() {
    const Time start = now();
    while (!waiting_.empty() || !running_.empty()) {
      start_what_can();
      wait();
      server_->pump();
      for (size_t i = 0; i < running_.size();) running_[i]->step() ? finish(i) : void(++i);
    }
    matrix_.seconds = ms_since(start) / 1000;
    return std::move(matrix_);
  }

 private:
  bool is_busy(size_t row, size_t column) const {
    return std::any_of(running_.begin(), running_.end(),
                       [&](auto& p) { return p->row() == row || p->column() == column; });
  }

  void start_what_can() {
    for (auto next = waiting_.begin(); next != waiting_.end();) {
      if (running_.size() >= static_cast<size_t>(options_.parallel)) return;
      const auto [row, column] = *next;
      if (is_busy(row, column)) {
        ++next;
        continue;
      }
      running_.push_back(std::make_unique<Pairing>(options_, lab_, row, column, url_));
      next = waiting_.erase(next);
    }
  }

  void wait() {
    std::vector<pollfd> outputs;
    Time wake = in(1s);
    for (auto& pairing : running_) {
      pairing->add_outputs(outputs);
      wake = std::min(wake, pairing->wake());
    }
    ::poll(outputs.data(), outputs.size(), poll_ms(wake));
  }

  void finish(size_t i) {
    Pairing& done = *running_[i];
    matrix_.cells[done.row() * options_.kinds.size() + done.column()] = done.result();
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
    ++done_;
    progress_(done_, matrix_.cells.size());
  }

  const MatrixOptions& options_;
  const std::function<void(size_t, size_t)>& progress_;
  Lab lab_;
  std::optional<Agent> server_;
  std::string url_;
  std::vector<Process> echoes_;
  std::deque<std::pair<size_t, size_t>> waiting_;
  std::vector<std::unique_ptr<Pairing>> running_;
  Matrix matrix_;
  size_t done_ = 0;
};

}  // namespace

size_t Matrix::count(const std::function<bool(const MatrixCell&)>& what) const {
  return static_cast<size_t>(std::count_if(cells.begin(), cells.end(), what));
}

Result<Matrix> run_matrix(const MatrixOptions& options, const std::function<void(size_t, size_t)>& progress) {
  const auto plan = plan_sites(options);
  if (!plan) return plan.error();
  return Tournament(options, *plan, progress).run();
}

}  // namespace ginnel::lab
