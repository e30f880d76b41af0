#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <vector>

#include "drive/loop.hpp"
#include "drive/udp_socket.hpp"

namespace ginnel {
namespace {

const Address any_v4 = Address::v4(127, 0, 0, 1, 0);
const Address any_v6 = *Address::parse("[::1]:0");

UdpSocket must_open(const Address& bind) {
  auto socket = UdpSocket::open(bind);
  EXPECT_TRUE(socket) << socket.error().text;
  return std::move(*socket);
}

std::vector<uint8_t> pattern(size_t n) {
  std::vector<uint8_t> out(n);
  for (size_t i = 0; i < n; i++) out[i] = static_cast<uint8_t>(i * 31 + i / 251);
  return out;
}

struct Received {
  std::vector<uint8_t> bytes;
  std::vector<size_t> sizes;  ///< of the datagrams
  Address from;
};

/// Receives until `bytes` have come; gives up after 5 s.
Received receive(UdpSocket& socket, size_t bytes) {
  ReceiveBuffers buffers;
  Received out;
  while (out.bytes.size() < bytes) {
    pollfd ready{socket.fd(), POLLIN, 0};
    if (::poll(&ready, 1, 5000) != 1) break;
    socket.receive(buffers, [&](Datagrams train) {
      out.from = train.from;
      out.bytes.insert(out.bytes.end(), train.bytes.begin(), train.bytes.end());
      for (size_t at = 0; at < train.bytes.size(); at += train.segment)
        out.sizes.push_back(std::min(train.segment, train.bytes.size() - at));
    });
  }
  return out;
}

class UdpTrain : public testing::TestWithParam<Address> {};

TEST_P(UdpTrain, arrivesAsItWasSent) {
  UdpSocket a = must_open(GetParam()), b = must_open(GetParam());
  auto bytes = pattern(10 * 1200 + 300);
  ASSERT_EQ(a.send(b.local_address(), bytes, 1200), Sent::ok);
  EXPECT_TRUE(a.offload());
  Received got = receive(b, bytes.size());
  EXPECT_EQ(got.bytes, bytes);
  std::vector<size_t> sizes(10, 1200);
  sizes.push_back(300);
  EXPECT_EQ(got.sizes, sizes);
  EXPECT_EQ(got.from, a.local_address());
  EXPECT_EQ(a.counters().datagrams_out, 11u);
  EXPECT_EQ(a.counters().bytes_out, bytes.size());
  EXPECT_EQ(a.counters().batches_out, 1u);
  EXPECT_EQ(b.counters().datagrams_in, 11u);
  EXPECT_EQ(b.counters().bytes_in, bytes.size());
  EXPECT_EQ(b.counters().drops_in, 0u);
}

TEST_P(UdpTrain, largestTrainAndSingleDatagram) {
  UdpSocket a = must_open(GetParam()), b = must_open(GetParam());
  auto train = pattern(64 * 1023);
  ASSERT_EQ(a.send(b.local_address(), train, 1023), Sent::ok);
  EXPECT_EQ(receive(b, train.size()).sizes, std::vector<size_t>(64, 1023));
  auto one = pattern(40);
  ASSERT_EQ(a.send(b.local_address(), one, 1200), Sent::ok);
  Received got = receive(b, one.size());
  EXPECT_EQ(got.bytes, one);
  EXPECT_EQ(got.sizes, std::vector<size_t>{40});
}

INSTANTIATE_TEST_SUITE_P(Families, UdpTrain, testing::Values(any_v4, any_v6),
                         [](const auto& info) { return info.param.v6 ? "v6" : "v4"; });

TEST(UdpSocket, fallsBackWithoutOffload) {
  UdpSocket a = must_open(any_v4), b = must_open(any_v4);
  // The kernel refuses UDP_SEGMENT with EINVAL on a socket that sends no checksums: a stand-in for a device without it.
  int on = 1;
  ASSERT_EQ(::setsockopt(a.fd(), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on), 0);
  auto bytes = pattern(3 * 500 + 20);
  EXPECT_EQ(a.send(b.local_address(), bytes, 500), Sent::ok);
  EXPECT_FALSE(a.offload());
  EXPECT_EQ(a.send(b.local_address(), bytes, 500), Sent::ok);
  Received got = receive(b, 2 * bytes.size());
  EXPECT_EQ(got.sizes, (std::vector<size_t>{500, 500, 500, 20, 500, 500, 500, 20}));
}

TEST(UdpSocket, neverFragments) {
  UdpSocket a = must_open(any_v4);
  int mode = 0;
  socklen_t size = sizeof mode;
  ASSERT_EQ(::getsockopt(a.fd(), IPPROTO_IP, IP_MTU_DISCOVER, &mode, &size), 0);
  EXPECT_EQ(mode, IP_PMTUDISC_PROBE);
  UdpSocket b = must_open(any_v6);
  ASSERT_EQ(::getsockopt(b.fd(), IPPROTO_IPV6, IPV6_MTU_DISCOVER, &mode, &size), 0);
  EXPECT_EQ(mode, IPV6_PMTUDISC_PROBE);
}

TEST(UdpSocket, aDestinationThatCannotBeIsNotFatal) {
  UdpSocket a = must_open(any_v4), b = must_open(any_v4);
  auto bytes = pattern(100);
  EXPECT_EQ(a.send(any_v6.with_port(9), bytes, 100), Sent::failed) << "other family";
  EXPECT_EQ(a.send(Address::v4(255, 255, 255, 255, 9), bytes, 100), Sent::failed) << "broadcast is not allowed";
  EXPECT_EQ(a.counters().drops_out, 2u);
  EXPECT_EQ(a.send(b.local_address(), bytes, 100), Sent::ok);
}

TEST(UdpSocket, emptyDatagramIsDropped) {
  UdpSocket a = must_open(any_v4), b = must_open(any_v4);
  EXPECT_EQ(a.send(b.local_address(), {}, 1), Sent::ok);
  auto bytes = pattern(5);
  EXPECT_EQ(a.send(b.local_address(), bytes, 5), Sent::ok);
  EXPECT_EQ(receive(b, 5).bytes, bytes);
  EXPECT_EQ(b.counters().drops_in, 1u);
}

TEST(UdpSocket, portInUseSaysSo) {
  UdpSocket a = must_open(any_v4);
  auto b = UdpSocket::open(a.local_address());
  ASSERT_FALSE(b);
  EXPECT_EQ(b.error().code, Errc::in_use);
  EXPECT_NE(b.error().text.find(std::to_string(a.local_address().port)), std::string::npos) << b.error().text;
}

TEST(UdpSocket, foreignAddressSaysSo) {
  auto socket = UdpSocket::open(Address::v4(192, 0, 2, 250, 0));
  ASSERT_FALSE(socket);
  EXPECT_EQ(socket.error().code, Errc::usage);
}

TEST(UdpSocket, loopSeesWhatArrives) {
  Loop loop;
  UdpSocket a = must_open(any_v4), b = must_open(any_v4);
  ReceiveBuffers buffers;
  size_t got = 0;
  Loop::Watch watch(loop, b.fd(), [&] {
    b.receive(buffers, [&](Datagrams train) { got += train.bytes.size(); });
    if (got == 3000) loop.stop();
  });
  watch.want_read(true);
  Loop::Timer limit(loop, [&] { loop.stop(); });
  limit.set(loop.now() + 5s);
  auto bytes = pattern(1000);
  for (int i = 0; i < 3; i++) loop.post([&] { EXPECT_EQ(a.send(b.local_address(), bytes, 1000), Sent::ok); });
  loop.run();
  EXPECT_EQ(got, 3000u);
}

}  // namespace
}  // namespace ginnel
