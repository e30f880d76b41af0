// The addresses other machines might know this one by.
#pragma once
#include <vector>

#include "base/address.hpp"

namespace ginnel {

/// Addresses (port 0) of the interfaces that are up and have a link, without duplicates. Left out: IPv6 link-local,
/// and IPv6 that is deprecated or not yet proved unique. Bridges of containers and virtual machines come last: their
/// addresses are the same on thousands of machines and lead nowhere.
std::vector<Address> interface_addresses(bool with_loopback = false);

}  // namespace ginnel
