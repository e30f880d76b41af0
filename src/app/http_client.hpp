// HTTP/1.1 as port mapping needs it of a client: one request, one whole answer, in bounded room and time. Beast's
// parser over a TcpConnection; no redirects, no TLS, no names, no second request on a connection. RFC 9112.
#pragma once
#include <functional>
#include <map>
#include <memory>

#include "core/portmap/client/client.hpp"
#include "drive/loop.hpp"

namespace ginnel::app {

class HttpClient {
 public:
  /// `done` gets an HttpAnswer or an HttpFailed for each question that was not forgotten, from Loop::run() only. The
  /// loop outlives the client.
  HttpClient(Loop& loop, std::function<void(portmap::ClientInput)> done);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;

  void ask(const portmap::HttpAsk& ask);
  void forget(portmap::HttpId id);
  bool idle() const { return exchanges_.empty(); }

 private:
  struct Exchange;
  void finish(portmap::HttpId id, portmap::ClientInput result);

  Loop& loop_;
  std::function<void(portmap::ClientInput)> done_;
  std::map<portmap::HttpId, std::unique_ptr<Exchange>> exchanges_;
};

}  // namespace ginnel::app
