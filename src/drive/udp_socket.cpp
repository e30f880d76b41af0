#include "drive/udp_socket.hpp"

#include <netinet/udp.h>

#include <algorithm>
#include <cassert>
#include <cerrno>

#include "base/action.hpp"
#include "drive/socket_address.hpp"

namespace ginnel {

namespace {

bool set_option(int fd, int level, int name, int value) {
  return ::setsockopt(fd, level, name, &value, sizeof value) == 0;
}

void set_options(int fd, bool v6) {
  // PROBE: the don't-fragment bit is always set, and a forged "fragmentation needed" cannot shrink our packets.
  if (v6) {
    set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
  } else {
    set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  }
  set_option(fd, IPPROTO_UDP, UDP_GRO, 1);
  set_option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
  // FORCE passes net.core.rmem_max but needs CAP_NET_ADMIN; without it the kernel gives as much as it allows.
  if (!set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, UdpSocket::buffer_bytes))
    set_option(fd, SOL_SOCKET, SO_RCVBUF, UdpSocket::buffer_bytes);
  if (!set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, UdpSocket::buffer_bytes))
    set_option(fd, SOL_SOCKET, SO_SNDBUF, UdpSocket::buffer_bytes);
}

/// What an errno of a send means for the caller.
Sent outcome(int error) {
  switch (error) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
      return Sent::blocked;
    case EMSGSIZE:
      return Sent::too_big;
    default:
      return Sent::failed;
  }
}

/// Appends one control message to the header, whose length grows with it.
template <typename T>
void put_control(msghdr& header, MutableBytes room, int level, int type, T value) {
  auto* c = reinterpret_cast<cmsghdr*>(room.data() + header.msg_controllen);
  c->cmsg_level = level;
  c->cmsg_type = type;
  c->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(c), &value, sizeof value);
  header.msg_controllen += CMSG_SPACE(sizeof value);
}

template <typename Call>
auto retry(Call call) {
  decltype(call()) result;
  do result = call();
  while (result < 0 && errno == EINTR);
  return result;
}

}  // namespace

Result<UdpSocket> UdpSocket::open(const Address& bind) { return open(bind, false); }
Result<UdpSocket> UdpSocket::open_shared(const Address& bind) { return open(bind, true); }

Result<UdpSocket> UdpSocket::open(const Address& bind, bool shared) {
  Fd fd(::socket(bind.v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return bind_error(errno, "UDP", bind);
  set_options(fd.get(), bind.v6);
  if (shared) set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  SocketAddress raw(bind);
  if (::bind(fd.get(), raw.data(), raw.size()) != 0) return bind_error(errno, "UDP", bind);
  Address local = local_address_of(fd.get());
  return UdpSocket(std::move(fd), local);
}

size_t UdpSocket::receive_trains(ReceiveBuffers& buffers) {
  buffers.rewind();
  int n = retry(
      [&] { return ::recvmmsg(fd_.get(), buffers.headers_.data(), ReceiveBuffers::trains, MSG_DONTWAIT, nullptr); });
  return static_cast<size_t>(std::max(n, 0));
}

Datagrams UdpSocket::train_at(ReceiveBuffers& buffers, size_t i) {
  msghdr& header = buffers.headers_[i].msg_hdr;
  size_t size = buffers.headers_[i].msg_len;
  size_t segment = size;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
      int given;
      std::memcpy(&given, CMSG_DATA(c), sizeof given);
      if (given > 0) segment = std::min(size, static_cast<size_t>(given));
    } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
      uint32_t total;
      std::memcpy(&total, CMSG_DATA(c), sizeof total);
      counters_.drops_in += total - overflow_seen_;
      overflow_seen_ = total;
    }
  }
  if (size == 0 || header.msg_flags & MSG_TRUNC) {
    counters_.drops_in++;
    return {};
  }
  counters_.batches_in++;
  counters_.bytes_in += size;
  counters_.datagrams_in += (size + segment - 1) / segment;
  auto* start = static_cast<uint8_t*>(buffers.pieces_[i].iov_base);
  return {buffers.from_[i].address(), MutableBytes(start, size), segment};
}

Sent UdpSocket::send(const Address& to, Bytes bytes, size_t segment, uint8_t hops) {
  assert(segment > 0 && bytes.size() <= train_bytes_max && bytes.size() <= segment * train_segments_max);
  Sent result = Sent::failed;
  if (to.v6 == local_.v6) {
    bool singly = !offload_ && bytes.size() > segment;
    result = singly && hops == 0 ? send_singly(to, bytes, segment) : send_train(to, bytes, segment, hops);
  }
  if (result == Sent::ok) {
    counters_.batches_out++;
    counters_.bytes_out += bytes.size();
    counters_.datagrams_out += (bytes.size() + segment - 1) / segment;
  } else if (result != Sent::blocked) {
    counters_.drops_out++;
  }
  return result;
}

Sent UdpSocket::send_train(const Address& to, Bytes bytes, size_t segment, uint8_t hops) {
  SocketAddress raw(to);
  iovec piece{const_cast<uint8_t*>(bytes.data()), bytes.size()};
  msghdr header{};
  header.msg_name = raw.data();
  header.msg_namelen = raw.size();
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(int))> control{};
  header.msg_control = control.data();
  bool train = bytes.size() > segment;
  if (train) put_control(header, control, IPPROTO_UDP, UDP_SEGMENT, static_cast<uint16_t>(segment));
  if (hops > 0)
    put_control(header, control, to.v6 ? IPPROTO_IPV6 : IPPROTO_IP, to.v6 ? IPV6_HOPLIMIT : IP_TTL, static_cast<int>(hops));
  if (retry([&] { return ::sendmsg(fd_.get(), &header, 0); }) >= 0) return Sent::ok;
  int error = errno;
  bool refused = error == EIO || error == EINVAL || error == EOPNOTSUPP;
  if (!train || !refused) return outcome(error);
  // Older kernels say EINVAL also for a segment beyond the MTU, so only singles that pass prove a refusal of offload.
  Sent singly = send_singly(to, bytes, segment);
  if (singly == Sent::ok) offload_ = false;
  return singly;
}

Sent UdpSocket::send_singly(const Address& to, Bytes bytes, size_t segment) {
  SocketAddress raw(to);
  std::array<iovec, train_segments_max> pieces;
  std::array<mmsghdr, train_segments_max> headers{};
  unsigned count = 0;
  for (size_t at = 0; at < bytes.size(); at += segment, count++) {
    Bytes one = bytes.subspan(at, std::min(segment, bytes.size() - at));
    pieces[count] = {const_cast<uint8_t*>(one.data()), one.size()};
    msghdr& header = headers[count].msg_hdr;
    header.msg_name = raw.data();
    header.msg_namelen = raw.size();
    header.msg_iov = &pieces[count];
    header.msg_iovlen = 1;
  }
  for (unsigned sent = 0; sent < count;) {
    int n = retry([&] { return ::sendmmsg(fd_.get(), headers.data() + sent, count - sent, 0); });
    if (n < 0) return outcome(errno);
    sent += static_cast<unsigned>(n);
  }
  return Sent::ok;
}

}  // namespace ginnel
