#include <cstdio>

#include "app/agent.hpp"
#include "app/roles.hpp"
#include "app/state.hpp"
#include "app/stop.hpp"
#include "wire/ticket.hpp"

namespace ginnel::app {

namespace {

class Ping {
 public:
  Ping(Loop& loop, const crypto::Identity& self, wire::Ticket ticket, const PingOptions& options,
       std::optional<HttpProxy> proxy, Reporter report)
      : loop_(loop), ticket_(std::move(ticket)), options_(options), report_(report),
        agent_(loop, {.server = ticket_.server, .relay_only = options.relay_only, .search = options.search},
               {.proxy = std::move(proxy), .map_ports = options.map_ports}, self, report),
        tick_(loop, [this] { look(); }) {}

  std::optional<Error> run() {
    if (auto error = agent_.start([this](const peer::NodeEvent& event) { handle(event); })) return error;
    peer_ = agent_.dial(ticket_);
    StopSignal stop(loop_, [this] { agent_.stop(); });
    loop_.run();
    return fatal_ ? fatal_ : stop.outcome();
  }

 private:
  void handle(const peer::NodeEvent& event) {
    if (auto* failed = std::get_if<peer::ServerFailed>(&event)) {
      if (!ready_ || failed->error.code == Errc::wrong_key) give_up(failed->error);
    } else if (std::holds_alternative<peer::DialRefused>(event)) {
      if (!ready_) give_up({Errc::unreachable, "The server answers, but nobody exposes this service there."});
    } else if (auto* from = std::get_if<peer::FromPeer>(&event)) {
      if (std::holds_alternative<peer::PeerAdmitted>(from->event) && !std::exchange(ready_, true)) {
        report_({Report::Kind::line, "ready", {{"peer", ticket_.peer.to_string()}}, "connected to peer " + ticket_.peer.short_name()});
        tick_.set(loop_.now());
      } else if (auto* closed = std::get_if<peer::PeerClosed>(&from->event)) {
        give_up(closed->error);
      }
    }
  }

  // The checks measure each path's round trip all the time; a ping only looks at what they found.
  void look() {
    const peer::Peer* p = agent_.node().peer(peer_);
    if (!p) return;
    peer::PathReport path = p->path();
    Report r{Report::Kind::line, "ping", {{"n", int64_t{++count_}}, {"technique", path.technique}, {"transport", path.transport},
                                          {"packet_size", int64_t(path.packet_size)}}, ""};
    if (!path.remote.is_unspecified()) r.fields.emplace_back("remote", path.remote.to_string());
    if (path.rtt) r.fields.emplace_back("rtt_ms", to_ms(*path.rtt));
    r.text = std::to_string(count_) + ": " + path_text(path);
    report_(r);
    tell_techniques(*p);
    if (options_.count > 0 && count_ >= options_.count) return agent_.stop();
    agent_.node().use(peer_)->probe(loop_.now());
    agent_.pump();
    tick_.set(loop_.now() + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(options_.interval)));
  }

  /// Each technique when its verdict changes: with -v, and for programs.
  void tell_techniques(const peer::Peer& p) {
    for (const peer::TechniqueReport& t : p.explain()) {
      std::string& told = told_[std::string(t.name)];
      if (std::exchange(told, std::string(t.verdict)) == t.verdict) continue;
      std::string name(t.name), verdict(t.verdict);
      report_({Report::Kind::detail, "technique", {{"technique", name}, {"verdict", verdict}, {"why", t.text}},
               "  " + name + std::string(14 - std::min<size_t>(13, name.size()), ' ') + verdict + ": " + t.text});
    }
  }

  void give_up(Error error) {
    if (!fatal_) fatal_ = std::move(error);
    agent_.stop();
  }

  Loop& loop_;
  wire::Ticket ticket_;
  PingOptions options_;
  Reporter report_;
  Agent agent_;
  Loop::Timer tick_;
  peer::PeerId peer_ = 0;
  int count_ = 0;
  std::map<std::string, std::string> told_;  ///< verdicts, by technique
  bool ready_ = false;
  std::optional<Error> fatal_;
};

}  // namespace

std::optional<Error> run_ping(const CommonOptions& common, const PingOptions& options, const Reporter& report) {
  auto ticket = wire::Ticket::parse(options.ticket);
  if (!ticket) return ticket.error();
  auto proxy = choose_proxy(options.proxy, ticket->server.host, report);
  if (!proxy) return proxy.error();
  Entropy entropy;
  auto state = State::open(common.state);
  if (!state) return state.error();
  auto self = state->identity("peer", entropy);
  if (!self) return self.error();
  Loop loop;
  return Ping(loop, *self, *ticket, options, *proxy, report).run();
}

}  // namespace ginnel::app
