// What a gateway offers to the hosts inside: PCP, NAT-PMP and UPnP over one book. The composite that hands drive; each
// protocol is a file of its own. RFC 6887, RFC 6886, UPnP InternetGatewayDevice.
#pragma once
#include <deque>

#include "base/machine.hpp"
#include "core/portmap/announcer.hpp"
#include "core/portmap/igd_server.hpp"
#include "core/portmap/nat_pmp_server.hpp"
#include "core/portmap/pcp_server.hpp"
#include "core/portmap/ssdp_server.hpp"

namespace ginnel::portmap {

/// Which of the three are spoken.
struct Offers {
  bool pcp = true, nat_pmp = true, upnp = true;
};

struct ServiceConfig {
  std::vector<Prefix> networks;  ///< inside; whoever is elsewhere gets no answer
  IgdIdentity identity;
  BookLimits limits;
  Offers offers = {};
};

/// Inputs of a gateway's hands: Socket::requests and Socket::ssdp; HTTP is a question with an answer (handle_http).
using ServiceInput = Datagram;
using ServiceAction = SendDatagram;

class Service {
 public:
  /// Engine and randomness outlive the service. It says that it is there as soon as it has an outside address.
  Service(Instant now, const ServiceConfig& config, ForwardEngine& engine, Rng& rng);
  Service(const Service&) = delete;

  // ---- inputs
  void handle(Instant now, ServiceInput& input);
  HttpResponse handle_http(Instant now, const HttpRequest& request);
  void handle_timeout(Instant now);

  // ---- commands
  /// The outside address, unspecified if there is none; call it after the engine has it.
  void set_external(Instant now, const Address& address);
  /// The engine lost its power: no leases, a new epoch, and everybody is told.
  void reset(Instant now);
  void set_traffic(const Traffic& traffic) { igd_.set_traffic(traffic); }
  /// Says goodbye. The forwards stay with the engine, which ends too.
  void close(Instant now);

  // ---- polls; room: at least 1,400 bytes
  std::optional<ServiceAction> poll_action(Instant now, MutableBytes room);
  std::optional<LeaseEvent> poll_event() { return book_.poll_event(); }
  std::optional<Deadline> next_deadline() const;

  // ---- getters
  const MappingBook& book() const { return book_; }

 private:
  static constexpr size_t answers_max = 64;  ///< that wait for the hands; more requests are dropped

  struct Answer {
    Address to;
    std::vector<uint8_t> bytes;
  };

  Offers offers_;
  MappingBook book_;
  PcpServer pcp_{book_};
  NatPmpServer nat_pmp_{book_};
  IgdServer igd_;
  SsdpServer ssdp_;
  Announcer announcer_;
  bool announce_pcp_ = false, announce_nat_pmp_ = false;  ///< due
  bool started_ = false;
  std::deque<Answer> answers_;
};

static_assert(Machine<Service, ServiceInput, ServiceAction>);

}  // namespace ginnel::portmap
