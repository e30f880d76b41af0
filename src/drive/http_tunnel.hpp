// A way through an HTTP proxy: asks it to connect us to somebody (CONNECT, RFC 9110 section 9.3.6), and hands over the
// descriptor whose bytes go there from then on. What is spoken inside is others' business.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/http_proxy.hpp"
#include "base/result.hpp"
#include "drive/fd.hpp"
#include "drive/loop.hpp"

namespace ginnel {

/// Calls `done` once, from Loop::run(), within `patience`: with the descriptor, or with Errc::unreachable or refused
/// and half a sentence ("the proxy ... allows no connection to ..."). May be destroyed at any time, in that callback
/// too; before it that gives up.
class HttpTunnel {
 public:
  static constexpr Duration limit = 10s;
  static constexpr size_t answer_max = 16 * 1024;  ///< of the proxy's answer, all its lines
  using Done = std::function<void(Result<Fd>)>;

  /// `host` is a name, which the proxy looks up, or an IP address without brackets.
  HttpTunnel(Loop& loop, HttpProxy proxy, const std::string& host, uint16_t port, Done done, Duration patience = limit);
  ~HttpTunnel();
  HttpTunnel(const HttpTunnel&) = delete;
  HttpTunnel& operator=(const HttpTunnel&) = delete;

 private:
  struct Answer;  ///< the parser of it

  void try_next();
  void on_writable();
  void on_readable();
  void judge();
  void fail(Errc code, const std::string& why);
  void finish(Result<Fd> result);
  std::string name() const { return "the proxy " + proxy_.to_string(); }

  Loop& loop_;
  HttpProxy proxy_;
  std::string target_;  ///< HOST:PORT
  Done done_;
  std::string request_;
  size_t sent_ = 0;
  std::unique_ptr<Answer> answer_;
  Loop::Lookup lookup_;
  std::vector<Address> addresses_;  ///< of the proxy, not yet tried
  Fd fd_;
  Loop::Watch watch_;
  Loop::Timer timer_;
  bool connecting_ = true;
};

}  // namespace ginnel
