// Any packets from both sides, with time passing, through every preset, and from one preset to another. Promises: what goes in with right checksums
// comes out with right ones, nothing gets longer, what the NAT sends itself is right and bounded, and when all timers
// have run nothing is left. The first byte chooses the preset; then records: a byte of what (side, repair, time), one
// of length, the packet. RFC 3022, RFC 4787.
#include <cstdint>
#include <optional>
#include <vector>

#include "core/nat/gateway.hpp"
#include "fuzz/check.hpp"
#include "tests/support/packets.hpp"
#include "tests/support/seeded_rng.hpp"

using namespace ginnel;
using namespace ginnel::test;

namespace {

constexpr size_t generated_max = nat::Outbox::packets_max;

void drain(nat::Gateway& gateway, bool repaired) {
  static std::vector<uint8_t> room(65536);
  size_t n = 0;
  while (auto own = gateway.poll_generated(room)) {
    FUZZ_CHECK(++n <= generated_max);
    FUZZ_CHECK(own->bytes.size() >= 20);
    if (repaired && own->bytes[0] >> 4 == 4) FUZZ_CHECK(checksums_right(own->bytes));
  }
}

/// Makes the packet one that a network would deliver: version, lengths and checksums as they have to be.
bool repair(PacketBytes& p) {
  if (p.size() < 20) return false;
  p[0] = 0x45;
  put16(p, 2, static_cast<uint16_t>(p.size()));
  bool first = !is_fragment(p);
  size_t need = !first ? 0 : p[9] == 6 ? 20 : p[9] == 1 || p[9] == 17 ? 8 : 0;
  if (p.size() < 20 + need) return false;
  fix_checksums(p);
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  Reader in({data, size});
  auto presets = nat::presets();
  nat::Behaviour behaviour = presets[in.u8() % presets.size()];
  behaviour.table_size = 64;
  if (data[0] & 0x80) behaviour.mtu_outside = 100;
  SeededRng rng(data[0]);
  nat::Gateway gateway(behaviour, std::vector{Address::v4(198, 51, 100, 1, 0), Address::v4(198, 51, 100, 2, 0)}, rng);
  gateway.add_forward(behaviour.basic ? 0 : 17, Address::v4(198, 51, 100, 2, behaviour.basic ? 0 : 53),
                      Address::v4(10, 0, 0, 3, behaviour.basic ? 0 : 53));
  Instant now{1h};
  bool all_repaired = true;
  while (!in.empty()) {
    uint8_t what = in.u8();
    Bytes bytes = in.take(std::min<size_t>(in.u8() * size_t{what & 0x10 ? 4u : 1u}, in.rest().size()));
    PacketBytes p(bytes.begin(), bytes.end());
    bool repaired = (what & 2) && repair(p);
    all_repaired &= repaired;
    size_t before = p.size();
    nat::Verdict verdict = what & 1 ? gateway.handle_inside(now, p) : gateway.handle_outside(now, p);
    FUZZ_CHECK(verdict.size <= before);
    bool forwarded = verdict.action != nat::Action::drop && verdict.action != nat::Action::held;
    FUZZ_CHECK(forwarded == (verdict.size > 0));
    if (forwarded && repaired) FUZZ_CHECK(checksums_right(Bytes(p).first(verdict.size)));
    drain(gateway, all_repaired);
    FUZZ_CHECK(gateway.session_count() <= 64 && gateway.mapping_count() <= 64);
    now += std::chrono::milliseconds((what >> 5) * (what >> 5) * 1500);
    if (what & 4) gateway.handle_timeout(now);
    if (what == 0xff) gateway.reboot();
    if (what == 0xfe) {
      nat::Behaviour other = presets[p.size() % presets.size()];
      other.table_size = 64;
      gateway.change(other);
    }
  }
  while (auto next = gateway.next_deadline()) {
    now = std::max(now, next->when);
    FUZZ_CHECK(now < Instant{10'000h});
    gateway.handle_timeout(now);
    drain(gateway, false);
  }
  FUZZ_CHECK(gateway.session_count() == 0);
  FUZZ_CHECK(gateway.mapping_count() <= 1);  // the forward, unless basic NAT began or ended
  return 0;
}
