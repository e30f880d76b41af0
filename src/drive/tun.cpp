#include "drive/tun.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include <cerrno>

#include "drive/socket_address.hpp"

// Older kernel headers do not know them; older kernels refuse them.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace ginnel {

namespace {

Error no_tun(int error) {
  switch (error) {
    case ENOENT:
    case ENXIO:
    case ENODEV:
      return {
          Errc::usage,
          "/dev/net/tun is missing here. Load the module (modprobe tun); in a container, give it the device (docker "
          "run --device /dev/net/tun)."};
    case EACCES:
      return {Errc::permission,
              "/dev/net/tun may not be opened by this user. Run it as root, or chmod 666 /dev/net/tun "
              "as Debian has it."};
    default:
      return {Errc::internal, "/dev/net/tun cannot be opened: " + errno_text(error) + "."};
  }
}

Error no_device(int error) {
  if (error == EPERM)
    return {
        Errc::permission,
        "This process may not make a TUN device: it needs CAP_NET_ADMIN in its network namespace. Run it as root, or "
        "in a user namespace (unshare -Urn)."};
  return {Errc::internal, "The kernel makes no TUN device: " + errno_text(error) + "."};
}

}  // namespace

Result<Tun> Tun::open(const std::string& pattern) {
  Fd fd(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return no_tun(errno);
  ifreq request{};
  pattern.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  if (::ioctl(fd.get(), TUNSETIFF, &request) != 0) return no_device(errno);
  std::string name = request.ifr_name;
  unsigned long offload = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  bool udp = ::ioctl(fd.get(), TUNSETOFFLOAD, offload | TUN_F_USO4 | TUN_F_USO6) == 0;
  if (!udp && ::ioctl(fd.get(), TUNSETOFFLOAD, offload) != 0) return no_device(errno);
  return Tun(std::move(fd), name, ::if_nametoindex(name.c_str()), udp);
}

size_t Tun::read(TunHeader& header, MutableBytes room) {
  iovec pieces[] = {{&header, sizeof header}, {room.data(), room.size()}};
  ssize_t n;
  do n = ::readv(fd_.get(), pieces, 2);
  while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EBADFD) gone_ = true;
  return n <= static_cast<ssize_t>(sizeof header) ? 0 : static_cast<size_t>(n) - sizeof header;
}

bool Tun::write(const TunHeader& header, Bytes packet) {
  iovec pieces[] = {{const_cast<TunHeader*>(&header), sizeof header},
                    {const_cast<uint8_t*>(packet.data()), packet.size()}};
  ssize_t n;
  do n = ::writev(fd_.get(), pieces, 2);
  while (n < 0 && errno == EINTR);
  return n >= 0;
}

}  // namespace ginnel
