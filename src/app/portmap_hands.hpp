// An agent's port mapping on real sockets: joins portmap::Client to UDP, multicast, HTTP and the default route.
//
//   PortmapHands hands(loop, entropy, [](const portmap::ClientEvent& e) { ... });   // Mapped, Unmapped, ...
//   hands.want({{wire::ip_protocol_udp, port}});
//   hands.network_changed();       whenever an InterfaceMonitor says so
//   hands.close(done);             gives the mappings back; done within a second
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "app/http_client.hpp"
#include "base/rng.hpp"
#include "core/portmap/client/client.hpp"
#include "drive/gateways.hpp"
#include "drive/loop.hpp"
#include "drive/receive_buffers.hpp"
#include "drive/udp_socket.hpp"

namespace ginnel::app {

class PortmapHands {
 public:
  /// Loop and randomness outlive the hands. `on_event` is called from the loop and from within commands; it must not
  /// destroy the hands. Nothing is sent before something is wanted.
  PortmapHands(Loop& loop, Rng& rng, std::function<void(const portmap::ClientEvent&)> on_event);
  PortmapHands(const PortmapHands&) = delete;

  void want(std::vector<portmap::Wanted> wanted);
  /// Looks at the default route again; cheap if it is the same.
  void network_changed();
  /// `done` is called once, from the loop, and may destroy the hands; nothing else is called after that.
  void close(std::function<void()> done);

  const std::optional<portmap::Network>& network() const { return network_; }

 private:
  struct Port {
    UdpSocket socket;
    Loop::Watch watch;
  };

  std::optional<portmap::Network> find_network() const;
  void open_sockets();
  void open(std::unique_ptr<Port>& port, Result<UdpSocket> socket, portmap::Socket name);
  void give(portmap::ClientInput input);
  void pump();

  Loop& loop_;
  portmap::Client client_;
  std::function<void(const portmap::ClientEvent&)> on_event_;
  std::function<void()> done_;
  HttpClient http_;
  ReceiveBuffers buffers_;
  std::optional<portmap::Network> network_;
  std::unique_ptr<Port> own_, announcements_;
  Loop::Timer timer_;
  bool closing_ = false;
  bool pumping_ = false;
  bool again_ = false;
};

}  // namespace ginnel::app
