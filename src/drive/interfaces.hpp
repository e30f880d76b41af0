// The addresses other machines might know this one by.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.hpp"

namespace ginnel {

/// Addresses (port 0) of the interfaces that are up and have a link, without duplicates. Left out: IPv6 link-local,
/// and IPv6 that is deprecated or not yet proved unique. Bridges of containers and virtual machines come last: their
/// addresses are the same on thousands of machines and lead nowhere.
std::vector<Address> interface_addresses(bool with_loopback = false);

/// One interface as it is now.
struct Interface {
  struct Own {
    Address ip;  ///< port 0
    uint8_t prefix = 0;
  };
  std::string name;
  uint32_t index = 0;
  uint32_t mtu = 0;
  bool arp = true;  ///< false of tunnels and point-to-point lines
  std::vector<Own> addresses;

  const Own* first_v4() const;
};
std::optional<Interface> find_interface(const std::string& name);
std::string interface_name(uint32_t index);  ///< empty if there is none
std::vector<std::string> interface_names();

}  // namespace ginnel
