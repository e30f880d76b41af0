#include "lab/conform/raw_port.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <array>

#include "lab/error.hpp"

namespace ginnel::lab {
namespace {

constexpr int buffer = 16 << 20;  // floods are part of the questions

/// The sockets of an object belong to the namespace in which they were made: this is in it while they are.
class Visit {
 public:
  explicit Visit(int netns) {
    if (netns < 0) return;
    home_ = Fd(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!home_ || ::setns(netns, CLONE_NEWNET) != 0) throw_errno("cannot enter the network namespace");
  }
  ~Visit() {
    if (home_) ::setns(home_.get(), CLONE_NEWNET);
  }

 private:
  Fd home_;
};

Fd open_in(const std::string& interface) {
  Fd fd(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) throw_errno("cannot open a packet socket");
  for (int option : {SO_RCVBUF, SO_RCVBUFFORCE}) ::setsockopt(fd.get(), SOL_SOCKET, option, &buffer, sizeof buffer);
  sockaddr_ll at{.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP)};
  if (!interface.empty()) at.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
  if (!interface.empty() && at.sll_ifindex == 0) throw_errno("there is no interface " + interface);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0)
    throw_errno("cannot listen for packets");
  return fd;
}

Fd open_out() {
  Fd fd(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
  if (!fd) throw_errno("cannot open a raw socket");
  const int on = 1;
  ::setsockopt(fd.get(), SOL_IP, IP_NODEFRAG, &on, sizeof on);  // fragments are to leave as fragments
  ::setsockopt(fd.get(), SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
  for (int option : {SO_SNDBUF, SO_SNDBUFFORCE}) ::setsockopt(fd.get(), SOL_SOCKET, option, &buffer, sizeof buffer);
  return fd;
}

}  // namespace

RawPort::RawPort(const std::string& interface, int netns) {
  Visit visit(netns);
  in_ = open_in(interface);
  out_ = open_out();
}

void RawPort::send(Bytes packet) {
  if (packet.size() < 20) return;
  sockaddr_in to{.sin_family = AF_INET};
  std::memcpy(&to.sin_addr, &packet[16], 4);
  ::sendto(out_.get(), packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

std::optional<std::vector<uint8_t>> RawPort::receive() {
  std::array<uint8_t, 65536> room;
  sockaddr_ll from{};
  socklen_t size = sizeof from;
  for (;;) {
    const ssize_t n = ::recvfrom(in_.get(), room.data(), room.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return {};
    if (from.sll_pkttype != PACKET_OUTGOING) return std::vector<uint8_t>(room.begin(), room.begin() + n);
  }
}

void wait_for_any(const std::vector<const RawPort*>& ports, Time deadline) {
  std::vector<pollfd> all;
  for (const RawPort* port : ports) all.push_back({port->fd(), POLLIN, 0});
  ::poll(all.data(), all.size(), poll_ms(deadline));
}

}  // namespace ginnel::lab
