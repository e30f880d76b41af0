#include "app/http_client.hpp"

#include <boost/beast/http.hpp>
#include <optional>

#include "drive/tcp_connection.hpp"

namespace ginnel::app {

namespace http = boost::beast::http;

namespace {

constexpr uint32_t header_max = 8 * 1024;

std::string request_text(const portmap::HttpAsk& ask) {
  std::string out =
      ask.method + " " + ask.path + " HTTP/1.1\r\nHost: " + ask.to.to_string() + "\r\nConnection: close\r\n";
  for (const auto& [name, value] : ask.headers) out += name + ": " + value + "\r\n";
  if (ask.method == "POST") out += "Content-Length: " + std::to_string(ask.body.size()) + "\r\n";
  return out + "\r\n" + ask.body;
}

}  // namespace

struct HttpClient::Exchange {
  http::response_parser<http::string_body> parser;
  std::unique_ptr<TcpConnection> connection;
  Loop::Timer limit;

  /// Takes bytes as far as the parser wants them; a sentence if they are not HTTP, too long, ...
  std::optional<std::string> read(Bytes bytes, size_t& used) {
    while (used < bytes.size() && !parser.is_done()) {
      boost::system::error_code error;
      Bytes rest = bytes.subspan(used);
      used += parser.put(boost::asio::const_buffer(rest.data(), rest.size()), error);
      if (error == http::error::need_more) break;
      if (error) return "a broken answer (" + error.message() + ")";
    }
    return {};
  }
};

HttpClient::HttpClient(Loop& loop, std::function<void(portmap::ClientInput)> done)
    : loop_(loop), done_(std::move(done)) {}
HttpClient::~HttpClient() = default;

void HttpClient::ask(const portmap::HttpAsk& ask) {
  portmap::HttpId id = ask.id;
  auto exchange = std::make_unique<Exchange>();
  Exchange& e = *exchange;
  e.parser.eager(true);
  e.parser.header_limit(header_max);
  e.parser.body_limit(ask.body_max);
  e.limit = Loop::Timer(loop_, [this, id] { finish(id, portmap::HttpFailed{id, "no answer in time"}); });
  e.limit.set(loop_.now() + ask.limit);
  auto answered = [this, id, &e] {
    finish(id, portmap::HttpAnswer{id, e.parser.get().result_int(), std::move(e.parser.get().body())});
  };
  exchanges_[id] = std::move(exchange);
  e.connection = TcpConnection::connect(loop_, ask.to,
                                        {.on_connected = {},
                                         .on_received =
                                             [this, id, &e, answered](MutableBytes bytes) {
                                               size_t used = 0;
                                               auto problem = e.read(bytes, used);
                                               if (problem)
                                                 finish(id, portmap::HttpFailed{id, *problem});
                                               else if (e.parser.is_done())
                                                 answered();
                                               return used;
                                             },
                                         .on_writable = {},
                                         .on_closed =
                                             [this, id, &e, answered](const std::string& why) {
                                               boost::system::error_code error;
                                               if (e.parser.is_header_done())
                                                 e.parser.put_eof(error);  // an answer may end with its connection
                                               if (e.parser.is_done())
                                                 answered();
                                               else
                                                 finish(id, portmap::HttpFailed{id, why});
                                             }});
  std::string text = request_text(ask);
  e.connection->send(as_bytes(text));
}

void HttpClient::forget(portmap::HttpId id) { exchanges_.erase(id); }

void HttpClient::finish(portmap::HttpId id, portmap::ClientInput result) {
  auto exchange = exchanges_.extract(id);  // it lives until this function ends: its callback is running
  if (!exchange.empty()) done_(std::move(result));
}

}  // namespace ginnel::app
