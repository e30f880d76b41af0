// Sockets of any host of the lab, all held by the test itself: a socket belongs for ever to the namespace it was made
// in. So "A sends, B receives, from where?" is three lines, without a process at each end. Every wait has a deadline.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/address.hpp"
#include "drive/fd.hpp"
#include "lab/host.hpp"

namespace ginnel::lab {

/// "10.0.0.2", 40000.
Address at(const std::string& ip, uint16_t port);

class UdpProbe {
 public:
  UdpProbe(const Host& host, const Address& bind);

  struct Datagram {
    Address from;
    std::string text;
  };
  void send(const Address& to, const std::string& text = "?");
  std::optional<Datagram> receive(Duration patience = 2s);
  /// Is there silence for that long?
  bool silent(Duration how_long = 150ms) { return !receive(how_long); }
  /// errno that the socket learned by ICMP, and the path MTU that the kernel believes in towards a connected address.
  void connect(const Address& to);
  void always_set_df();
  int take_error(Duration patience = 1s);
  int path_mtu();

  int fd() const { return fd_.get(); }
  Address address() const;

 private:
  Fd fd_;
};

/// One end of a TCP connection, or a listener. SO_REUSEADDR and SO_REUSEPORT are on.
class TcpProbe {
 public:
  TcpProbe(const Host& host, const Address& bind);
  explicit TcpProbe(Fd fd) : fd_(std::move(fd)) {}

  void listen();
  std::optional<TcpProbe> accept(Duration patience = 2s);
  void begin_connect(const Address& to);
  /// 0 when the connection stands, else the errno that came of it; ETIMEDOUT if nothing came.
  int await_connected(Duration patience = 3s);
  int connect(const Address& to, Duration patience = 3s) { return begin_connect(to), await_connected(patience); }

  bool write(const std::string& text);
  /// What comes within the time, up to `size` bytes; "" at the end of the stream or when nothing comes.
  std::string read(size_t size, Duration patience = 2s);
  bool at_end(Duration patience = 2s);  ///< a FIN came, and nothing before it
  bool was_reset(Duration patience = 2s);
  void half_close();
  void reset();  ///< closes with RST

  Address address() const;
  Address peer() const;
  int fd() const { return fd_.get(); }

 private:
  Fd fd_;
};

}  // namespace ginnel::lab
