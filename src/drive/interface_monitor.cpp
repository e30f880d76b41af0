#include "drive/interface_monitor.hpp"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace ginnel {

InterfaceMonitor::InterfaceMonitor(Loop& loop, std::function<void()> on_change)
    : loop_(loop), settled_(loop, std::move(on_change)) {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
  sockaddr_nl raw{};
  raw.nl_family = AF_NETLINK;
  raw.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (!fd || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&raw), sizeof raw) != 0) return;
  fd_ = std::move(fd);
  watch_ = Loop::Watch(loop, fd_.get(), [this] { on_readable(); });
  watch_.want_read(true);
}

void InterfaceMonitor::on_readable() {
  std::array<uint8_t, 8192> ignored;
  bool announced = false;
  while (true) {
    ssize_t n = ::recv(fd_.get(), ignored.data(), ignored.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    // ENOBUFS: there were more announcements than the kernel kept. So something changed.
    if (n > 0 || (n < 0 && errno == ENOBUFS)) announced = true;
    if (n <= 0) break;
  }
  // Not put off by further ones: a link that flaps without end must not silence itself.
  if (announced && !settled_.is_set()) settled_.set(loop_.now() + settle);
}

}  // namespace ginnel
