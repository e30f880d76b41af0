// What both ends of TLS bring along: for a server a certificate and its key, for a client nothing. OpenSSL is behind
// it.
#pragma once
#include <memory>
#include <string>

#include "base/result.hpp"

namespace boost::asio::ssl {
class context;
}

namespace ginnel {

/// Copies share one context. TLS is a coat here and no protection: neither end verifies anything, since what travels
/// inside is authenticated and encrypted already.
class TlsContext {
 public:
  static TlsContext client();
  /// A certificate made now, for `name`, kept in memory.
  static TlsContext self_signed(const std::string& name);
  /// PEM files; the certificate may bring its chain. Errc::usage: one of them cannot be read, or they do not belong
  /// together.
  static Result<TlsContext> from_files(const std::string& certificate, const std::string& key);

 private:
  friend class WebSocketConnection;
  explicit TlsContext(std::shared_ptr<boost::asio::ssl::context> context) : context_(std::move(context)) {}
  std::shared_ptr<boost::asio::ssl::context> context_;
};

}  // namespace ginnel
