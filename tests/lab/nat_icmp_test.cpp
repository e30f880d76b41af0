// ICMP through `ginnel nat` on a real kernel: packets too big for the way, before the gateway and behind it, hops that
// are counted once, and pieces. RFC 4787 REQ-13 and 14, RFC 5508, RFC 1191.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "tests/lab/harness.hpp"
#include "tests/lab/nat_world.hpp"
#include "tests/lab/probe_socket.hpp"

namespace ginnel::lab {
namespace {

constexpr const char* kServer = "203.0.113.9";

/// Sends too much with "don't fragment" until the kernel has learned the path's MTU; what it learned.
int learned_mtu(const Host& machine, UdpProbe& server) {
  UdpProbe socket(machine, at("0.0.0.0", 40000));
  socket.always_set_df();
  socket.connect(server.address());
  EXPECT_EQ(socket.path_mtu(), 1500);
  socket.send(server.address(), std::string(1400, 'x'));
  EXPECT_EQ(socket.take_error(), EMSGSIZE);
  EXPECT_TRUE(server.silent());
  const int mtu = socket.path_mtu();
  socket.send(server.address(), std::string(static_cast<size_t>(mtu) - 28, 'x'));
  const auto got = server.receive();
  EXPECT_TRUE(got && got->text.size() == static_cast<size_t>(mtu) - 28);
  return mtu;
}

/// A transfer that only gets through if segments become as small as the path.
void expect_tcp_passes(const Host& machine, const Host& server) {
  TcpProbe listener(server, at(kServer, 7002)), client(machine, at("0.0.0.0", 41000));
  int mss = 1460;  // announced in spite of the narrow line, so that the path has to say it
  ::setsockopt(listener.fd(), IPPROTO_TCP, TCP_MAXSEG, &mss, sizeof mss);
  listener.listen();
  ASSERT_EQ(client.connect(listener.address()), 0);
  auto accepted = listener.accept();
  ASSERT_TRUE(accepted);
  const std::string up(40'000, 'u'), down(40'000, 'd');
  ASSERT_TRUE(client.write(up));
  EXPECT_EQ(accepted->read(up.size()), up);
  ASSERT_TRUE(accepted->write(down));
  EXPECT_EQ(client.read(down.size()), down);
}

TEST(LabNatIcmp, TheGatewaySaysWhatItsOwnLineTakes) {
  in_sandbox([] {
    NatWorld world;
    Host& server = world.outside("server", {kServer});
    NatHome& home = world.home("home", {.wan_mtu = 1280});
    UdpProbe socket(server, at(kServer, 7001));
    EXPECT_EQ(learned_mtu(home.machine(), socket), 1280);
    expect_tcp_passes(home.machine(), server);
  });
}

TEST(LabNatIcmp, WhatARouterOutsideSaysFindsBack) {
  in_sandbox([] {
    NatWorld world;
    Host& server = world.outside("server", {kServer}, 1280);
    NatHome& home = world.home("home");
    UdpProbe socket(server, at(kServer, 7001));
    EXPECT_EQ(learned_mtu(home.machine(), socket), 1280);
    expect_tcp_passes(home.machine(), server);
  });
}

TEST(LabNatIcmp, ABlackHoleIsOneKnob) {
  in_sandbox([] {
    NatWorld world;
    Host& server = world.outside("server", {kServer});
    NatHome& home = world.home("home", {.wan_mtu = 1280, .nat = {"--set", "too_big_answer=off"}});
    UdpProbe listening(server, at(kServer, 7001)), socket(home.machine(), at("0.0.0.0", 40000));
    socket.always_set_df();
    socket.connect(listening.address());
    socket.send(listening.address(), std::string(1400, 'x'));
    EXPECT_TRUE(listening.silent());
    EXPECT_EQ(socket.take_error(), 0);
    EXPECT_EQ(socket.path_mtu(), 1500);
  });
}

TEST(LabNatIcmp, FragmentsPassBothWays) {
  in_sandbox([] {
    NatWorld world;
    Host& server = world.outside("server", {kServer});
    NatHome& home = world.home("home", {.wan_mtu = 1280});
    UdpProbe listening(server, at(kServer, 7001)), socket(home.machine(), at("0.0.0.0", 40000));
    for (UdpProbe* one : {&listening, &socket}) {
      int never = IP_PMTUDISC_DONT;
      ::setsockopt(one->fd(), IPPROTO_IP, IP_MTU_DISCOVER, &never, sizeof never);
    }
    // Fragmented by the sender at 1500, again on the way at 1280; whole, but too big for the line outside.
    for (size_t size : {9000, 1400, 1200}) {
      std::string text(size, 'x');
      for (size_t i = 0; i < size; i += 7) text[i] = static_cast<char>('a' + i % 26);
      socket.send(listening.address(), text);
      const auto question = listening.receive();
      ASSERT_TRUE(question) << size;
      EXPECT_EQ(question->text, text);
      listening.send(question->from, text);
      const auto answer = socket.receive();
      ASSERT_TRUE(answer) << size;
      EXPECT_EQ(answer->text, text);
    }
  });
}

/// Sends with this TTL; who says that it ended there, or nobody.
std::string ended_at(const Host& machine, const Address& to, int ttl) {
  UdpProbe socket(machine, at("0.0.0.0", 40000));
  int on = 1;
  ::setsockopt(socket.fd(), IPPROTO_IP, IP_TTL, &ttl, sizeof ttl);
  ::setsockopt(socket.fd(), IPPROTO_IP, IP_RECVERR, &on, sizeof on);
  socket.send(to, "x");
  socket.take_error();
  sockaddr_in offender{};
  char control[512], byte;
  iovec piece{&byte, 1};
  msghdr message{.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (::recvmsg(socket.fd(), &message, MSG_ERRQUEUE) < 0) return "nobody";
  // struct sock_extended_err is in a header that cannot stand beside netinet/in.h; the offender follows its 16 bytes
  std::memcpy(&offender, CMSG_DATA(CMSG_FIRSTHDR(&message)) + 16, sizeof offender);
  return Address::from_ip({reinterpret_cast<const uint8_t*>(&offender.sin_addr), 4}, 0).ip_to_string();
}

TEST(LabNatIcmp, TheGatewayIsOneHop) {
  in_sandbox([] {
    NatWorld world;
    Host& server = world.outside("server", {kServer});
    NatHome& home = world.home("home");
    UdpProbe listening(server, at(kServer, 7001));
    EXPECT_EQ(ended_at(home.machine(), listening.address(), 1), "10.0.0.1");
    EXPECT_EQ(ended_at(home.machine(), listening.address(), 2), NatWorld::router);
    EXPECT_TRUE(listening.silent(50ms));
    EXPECT_EQ(ended_at(home.machine(), listening.address(), 3), "nobody");
    EXPECT_TRUE(listening.receive());
    // ... and from outside, where a mapping leads in.
    UdpProbe inside(home.machine(), at("0.0.0.0", 40007));
    inside.send(listening.address());
    const auto mapped = listening.receive();
    ASSERT_TRUE(mapped);
    EXPECT_EQ(ended_at(server, mapped->from, 2), home.address());
  });
}

TEST(LabNatIcmp, AGatewayMayHideItself) {
  in_sandbox([] {
    NatWorld world;
    Host& server = world.outside("server", {kServer});
    NatHome& home = world.home("home", {.nat = {"--set", "decrement_ttl=off"}});
    UdpProbe listening(server, at(kServer, 7001));
    EXPECT_EQ(ended_at(home.machine(), listening.address(), 2), "nobody");
    EXPECT_TRUE(listening.receive());
  });
}

}  // namespace
}  // namespace ginnel::lab
