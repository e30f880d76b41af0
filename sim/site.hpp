// What a place on the internet is like, as plain values: which NATs stand between its hosts and the rest, what they
// forbid, whether it has IPv6. Knows behaviours by the words of core/nat; refuses to know packets. A test that needs a
// stranger place changes a field of one of these.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/address.hpp"
#include "core/nat/behaviour.hpp"
#include "sim/link.hpp"

namespace ginnel::sim {

using SiteId = int;

/// One NAT of a chain.
struct NatLayer {
  nat::Behaviour behaviour;
  double cross_traffic = 0;  ///< mappings a second that others behind it make, a Poisson process
  size_t addresses = 1;      ///< outside ones
  bool bridges = false;      ///< a firewall: the inside has the outside address, see stateful_firewall()
};

enum class Ipv6 : uint8_t {
  none,
  works,   ///< a global address, behind the engine's stateful filter if there is a gateway
  broken,  ///< a global address whose packets lead nowhere
};

/// An interface of a host that leads nowhere: a bridge of containers or virtual machines, the same on many hosts.
struct Bridge {
  Address address;
  int prefix = 16;
};

struct SiteConfig {
  std::vector<NatLayer> nats;     ///< the innermost first; none: its hosts have public addresses
  std::optional<SiteId> carrier;  ///< the shared NAT that it is behind (World::add_carrier)
  LinkConfig line{Duration{}};    ///< to the carrier, both ways
  std::optional<Address> lan;     ///< the network's address, a /24; without it one of 256
  bool isolated = false;          ///< its hosts reach their router and not each other, as in a guest network
  Ipv6 ipv6 = Ipv6::none;
  std::vector<Bridge> bridges;  ///< of each host
  // What is forbidden, silently, between the site and the rest.
  bool udp_out = true, udp_in = true, tcp = true;
  std::vector<uint16_t> tcp_ports;  ///< the only remote TCP ports that may be spoken to; none: all
  double udp_bits_per_second = 0;   ///< each way, more is dropped; 0: no limit
  double tcp_bits_per_second = 0;

  SiteConfig without_udp() const {
    SiteConfig out = *this;
    out.udp_out = out.udp_in = false;
    return out;
  }
};

/// A NAT that many sites stand behind, with `addresses` public ones.
struct CarrierConfig {
  NatLayer nat;
  Ipv6 ipv6 = Ipv6::none;  ///< of sites without a gateway of their own
  bool isolated = false;   ///< its sites reach each other by their outside addresses only (hairpin)
};

/// One NAT with this behaviour, and nothing else.
SiteConfig behind(const nat::Behaviour& behaviour);
/// The same with a preset of core/nat; throws if there is none of that name.
SiteConfig behind(std::string_view preset);
nat::Behaviour preset(std::string_view name);
/// In the older words: mapping and filtering of UDP and TCP. UDP mappings live for a minute if the inside is silent,
/// as carriers' do; unexpected packets get no answer.
nat::Behaviour cone(nat::Depends mapping, nat::Depends filtering,
                    nat::PortChoice choice = nat::PortChoice::preserve_then_random);

/// Public addresses and nothing in between.
SiteConfig public_site();
/// One host with a public address, whom only those reach that it spoke to.
SiteConfig stateful_firewall();

inline const SiteConfig port_restricted = behind(cone(nat::Depends::on_nothing, nat::Depends::on_address_and_port));
inline const SiteConfig address_restricted = behind(cone(nat::Depends::on_nothing, nat::Depends::on_address));
inline const SiteConfig full_cone = behind(cone(nat::Depends::on_nothing, nat::Depends::on_nothing));
inline const SiteConfig symmetric =
    behind(cone(nat::Depends::on_address_and_port, nat::Depends::on_address_and_port, nat::PortChoice::random));

}  // namespace ginnel::sim
