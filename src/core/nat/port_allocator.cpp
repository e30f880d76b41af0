#include "core/nat/port_allocator.hpp"

#include <algorithm>

#include "wire/ip.hpp"

namespace ginnel::nat {
namespace {

constexpr uint64_t every_port = ~uint64_t{0};
constexpr uint64_t even_ports = 0x5555555555555555;

size_t set_index(size_t address, uint8_t protocol) {
  return address * 4 + (protocol == wire::ip_protocol_udp    ? 0
                        : protocol == wire::ip_protocol_tcp  ? 1
                        : protocol == wire::ip_protocol_icmp ? 2
                                                             : 3);
}

}  // namespace

std::optional<uint16_t> PortSet::next_free(uint32_t from, uint32_t last, uint64_t wanted) const {
  for (uint32_t port = from; port <= last;) {
    uint64_t free = ~words_[port / 64] & wanted & every_port << (port % 64);
    uint32_t base = port & ~63u;
    if (free) {
      uint32_t found = base + static_cast<uint32_t>(std::countr_zero(free));
      return found <= last ? std::optional(static_cast<uint16_t>(found)) : std::nullopt;
    }
    port = base + 64;
  }
  return {};
}

void PortAllocator::set_behaviour(const PortBehaviour& behaviour) {
  behaviour_ = behaviour;
  if (behaviour_.first == 0) behaviour_.first = 1;
  if (behaviour_.last < behaviour_.first) behaviour_.last = behaviour_.first;
  behaviour_.block = std::max<uint16_t>(behaviour_.block, 1);
  behaviour_.step = std::max<uint16_t>(behaviour_.step, 1);
  last_port_ = static_cast<uint16_t>(behaviour_.first + rng_.below(behaviour_.last - behaviour_.first + 1u));
}

void PortAllocator::set_addresses(size_t count) {
  sets_.clear();
  sets_.resize(count * 4);
  blocks_.clear();
  if (behaviour_.choice == PortChoice::block) blocks_.resize(count);
}

PortSet& PortAllocator::set(size_t address, uint8_t protocol) {
  auto& set = sets_[set_index(address, protocol)];
  if (!set) set = std::make_unique<PortSet>();
  return *set;
}

bool PortAllocator::in_use(size_t address, uint8_t protocol, uint16_t port) const {
  const auto& set = sets_[set_index(address, protocol)];
  return set && set->has(port);
}

size_t PortAllocator::memory() const {
  size_t sum = blocks_.size() * sizeof(PortSet) + sets_.size() * sizeof(void*);
  for (const auto& set : sets_) sum += set ? sizeof(PortSet) : 0;
  return sum;
}

bool PortAllocator::available(const Request& request, uint16_t port) const {
  return !in_use(request.address, request.protocol, port) && !(request.taken && (*request.taken)(port));
}

PortAllocator::Range PortAllocator::range_for(const Request& request) const {
  if (request.protocol == wire::ip_protocol_icmp) return {1, 65535};  // an identifier has no classes
  // RFC 4787 REQ-3a: 0-1023 to 0-1023.
  if (behaviour_.keep_range_class && request.inside_port < 1024) return {1, 1023};
  return {behaviour_.first, behaviour_.last};
}

std::optional<uint16_t> PortAllocator::choose(const Request& request) {
  set(request.address, request.protocol);
  bool has_ports = request.protocol == wire::ip_protocol_udp || request.protocol == wire::ip_protocol_tcp ||
                   request.protocol == wire::ip_protocol_icmp;
  if (!has_ports) return available(request, 0) ? std::optional<uint16_t>(0) : std::nullopt;
  Range range = range_for(request);
  if (request.beside && request.beside >= range.first && request.beside <= range.last &&
      available(request, request.beside))
    return request.beside;  // RFC 4787 section 4.2.3
  switch (behaviour_.choice) {
    case PortChoice::preserve:
      return preserve(request);
    case PortChoice::preserve_then_random: {
      auto port = preserve(request);
      return port ? port : random(request, range);
    }
    case PortChoice::preserve_then_sequential: {
      auto port = preserve(request);
      return port ? port : sequential(request, range);
    }
    case PortChoice::sequential:
      return sequential(request, range);
    case PortChoice::random:
      return random(request, range);
    case PortChoice::block:
      return in_block(request);
  }
  return {};
}

std::optional<uint16_t> PortAllocator::preserve(const Request& request) const {
  Range range = range_for(request);
  uint16_t port = request.inside_port;
  bool icmp = request.protocol == wire::ip_protocol_icmp;
  if (!icmp && (port < range.first || port > range.last)) return {};
  return available(request, port) ? std::optional(port) : std::nullopt;
}

/// RFC 6056 section 3.3.1: random, then the next ones.
std::optional<uint16_t> PortAllocator::random(const Request& request, Range range) {
  uint64_t wanted = every_port;
  if (behaviour_.keep_parity) wanted = request.inside_port % 2 ? even_ports << 1 : even_ports;  // RFC 4787 REQ-4
  uint32_t width = range.last - range.first + 1;
  PortSet& used = set(request.address, request.protocol);
  for (int tries = 0; tries < 16; ++tries) {
    auto port = static_cast<uint16_t>(range.first + rng_.below(width));
    if ((wanted >> (port % 64) & 1) && available(request, port)) return port;
  }
  uint32_t start = range.first + static_cast<uint32_t>(rng_.below(width));
  uint32_t from = start, last = range.last;
  for (int tries = 0; tries < 128; ++tries) {  // more only if `taken` keeps saying no
    auto port = used.next_free(from, last, wanted);
    if (!port && last == range.last && start > range.first) {
      from = range.first;
      last = start - 1;
      port = used.next_free(from, last, wanted);
    }
    if (!port) return {};
    if (available(request, *port)) return port;
    from = *port + 1u;
  }
  return {};
}

std::optional<uint16_t> PortAllocator::sequential(const Request& request, Range range) {
  uint16_t& last = behaviour_.per_host && request.host.last_port ? *request.host.last_port : last_port_;
  uint32_t width = range.last - range.first + 1;
  if (last == 0) last = static_cast<uint16_t>(range.first + rng_.below(width));  // a host's first
  uint32_t port = last;
  // Every port is visited once if the step and the width have no common factor; else the ones between follow.
  for (uint32_t tries = 0; tries < width; ++tries) {
    port += behaviour_.step;
    if (port > range.last || port < range.first) port = range.first + (port - range.first) % width;
    if (tries == width / behaviour_.step + 1) return random(request, range);
    if (behaviour_.keep_parity && port % 2 != request.inside_port % 2u) continue;
    if (!available(request, static_cast<uint16_t>(port))) continue;
    last = static_cast<uint16_t>(port);
    return last;
  }
  return {};
}

bool PortAllocator::take_block(const Request& request) {
  PortSet& blocks = blocks_[request.address];
  uint32_t count = (behaviour_.last - behaviour_.first + 1u) / behaviour_.block;
  if (count == 0) return false;
  uint32_t start = static_cast<uint32_t>(rng_.below(count));
  auto number = blocks.next_free(start, count - 1, every_port);
  if (!number) number = blocks.next_free(0, count - 1, every_port);
  if (!number) return false;
  blocks.add(*number);
  *request.host.block_first = static_cast<uint16_t>(behaviour_.first + *number * uint32_t{behaviour_.block});
  return true;
}

/// RFC 6888 REQ-13 to 15: few log lines, and yet hard to guess within the block.
std::optional<uint16_t> PortAllocator::in_block(const Request& request) {
  if (!request.host.block_first) return {};
  if (*request.host.block_first == 0 && !take_block(request)) return {};
  uint32_t first = *request.host.block_first;
  return random(request, {first, first + behaviour_.block - 1u});
}

void PortAllocator::free_block(size_t address, uint16_t block_first) {
  if (block_first == 0 || address >= blocks_.size()) return;
  blocks_[address].remove(static_cast<uint16_t>((block_first - behaviour_.first) / behaviour_.block));
}

}  // namespace ginnel::nat
