// How many packets a second the NAT translates on one core, and what a mapping costs, from a hundred mappings to a
// million. Prints; judges nothing. Each packet is 64 bytes of UDP, built in a small ring as a network card would, for a
// mapping chosen at random; batches of 32 are announced to the cache first, as ginnel nat does.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "core/nat/gateway.hpp"
#include "tests/support/packets.hpp"
#include "tests/support/seeded_rng.hpp"

using namespace ginnel;
using namespace ginnel::test;

namespace {

constexpr size_t batch = 32;

struct Bench {
  explicit Bench(uint32_t mappings) : count(mappings) {
    behaviour = *nat::preset("home");
    behaviour.table_size = 1 << 21;
    behaviour.decrement_ttl = true;
    std::vector<Address> pool;
    for (uint32_t i = 0; i <= mappings / 50'000; ++i)
      pool.push_back(Address::v4(198, 51, 100, static_cast<uint8_t>(i + 1), 0));
    gateway = std::make_unique<nat::Gateway>(behaviour, pool, rng);
    base = udp(Address::v4(10, 0, 0, 0, 0), remote, std::string(64 - 28, 'x'));
    put16(base, 26, 0);  // no checksum: patched packets stay right
    for (size_t i = 0; i < batch; ++i) ring[i] = base;
  }
  Address inside(uint32_t i) const {
    uint32_t host = i / 200;
    return Address::v4(10, static_cast<uint8_t>(host >> 16), static_cast<uint8_t>(host >> 8),
                       static_cast<uint8_t>(host), static_cast<uint16_t>(20'000 + i % 200));
  }
  void set_ip(PacketBytes& p, size_t at, const Address& to, size_t port_at) {
    std::memcpy(&p[at], to.ip.data(), 4);
    put16(p, port_at, to.port);
  }
  static uint64_t header_sum(const PacketBytes& p) {
    uint32_t sum = 0;
    for (size_t i = 0; i < 20; i += 2) sum += i == 10 ? 0 : get16(p, i);
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(~((sum & 0xffff) + (sum >> 16)));
  }
  void fill_outbound(PacketBytes& p, uint32_t i) {
    p[8] = 64;
    set_ip(p, 12, inside(i), 20);
    put16(p, 10, static_cast<uint16_t>(header_sum(p)));
  }
  void fill_inbound(PacketBytes& p, uint32_t i) {
    p[8] = 64;
    set_ip(p, 12, remote, 20);
    set_ip(p, 16, outside[i], 22);
    put16(p, 10, static_cast<uint16_t>(header_sum(p)));
  }
  void open() {
    for (uint32_t i = 0; i < count; ++i) {
      PacketBytes p = base;
      fill_outbound(p, i);
      auto verdict = gateway->handle_inside(now, p);
      if (verdict.action != nat::Action::forward_out) {
        std::printf("mapping %u: %s\n", i, std::string(nat::to_string(verdict.why)).c_str());
        std::exit(1);
      }
      outside.push_back(source_of(p));
    }
  }
  template <typename Fill, typename Handle>
  double run(size_t packets, Fill fill, Handle handle, bool work) {
    uint64_t x = 88172645463325252ull;
    std::vector<MutableBytes> views(ring, ring + batch);
    auto begin = std::chrono::steady_clock::now();
    for (size_t n = 0; n < packets; n += batch) {
      for (size_t k = 0; k < batch; ++k) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        fill(ring[k], static_cast<uint32_t>((x >> 16) % count));
      }
      now += 1us;
      if (work) handle(views);
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }

  uint32_t count;
  nat::Behaviour behaviour;
  SeededRng rng;
  std::unique_ptr<nat::Gateway> gateway;
  Instant now{1h};
  Address remote = Address::v4(203, 0, 113, 9, 4444);
  PacketBytes base;
  PacketBytes ring[batch];
  std::vector<Address> outside;
};

}  // namespace

int main(int argc, char** argv) {
  size_t packets = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 4'000'000;
  std::printf("%10s %14s %14s %14s %12s\n", "mappings", "out M/s", "out ns", "in M/s", "bytes each");
  for (uint32_t count : {100u, 1'000u, 10'000u, 100'000u, 1'000'000u}) {
    Bench bench(count);
    bench.open();
    size_t lost = 0;
    auto out = [&](uint32_t) {};
    (void)out;
    auto fill_out = [&](PacketBytes& p, uint32_t i) { bench.fill_outbound(p, i); };
    auto fill_in = [&](PacketBytes& p, uint32_t i) { bench.fill_inbound(p, i); };
    auto handle_out = [&](std::vector<MutableBytes>& views) {
      bench.gateway->prefetch_inside(views);
      for (auto& view : views) lost += bench.gateway->handle_inside(bench.now, view).action != nat::Action::forward_out;
    };
    auto handle_in = [&](std::vector<MutableBytes>& views) {
      bench.gateway->prefetch_outside(views);
      for (auto& view : views) lost += bench.gateway->handle_outside(bench.now, view).action != nat::Action::forward_in;
    };
    auto restore = [&] {
      for (auto& p : bench.ring) p = bench.base;
    };
    bench.run(packets / 4, fill_out, handle_out, true);
    double out_empty = bench.run(packets, fill_out, handle_out, false);
    restore();
    double out_time = bench.run(packets, fill_out, handle_out, true) - out_empty;
    restore();
    double in_empty = bench.run(packets, fill_in, handle_in, false);
    double in_time = bench.run(packets, fill_in, handle_in, true) - in_empty;
    double n = static_cast<double>(packets);
    std::printf("%10u %14.2f %14.1f %14.2f %12.1f%s\n", count, n / out_time / 1e6, out_time / n * 1e9,
                n / in_time / 1e6, static_cast<double>(bench.gateway->memory()) / count, lost ? "  (lost some!)" : "");
  }
}
