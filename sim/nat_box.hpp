// A home's NAT for UDP in the terms of RFC 4787: how it maps, what it lets in, which ports it picks, when it forgets.
// Knows addresses and times and no packets; TCP does not pass here, because this world's TCP only ever leads to the
// server. Mappings live as long as the inside sends (RFC 4787 section 4.3, REQ-6: outbound refresh only).
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/address.hpp"
#include "base/instant.hpp"
#include "sim/random.hpp"

namespace ginnel::sim {

/// Of which part of the remote address a decision depends: RFC 4787 sections 4.1 (mapping) and 5 (filtering).
enum class Depends { on_nothing, on_address, on_address_and_port };

struct NatConfig {
  Depends mapping = Depends::on_nothing;
  Depends filtering = Depends::on_address_and_port;
  bool preserve_port = true;
  Duration timeout = 60s;
  bool udp_blocked = false;
};

inline constexpr NatConfig port_restricted{};
inline constexpr NatConfig full_cone{Depends::on_nothing, Depends::on_nothing};
inline constexpr NatConfig symmetric{Depends::on_address_and_port, Depends::on_address_and_port, false};
std::string to_string(const NatConfig& config);

class NatBox {
 public:
  NatBox(Address public_ip, NatConfig nat_config, Random random)
      : config(nat_config), public_ip_(public_ip), random_(random) {}

  /// The source address a packet from `inside` to `to` leaves with; nothing if it may not leave.
  std::optional<Address> outbound(Instant now, const Address& inside, const Address& to);
  /// Where inside a packet from `from` to `outside` goes; nothing if it is filtered.
  std::optional<Address> inbound(Instant now, const Address& from, const Address& outside);

  /// Forgets everything; `fresh_ports` also gives other ports from now on, as when its port allocation is random.
  void reboot(bool fresh_ports);
  /// The provider gave it another address.
  void move_to(const Address& public_ip);
  const Address& public_ip() const { return public_ip_; }

  NatConfig config;

 private:
  struct Mapping {
    Address inside;
    Instant last_sent;
    std::map<Address, Instant> permitted;  ///< remotes, reduced to what filtering looks at
  };
  using Key = std::pair<Address, Address>;  ///< inside, and the remote reduced to what mapping looks at

  static Address reduce(const Address& remote, Depends depends);
  uint16_t free_port(uint16_t wanted);
  void forget(Instant now);

  Address public_ip_;
  Random random_;
  bool preserve_lost_ = false;
  std::map<Key, uint16_t> ports_;
  std::map<uint16_t, Mapping> mappings_;  ///< by outside port
};

}  // namespace ginnel::sim
