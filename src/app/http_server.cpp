#include "app/http_server.hpp"

#include <algorithm>
#include <boost/beast/http.hpp>

#include "drive/tcp_connection.hpp"

namespace ginnel::app {

namespace http = boost::beast::http;

namespace {

std::string_view reason(unsigned status) {
  auto text = http::obsolete_reason(http::int_to_status(status));
  return {text.data(), text.size()};
}

/// The value of a header that is there once; a second one would leave it open which of them counts.
std::optional<std::string> once(const http::fields& fields, std::string_view name) {
  auto [first, last] = fields.equal_range(name);
  if (first == last) return "";
  if (std::next(first) != last) return {};
  return std::string(first->value());
}

}  // namespace

struct HttpServer::Visit {
  Address from;
  http::request_parser<http::string_body> parser;
  std::unique_ptr<TcpConnection> connection;
  Loop::Timer limit;
  bool answered = false;
};

Result<std::unique_ptr<HttpServer>> HttpServer::listen(Loop& loop, const Address& bind, std::string server,
                                                       Handler handler, const HttpLimits& limits) {
  auto listener = TcpListener::open(bind);
  if (!listener) return listener.error();
  return std::unique_ptr<HttpServer>(
      new HttpServer(loop, std::move(*listener), std::move(server), std::move(handler), limits));
}

HttpServer::HttpServer(Loop& loop, TcpListener listener, std::string server, Handler handler, const HttpLimits& limits)
    : loop_(loop),
      listener_(std::move(listener)),
      server_(std::move(server)),
      handler_(std::move(handler)),
      limits_(limits),
      watch_(loop, listener_.fd(), [this] { accept(); }),
      pause_(loop, [this] { watch_.want_read(true); }) {
  watch_.want_read(true);
}
HttpServer::~HttpServer() = default;

bool HttpServer::has_room(const Address& from) const {
  auto same = std::count_if(visits_.begin(), visits_.end(), [&](auto& v) { return v.second->from.same_ip(from); });
  return visits_.size() < limits_.connections && static_cast<size_t>(same) < limits_.connections_per_host;
}

void HttpServer::accept() {
  while (auto accepted = listener_.accept()) {
    auto& [fd, from] = *accepted;
    if (!has_room(from)) continue;  // closed at once
    uint64_t id = next_visit_++;
    auto owned = std::make_unique<Visit>();
    Visit& visit = *owned;
    visits_[id] = std::move(owned);
    visit.from = from;
    visit.parser.eager(true);
    visit.parser.header_limit(limits_.header);
    visit.parser.body_limit(limits_.body);
    visit.limit = Loop::Timer(loop_, [this, id] { visits_.erase(id); });
    visit.limit.set(loop_.now() + limits_.request);
    visit.connection = std::make_unique<TcpConnection>(
        loop_, std::move(fd),
        TcpConnection::Callbacks{.on_connected = {},
                                 .on_received = [this, &visit](MutableBytes bytes) { return read(visit, bytes); },
                                 .on_writable = {},
                                 .on_closed = [this, id](const std::string&) { visits_.erase(id); }});
  }
  if (!listener_.out_of_files()) return;
  watch_.want_read(false);
  pause_.set(loop_.now() + 1s);
}

/// Returns how many bytes it used: all, once it has what it needs.
size_t HttpServer::read(Visit& visit, Bytes bytes) {
  size_t used = 0;
  while (used < bytes.size() && !visit.parser.is_done()) {
    boost::system::error_code error;
    Bytes rest = bytes.subspan(used);
    used += visit.parser.put(boost::asio::const_buffer(rest.data(), rest.size()), error);
    if (error == http::error::need_more) return used;
    if (!error) continue;
    bool large = error == http::error::body_limit || error == http::error::header_limit;
    answer(visit, {large ? 413u : 400u, "text/plain", ""});
    return bytes.size();
  }
  if (!visit.parser.is_done() || visit.answered) return used;
  const auto& message = visit.parser.get();
  auto host = once(message, "Host"), action = once(message, "SOAPAction");
  auto text = [](auto view) { return std::string(view.data(), view.size()); };
  if (host && action)
    answer(visit, handler_({visit.from, text(message.method_string()), text(message.target()), *host, *action,
                            message.body()}));
  else
    answer(visit, {400, "text/plain", ""});
  return bytes.size();
}

void HttpServer::answer(Visit& visit, const portmap::HttpResponse& response) {
  visit.answered = true;
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + " " + std::string(reason(response.status)) +
                    "\r\nContent-Type: " + response.content_type +
                    "\r\nContent-Length: " + std::to_string(response.body.size()) +
                    "\r\nConnection: close\r\nServer: " + server_ + "\r\nExt:\r\n\r\n" + response.body;
  visit.connection->send(as_bytes(out));
  visit.connection->close();
}

}  // namespace ginnel::app
