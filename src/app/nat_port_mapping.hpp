// Hosts inside may open ways in: PCP, NAT-PMP and UPnP on each inside interface, over the one translation engine. What
// they ask for becomes a forward of the engine, and lasts as long as its lease.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "app/portmap_service_hands.hpp"
#include "app/report.hpp"
#include "core/nat/gateway.hpp"
#include "drive/interfaces.hpp"

namespace ginnel::app {

class NatPortMapping final : public portmap::ForwardEngine {
 public:
  /// All outlive it. The destructor says goodbye.
  NatPortMapping(Loop& loop, nat::Gateway& gateway, portmap::Offers offers, Rng& rng, Reporter report);
  NatPortMapping(const NatPortMapping&) = delete;
  ~NatPortMapping() override;

  /// Serves on the IPv4 addresses of these interfaces from now on; leases of an address that stays, stay.
  std::optional<Error> serve(const std::vector<Interface>& inside, const Address& external);
  /// The engine has this public address now; unspecified: none.
  void set_external(const Address& address);
  /// The engine forgot, or is about to forget, everything.
  void reset();

  /// Who has this forward of the engine by a lease; nullptr: nobody, it is configuration.
  const portmap::Lease* lease(uint8_t protocol, uint16_t outside_port) const;

  bool add_forward(const portmap::Forward& forward) override;
  void remove_forward(const portmap::Forward& forward) override;

 private:
  struct Served {
    Address ip;
    uint8_t prefix = 0;
    std::unique_ptr<PortmapServiceHands> hands;
  };

  Result<std::unique_ptr<PortmapServiceHands>> open(const Interface::Own& own);
  portmap::Traffic traffic() const;
  void tell(const portmap::LeaseEvent& event) const;

  Loop& loop_;
  nat::Gateway& gateway_;
  portmap::Offers offers_;
  Rng& rng_;
  Reporter report_;
  std::vector<Served> served_;
};

}  // namespace ginnel::app
