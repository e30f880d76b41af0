// Views of bytes, and the two bounded cursors every wire format is read and written with. Network byte order.
#pragma once
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace ginnel {

using Bytes = std::span<const uint8_t>;
using MutableBytes = std::span<uint8_t>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Reads forward. Reading past the end returns zeros and sets failed(); check it once, at the end.
class Reader {
 public:
  explicit Reader(Bytes bytes) : rest_(bytes) {}

  uint8_t u8() { return static_cast<uint8_t>(number(1)); }
  uint16_t u16() { return static_cast<uint16_t>(number(2)); }
  uint32_t u32() { return static_cast<uint32_t>(number(4)); }
  uint64_t u64() { return number(8); }

  Bytes take(size_t n) {
    if (n > rest_.size()) {
      failed_ = true;
      rest_ = {};
      return {};
    }
    Bytes out = rest_.first(n);
    rest_ = rest_.subspan(n);
    return out;
  }
  template <size_t N>
  void fill(std::span<uint8_t, N> out) {
    Bytes in = take(out.size());
    if (!failed_) std::memcpy(out.data(), in.data(), out.size());
  }

  Bytes rest() const { return rest_; }
  bool empty() const { return rest_.empty(); }
  bool failed() const { return failed_; }

 private:
  uint64_t number(size_t n) {
    uint64_t value = 0;
    for (uint8_t byte : take(n)) value = value << 8 | byte;
    return value;
  }
  Bytes rest_;
  bool failed_ = false;
};

/// Writes forward into room it does not own. Writing past the end writes nothing and sets failed().
class Writer {
 public:
  explicit Writer(MutableBytes room) : room_(room) {}

  void u8(uint8_t v) { number(v, 1); }
  void u16(uint16_t v) { number(v, 2); }
  void u32(uint32_t v) { number(v, 4); }
  void u64(uint64_t v) { number(v, 8); }
  void put(Bytes bytes) {
    if (MutableBytes out = claim(bytes.size()); out.size() == bytes.size() && !bytes.empty())
      std::memcpy(out.data(), bytes.data(), bytes.size());
  }
  void zeros(size_t n) {
    if (MutableBytes out = claim(n); !out.empty()) std::memset(out.data(), 0, out.size());
  }

  size_t size() const { return size_; }
  MutableBytes written() const { return room_.first(size_); }
  bool failed() const { return failed_; }

 private:
  MutableBytes claim(size_t n) {
    if (n > room_.size() - size_) {
      failed_ = true;
      return {};
    }
    size_ += n;
    return room_.subspan(size_ - n, n);
  }
  void number(uint64_t v, size_t n) {
    MutableBytes out = claim(n);
    for (size_t i = out.size(); i-- > 0; v >>= 8) out[i] = static_cast<uint8_t>(v);
  }
  MutableBytes room_;
  size_t size_ = 0;
  bool failed_ = false;
};

}  // namespace ginnel
