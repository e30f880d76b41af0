// Which outside port a new mapping gets. Knows which ports of each outside address are in use, by protocol, and the
// ways to choose; refuses to know mappings. RFC 4787 section 4.2, RFC 6056 section 3.3 (random), RFC 6888 section 4
// (blocks), RFC 7857 section 9.
#pragma once
#include <array>
#include <bit>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/rng.hpp"
#include "core/nat/behaviour.hpp"

namespace ginnel::nat {

/// 65,536 bits, of which the next clear one is found by words.
class PortSet {
 public:
  bool has(uint16_t port) const { return words_[port / 64] >> (port % 64) & 1; }
  void add(uint16_t port) {
    count_ += !has(port);
    words_[port / 64] |= uint64_t{1} << (port % 64);
  }
  void remove(uint16_t port) {
    count_ -= has(port);
    words_[port / 64] &= ~(uint64_t{1} << (port % 64));
  }
  uint32_t count() const { return count_; }
  /// The first free port in [from, last] whose bit of `wanted` (a mask repeated every 64 ports) is set.
  std::optional<uint16_t> next_free(uint32_t from, uint32_t last, uint64_t wanted) const;

 private:
  std::array<uint64_t, 1024> words_{};
  uint32_t count_ = 0;
};

/// What a host keeps between its choices.
struct PortMemory {
  uint16_t* last_port;
  uint16_t* block_first;
};

class PortAllocator {
 public:
  PortAllocator(const PortBehaviour& behaviour, Rng& rng) : rng_(rng) { set_behaviour(behaviour); }

  void set_behaviour(const PortBehaviour& behaviour);  ///< set_addresses() has to follow
  void set_addresses(size_t count);                    ///< forgets everything

  /// `taken` is asked besides the ports in use: another reason why this one may not be had, or nullptr. `beside` is
  /// wanted first, if not 0: next to the outside port of the inside port's neighbour.
  struct Request {
    size_t address = 0;
    uint8_t protocol = 0;
    uint16_t inside_port = 0;
    uint16_t beside = 0;
    PortMemory host;
    const std::function<bool(uint16_t)>* taken = nullptr;
  };
  std::optional<uint16_t> choose(const Request& request);

  void use(size_t address, uint8_t protocol, uint16_t port) { set(address, protocol).add(port); }
  void free(size_t address, uint8_t protocol, uint16_t port) { set(address, protocol).remove(port); }
  bool in_use(size_t address, uint8_t protocol, uint16_t port) const;
  void free_block(size_t address, uint16_t block_first);
  size_t memory() const;

 private:
  struct Range {
    uint32_t first, last;
  };

  PortSet& set(size_t address, uint8_t protocol);
  Range range_for(const Request& request) const;
  bool available(const Request& request, uint16_t port) const;
  std::optional<uint16_t> preserve(const Request& request) const;
  std::optional<uint16_t> random(const Request& request, Range range);
  std::optional<uint16_t> sequential(const Request& request, Range range);
  std::optional<uint16_t> in_block(const Request& request);
  bool take_block(const Request& request);

  PortBehaviour behaviour_;
  Rng& rng_;
  std::vector<std::unique_ptr<PortSet>> sets_;  ///< four of each address, made when first used
  std::vector<PortSet> blocks_;                 ///< of each address, by number of the block
  uint16_t last_port_ = 0;
};

}  // namespace ginnel::nat
