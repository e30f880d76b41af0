// Numbers for the UDP sockets that one machine asks for besides its main ones: one source for all its parts.
#pragma once
#include "base/input.hpp"

namespace ginnel {

class SocketIds {
 public:
  /// The first of `count` numbers in a row.
  SocketId next(SocketId count = 1) {
    if (last_ > 0x7fff'0000) last_ = 0;
    SocketId first = last_ + 1;
    last_ += count;
    return first;
  }

 private:
  SocketId last_ = 0;
};

}  // namespace ginnel
