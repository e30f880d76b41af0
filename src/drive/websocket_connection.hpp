// A connection in the clothes of a browser's: a WebSocket (RFC 6455) inside TLS, for networks that let nothing else
// through. The stream of bytes travels in binary messages whose borders mean nothing. Asio and Beast are behind it.
#pragma once
#include <memory>
#include <string>

#include "drive/connection.hpp"
#include "drive/fd.hpp"
#include "drive/loop.hpp"
#include "drive/tls_context.hpp"

namespace ginnel {

class WebSocketConnection final : public Connection {
 public:
  static constexpr size_t message_max = 64 * 1024;            ///< of one that we send
  static constexpr size_t received_message_max = 256 * 1024;  ///< a larger one ends the connection

  /// Begins to connect, and then to shake hands; on_connected or on_closed follows within connect_limit. `host` is what
  /// the server is called there: a name or an IP address.
  static std::unique_ptr<WebSocketConnection> connect(Loop& loop, const Address& to, const std::string& host,
                                                      Callbacks callbacks);
  /// The same over a connection that leads there already; `port` is the far one.
  static std::unique_ptr<WebSocketConnection> over(Loop& loop, Fd connected, const std::string& host, uint16_t port,
                                                   Callbacks callbacks);
  /// The server's end of a connection that began with `first`, and these bytes looked like TLS. No on_connected.
  static std::unique_ptr<WebSocketConnection> accept(Loop& loop, Fd accepted, const TlsContext& tls, Bytes first,
                                                     Callbacks callbacks);
  ~WebSocketConnection() override;
  WebSocketConnection(const WebSocketConnection&) = delete;
  WebSocketConnection& operator=(const WebSocketConnection&) = delete;

  Queued send(Bytes bytes) override;
  void close() override;
  bool closing() const override;
  size_t queued() const override;

 private:
  class Impl;
  explicit WebSocketConnection(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;  ///< operations under way hold it, too
};

}  // namespace ginnel
