// The kernel's rtnetlink: requests built attribute by attribute, acknowledged or answered with a list. Knows framing;
// what routes and rules are is the business of routing.cpp.
#pragma once
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "drive/fd.hpp"

namespace ginnel {

/// One request under construction. What does not fit is a mistake of ours and asserted.
class NetlinkRequest {
 public:
  /// `fixed` is the structure that stands before the attributes (rtmsg, ifinfomsg, ...).
  template <typename T>
  NetlinkRequest(uint16_t type, uint16_t flags, const T& fixed) {
    header()->nlmsg_type = type;
    header()->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
    header()->nlmsg_len = NLMSG_HDRLEN;
    append(&fixed, sizeof fixed);
  }

  void put(uint16_t type, Bytes value);
  void put(uint16_t type, uint8_t value) { put(type, {&value, sizeof value}); }
  void put(uint16_t type, uint32_t value) { put(type, {reinterpret_cast<const uint8_t*>(&value), sizeof value}); }
  void put(uint16_t type, uint64_t value) { put(type, {reinterpret_cast<const uint8_t*>(&value), sizeof value}); }
  void put_text(uint16_t type, std::string_view text);  ///< with its zero byte
  /// The attributes that `fill` puts become the content of this one.
  void nest(uint16_t type, const std::function<void()>& fill);

 private:
  friend class Netlink;
  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(bytes_.data()); }
  void append(const void* value, size_t size);

  alignas(nlmsghdr) std::array<uint8_t, 512> bytes_{};
};

/// The attributes of one answer, walked front to back.
class NetlinkAttributes {
 public:
  /// Those behind the fixed structure of `fixed` bytes in a message; or those nested in an attribute (fixed 0).
  NetlinkAttributes(Bytes payload, size_t fixed);
  /// The value of the first of this type; empty if there is none.
  Bytes find(uint16_t type) const;
  uint32_t u32(uint16_t type) const;  ///< 0 if there is none

 private:
  Bytes bytes_;
};

/// A conversation; blocking, but with a kernel that answers at once. Move-only.
class Netlink {
 public:
  static Result<Netlink> open();

  /// 0, or the errno that the kernel answered with.
  int ask(NetlinkRequest& request);
  /// Calls `take` with type and payload of each message of a list. 0 or errno.
  int list(NetlinkRequest& request, const std::function<void(uint16_t type, Bytes payload)>& take);

 private:
  explicit Netlink(Fd fd) : fd_(std::move(fd)) {}
  int send(NetlinkRequest& request);

  Fd fd_;
  uint32_t sequence_ = 0;
};

}  // namespace ginnel
