// Any bytes as a TCP stream that the network cuts anywhere. Promises: the packets found, and where the stream breaks,
// do not depend on the cuts; demux and relay header agree about every packet; a header put back is the header read. The
// input's first byte is the number of cut lengths behind it, then comes the stream. RFC 4571 section 2.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "fuzz/check.hpp"
#include "wire/demux.hpp"
#include "wire/relay_frame.hpp"
#include "wire/tcp_frame.hpp"

using namespace ginnel;
using namespace ginnel::wire;

namespace {

struct Found {
  std::vector<std::vector<uint8_t>> packets;
  bool broken = false;
  bool operator==(const Found&) const = default;
};

// What hands do: keep what was not consumed, put what arrived behind it.
Found read_in_pieces(Bytes stream, Bytes cuts) {
  Found found;
  std::vector<uint8_t> kept;
  for (size_t turn = 0; !stream.empty() && !found.broken; ++turn) {
    size_t piece = cuts.empty() ? stream.size() : std::min<size_t>(stream.size(), 1 + cuts[turn % cuts.size()]);
    kept.insert(kept.end(), stream.begin(), stream.begin() + piece);
    stream = stream.subspan(piece);
    size_t consumed = 0;
    while (true) {
      TcpFrame frame = next_tcp_frame(MutableBytes(kept).subspan(consumed));
      FUZZ_CHECK(frame.packet.size() <= tcp_packet_max && !(frame.broken && !frame.packet.empty()));
      found.broken = frame.broken;
      if (frame.packet.empty()) break;
      found.packets.emplace_back(frame.packet.begin(), frame.packet.end());
      consumed += tcp_frame_header_size + frame.packet.size();
    }
    kept.erase(kept.begin(), kept.begin() + consumed);
    FUZZ_CHECK(found.broken || kept.size() < tcp_frame_header_size + tcp_packet_max);
  }
  return found;
}

void check_packet(const std::vector<uint8_t>& packet) {
  auto route = relay_route(packet);
  FUZZ_CHECK(route.has_value() == (packet_kind(packet) == PacketKind::relay && packet.size() >= relay_header_size));
  if (!route) return;
  FUZZ_CHECK(*route <= route_number_max);
  uint8_t header[relay_header_size];
  put_relay_header(header, *route);
  FUZZ_CHECK(std::equal(header, header + relay_header_size, packet.begin()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Reader in(Bytes(data, size));
  Bytes cuts = in.take(std::min<size_t>(in.u8(), in.rest().size()));
  Bytes stream = in.rest();
  Found whole = read_in_pieces(stream, {});
  FUZZ_CHECK(read_in_pieces(stream, cuts) == whole);
  const uint8_t byte_by_byte[] = {0};
  FUZZ_CHECK(read_in_pieces(stream, byte_by_byte) == whole);

  std::vector<uint8_t> framed;  // put back, the packets are the stream that they were found in
  for (const auto& packet : whole.packets) {
    check_packet(packet);
    size_t at = framed.size();
    framed.resize(at + tcp_frame_header_size);
    put_tcp_frame_header(framed.data() + at, packet.size());
    framed.insert(framed.end(), packet.begin(), packet.end());
  }
  FUZZ_CHECK(framed.size() <= stream.size() && std::equal(framed.begin(), framed.end(), stream.begin()));
  return 0;
}
