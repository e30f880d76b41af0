#include "drive/multicast.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

namespace ginnel {

namespace {

in_addr raw_ip(const Address& address) {
  in_addr out;
  std::memcpy(&out, address.ip.data(), sizeof out);
  return out;
}

}  // namespace

bool join_group(int fd, const Address& group, const Address& interface) {
  if (group.v6 || interface.v6) return false;
  int off = 0;
  ::setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof off);
  ip_mreq request{raw_ip(group), raw_ip(interface)};
  return ::setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request) == 0;
}

bool send_groups_from(int fd, const Address& interface, int hops) {
  if (interface.v6) return false;
  in_addr from = raw_ip(interface);
  return ::setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &from, sizeof from) == 0 &&
         ::setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &hops, sizeof hops) == 0;
}

}  // namespace ginnel
