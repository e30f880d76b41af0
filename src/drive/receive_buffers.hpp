// Where received datagrams land: allocated once, shared by all sockets of a thread, one at a time.
#pragma once
#include <sys/socket.h>

#include <array>
#include <memory>

#include "base/input.hpp"
#include "drive/socket_address.hpp"

namespace ginnel {

/// Room for 16 trains of 64 KiB from one recvmmsg. What receive() hands out lies here, until the next receive().
class ReceiveBuffers {
 public:
  static constexpr size_t trains = 16;
  static constexpr size_t train_bytes = 64 * 1024;

  ReceiveBuffers();
  ReceiveBuffers(const ReceiveBuffers&) = delete;
  ReceiveBuffers& operator=(const ReceiveBuffers&) = delete;

 private:
  friend class UdpSocket;
  static constexpr size_t control_bytes = CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint32_t));
  struct alignas(cmsghdr) Control {
    std::array<uint8_t, control_bytes> bytes;
  };

  /// Makes the headers ready again: the kernel overwrites the lengths in them.
  void rewind();

  std::unique_ptr<uint8_t[]> memory_;
  std::array<iovec, trains> pieces_{};
  std::array<SocketAddress, trains> from_;
  std::array<Control, trains> control_{};
  std::array<mmsghdr, trains> headers_{};
};

}  // namespace ginnel
