// Fragments follow their first one. Knows where the first fragment of a datagram went, for some seconds, and keeps a
// few fragments that came before it; refuses to put datagrams together, and is as small after a flood as before. RFC
// 4787 section 11 (REQ-14, 14a), RFC 791 section 3.2.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "base/instant.hpp"
#include "core/nat/outbox.hpp"
#include "core/nat/ring.hpp"

namespace ginnel::nat {

struct FragmentKey {
  uint32_t source = 0, destination = 0;
  uint16_t id = 0;
  uint8_t protocol = 0;
  Side from = Side::inside;
  bool operator==(const FragmentKey&) const = default;
};

/// What happened to the first fragment, and so happens to all.
struct FragmentRoute {
  uint32_t source = 0, destination = 0;
  uint16_t id = 0;
  Side to = Side::outside;
};

class FragmentTable {
 public:
  static constexpr size_t sets = 64, ways = 4;  // 256 datagrams at once
  static constexpr size_t held_max = 64;        // fragments that wait
  static constexpr size_t held_size_max = 2048;

  void remember(Instant now, Duration lifetime, const FragmentKey& key, const FragmentRoute& route);
  std::optional<FragmentRoute> find(Instant now, const FragmentKey& key) const;

  /// Keeps a copy; the oldest goes when there are too many. False: it is too long.
  bool hold(Instant now, Duration lifetime, const FragmentKey& key, Bytes packet);
  /// One that waits for this datagram, taken out, valid until the next call; empty when there is none.
  MutableBytes take_held(Instant now, const FragmentKey& key);
  void clear();
  size_t memory() const;

 private:
  struct Entry {
    FragmentKey key;
    FragmentRoute route;
    Instant expires{Duration::min()};
  };
  struct Held {
    FragmentKey key;
    Instant expires{};
    bool taken = false;
    std::vector<uint8_t> bytes;
  };
  static size_t set_of(const FragmentKey& key) {
    uint32_t h = (key.source * 0x9e3779b1u) ^ (key.destination * 0x85ebca6bu) ^ (key.id * 0xc2b2ae35u);
    return (h >> 16 ^ h) % sets;
  }

  std::vector<std::array<Entry, ways>> entries_;  ///< made when the first fragment comes
  Ring<Held> held_{held_max};
  size_t held_bytes_ = 0;  ///< that its places keep
};

}  // namespace ginnel::nat
