// Any datagram to parse_stun. Promises: what parses is whole; the integrity input is the datagram before the attribute
// with only the length changed; and what was understood, written again by StunWriter, is understood the same. RFC 8489
// section 14.
#include <cstdint>
#include <vector>

#include "fuzz/check.hpp"
#include "wire/stun.hpp"

using namespace ginnel;
using namespace ginnel::wire;

namespace {

void check_integrity_input(Bytes datagram, const StunMessage& m) {
  FUZZ_CHECK(m.integrity_offset >= 20 && m.integrity_offset + 24 <= datagram.size());
  std::vector<uint8_t> room(m.integrity_offset);
  Bytes input = stun_integrity_input(datagram, m, room);
  FUZZ_CHECK(input.size() == m.integrity_offset);
  FUZZ_CHECK((input[2] << 8 | input[3]) + 20 == static_cast<int>(m.integrity_offset + 24));
  for (size_t i = 0; i < input.size(); ++i) FUZZ_CHECK(i == 2 || i == 3 || input[i] == datagram[i]);
}

Bytes write_again(const StunMessage& m, MutableBytes room) {
  StunWriter out(room, m.cls, m.method, m.id);
  if (m.xor_mapped_address) out.xor_mapped_address(*m.xor_mapped_address);
  if (m.username) out.username(*m.username);
  if (m.error_code) out.error_code(*m.error_code);
  if (m.priority) out.priority(*m.priority);
  if (m.use_candidate) out.use_candidate();
  if (m.ice_controlled) out.ice_controlled(*m.ice_controlled);
  if (m.ice_controlling) out.ice_controlling(*m.ice_controlling);
  if (m.server_instance) out.server_instance(*m.server_instance);
  if (m.integrity) {
    Bytes input = out.integrity_input();
    FUZZ_CHECK((input[2] << 8 | input[3]) == static_cast<int>(input.size() - 20 + 24));
    out.integrity(*m.integrity);
  }
  if (m.fingerprint_ok) out.fingerprint();
  return out.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes datagram(data, size);
  auto m = parse_stun(datagram);
  if (!m) return 0;
  FUZZ_CHECK(m->size == size && size % 4 == 0);
  if (m->integrity) check_integrity_input(datagram, *m);

  std::vector<uint8_t> room(2048);
  Bytes again = write_again(*m, room);
  FUZZ_CHECK(!again.empty() && again.size() <= size);  // nothing is written that was not there
  auto n = parse_stun(again);
  FUZZ_CHECK(n.has_value());
  FUZZ_CHECK(n->cls == m->cls && n->method == m->method && n->id == m->id);
  FUZZ_CHECK(n->xor_mapped_address == m->xor_mapped_address && n->username == m->username);
  FUZZ_CHECK(n->error_code == m->error_code && n->priority == m->priority && n->use_candidate == m->use_candidate);
  FUZZ_CHECK(n->ice_controlled == m->ice_controlled && n->ice_controlling == m->ice_controlling);
  FUZZ_CHECK(n->server_instance == m->server_instance && n->integrity == m->integrity);
  FUZZ_CHECK(n->fingerprint_ok == m->fingerprint_ok && !n->unknown_required);
  return 0;
}
