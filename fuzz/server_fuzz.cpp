// Any moves against a server that two honest agents use: datagrams and TCP bytes of four strangers, forged sources,
// time, and any bytes that an agent with a key says. Promises: an address that proved nothing never gets more than
// three times what it sent (RFC 9000 section 8); agents stay within their limit; what goes to TCP is well framed, what
// goes to UDP fits a train; and strangers alone cannot disturb the honest ones.
#include <cstdint>
#include <map>
#include <vector>

#include "fuzz/check.hpp"
#include "tests/support/rendezvous_world.hpp"

using namespace ginnel;
using namespace ginnel::test;

namespace {

constexpr rendezvous::ServerLimits limits{
    .agents = 12, .half_open = 6, .half_open_trusting = 3, .routes_per_agent = 4, .tcp_strangers = 3};
const wire::ServiceId service = {1, 2, 3};

struct Storm {
  RendezvousWorld world{limits};
  RawAgent& target = world.add_raw(1);
  LinkAgent& dialler = world.add_link(2);
  LinkAgent& on_tcp = world.add_link(3);
  std::map<Address, std::pair<size_t, size_t>> ledger;  ///< of strangers: bytes in, bytes out
  Octets initial;                                       ///< the first packet of a session that nobody finishes
  Duration passed{};
  bool honest = true;

  Address stranger(uint8_t n) { return Address::v4(198, 51, 100, static_cast<uint8_t>(1 + n % 4), 4000); }

  Storm() {
    on_tcp.udp = false;
    FUZZ_CHECK(world.run_until([&] { return target.stream && dialler.link.up() && on_tcp.link.up(); }, 5s));
    target.say(wire::Register{{service}});
    world.run(50ms);
    dialler.link.send(wire::Dial{2, target.identity.public_key(), service, {}});
    on_tcp.link.send(wire::Dial{2, target.identity.public_key(), service, {}});
    world.run(50ms);
    auto forger = quic::Session::dial(world.now, dialler.identity,
                                      {.alpn = rendezvous::server_alpn, .expected_peer = world.server_key.public_key()},
                                      9, world.rng);
    initial.resize(1200);
    initial.resize(forger->write(world.now, initial, 1200, 0).size);
    world.on_transmit = [this](const Transmit& t) { account(t); };
  }

  void account(const Transmit& t) {
    FUZZ_CHECK(!t.bytes.empty() && t.segment > 0);
    if (t.tcp != 0) {
      Octets copy(t.bytes.begin(), t.bytes.end());
      for (MutableBytes rest = copy; !rest.empty();) {
        wire::TcpFrame frame = wire::next_tcp_frame(rest);
        FUZZ_CHECK(!frame.broken && !frame.packet.empty());
        rest = rest.subspan(wire::tcp_frame_header_size + frame.packet.size());
      }
      return;
    }
    FUZZ_CHECK(t.bytes.size() <= train_bytes_max);
    FUZZ_CHECK((t.bytes.size() + t.segment - 1) / t.segment <= train_segments_max);
    if (auto at = ledger.find(t.to); at != ledger.end()) {
      at->second.second += t.bytes.size();
      FUZZ_CHECK(at->second.second <= 3 * at->second.first);
    }
  }
  void datagram(const Address& from, Octets bytes, size_t segment = 0) {
    if (bytes.empty()) return;
    if (from.ip[0] == 198) ledger[from].first += bytes.size();
    world.give_server(from, bytes, segment);
  }
  Octets some(Reader& in) {
    Bytes raw = in.take(std::min<size_t>(in.u8(), in.rest().size()));
    return {raw.begin(), raw.end()};
  }
  /// A stranger's own address, or one that it forges.
  Address source(Reader& in) {
    uint8_t n = in.u8();
    return n < 192 ? stranger(n) : n < 224 ? target.address : dialler.address;
  }

  void move(Reader& in) {
    switch (in.u8() % 12) {
      case 0:
        return datagram(source(in), some(in));
      case 1: {
        std::array<uint8_t, 600> room;
        uint8_t flags = in.u8();
        wire::StunWriter out(room, static_cast<wire::StunClass>(flags & 3), wire::stun_binding, {in.u8()});
        if (flags & 4) out.server_instance(0);
        if (flags & 8) out.pad_to(4 * (in.u8() + 10u));
        if (flags & 16) out.fingerprint();
        Bytes whole = out.finish();
        return datagram(source(in), {whole.begin(), whole.end()});
      }
      case 2: {  // relay frames: a train
        size_t segment = 1 + in.u8() * 4u, count = 1 + in.u8() % 64;
        if (segment * count > 65'000) count = 65'000 / segment;
        Octets bytes(segment * count, wire::relay_first_byte);
        for (size_t i = 0; i + 4 <= bytes.size() && segment >= 4; i += segment)
          wire::put_relay_header(bytes.data() + i, in.u8() % 5);
        if (size_t cut = in.u8() % segment) bytes.resize(bytes.size() - cut);
        return datagram(source(in), bytes, segment);
      }
      case 3:
        return datagram(source(in), Octets(4 + in.u16(), 0x20));  // a frame that no TCP connection can carry
      case 4: {
        Octets bytes = initial;
        for (int n = in.u8() % 4; n > 0; --n) bytes[in.u16() % bytes.size()] ^= in.u8();
        return datagram(stranger(in.u8()), bytes);
      }
      case 5: {  // looks like a session's packet
        Octets bytes = some(in);
        if (!bytes.empty()) bytes[0] = static_cast<uint8_t>(0x40 | (bytes[0] & 0x3f));
        return datagram(source(in), bytes);
      }
      case 6: {  // one that an agent sent, damaged
        auto& sent = dialler.sent_udp;
        Octets bytes = sent[in.u8() % sent.size()].second;
        if (uint8_t where = in.u8()) bytes[where % bytes.size()] ^= in.u8();
        return datagram(source(in), bytes);
      }
      case 7:
        return world.give_server(TcpAccepted{1000u + in.u8() % 4, stranger(in.u8())});
      case 8: {
        Octets bytes;
        TcpId id = 1000u + in.u8() % 4;
        for (int n = 1 + in.u8() % 3; n > 0; --n) {
          Octets packet = in.u8() & 1 ? initial : some(in);
          if (in.u8() % 8 != 0) {
            bytes.resize(bytes.size() + 2);
            wire::put_tcp_frame_header(bytes.data() + bytes.size() - 2, packet.size());
          }
          bytes.insert(bytes.end(), packet.begin(), packet.end());
        }
        return world.give_server(TcpReceived{id, bytes});
      }
      case 9:
        return world.give_server(TcpClosed{1000u + in.u8() % 4, "gone"});
      case 10:
        honest = false;  // an agent with a key says anything
        if (target.stream && !target.closed) in.u8() & 1 ? target.say(some(in)) : say_signal(in);
        return world.run(20ms);
      default: {
        Duration time = std::chrono::milliseconds(1 << in.u8() % 13);
        passed += time;
        return world.run(time);
      }
    }
  }
  void say_signal(Reader& in) {
    for (int n = 1 + in.u8() % 40; n > 0; --n) {
      wire::RouteNumber route = 1 + in.u8() % 8;
      switch (in.u8() % 3) {
        case 0:
          target.say(wire::Register{{service, {in.u8()}}});
          break;
        case 1:
          target.say(wire::Dial{route, target.identity.public_key(), service, {}});
          break;
        default:
          target.say(wire::RouteClosed{route, wire::SignalCode::peer_left});
          break;
      }
    }
  }
  void check() {
    FUZZ_CHECK(!world.stuck);
    FUZZ_CHECK(world.server->agent_count() <= limits.agents);
  }
  /// Strangers can do nothing to those who proved a key.
  void check_honest() {
    if (!honest || passed > 30s) return;  // later the server forgets agents that send no keepalives
    world.run(200ms);
    FUZZ_CHECK(dialler.count<rendezvous::LinkDown>() == 0 && on_tcp.count<rendezvous::LinkDown>() == 0 &&
               !target.closed);
    FUZZ_CHECK(!dialler.broken && !on_tcp.broken);
    for (LinkAgent* agent : {&dialler, &on_tcp}) {
      Instant begin = world.now;
      agent->link.send(wire::Register{});
      world.run(100ms);
      FUZZ_CHECK(agent->count<wire::Registered>(begin) == 1);
      FUZZ_CHECK(agent->count<wire::RouteClosed>() == 0);
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Reader in(Bytes(data, size));
  Storm storm;
  for (int moves = 0; !in.empty() && moves < 60; ++moves) {
    storm.move(in);
    storm.check();
  }
  storm.check_honest();
  return 0;
}
