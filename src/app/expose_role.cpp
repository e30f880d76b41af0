#include <algorithm>
#include <charconv>
#include <chrono>
#include <set>

#include "app/agent.hpp"
#include "app/roles.hpp"
#include "app/state.hpp"
#include "app/stop.hpp"
#include "core/peer/grant.hpp"
#include "drive/process_limits.hpp"
#include "drive/stream_socket.hpp"
#include "wire/ticket.hpp"

namespace ginnel::app {

namespace {

/// The service beside us.
struct Target {
  std::string text;                  ///< as messages name it
  std::string unix_path;             ///< or
  std::string host;
  uint16_t port = 0;

  static Result<Target> parse(const std::string& text) {
    if (text.starts_with("unix:") && text.size() > 5) return Target{text, text.substr(5), "", 0};
    bool digits = !text.empty() && text.find_first_not_of("0123456789") == text.npos;
    auto where = wire::parse_host_port(digits ? "127.0.0.1:" + text : text, 0);
    if (!where || where->second == 0)
      return Error{Errc::usage, "The target is PORT, HOST:PORT or unix:PATH; \"" + text + "\" is none of these."};
    return Target{wire::host_port_to_string(where->first, where->second), "", where->first, where->second};
  }
  std::string default_name() const {
    std::string name = unix_path.empty() ? (host == "127.0.0.1" ? "" : host + "-") + std::to_string(port) : "unix" + unix_path;
    for (char& c : name)
      if (!isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-') c = '-';
    return name.substr(0, 64);
  }
};

uint32_t now_minutes() {
  using namespace std::chrono;  // the calendar's clock: only for the expiry of tickets
  return static_cast<uint32_t>(duration_cast<minutes>(system_clock::now().time_since_epoch()).count());
}

Result<std::optional<uint32_t>> expiry(const std::string& text) {
  if (text.empty()) return std::optional<uint32_t>{};
  uint32_t n = 0;
  auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), n);
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  uint32_t factor = unit == "m" ? 1 : unit == "h" ? 60 : unit == "d" ? 1440 : 0;
  if (bad != std::errc{} || factor == 0 || n == 0 || n > 1'000'000)
    return Error{Errc::usage, "--expires wants a time such as 30m, 12h or 7d; \"" + text + "\" is not."};
  return std::optional(now_minutes() + n * factor);
}

/// Forwards that somebody made at the router: outside addresses, and the one port of ours that they all lead to.
struct Forwards {
  std::vector<reach::Arranged> outside;
  uint16_t port = 0;
};

Result<Forwards> parse_forwards(const std::vector<std::string>& texts) {
  Forwards out;
  for (const std::string& text : texts) {
    size_t sign = text.find('=');
    auto outside = Address::parse(text.substr(0, sign));
    uint16_t port = outside ? outside->port : uint16_t{0};
    if (sign != text.npos) {
      auto [end, bad] = std::from_chars(text.data() + sign + 1, text.data() + text.size(), port);
      if (bad != std::errc{} || end != text.data() + text.size()) port = 0;
    }
    if (!outside || outside->port == 0 || port == 0)
      return Error{Errc::usage, "--forward wants PUBLIC:PORT or PUBLIC:PORT=LOCALPORT, such as 203.0.113.9:4000=41000; \"" + text + "\" is neither."};
    if (!outside->is_probeable() || outside->is_private())
      return Error{Errc::usage, "--forward wants the public address of the router; nobody outside can reach " + outside->ip_to_string() + "."};
    if (out.port != 0 && out.port != port)
      return Error{Errc::usage, "All --forward must lead to one local port; " + std::to_string(out.port) + " and " + std::to_string(port) + " are two."};
    out.port = port;
    for (auto transport : {wire::Transport::udp, wire::Transport::tcp})
      out.outside.push_back({wire::CandidateType::forwarded, transport, *outside});
  }
  if (out.outside.size() > reach::Local::arranged_max)
    return Error{Errc::usage, "At most " + std::to_string(reach::Local::arranged_max / 2) + " --forward can be given."};
  return out;
}

class Expose {
 public:
  Expose(Loop& loop, const crypto::Identity& self, wire::ServerUrl server, Target target, peer::ServiceSecret secret,
         std::set<PublicKey> allowed, std::optional<uint32_t> expires, peer::NodeConfig node, AgentConfig config,
         Reporter report)
      : loop_(loop), server_(server), target_(std::move(target)), secret_(secret), allowed_(std::move(allowed)),
        report_(report), agent_(loop, std::move(node), std::move(config), self, report) {
    ticket_.peer = self.public_key();
    ticket_.server = std::move(server);
    ticket_.capability = peer::issue(secret_, expires);
    if (!allowed_.empty()) ticket_.capability.proof.fill(0);  // the key is what counts: nothing secret in the ticket
  }

  std::optional<Error> run() {
    if (auto error = agent_.start([this](const peer::NodeEvent& event) { handle(event); })) return error;
    StopSignal stop(loop_, [this] { agent_.stop(); });
    loop_.run();
    return fatal_ ? fatal_ : stop.outcome();
  }

 private:
  struct Dialling {  // towards the service
    Fd fd;
    Loop::Watch watch;
    Loop::Timer limit;
  };
  using Key = std::pair<peer::PeerId, quic::StreamId>;

  void handle(const peer::NodeEvent& event) {
    if (std::holds_alternative<peer::Registered>(event) && !std::exchange(ready_, true)) {
      std::string command = "ginnel connect " + ticket_.to_string();
      report_({Report::Kind::line, "ready", {{"ticket", ticket_.to_string()}, {"target", target_.text}, {"command", command}},
               target_.text + " is exposed. On the other side run:\n\n  " + command + "\n"});
    } else if (auto* failed = std::get_if<peer::ServerFailed>(&event)) {
      if (ready_ && failed->error.code != Errc::wrong_key) return;
      fatal_ = failed->error;
      loop_.stop();
    } else if (std::holds_alternative<peer::Replaced>(event)) {
      fatal_ = Error{Errc::gone, "Another process with the same key exposes this service now. Give one of them another --state or --name."};
      loop_.stop();
    } else if (auto* from = std::get_if<peer::FromPeer>(&event)) {
      handle_peer(from->peer, from->event);
    } else if (auto* gone = std::get_if<peer::PeerGone>(&event)) {
      std::erase_if(dialling_, [&](auto& d) { return d.first.first == gone->peer; });
    }
  }

  void handle_peer(peer::PeerId id, const peer::PeerEvent& event) {
    const peer::Peer* p = agent_.node().peer(id);
    std::string who = p ? p->key().to_string() : "";
    if (auto* hello = std::get_if<peer::PeerHello>(&event)) {
      judge(id, *p, hello->capability);
    } else if (auto* opened = std::get_if<quic::StreamOpened>(&event)) {
      dial_service(id, opened->id);
    } else if (auto* closed = std::get_if<peer::PeerClosed>(&event)) {
      auto guest = guests_.extract(id);
      if (guest.empty()) return;
      who = guest.mapped().to_string();
      report_({Report::Kind::line, "peer_gone", {{"id", who}, {"why", closed->error.text}},
               "peer " + who.substr(0, 8) + " left: " + closed->error.text});
    } else if (auto* stream = std::get_if<quic::StreamClosed>(&event)) {
      dialling_.erase({id, stream->id});
    } else if (auto* readable = std::get_if<quic::StreamReadable>(&event)) {
      // Reset before the service answered.
      if (auto* s = agent_.session(id); s && s->reset_by_peer(readable->id) && dialling_.erase({id, readable->id}) > 0)
        s->reset(readable->id, quic::Code::reset);
    }
  }

  void judge(peer::PeerId id, const peer::Peer& p, const wire::Capability& capability) {
    std::optional<quic::Code> objection;
    if (allowed_.empty())
      objection = peer::objection(secret_, capability, now_minutes());
    else if (!allowed_.contains(p.key()) || capability.service != ticket_.capability.service)
      objection = quic::Code::forbidden;
    std::string who = p.key().to_string();
    if (objection) {
      report_({Report::Kind::line, "peer_refused", {{"id", who}}, "turned away peer " + who + (allowed_.empty() ? ": its ticket is not valid" : ": not in --allow")});
      agent_.node().close_peer(loop_.now(), id, *objection, "");
    } else {
      report_({Report::Kind::line, "peer", {{"id", who}}, "peer " + who.substr(0, 8) + " connected"});
      guests_[id] = p.key();
      agent_.node().use(id)->admit(loop_.now());
    }
    agent_.pump();
  }

  void dial_service(peer::PeerId id, quic::StreamId stream) {
    if (!target_.unix_path.empty()) return dial_address(id, stream, {});
    if (auto literal = Address::parse(target_.text)) return dial_address(id, stream, literal);
    lookups_[{id, stream}] = loop_.resolve(target_.host, target_.port, [this, id, stream](std::vector<Address> found) {
      auto lookup = lookups_.extract({id, stream});
      if (found.empty()) return refuse(id, stream, quic::Code::unreachable, "the name " + target_.host + " has no address");
      dial_address(id, stream, found.front());
    });
  }

  void dial_address(peer::PeerId id, quic::StreamId stream, const std::optional<Address>& address) {
    auto fd = address ? stream_socket::connect(*address) : stream_socket::connect_unix(target_.unix_path);
    if (!fd) return refuse(id, stream, quic::Code::refused, fd.error().text);
    auto d = std::make_unique<Dialling>();
    d->fd = std::move(*fd);
    d->watch = Loop::Watch(loop_, d->fd.get(), {}, [this, id, stream] { dialled(id, stream); });
    d->watch.want_write(true);
    d->limit = Loop::Timer(loop_, [this, id, stream] { refuse(id, stream, quic::Code::unreachable, target_.text + " does not answer"); });
    d->limit.set(loop_.now() + 10s);
    dialling_[{id, stream}] = std::move(d);
  }

  void dialled(peer::PeerId id, quic::StreamId stream) {
    auto at = dialling_.find({id, stream});
    if (at == dialling_.end()) return;
    if (auto error = stream_socket::connect_error(at->second->fd.get(), target_.text))
      return refuse(id, stream, error->code == Errc::refused ? quic::Code::refused : quic::Code::unreachable, error->text);
    at->second->watch.reset();
    Fd fd = std::move(at->second->fd);
    loop_.post([keep = std::shared_ptr<Dialling>(std::move(at->second))] {});  // we run in its watch
    dialling_.erase(at);
    quic::Session* s = agent_.session(id);
    if (!s || !s->has_stream(stream)) return;
    agent_.add_bridge(id, stream, std::move(fd), Fd{}).stream_readable(s);  // what came while we dialled
    agent_.pump();
  }

  void refuse(peer::PeerId id, quic::StreamId stream, quic::Code code, const std::string& why) {
    if (auto at = dialling_.find({id, stream}); at != dialling_.end()) {
      at->second->watch.reset();
      loop_.post([keep = std::shared_ptr<Dialling>(std::move(at->second))] {});
      dialling_.erase(at);
    }
    if (quic::Session* s = agent_.session(id)) s->reset(stream, code);
    report_({Report::Kind::line, "target_failed", {{"target", target_.text}, {"why", why}}, "a connection failed: " + why});
    agent_.pump();
  }

  Loop& loop_;
  wire::ServerUrl server_;
  Target target_;
  peer::ServiceSecret secret_;
  std::set<PublicKey> allowed_;
  Reporter report_;
  wire::Ticket ticket_;
  Agent agent_;
  std::map<Key, std::unique_ptr<Dialling>> dialling_;
  std::map<Key, Loop::Lookup> lookups_;
  std::map<peer::PeerId, PublicKey> guests_;  ///< admitted
  std::optional<Error> fatal_;
  bool ready_ = false;
};

}  // namespace

std::optional<Error> run_expose(const CommonOptions& common, const ExposeOptions& options, const Reporter& report) {
  auto target = Target::parse(options.target);
  if (!target) return target.error();
  if (options.server.empty())
    return Error{Errc::usage, "Which server? Give --server URL or set GINNEL_SERVER; `ginnel server` prints its URL when it starts."};
  auto server = wire::ServerUrl::parse(options.server);
  if (!server) return server.error();
  auto proxy = choose_proxy(options.proxy, server->host, report);
  if (!proxy) return proxy.error();
  auto expires = expiry(options.expires);
  if (!expires) return expires.error();
  std::set<PublicKey> allowed;
  for (const std::string& text : options.allow) {
    auto key = PublicKey::parse(text);
    if (!key) return Error{Errc::usage, "--allow wants a peer id of 52 characters, as `ginnel id` prints it there; \"" + text + "\" is not."};
    allowed.insert(*key);
  }
  auto forwards = parse_forwards(options.forwards);
  if (!forwards) return forwards.error();
  Entropy entropy;
  auto state = State::open(common.state);
  if (!state) return state.error();
  auto self = state->identity("peer", entropy);
  if (!self) return self.error();
  auto secret = state->service(options.name.empty() ? target->default_name() : options.name, entropy);
  if (!secret) return secret.error();
  raise_open_files();
  Loop loop;
  peer::NodeConfig node{.server = *server, .services = {peer::service_id(*secret)}, .tcp_port = forwards->port,
                        .listen_tcp = forwards->port != 0, .relay_only = options.relay_only, .search = options.search};
  AgentConfig config{*proxy, forwards->port, forwards->outside, options.map_ports};
  return Expose(loop, *self, *server, *target, *secret, std::move(allowed), *expires, std::move(node), std::move(config), report).run();
}

}  // namespace ginnel::app
