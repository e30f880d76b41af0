#include "drive/interfaces.hpp"

#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <net/if.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "drive/socket_address.hpp"

namespace ginnel {

namespace {

bool is_virtual_bridge(std::string_view name) {
  for (std::string_view prefix : {"docker", "br-", "veth", "virbr", "cni", "flannel", "lxc", "lxdbr", "podman", "vmnet",
                                  "vboxnet", "cali", "kube"})
    if (name.starts_with(prefix)) return true;
  return false;
}

/// IPv6 addresses that must not be offered. getifaddrs hides these flags; /proc has them.
std::vector<Address> unusable_v6() {
  std::vector<Address> out;
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen("/proc/net/if_inet6", "re"), &std::fclose);
  if (!file) {
    file.release();
    return out;
  }
  char hex[33];
  unsigned flags;
  while (std::fscanf(file.get(), "%32s %*x %*x %*x %x %*s", hex, &flags) == 2) {
    if (!(flags & (IFA_F_DEPRECATED | IFA_F_TENTATIVE | IFA_F_DADFAILED))) continue;
    std::array<uint8_t, 16> ip;
    for (size_t i = 0; i < 16; i++) ip[i] = static_cast<uint8_t>(std::stoi(std::string(hex + 2 * i, 2), nullptr, 16));
    out.push_back(Address::from_ip(ip, 0));
  }
  return out;
}

bool contains(const std::vector<Address>& list, const Address& address) {
  return std::find(list.begin(), list.end(), address) != list.end();
}

}  // namespace

std::vector<Address> interface_addresses(bool with_loopback) {
  ifaddrs* found = nullptr;
  if (::getifaddrs(&found) != 0) return {};
  std::vector<Address> unusable = unusable_v6();
  std::vector<Address> first, last;
  for (ifaddrs* one = found; one; one = one->ifa_next) {
    constexpr unsigned usable = IFF_UP | IFF_RUNNING;
    if (!one->ifa_addr || (one->ifa_flags & usable) != usable) continue;
    Address address = SocketAddress::from(one->ifa_addr).with_port(0);
    if (address.is_unspecified() || (address.v6 && address.is_link_local()) || contains(unusable, address)) continue;
    bool loopback = address.is_loopback() || one->ifa_flags & IFF_LOOPBACK;
    if ((loopback && !with_loopback) || contains(first, address) || contains(last, address)) continue;
    (loopback || is_virtual_bridge(one->ifa_name) ? last : first).push_back(address);
  }
  ::freeifaddrs(found);
  first.insert(first.end(), last.begin(), last.end());
  return first;
}

}  // namespace ginnel
