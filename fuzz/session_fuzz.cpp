// Any damage to the datagrams between two sessions: flipped, cut, doubled, swapped, lost, invented; from the handshake
// on or after it. Promises: a stream's bytes are never wrong; and once the damage ends, either bytes arrive again or
// the session was closed with a word about why. RFC 9000 section 21.
#include <cstdint>
#include <string>
#include <vector>

#include "fuzz/check.hpp"
#include "tests/support/session_pair.hpp"

using namespace ginnel;

namespace {

std::string pattern(size_t from, size_t n) {
  std::string out(n, '\0');
  for (size_t i = 0; i < n; ++i) out[i] = static_cast<char>((from + i) * 2654435761u >> 24);
  return out;
}

struct World {
  test::SessionPair pair{{.alpn = "test", .handshake_timeout = 1min}};
  std::optional<quic::StreamId> stream;
  size_t said = 0;

  void say(size_t n) {
    auto& session = *pair.dialler.session;
    if (!stream) stream = session.open_stream();
    if (!stream || session.closed()) return;
    session.send(*stream, as_bytes(pattern(said, n)));
    said += n;
  }
  void check() {
    if (!stream) return;
    const std::string& got = pair.acceptor.text[*stream];
    FUZZ_CHECK(got.size() <= said && got == pattern(0, got.size()));
    for (auto& [id, text] : pair.acceptor.text) FUZZ_CHECK(id == *stream || text.empty());
  }
  bool closed() const {
    return pair.dialler.session->closed() || (pair.acceptor.session && pair.acceptor.session->closed());
  }

  void move(Reader& in) {
    auto& wire = pair.wire;
    auto pick = [&]() -> test::SessionPair::Packet* { return wire.empty() ? nullptr : &wire[in.u8() % wire.size()]; };
    switch (in.u8() % 10) {
      case 0:
        if (auto* p = pick()) p->bytes[in.u16() % p->bytes.size()] ^= static_cast<uint8_t>(in.u8() | 1);
        break;
      case 1:
        if (auto* p = pick()) p->bytes.resize(1 + in.u16() % p->bytes.size());
        break;
      case 2:
        if (auto* p = pick()) wire.push_back(*p), wire.back().due = wire[wire.size() - 2].due;
        break;
      case 3:
        if (auto* a = pick(), *b = pick(); a && a->to_acceptor == b->to_acceptor) std::swap(a->bytes, b->bytes);
        break;
      case 4:
        if (!wire.empty()) wire.erase(wire.begin() + in.u8() % static_cast<ptrdiff_t>(wire.size()));
        break;
      case 5: {  // invented, perhaps with a header that looks right
        bool to_acceptor = in.u8() & 1;
        Bytes raw = in.take(std::min<size_t>(in.u8(), in.rest().size()));
        std::vector<uint8_t> bytes(raw.begin(), raw.end());
        if (auto* p = pick(); p && in.u8() & 1)
          std::copy_n(p->bytes.begin(), std::min<size_t>({9, bytes.size(), p->bytes.size()}), bytes.begin());
        if (!bytes.empty()) wire.push_back({wire.empty() ? pair.now : wire.back().due, to_acceptor, bytes});
        break;
      }
      case 6:
        if (auto* p = pick()) p->to_acceptor = !p->to_acceptor;  // a reflector
        break;
      case 7:
        say(1 + in.u16() % 5'000);
        break;
      case 8:
        pair.packet_size = in.u8() & 1 ? 1200 : 16'000;
        break;
      default:
        pair.step(pair.now + std::chrono::milliseconds(1 + in.u8()));
        break;
    }
  }

  void recover() {
    size_t had = said;
    for (int second = 0; second < 60 && !closed(); ++second) {
      if (pair.dialler.session->connected() && said == had) say(10'000);
      pair.dialler.session->wake(pair.now);
      if (pair.acceptor.session) pair.acceptor.session->wake(pair.now);
      pair.run(1s);
      check();
      if (said > had && pair.acceptor.text[*stream].size() == said) return;
    }
    FUZZ_CHECK(closed());
    pair.run(1s);
    auto* why = pair.dialler.session->closed() ? pair.dialler.find<quic::Closed>() : pair.acceptor.find<quic::Closed>();
    FUZZ_CHECK(why);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Reader in(Bytes(data, size));
  World world;
  if (in.u8() & 1) {
    world.pair.run(100ms);
    FUZZ_CHECK(world.pair.dialler.session->connected());
  } else {
    world.pair.step(world.pair.now + 1ms);
  }
  for (int moves = 0; !in.empty() && moves < 100; ++moves) {
    world.move(in);
    world.check();
  }
  world.recover();
  return 0;
}
