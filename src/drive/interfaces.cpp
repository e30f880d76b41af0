#include "drive/interfaces.hpp"

#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "drive/fd.hpp"
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

namespace {

uint8_t prefix_length(const Address& mask) {
  int length = 0;
  for (uint8_t byte : mask.ip_bytes()) length += std::popcount(byte);
  return static_cast<uint8_t>(length);
}

}  // namespace

const Interface::Own* Interface::first_v4() const {
  for (const Own& own : addresses)
    if (!own.ip.v6) return &own;
  return nullptr;
}

std::optional<Interface> find_interface(const std::string& name) {
  Interface out;
  out.name = name;
  Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  if (name.empty() || name.size() >= IFNAMSIZ) return {};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  if (::ioctl(fd.get(), SIOCGIFMTU, &request) != 0) return {};
  out.mtu = static_cast<uint32_t>(request.ifr_mtu);
  if (::ioctl(fd.get(), SIOCGIFFLAGS, &request) != 0) return {};
  out.arp = !(request.ifr_flags & IFF_NOARP);
  out.index = ::if_nametoindex(name.c_str());
  ifaddrs* found = nullptr;
  if (::getifaddrs(&found) != 0) return {};
  for (ifaddrs* one = found; one; one = one->ifa_next) {
    if (!one->ifa_addr || one->ifa_name != name) continue;
    Address ip = SocketAddress::from(one->ifa_addr).with_port(0);
    if (!ip.is_unspecified()) out.addresses.push_back({ip, prefix_length(SocketAddress::from(one->ifa_netmask))});
  }
  ::freeifaddrs(found);
  return out;
}

std::string interface_name(uint32_t index) {
  char name[IF_NAMESIZE];
  return ::if_indextoname(index, name) ? name : "";
}

std::vector<std::string> interface_names() {
  std::vector<std::string> out;
  struct if_nameindex* all = ::if_nameindex();
  if (!all) return out;
  for (struct if_nameindex* one = all; one->if_index != 0; ++one) out.emplace_back(one->if_name);
  ::if_freenameindex(all);
  return out;
}

}  // namespace ginnel
