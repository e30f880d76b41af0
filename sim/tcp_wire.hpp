// One TCP connection as its two ends see it: a reliable byte stream with a bounded queue (the limits of
// drive/tcp_connection), delayed by the links beneath. Knows no sequence numbers: loss is delay, and a cut link stalls
// the stream until it is mended or the sender's patience ends. An end whose process died is told of by a reset; one
// whose NAT forgot it is not told of at all.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "sim/link.hpp"

namespace ginnel::sim {

class TcpWire : public std::enable_shared_from_this<TcpWire> {
 public:
  enum End { client, server };
  struct Callbacks {
    std::function<void(std::vector<uint8_t>)> on_bytes;
    std::function<void()> on_writable;
    std::function<void(std::string why)> on_closed;
  };

  static constexpr size_t queue_full = 256 * 1024;
  static constexpr size_t queue_writable = 64 * 1024;
  static constexpr size_t queue_max = 1024 * 1024;
  static constexpr Duration user_timeout = 10s;

  TcpWire(Schedule& clock, Link& up, Link& down, Callbacks client_end, Callbacks server_end);

  /// False: full, or refused.
  bool send(End from, Bytes bytes);
  /// Flush and end; the end that closes hears nothing more.
  void close(End from);
  /// The end's process is gone: the other one gets a reset.
  void kill(End from);
  /// Nothing passes any more and nobody is told.
  void forget() { forgotten_ = true; }

 private:
  struct Way {
    Link* link;
    Callbacks* to;
    Callbacks* from;
    std::vector<uint8_t> queue;
    bool pumping = false;
    bool ending = false;          ///< FIN after the queue
    bool owes_writable = false;
    std::optional<Instant> stuck_since;
    Duration retry{};
    Instant last_arrival{};
  };
  void pump_soon(Way& way, Instant when);
  void pump(Way& way);
  void stuck(Way& way);
  void arrive(Way& way, Instant when, std::function<void(Callbacks&)> job, bool last = false);

  Schedule& clock_;
  std::array<Callbacks, 2> ends_;
  std::array<bool, 2> deaf_{};
  std::array<Way, 2> ways_;  ///< by sender
  bool forgotten_ = false;
};

}  // namespace ginnel::sim
