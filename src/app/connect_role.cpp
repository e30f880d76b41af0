#include <deque>

#include "app/agent.hpp"
#include "app/roles.hpp"
#include "app/state.hpp"
#include "app/stop.hpp"
#include "drive/process_limits.hpp"
#include "drive/stream_listener.hpp"
#include "drive/stream_socket.hpp"
#include "wire/ticket.hpp"

namespace ginnel::app {

namespace {

constexpr Duration patience = 5s;         // with a service that is not registered: its agent may be on its way back
constexpr Duration waiting_max = 20s;     // of an application's connection, for a session
constexpr size_t waiting_count_max = 1024;

class Connect {
 public:
  Connect(Loop& loop, const crypto::Identity& self, wire::Ticket ticket, const ConnectOptions& options,
          std::optional<HttpProxy> proxy, Reporter report)
      : loop_(loop), ticket_(std::move(ticket)), stdio_(options.stdio), report_(report),
        agent_(loop, {.server = ticket_.server, .relay_only = options.relay_only, .search = options.search},
               {.proxy = std::move(proxy), .map_ports = options.map_ports}, self, report),
        patience_timer_(loop, [this] { give_up(not_here()); }), expire_timer_(loop, [this] { expire_waiting(); }) {}

  std::optional<Error> run(const std::string& listen) {
    if (stdio_) {
      waiting_.push_back({Fd(0), Fd(1), loop_.now() + 1h});
    } else {
      auto address = Address::parse(listen.empty() ? "127.0.0.1:0" : listen);
      if (!address) return Error{Errc::usage, "--listen wants ADDRESS:PORT, such as 127.0.0.1:8080; \"" + listen + "\" is not."};
      auto listener = StreamListener::open(*address);
      if (!listener) return listener.error();
      listener_.emplace(std::move(*listener));
      listen_watch_ = Loop::Watch(loop_, listener_->fd(), [this] { accept(); });
      listen_watch_.want_read(true);
      pause_ = Loop::Timer(loop_, [this] { listen_watch_.want_read(true); });
    }
    if (auto error = agent_.start([this](const peer::NodeEvent& event) { handle(event); })) return error;
    peer_ = agent_.dial(ticket_);
    StopSignal stop(loop_, [this] { agent_.stop(); });
    loop_.run();
    return fatal_ ? fatal_ : stop.outcome();
  }

 private:
  struct Waiting { Fd in, out; Instant until; };

  static Error not_here() {
    return {Errc::unreachable, "The server answers, but nobody exposes this service there. Is `ginnel expose` running on the other side?"};
  }

  void handle(const peer::NodeEvent& event) {
    if (auto* failed = std::get_if<peer::ServerFailed>(&event)) {
      if (!ready_ || failed->error.code == Errc::wrong_key) give_up(failed->error);
    } else if (auto* refused = std::get_if<peer::DialRefused>(&event)) {
      if (refused->code == wire::SignalCode::too_many)
        give_up({Errc::refused, "The server is at its limit. Try again later."});
      else if (!connected_ && !patience_timer_.is_set())
        patience_timer_.set(loop_.now() + patience);
    } else if (auto* from = std::get_if<peer::FromPeer>(&event)) {
      if (from->peer == peer_) handle_peer(from->event);
    }
  }

  void handle_peer(const peer::PeerEvent& event) {
    if (std::holds_alternative<peer::PeerConnected>(event)) {
      connected_ = true;
      patience_timer_.cancel();
      for (; !waiting_.empty(); waiting_.pop_front()) open(std::move(waiting_.front()));
      agent_.pump();
    } else if (std::holds_alternative<peer::PeerAdmitted>(event)) {
      if (std::exchange(ready_, true)) return report_({Report::Kind::line, "reconnected", {}, "connected again"});
      if (stdio_) return report_({Report::Kind::detail, "ready", {{"stdio", true}}, "connected"});
      std::string at = listener_->local_address().to_string();
      report_({Report::Kind::line, "ready", {{"listen", at}}, "the service is now at " + at});
    } else if (auto* closed = std::get_if<peer::PeerClosed>(&event)) {
      session_ended(*closed);
    }
  }

  void session_ended(const peer::PeerClosed& closed) {
    connected_ = false;
    // Before the first success every end is final; so is a refusal, and an end in stdio mode. Otherwise dial anew: the
    // applications' connections were reset, the proxy stays.
    bool final = !ready_ || stdio_ || closed.error.code == Errc::refused || closed.error.code == Errc::wrong_key;
    if (final) return give_up(closed.error);
    report_({Report::Kind::line, "session_lost", {{"why", closed.error.text}}, closed.error.text + " Connecting again."});
    loop_.post([this] { peer_ = agent_.dial(ticket_); });
  }

  void accept() {
    while (auto fd = listener_->accept()) {
      if (connected_) {
        open({std::move(*fd), Fd{}, {}});
      } else if (waiting_.size() < waiting_count_max) {
        waiting_.push_back({std::move(*fd), Fd{}, loop_.now() + waiting_max});
        if (!expire_timer_.is_set()) expire_timer_.set(waiting_.front().until);
      } else {
        stream_socket::abort(std::move(*fd));
      }
    }
    if (listener_->out_of_files()) {
      listen_watch_.want_read(false);
      pause_.set(loop_.now() + 1s);
    }
    agent_.pump();
  }

  void open(Waiting w) {
    quic::Session* s = agent_.session(peer_);
    auto stream = s ? s->open_stream() : std::nullopt;
    if (!stream) {  // the other side's limit of connections
      if (stdio_) return give_up({Errc::refused, "The other side takes no more connections now."});
      return stream_socket::abort(std::move(w.in));
    }
    Bridge& bridge = agent_.add_bridge(peer_, *stream, std::move(w.in), std::move(w.out));
    if (stdio_) {
      bridge.on_reset_by_peer = [this](quic::Code code) { stdio_reset(code); };
      bridge.on_done = [this] { agent_.stop(); };
    }
  }

  void stdio_reset(quic::Code code) {
    if (code == quic::Code::refused) return give_up({Errc::refused, "The service on the other side refused the connection. Is it running?"});
    if (code == quic::Code::unreachable) return give_up({Errc::unreachable, "The service on the other side cannot be reached from there."});
    give_up({Errc::gone, "The service on the other side reset the connection."});
  }

  void expire_waiting() {
    for (; !waiting_.empty() && waiting_.front().until <= loop_.now(); waiting_.pop_front())
      stream_socket::abort(std::move(waiting_.front().in));
    if (!waiting_.empty()) expire_timer_.set(waiting_.front().until);
  }

  void give_up(Error error) {
    if (!fatal_) fatal_ = std::move(error);
    agent_.stop();
  }

  Loop& loop_;
  wire::Ticket ticket_;
  bool stdio_;
  Reporter report_;
  Agent agent_;
  peer::PeerId peer_ = 0;
  bool connected_ = false;
  bool ready_ = false;
  std::optional<StreamListener> listener_;
  Loop::Watch listen_watch_;
  Loop::Timer pause_;
  std::deque<Waiting> waiting_;
  Loop::Timer patience_timer_;
  Loop::Timer expire_timer_;
  std::optional<Error> fatal_;
};

}  // namespace

std::optional<Error> run_connect(const CommonOptions& common, const ConnectOptions& options, const Reporter& report) {
  auto ticket = wire::Ticket::parse(options.ticket);
  if (!ticket) return ticket.error();
  auto proxy = choose_proxy(options.proxy, ticket->server.host, report);
  if (!proxy) return proxy.error();
  Entropy entropy;
  auto state = State::open(common.state);
  if (!state) return state.error();
  auto self = state->identity("peer", entropy);
  if (!self) return self.error();
  raise_open_files();
  Loop loop;
  return Connect(loop, *self, *ticket, options, *proxy, report).run(options.listen);
}

Result<std::string> peer_id(const CommonOptions& common) {
  Entropy entropy;
  auto state = State::open(common.state);
  if (!state) return state.error();
  auto self = state->identity("peer", entropy);
  if (!self) return self.error();
  return self->public_key().to_string();
}

}  // namespace ginnel::app
