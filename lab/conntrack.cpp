#include "lab/conntrack.hpp"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lab/error.hpp"

namespace ginnel::lab {

void flush_conntrack_here() {
  struct {
    nlmsghdr header;
    nfgenmsg family;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE;  // a delete that names none: all
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  request.family.nfgen_family = AF_UNSPEC;

  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (fd < 0) throw_errno("cannot speak to netfilter");
  sockaddr_nl kernel{.nl_family = AF_NETLINK};
  struct {
    nlmsghdr header;
    nlmsgerr result;
  } answer{};
  if (::sendto(fd, &request, sizeof request, 0, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel) < 0 ||
      ::recv(fd, &answer, sizeof answer, 0) < 0) {
    throw_errno("cannot flush the connection table");
  }
  ::close(fd);
  errno = -answer.result.error;
  if (errno != 0) throw_errno("cannot flush the connection table");
}

void flush_conntrack(const Host& gateway) { run({.body = [] { return flush_conntrack_here(), 0; }}, gateway.netns()); }

}  // namespace ginnel::lab
