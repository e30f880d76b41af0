// Numbers for the TCP connections that one machine asks for: one source for all its parts.
#pragma once
#include "base/input.hpp"

namespace ginnel {

class TcpIds {
 public:
  TcpId next() {
    if (++last_ >> 31) last_ = 1;  // the upper half belongs to the hands
    return last_;
  }

 private:
  TcpId last_ = 0;
};

}  // namespace ginnel
