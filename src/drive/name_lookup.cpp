#include "drive/name_lookup.hpp"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>

#include "drive/socket_address.hpp"

namespace ginnel {

std::optional<Address> parse_ip(std::string host, uint16_t port) {
  std::array<uint8_t, 16> raw;
  if (inet_pton(AF_INET, host.c_str(), raw.data()) == 1) return Address::from_ip(Bytes(raw).first(4), port);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (inet_pton(AF_INET6, host.c_str(), raw.data()) == 1) return Address::from_ip(raw, port);
  return {};
}

std::vector<Address> look_up_name(const std::string& host, uint16_t port) {
  addrinfo wish{};
  wish.ai_socktype = SOCK_DGRAM;  // any single type: without one every address comes three times
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &wish, &found) != 0) return {};
  std::vector<Address> out;
  for (addrinfo* one = found; one && out.size() < resolved_addresses_max; one = one->ai_next) {
    Address address = SocketAddress::from(one->ai_addr).with_port(port);
    // Address has no zone, and a link-local IPv6 address means nothing without one.
    bool usable = !address.is_unspecified() && !(address.v6 && address.is_link_local());
    if (usable && std::find(out.begin(), out.end(), address) == out.end()) out.push_back(address);
  }
  ::freeaddrinfo(found);
  return out;
}

}  // namespace ginnel
