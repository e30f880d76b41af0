#include "drive/netlink.hpp"

#include <sys/socket.h>

#include <cassert>
#include <cerrno>
#include <vector>

#include "drive/socket_address.hpp"

namespace ginnel {

void NetlinkRequest::append(const void* value, size_t size) {
  size_t at = NLMSG_ALIGN(header()->nlmsg_len);
  assert(at + size <= bytes_.size());
  std::memcpy(&bytes_[at], value, size);
  header()->nlmsg_len = static_cast<uint32_t>(at + size);
}

void NetlinkRequest::put(uint16_t type, Bytes value) {
  rtattr attribute{static_cast<uint16_t>(RTA_LENGTH(value.size())), type};
  append(&attribute, sizeof attribute);
  append(value.data(), value.size());
}

void NetlinkRequest::put_text(uint16_t type, std::string_view text) {
  std::string ended(text);
  put(type, {reinterpret_cast<const uint8_t*>(ended.c_str()), ended.size() + 1});
}

void NetlinkRequest::nest(uint16_t type, const std::function<void()>& fill) {
  size_t at = NLMSG_ALIGN(header()->nlmsg_len);
  put(static_cast<uint16_t>(type | NLA_F_NESTED), Bytes{});
  fill();
  auto size = static_cast<uint16_t>(header()->nlmsg_len - at);
  std::memcpy(&bytes_[at], &size, sizeof size);
}

NetlinkAttributes::NetlinkAttributes(Bytes payload, size_t fixed)
    : bytes_(payload.subspan(std::min(NLMSG_ALIGN(fixed), payload.size()))) {}

Bytes NetlinkAttributes::find(uint16_t type) const {
  for (Bytes rest = bytes_; rest.size() >= sizeof(rtattr);) {
    rtattr attribute;
    std::memcpy(&attribute, rest.data(), sizeof attribute);
    if (attribute.rta_len < sizeof attribute || attribute.rta_len > rest.size()) return {};
    if ((attribute.rta_type & NLA_TYPE_MASK) == type)
      return rest.subspan(sizeof attribute, attribute.rta_len - sizeof attribute);
    rest = rest.subspan(std::min<size_t>(RTA_ALIGN(attribute.rta_len), rest.size()));
  }
  return {};
}

uint32_t NetlinkAttributes::u32(uint16_t type) const {
  uint32_t out = 0;
  if (Bytes value = find(type); value.size() >= sizeof out) std::memcpy(&out, value.data(), sizeof out);
  return out;
}

Result<Netlink> Netlink::open() {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd) return Error{Errc::internal, "The kernel gives no netlink socket: " + errno_text(errno) + "."};
  timeval patience{.tv_sec = 5, .tv_usec = 0};  // a kernel that does not answer must not hang us
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return Netlink(std::move(fd));
}

int Netlink::send(NetlinkRequest& request) {
  request.header()->nlmsg_seq = ++sequence_;
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  ssize_t n = ::sendto(fd_.get(), request.bytes_.data(), request.header()->nlmsg_len, 0,
                       reinterpret_cast<sockaddr*>(&kernel), sizeof kernel);
  return n < 0 ? errno : 0;
}

int Netlink::ask(NetlinkRequest& request) {
  request.header()->nlmsg_flags |= NLM_F_ACK;
  return list(request, [](uint16_t, Bytes) {});
}

int Netlink::list(NetlinkRequest& request, const std::function<void(uint16_t, Bytes)>& take) {
  if (int error = send(request)) return error;
  std::vector<uint8_t> room(32 * 1024);  // the kernel's largest list message
  for (;;) {
    ssize_t got = ::recv(fd_.get(), room.data(), room.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    Bytes rest(room.data(), static_cast<size_t>(got));
    while (rest.size() >= NLMSG_HDRLEN) {
      nlmsghdr header;
      std::memcpy(&header, rest.data(), sizeof header);
      if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > rest.size()) return EPROTO;
      Bytes payload = rest.subspan(NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN);
      rest = rest.subspan(std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), rest.size()));
      if (header.nlmsg_seq != sequence_) continue;  // the end of an earlier list that was given up
      if (header.nlmsg_type == NLMSG_DONE) return 0;
      if (header.nlmsg_type == NLMSG_ERROR) {
        nlmsgerr answer{};
        std::memcpy(&answer, payload.data(), std::min(payload.size(), sizeof answer));
        return -answer.error;
      }
      take(header.nlmsg_type, payload);
    }
  }
}

}  // namespace ginnel
