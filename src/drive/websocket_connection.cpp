#include "drive/websocket_connection.hpp"

#include <arpa/inet.h>

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/stream_traits.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <cassert>
#include <cstring>
#include <utility>
#include <vector>

#include "drive/asio_context.hpp"
#include "drive/name_lookup.hpp"
#include "drive/socket_address.hpp"
#include "drive/tcp_options.hpp"

namespace ginnel {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
namespace websocket = boost::beast::websocket;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

using Socket = asio::basic_stream_socket<tcp, asio::io_context::executor_type>;
using Stream = websocket::stream<ssl::stream<Socket>, false>;  // false: there is no compression in it

constexpr const char* path = "/ginnel";  // so that a web server in front can tell what is meant for us
constexpr const char* user_agent = "Mozilla/5.0 (compatible; ginnel)";
constexpr size_t batch_max = 64 * 1024;   // received bytes that are handed on together
constexpr int gather_turns = 3;           // of the loop, without more of them
constexpr size_t first_max = 16 * 1024;   // of what came before we knew that it is TLS
constexpr size_t spare_max = 128 * 1024;  // memory that an idle connection keeps for its next message

const TlsContext& client_tls() {
  static const TlsContext context = TlsContext::client();
  return context;
}

/// As a browser writes it: without the port that goes without saying.
std::string host_field(const std::string& host, uint16_t port) {
  bool v6 = host.find(':') != host.npos;
  std::string out = v6 ? "[" + host + "]" : host;
  return port == 443 ? out : out + ":" + std::to_string(port);
}

bool is_end(const error_code& error) {
  return error == asio::error::eof || error == websocket::error::closed || error == ssl::error::stream_truncated ||
         error == asio::error::connection_reset;
}

}  // namespace

/// Lives until its owner let go of it and the last operation has ended. A stage is over when its operation calls back.
class WebSocketConnection::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(Loop& loop, const TlsContext& tls, Callbacks callbacks)
      : loop_(loop),
        tls_(tls.context_),
        callbacks_(std::move(callbacks)),
        stream_(asio_context(loop).get_executor(), *tls_),
        limit_(loop, [this] { finish(closing_ ? "closed" : name_ + " did not answer"); }) {
    stream_.binary(true);
    stream_.auto_fragment(false);
    stream_.write_buffer_bytes(message_max);  // where a client masks what it sends
    stream_.read_message_max(received_message_max);
    limit_.set(loop_.now() + connect_limit);
  }

  // ---- the stages before it is open
  void connect(const Address& to, const std::string& host) {
    name_ = to.to_string();
    host_ = host, port_ = to.port;
    error_code error;
    socket().open(to.v6 ? tcp::v6() : tcp::v4(), error);
    if (error) return finish_later("no socket for " + name_ + ": " + error.message());
    set_packet_options(socket().native_handle());
    SocketAddress raw(to);
    tcp::endpoint endpoint;
    endpoint.resize(raw.size());
    std::memcpy(endpoint.data(), raw.data(), raw.size());
    socket().async_connect(endpoint, [self = shared_from_this()](error_code failed) {
      if (self->over()) return;
      if (failed) return self->finish("cannot connect to " + self->name_ + ": " + failed.message());
      self->shake_hands();
    });
  }

  void take_over(Fd fd, const std::string& host, uint16_t port) {
    host_ = host, port_ = port;
    name_ = host_field(host, port);
    adopt(std::move(fd));
    loop_.post([self = shared_from_this()] {
      if (!self->over()) self->shake_hands();
    });
  }

  void accept(Fd fd, Bytes first) {
    server_ = true;
    name_ = "the client";
    adopt(std::move(fd));
    first_.assign(first.begin(), first.begin() + static_cast<ptrdiff_t>(std::min(first.size(), first_max)));
    tls().async_handshake(
        ssl::stream_base::server, asio::buffer(first_), [self = shared_from_this()](error_code failed, size_t used) {
          if (self->over()) return;
          if (!failed && used < self->first_.size())
            failed = asio::error::message_size;  // nobody may say more than hello yet
          self->first_ = {};
          if (failed) return self->finish("no TLS with " + self->name_ + ": " + failed.message());
          self->stream_.set_option(websocket::stream_base::decorator(
              [](websocket::response_type& answer) { answer.set(boost::beast::http::field::server, "ginnel"); }));
          self->stream_.async_accept([self](error_code refused) {
            if (self->over()) return;
            if (refused) return self->finish("no WebSocket with " + self->name_ + ": " + refused.message());
            self->opened();
          });
        });
  }

  // ---- commands
  Queued send(Bytes bytes) {
    if (closing_ || failed_) return Queued::refused;
    if (queued() + bytes.size() > queue_max) {
      owes_writable_ = true;
      return Queued::refused;
    }
    queue_.insert(queue_.end(), bytes.begin(), bytes.end());
    if (open_ && !writing_) write();
    if (queued() <= queue_full) return Queued::ok;
    owes_writable_ = true;
    return Queued::full;
  }

  void close() {
    if (std::exchange(closing_, true) || failed_) return;
    if (!open_) return finish_later("closed");
    limit_.set(loop_.now() + close_limit);
    if (!writing_) say_goodbye();
  }

  void let_go() {
    dead_ = true;
    shut();
  }

  bool closing() const { return closing_; }
  size_t queued() const { return queue_.size() + out_.size() - out_sent_; }

 private:
  Socket& socket() { return boost::beast::get_lowest_layer(stream_); }
  ssl::stream<Socket>& tls() { return stream_.next_layer(); }
  bool over() const { return dead_ || failed_; }

  void adopt(Fd fd) {
    set_packet_options(fd.get());
    bool v6 = local_address_of(fd.get()).v6;
    error_code error;
    socket().assign(v6 ? tcp::v6() : tcp::v4(), fd.get(), error);
    if (!error) fd.release();
  }

  void shake_hands() {
    // RFC 6066 section 3: names only, no addresses.
    if (!parse_ip(host_, 0)) SSL_set_tlsext_host_name(tls().native_handle(), host_.c_str());
    tls().async_handshake(ssl::stream_base::client, [self = shared_from_this()](error_code failed) {
      if (self->over()) return;
      if (failed) return self->finish("no TLS with " + self->name_ + ": " + failed.message());
      self->upgrade();
    });
  }

  void upgrade() {
    std::string host = host_field(host_, port_);
    stream_.set_option(websocket::stream_base::decorator([host](websocket::request_type& request) {
      request.set(boost::beast::http::field::user_agent, user_agent);
      request.set(boost::beast::http::field::origin, "https://" + host);
    }));
    stream_.async_handshake(answer_, host, path, [self = shared_from_this()](error_code refused) {
      if (self->over()) return;
      std::string code = std::to_string(self->answer_.result_int());
      self->answer_ = {};
      if (refused == websocket::error::upgrade_declined)
        return self->finish(self->name_ + " wants no WebSocket (" + code + ")");
      if (refused) return self->finish("no WebSocket with " + self->name_ + ": " + refused.message());
      self->opened();
    });
  }

  void opened() {
    open_ = true;
    limit_.cancel();
    read();
    write();
    if (!server_ && callbacks_.on_connected) callbacks_.on_connected(local_address_of(socket().native_handle()));
  }

  // ---- receiving
  void read() {
    stream_.async_read_some(asio::buffer(record_), [self = shared_from_this()](error_code failed, size_t n) {
      if (self->over()) return;
      if (failed) return self->read_failed(failed);
      if (!self->stream_.got_binary()) return self->finish("the other side sent text");
      if (!self->closing_) self->in_.insert(self->in_.end(), self->record_.begin(), self->record_.begin() + n);
      self->read();  // while closing, its last words are only read away
      if (self->in_.size() - self->kept_ >= batch_max)
        self->deliver();
      else if (!std::exchange(self->gathering_, true))
        self->gather(self->in_.size(), gather_turns);
    });
  }

  /// A record holds little more than one packet. Handed on one by one, packets would be acknowledged one by one: what
  /// can be read without waiting is handed on together.
  void gather(size_t seen, int turns) {
    loop_.post([self = shared_from_this(), seen, turns] {
      if (self->over()) return;
      if (self->in_.size() != seen) return self->gather(self->in_.size(), gather_turns);
      if (turns > 1) return self->gather(seen, turns - 1);
      self->gathering_ = false;
      self->deliver();
    });
  }

  void deliver() {
    if (in_.size() == kept_) return;
    size_t consumed = closing_ ? in_.size() : callbacks_.on_received(in_);
    assert(consumed <= in_.size());
    if (over()) return;
    in_.erase(in_.begin(), in_.begin() + static_cast<ptrdiff_t>(consumed));
    kept_ = in_.size();
    if (kept_ == 0 && in_.capacity() > spare_max) std::vector<uint8_t>().swap(in_);
    if (kept_ > leftover_max) finish("the other side sent a frame that is too long");
  }

  void read_failed(const error_code& failed) {
    if (closing_ && failed == websocket::error::closed) return;  // the end of our goodbye follows
    if (!closing_) deliver();
    if (!over())
      finish(closing_ ? "closed" : is_end(failed) ? "the other side closed the connection" : failed.message());
  }

  // ---- sending
  void write() {
    if (out_sent_ == out_.size()) {
      out_.clear();
      out_sent_ = 0;
      out_.swap(queue_);
    }
    if (out_.empty()) {
      if (queue_.capacity() > spare_max) std::vector<uint8_t>().swap(queue_);
      if (out_.capacity() > spare_max) std::vector<uint8_t>().swap(out_);
      return;
    }
    writing_ = true;
    size_t n = std::min(out_.size() - out_sent_, message_max);
    stream_.async_write(
        asio::buffer(out_.data() + out_sent_, n), [self = shared_from_this(), n](error_code failed, size_t) {
          self->writing_ = false;
          if (self->over()) return;
          if (failed) return self->finish(is_end(failed) ? "the other side closed the connection" : failed.message());
          self->out_sent_ += n;
          self->written();
        });
  }

  void written() {
    if (queued() == 0 && closing_) return say_goodbye();
    write();  // first: as long as something is queued, something is under way
    if (closing_ || queued() >= queue_writable || !std::exchange(owes_writable_, false)) return;
    if (callbacks_.on_writable) callbacks_.on_writable();
  }

  // ---- the end
  void say_goodbye() {
    stream_.async_close(websocket::close_code::normal, [self = shared_from_this()](error_code) {
      if (!self->over()) self->finish("closed");
    });
  }

  void finish(const std::string& why) {
    if (dead_) return;
    failed_ = true;
    shut();
    auto self = shared_from_this();
    // Taken out, so that it cannot come twice.
    if (auto on_closed = std::exchange(callbacks_.on_closed, nullptr)) on_closed(why);
  }

  /// finish() from the loop, for calls that must not call back.
  void finish_later(std::string why) {
    failed_ = true;
    loop_.post([self = shared_from_this(), why = std::move(why)] { self->finish(why); });
  }

  void shut() {
    limit_.reset();
    error_code ignored;
    socket().close(ignored);  // whatever operation is under way ends with an error
  }

  Loop& loop_;
  std::shared_ptr<ssl::context> tls_;
  Callbacks callbacks_;
  Stream stream_;
  Loop::Timer limit_;
  std::string name_;  ///< as messages name the other side
  std::string host_;
  uint16_t port_ = 0;
  std::vector<uint8_t> first_;
  websocket::response_type answer_;
  std::array<uint8_t, 16 * 1024> record_;  ///< more than one TLS record has (RFC 8446 section 5.1)
  std::vector<uint8_t> in_;                ///< received; the first `kept_` bytes were handed on before and not consumed
  size_t kept_ = 0;
  bool gathering_ = false;
  std::vector<uint8_t> queue_;
  std::vector<uint8_t> out_;  ///< on its way, message by message
  size_t out_sent_ = 0;
  bool server_ = false;
  bool open_ = false;
  bool writing_ = false;
  bool closing_ = false;
  bool failed_ = false;  ///< on_closed came, or is on its way
  bool dead_ = false;    ///< the owner is gone
  bool owes_writable_ = false;
};

WebSocketConnection::WebSocketConnection(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
WebSocketConnection::~WebSocketConnection() { impl_->let_go(); }

std::unique_ptr<WebSocketConnection> WebSocketConnection::connect(Loop& loop, const Address& to,
                                                                  const std::string& host, Callbacks callbacks) {
  auto impl = std::make_shared<Impl>(loop, client_tls(), std::move(callbacks));
  impl->connect(to, host);
  return std::unique_ptr<WebSocketConnection>(new WebSocketConnection(std::move(impl)));
}

std::unique_ptr<WebSocketConnection> WebSocketConnection::over(Loop& loop, Fd connected, const std::string& host,
                                                               uint16_t port, Callbacks callbacks) {
  auto impl = std::make_shared<Impl>(loop, client_tls(), std::move(callbacks));
  impl->take_over(std::move(connected), host, port);
  return std::unique_ptr<WebSocketConnection>(new WebSocketConnection(std::move(impl)));
}

std::unique_ptr<WebSocketConnection> WebSocketConnection::accept(Loop& loop, Fd accepted, const TlsContext& tls,
                                                                 Bytes first, Callbacks callbacks) {
  auto impl = std::make_shared<Impl>(loop, tls, std::move(callbacks));
  impl->accept(std::move(accepted), first);
  return std::unique_ptr<WebSocketConnection>(new WebSocketConnection(std::move(impl)));
}

Connection::Queued WebSocketConnection::send(Bytes bytes) { return impl_->send(bytes); }
void WebSocketConnection::close() { impl_->close(); }
bool WebSocketConnection::closing() const { return impl_->closing(); }
size_t WebSocketConnection::queued() const { return impl_->queued(); }

}  // namespace ginnel
