// The control socket of a running NAT gateway: a line of JSON in, a line of JSON out, for this user only.
//
//   {"command":"show"}                                     what it is and has counted
//   {"command":"mappings","cursor":0}                      up to 500 mappings, and the cursor of the next (or null)
//   {"command":"reboot"}
//   {"command":"address","addresses":["198.51.100.7"]}     [] : as the interface has them
//   {"command":"set","knob":"udp.filtering=address-dependent"}
//   {"command":"forward","add":"tcp:80=10.0.0.5:80"}       or "remove":"tcp:80"
//   {"command":"capture","side":"inside","file":"/tmp/x.pcap"}   "file":"" ends it
//
// The answer has "ok": true, or "ok": false with "error" (a sentence) and "code" (docs/exit-codes.md).
#pragma once
#include <list>
#include <string>

#include "app/nat_service.hpp"
#include "drive/loop.hpp"
#include "drive/stream_listener.hpp"

namespace ginnel::app {

/// Answers one request line.
std::string answer_control(NatService& service, std::string_view line);

class NatControl {
 public:
  static constexpr size_t line_max = 64 * 1024;
  static constexpr size_t clients_max = 16;

  /// `listener` is open already: whether the path can be had is known before anything else is changed.
  NatControl(Loop& loop, StreamListener listener, NatService& service);

 private:
  struct Client {
    Fd fd;
    Loop::Watch watch;
    std::string in, out;
  };
  void accept();
  void read(std::list<Client>::iterator client);
  void write(std::list<Client>::iterator client);
  void end(std::list<Client>::iterator client);

  Loop& loop_;
  StreamListener listener_;
  NatService& service_;
  std::list<Client> clients_;
  Loop::Watch watch_;
};

}  // namespace ginnel::app
