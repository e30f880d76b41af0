#include "drive/receive_buffers.hpp"

namespace ginnel {

// Not zeroed: pages that no train ever reaches are never backed by memory.
ReceiveBuffers::ReceiveBuffers() : memory_(new uint8_t[trains * train_bytes]) {
  for (size_t i = 0; i < trains; i++) {
    pieces_[i] = {memory_.get() + i * train_bytes, train_bytes};
    msghdr& header = headers_[i].msg_hdr;
    header.msg_iov = &pieces_[i];
    header.msg_iovlen = 1;
    header.msg_name = from_[i].data();
    header.msg_control = control_[i].bytes.data();
  }
  rewind();
}

void ReceiveBuffers::rewind() {
  for (mmsghdr& one : headers_) {
    one.msg_hdr.msg_namelen = SocketAddress::room();
    one.msg_hdr.msg_controllen = control_bytes;
  }
}

}  // namespace ginnel
