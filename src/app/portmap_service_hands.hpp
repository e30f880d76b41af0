// A gateway's port mapping on real sockets: joins portmap::Service to UDP, multicast and HTTP on its inside address.
//
//   auto hands = PortmapServiceHands::open(loop, {.inside = ..., .networks = {...}}, engine, entropy, on_event);
//   (*hands)->set_external(address);       after the engine has it, and at each change
//   (*hands)->close();                     says goodbye, sends at once
#pragma once
#include <functional>
#include <memory>

#include "app/http_server.hpp"
#include "base/result.hpp"
#include "base/rng.hpp"
#include "core/portmap/service.hpp"
#include "drive/loop.hpp"
#include "drive/receive_buffers.hpp"
#include "drive/udp_socket.hpp"

namespace ginnel::app {

struct PortmapServiceOptions {
  Address inside;                         ///< the gateway's own, IPv4; port ignored
  std::vector<portmap::Prefix> networks;  ///< inside
  uint16_t http_port = 0;                 ///< 0: any
  std::string name = "ginnel nat";        ///< friendlyName
  portmap::Offers offers = {};
  std::function<portmap::Traffic()> traffic = {};  ///< asked before UPnP is; may be empty
  portmap::BookLimits limits;
};

class PortmapServiceHands {
 public:
  /// Errors as UdpSocket::open and TcpListener::open say them. Loop, engine and randomness outlive the hands;
  /// `on_event` hears of leases, from the loop and from commands.
  static Result<std::unique_ptr<PortmapServiceHands>> open(Loop& loop, const PortmapServiceOptions& options,
                                                           portmap::ForwardEngine& engine, Rng& rng,
                                                           std::function<void(const portmap::LeaseEvent&)> on_event);
  PortmapServiceHands(const PortmapServiceHands&) = delete;

  void set_external(const Address& address);
  void reset();  ///< portmap::Service::reset
  void close();

  const portmap::MappingBook& book() const { return service_->book(); }
  /// Unspecified without UPnP.
  Address http_address() const { return http_ ? http_->local_address() : Address{}; }

 private:
  struct Port {
    UdpSocket socket;
    Loop::Watch watch;
  };

  PortmapServiceHands(Loop& loop, std::function<void(const portmap::LeaseEvent&)> on_event);
  std::optional<Error> open_requests(const Address& inside);
  std::optional<Error> open_upnp(const PortmapServiceOptions& options, portmap::IgdIdentity& identity);
  std::optional<Error> open(std::unique_ptr<Port>& port, Result<UdpSocket> socket, portmap::Socket name);
  void pump();

  Loop& loop_;
  std::function<void(const portmap::LeaseEvent&)> on_event_;
  ReceiveBuffers buffers_;
  std::unique_ptr<Port> requests_, ssdp_, group_;
  std::unique_ptr<HttpServer> http_;
  std::optional<portmap::Service> service_;
  Loop::Timer timer_;
};

}  // namespace ginnel::app
