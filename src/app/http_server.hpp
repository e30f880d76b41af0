// HTTP/1.1 as a gateway's port mapping needs it: one request a connection, answered whole, in bounded room and time,
// for a bounded number of callers. Beast's parser over TcpConnections. RFC 9112.
#pragma once
#include <functional>
#include <map>
#include <memory>

#include "base/result.hpp"
#include "core/portmap/io.hpp"
#include "drive/loop.hpp"
#include "drive/tcp_listener.hpp"

namespace ginnel::app {

struct HttpLimits {
  size_t connections = 64;
  size_t connections_per_host = 8;  ///< so that one cannot take them all
  uint32_t header = 8 * 1024;
  size_t body = 64 * 1024;
  Duration request = 5s;  ///< from accept to the last byte of the request, however they drip
};

class HttpServer {
 public:
  using Handler = std::function<portmap::HttpResponse(const portmap::HttpRequest&)>;

  /// Port 0 lets the kernel choose. `server` is the Server header's text. The loop outlives the server.
  static Result<std::unique_ptr<HttpServer>> listen(Loop& loop, const Address& bind, std::string server,
                                                    Handler handler, const HttpLimits& limits = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;

  const Address& local_address() const { return listener_.local_address(); }
  size_t connection_count() const { return visits_.size(); }

 private:
  struct Visit;
  HttpServer(Loop& loop, TcpListener listener, std::string server, Handler handler, const HttpLimits& limits);
  void accept();
  bool has_room(const Address& from) const;
  size_t read(Visit& visit, Bytes bytes);
  void answer(Visit& visit, const portmap::HttpResponse& response);

  Loop& loop_;
  TcpListener listener_;
  std::string server_;
  Handler handler_;
  HttpLimits limits_;
  std::map<uint64_t, std::unique_ptr<Visit>> visits_;
  uint64_t next_visit_ = 1;
  Loop::Watch watch_;
  Loop::Timer pause_;
};

}  // namespace ginnel::app
