// Any moves against one connectivity agent: broken and well-formed STUN from four addresses on three sockets and three
// TCP connections, candidates, openers, time. Promises: nothing is sent to an address that must not be probed; pairs stay
// within their cap; what is sent is well-formed STUN; an opener goes only to an IPv4 address behind a NAT, and no full
// check leaves while a pair is held; what was removed is not used; and a drained agent never wants to be woken in the past.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/ice/agent.hpp"
#include "core/stun/credentials.hpp"
#include "fuzz/check.hpp"
#include "tests/support/seeded_rng.hpp"

using namespace ginnel;

namespace {

struct World {
  explicit World(bool controlling) : agent(controlling, 7, rng) {}

  test::SeededRng rng;
  Instant now{1h};
  ice::Agent agent;
  wire::Candidates remote{"remoteufrag", "a password of 24 characters", {}};
  std::vector<std::pair<Carrier, wire::TransactionId>> asked;
  std::vector<uint8_t> room = std::vector<uint8_t>(17'000), made = std::vector<uint8_t>(2'000);

  Carrier carrier(uint8_t n) {
    if (n >= 200) return Carrier::tcp(1 + n % 3, Address::v4(192, 0, 2, 1, 5000));
    if (n >= 150) return Carrier::udp(Address::from_ip(std::array<uint8_t, 4>{n, 0, 0, 1}, n % 3), n % 2);  // odd places
    if (n % 5 == 4) return Carrier::relay();
    return Carrier::udp(Address::v4(192, 0, 2, static_cast<uint8_t>(1 + n % 5), 5000), n / 50);
  }
  void give(const Carrier& from, Bytes datagram) {
    if (auto message = wire::parse_stun(datagram)) agent.handle_stun(now, from, datagram, *message);
  }

  void check(Reader& in) {
    uint8_t flags = in.u8();
    wire::StunWriter out(made, static_cast<wire::StunClass>(flags >> 6), wire::stun_binding, {in.u8(), in.u8()});
    out.username(flags & 1 ? agent.ufrag() + ":x"
                           : std::string(as_text(in.take(std::min<size_t>(in.u8(), in.rest().size())))));
    if (flags & 2) out.priority(in.u32());
    flags & 4 ? out.ice_controlling(in.u64()) : out.ice_controlled(in.u64());
    if (flags & 8) out.use_candidate();
    sign_and_give(out, flags & 16 ? agent.password() : remote.password, carrier(in.u8()), in);
  }
  void answer(Reader& in) {
    if (asked.empty()) return;
    auto [to, id] = asked[in.u8() % asked.size()];
    uint8_t flags = in.u8();
    auto cls = flags & 1 ? wire::StunClass::success : wire::StunClass::error;
    wire::StunWriter out(made, cls, wire::stun_binding, id);
    if (flags & 2) out.xor_mapped_address(Address::from_ip(in.take(flags & 4 ? 16 : 4), in.u16()));
    if (cls == wire::StunClass::error) out.error_code(300 + in.u16() % 400);
    sign_and_give(out, flags & 8 ? agent.password() : remote.password, flags & 16 ? carrier(in.u8()) : to, in);
  }
  void sign_and_give(wire::StunWriter& out, const std::string& password, const Carrier& from, Reader& in) {
    Bytes whole = stun::sign(out, password);
    std::vector<uint8_t> datagram(whole.begin(), whole.end());
    if (uint8_t where = in.u8(); where > 0 && !datagram.empty()) datagram[where % datagram.size()] ^= in.u8();
    give(from, datagram);
  }
  void candidates(Reader& in) {
    remote.candidates.clear();
    for (size_t n = in.u8() % (wire::candidates_max + 1); n > 0 && !in.empty(); --n) {
      uint8_t flags = in.u8();
      Address address = Address::from_ip(in.take(flags & 1 ? 16 : 4), in.u16());
      remote.candidates.push_back({static_cast<wire::CandidateType>(flags >> 1 & 1), in.u16(), address,
                                   flags & 8 ? wire::Transport::tcp : wire::Transport::udp});
    }
    uint8_t how = in.u8();
    if (how & 1) remote.ufrag += "x";
    if (remote.ufrag.size() > 32) remote.ufrag.resize(11);
    agent.set_remote(now, remote, {how / 64u, (how & 2) != 0, static_cast<uint8_t>(2 + (how >> 2 & 3)), 500ms});
  }

  void approach(Reader& in) {
    uint8_t n = in.u8();
    switch (n % 5) {
      case 0:
        return agent.release(now);
      case 1:
        return agent.remove(carrier(in.u8()));
      case 2:
        agent.remove_socket(n / 64);
        for (auto& pair : agent.pairs()) FUZZ_CHECK(pair.carrier.kind != Carrier::Kind::udp || pair.carrier.local != n / 64u);
        return;
      case 3:
        return agent.allow_loopback(false);
      default:
        (void)agent.add_tcp(now, carrier(static_cast<uint8_t>(200 + n % 50)), static_cast<wire::CandidateType>(n / 64));
    }
  }

  void move(Reader& in) {
    uint8_t what = in.u8();
    if (what >= 180) return approach(in);
    switch (what % 9) {
      case 0:
        return give(carrier(in.u8()), in.take(std::min<size_t>(in.u8(), in.rest().size())));
      case 1:
        return check(in);
      case 2:
        return answer(in);
      case 3:
        return candidates(in);
      case 4:
        return agent.set_relay(now, in.u8() & 1);
      case 5: {
        Carrier in_use = carrier(in.u8());
        return agent.set_use(now, in_use, in.u8() & 1);
      }
      case 6:
        return agent.recheck(now);
      case 7:
        return agent.note_received(now, carrier(in.u8()));
      default:
        return pass(std::chrono::milliseconds(1 << in.u8() % 17));
    }
  }
  void pass(Duration time) {
    for (Instant until = now + time; now < until; drain()) {
      auto next = agent.next_deadline();
      now = next ? std::clamp(next->when, now, until) : until;
      agent.handle_timeout(now);
    }
  }
  void check_approach(const std::vector<ice::Pair>& before, const ice::Agent::Check& out) {
    auto message = wire::parse_stun(out.bytes);
    if (!message || message->cls != wire::StunClass::request) {
      FUZZ_CHECK(out.hops == 0);
      return;
    }
    auto pair = std::find_if(before.begin(), before.end(), [&](auto& p) { return p.carrier == out.to; });
    FUZZ_CHECK(pair != before.end());
    if (out.hops == 0) {
      FUZZ_CHECK(!pair->held || pair->triggered || pair->next_check <= now);
      return;
    }
    FUZZ_CHECK(out.to.kind == Carrier::Kind::udp && !out.to.remote.v6);
    FUZZ_CHECK(pair->remote_type == wire::CandidateType::server_reflexive && pair->opener_due && out.hops <= 5);
  }
  void drain() {
    for (int n = 0;; ++n) {
      auto before = agent.pairs();
      auto out = agent.poll_check(now, room);
      if (!out) break;
      FUZZ_CHECK(n < 1000);
      FUZZ_CHECK(out->to.is_relay() || out->to.remote.is_probeable());
      check_approach(before, *out);
      FUZZ_CHECK(out->bytes.size() <= ice::packet_sizes.back());
      auto message = wire::parse_stun(out->bytes);
      FUZZ_CHECK(message && message->fingerprint_ok && message->integrity);
      if (message->cls != wire::StunClass::request) continue;
      if (asked.size() >= 64) asked.erase(asked.begin());
      asked.emplace_back(out->to, message->id);
    }
    while (agent.poll_event()) {
    }
    FUZZ_CHECK(agent.pairs().size() <= ice::Agent::pairs_max);
    for (auto& pair : agent.pairs()) FUZZ_CHECK(pair.outstanding.size() <= 16);
    agent.handle_timeout(now);
    auto next = agent.next_deadline();
    FUZZ_CHECK(!next || next->when > now || agent.poll_check(now, room));
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Reader in(Bytes(data, size));
  World world(in.u8() & 1);
  for (int moves = 0; !in.empty() && moves < 100; ++moves) {
    world.move(in);
    world.drain();
  }
  return 0;
}
