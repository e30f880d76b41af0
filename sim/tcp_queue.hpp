// What a TCP connection has still to send or may have to send again. Bytes are copied in once; what leaves are slices
// of them that stay valid as long as anybody holds one, so that a retransmission copies nothing.
#pragma once
#include <algorithm>
#include <deque>

#include "sim/packet.hpp"

namespace ginnel::sim {

class TcpQueue {
 public:
  size_t size() const { return size_; }

  void append(Bytes bytes) {
    size_ += bytes.size();
    while (!bytes.empty()) {
      if (parts_.empty() || parts_.back().end == part_size)
        parts_.push_back({std::shared_ptr<uint8_t[]>(new uint8_t[part_size]), 0, 0});
      Part& part = parts_.back();
      size_t n = std::min<size_t>(bytes.size(), part_size - part.end);
      std::copy_n(bytes.begin(), n, part.memory.get() + part.end);
      part.end += static_cast<uint32_t>(n);
      bytes = bytes.subspan(n);
    }
  }
  /// From the front.
  void pop(size_t n) {
    size_ -= n;
    while (n > 0) {
      Part& part = parts_.front();
      auto taken = static_cast<uint32_t>(std::min<size_t>(n, part.end - part.begin));
      part.begin += taken;
      n -= taken;
      if (part.begin == part.end) parts_.pop_front();
    }
  }
  void clear() {
    parts_.clear();
    size_ = 0;
  }
  /// At most `most` bytes from `offset` on, fewer where their memory ends.
  Slice at(size_t offset, size_t most) const {
    for (const Part& part : parts_) {
      size_t here = part.end - part.begin;
      if (offset < here)
        return {part.memory, part.begin + static_cast<uint32_t>(offset),
                static_cast<uint32_t>(std::min(most, here - offset))};
      offset -= here;
    }
    return {};
  }

 private:
  static constexpr uint32_t part_size = 16 * 1024;
  struct Part {
    std::shared_ptr<uint8_t[]> memory;
    uint32_t begin, end;
  };
  std::deque<Part> parts_;
  size_t size_ = 0;
};

}  // namespace ginnel::sim
