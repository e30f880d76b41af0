// Packets in a TCP stream, cut anywhere; and what a packet's first bytes say. Knows wire/tcp_frame, wire/relay_frame
// and wire/demux; refuses to know connections. RFC 4571 section 2, RFC 7983, RFC 9443.
#include "wire/tcp_frame.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "wire/demux.hpp"
#include "wire/relay_frame.hpp"

namespace ginnel::wire {
namespace {

std::vector<uint8_t> frame_of(size_t size, uint8_t fill = 7) {
  std::vector<uint8_t> out(tcp_frame_header_size + size, fill);
  put_tcp_frame_header(out.data(), size);
  return out;
}

TEST(TcpFrame, PacketIsFoundWhenItIsWhole) {
  for (size_t size : {size_t{1}, size_t{2}, size_t{255}, size_t{256}, size_t{1452}, tcp_packet_max}) {
    auto stream = frame_of(size);
    auto frame = next_tcp_frame(stream);
    EXPECT_FALSE(frame.broken);
    EXPECT_EQ(frame.packet.size(), size);
    EXPECT_EQ(frame.packet.data(), stream.data() + tcp_frame_header_size);
  }
}

TEST(TcpFrame, EveryTruncationWaits) {
  auto stream = frame_of(300);
  for (size_t size = 0; size < stream.size(); ++size) {
    auto frame = next_tcp_frame(MutableBytes(stream).first(size));
    EXPECT_TRUE(frame.packet.empty());
    EXPECT_FALSE(frame.broken);
  }
}

TEST(TcpFrame, LengthsThatCannotBeBreakTheConnectionAtOnce) {
  for (size_t size : {size_t{0}, tcp_packet_max + 1, size_t{0xffff}}) {
    std::vector<uint8_t> header(tcp_frame_header_size);
    put_tcp_frame_header(header.data(), size);
    auto frame = next_tcp_frame(header);
    EXPECT_TRUE(frame.broken) << size;
    EXPECT_TRUE(frame.packet.empty());
  }
}

TEST(TcpFrame, PacketsBehindEachOther) {
  std::vector<uint8_t> stream;
  for (size_t size = 1; size <= 50; ++size) {
    auto one = frame_of(size, static_cast<uint8_t>(size));
    stream.insert(stream.end(), one.begin(), one.end());
  }
  MutableBytes rest = stream;
  for (size_t size = 1; size <= 50; ++size) {
    auto frame = next_tcp_frame(rest);
    ASSERT_EQ(frame.packet.size(), size);
    EXPECT_EQ(frame.packet[size - 1], size);
    rest = rest.subspan(tcp_frame_header_size + size);
  }
  EXPECT_TRUE(rest.empty());
}

TEST(TcpFrame, TlsIsToldFromEveryFirstPacketThatAnAgentSends) {
  EXPECT_TRUE(begins_with_tls(std::vector<uint8_t>{22, 3, 1, 2, 0}));
  EXPECT_TRUE(begins_with_tls(std::vector<uint8_t>{22, 3}));
  EXPECT_FALSE(begins_with_tls(std::vector<uint8_t>{22})) << "too early to say";
  for (size_t size = 1; size <= 1500; ++size) EXPECT_FALSE(begins_with_tls(frame_of(size))) << size;
  EXPECT_FALSE(begins_with_tls(as_bytes("GET / HTTP/1.1")));
}

TEST(RelayFrame, HeaderRoundTrip) {
  for (RouteNumber route : {0u, 1u, 0x010203u, route_number_max}) {
    uint8_t header[relay_header_size];
    put_relay_header(header, route);
    EXPECT_EQ(relay_route(header), route);
    EXPECT_FALSE(relay_route(Bytes(header).first(3)));
    header[0] = 0x21;
    EXPECT_FALSE(relay_route(header));
  }
}

TEST(Demux, EveryFirstByte) {
  EXPECT_EQ(packet_kind({}), PacketKind::unknown);
  for (int first = 0; first < 256; ++first) {
    uint8_t byte = static_cast<uint8_t>(first);
    PacketKind expected = first <= 3                                     ? PacketKind::stun
                          : first == 0x20                                ? PacketKind::relay
                          : (first >= 64 && first < 128) || first >= 192 ? PacketKind::quic
                                                                         : PacketKind::unknown;
    EXPECT_EQ(packet_kind({&byte, 1}), expected) << first;
  }
}

}  // namespace
}  // namespace ginnel::wire
