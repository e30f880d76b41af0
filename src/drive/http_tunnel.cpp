#include "drive/http_tunnel.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <optional>
#include <utility>

#include "drive/stream_socket.hpp"

namespace ginnel {

namespace http = boost::beast::http;

namespace {

std::string base64(const std::string& text) {
  std::string out((text.size() + 2) / 3 * 4 + 1, '\0');  // EVP writes a zero behind it
  int size = EVP_EncodeBlock(reinterpret_cast<uint8_t*>(out.data()), reinterpret_cast<const uint8_t*>(text.data()),
                             static_cast<int>(text.size()));
  out.resize(static_cast<size_t>(size));
  return out;
}

std::string host_port(const std::string& host, uint16_t port) {
  bool v6 = host.find(':') != host.npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

/// RFC 9112 section 3.2.3: the target is all that the request line has; Host says it again (RFC 9110 section 7.2).
std::string connect_request(const HttpProxy& proxy, const std::string& target) {
  std::string out =
      "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\nUser-Agent: Mozilla/5.0 (compatible; ginnel)\r\n";
  if (!proxy.user.empty() || !proxy.password.empty())  // RFC 7617 section 2
    out += "Proxy-Authorization: Basic " + base64(proxy.user + ":" + proxy.password) + "\r\n";
  return out + "\r\n";
}

}  // namespace

struct HttpTunnel::Answer {
  using Parser = http::response_parser<http::empty_body>;
  std::optional<Parser> parser;
  std::string received;  ///< and not yet parsed
  size_t total = 0;

  Answer() { begin(); }
  void begin() {
    parser.emplace();
    // RFC 9110 section 9.3.6: after a 2xx the tunnel follows, whatever the fields say about a body.
    parser->skip(true);
    parser->header_limit(answer_max);
  }
};

HttpTunnel::HttpTunnel(Loop& loop, HttpProxy proxy, const std::string& host, uint16_t port, Done done,
                       Duration patience)
    : loop_(loop),
      proxy_(std::move(proxy)),
      target_(host_port(host, port)),
      done_(std::move(done)),
      request_(connect_request(proxy_, target_)),
      answer_(std::make_unique<Answer>()),
      timer_(loop, [this] { fail(Errc::unreachable, name() + " does not answer"); }) {
  timer_.set(loop_.now() + patience);
  lookup_ = loop_.resolve(proxy_.host, proxy_.port, [this](std::vector<Address> found) {
    if (found.empty()) return fail(Errc::unreachable, "the name of " + name() + " has no address");
    addresses_ = std::move(found);
    std::reverse(addresses_.begin(), addresses_.end());
    try_next();
  });
}

HttpTunnel::~HttpTunnel() = default;

void HttpTunnel::try_next() {
  watch_.reset();
  while (!addresses_.empty()) {
    auto fd = stream_socket::connect(addresses_.back());
    addresses_.pop_back();
    if (!fd) continue;
    fd_ = std::move(*fd);
    watch_ = Loop::Watch(
        loop_, fd_.get(), [this] { on_readable(); }, [this] { on_writable(); });
    watch_.want_write(true);
    return;
  }
  fail(Errc::unreachable, name() + " cannot be connected to");
}

void HttpTunnel::on_writable() {
  if (connecting_ && stream_socket::connect_error(fd_.get(), proxy_.host)) return try_next();
  if (std::exchange(connecting_, false)) watch_.want_read(true);
  auto written = stream_socket::write(fd_.get(), as_bytes(request_).subspan(sent_));
  if (written.n == 0 && !written.blocked) return fail(Errc::unreachable, name() + " closed the connection");
  sent_ += written.n;
  if (sent_ == request_.size()) watch_.want_write(false);
}

void HttpTunnel::on_readable() {
  std::array<uint8_t, 4096> room;
  auto got = stream_socket::read(fd_.get(), room);
  if (got.blocked) return;
  if (got.n == 0) return fail(Errc::unreachable, name() + " closed the connection");
  answer_->total += got.n;
  if (answer_->total > answer_max) return fail(Errc::unreachable, name() + " gives an answer that is too long");
  answer_->received += as_text(Bytes(room).first(got.n));
  judge();
}

void HttpTunnel::judge() {
  boost::system::error_code error;
  while (!answer_->received.empty()) {
    auto& [parser, received, total] = *answer_;
    size_t used = parser->put(boost::asio::buffer(received), error);
    received.erase(0, used);
    if (error == http::error::need_more) return;
    if (error) return fail(Errc::unreachable, "what answers at " + proxy_.to_string() + " is no HTTP proxy");
    if (!parser->is_header_done()) return;
    if (parser->get().result_int() / 100 != 1) break;
    answer_->begin();  // RFC 9110 section 15.2: others may come before the last one
  }
  if (!answer_->parser->is_header_done()) return;
  unsigned status = answer_->parser->get().result_int();
  std::string code = " (" + std::to_string(status) + ")";
  if (status / 100 == 2) {
    // Whoever is at the other end waits for us to speak.
    if (!answer_->received.empty()) return fail(Errc::refused, name() + " says more than that we are connected");
    return finish(std::move(fd_));
  }
  if (status == 407 && proxy_.user.empty())
    return fail(Errc::refused, name() + " wants http://USER:PASSWORD@HOST:PORT" + code);
  if (status == 407) return fail(Errc::refused, name() + " does not accept that user name and password" + code);
  if (status == 403) return fail(Errc::refused, name() + " allows no connection to " + target_ + code);
  if (status == 502 || status == 503 || status == 504)
    return fail(Errc::unreachable, name() + " cannot reach " + target_ + code);
  fail(Errc::refused, name() + " does not connect us to " + target_ + code);
}

void HttpTunnel::fail(Errc code, const std::string& why) { finish(Error{code, why}); }

void HttpTunnel::finish(Result<Fd> result) {
  watch_.reset();
  timer_.reset();
  lookup_.reset();
  // The last thing here: the callback may destroy this.
  if (auto done = std::exchange(done_, nullptr)) done(std::move(result));
}

}  // namespace ginnel
