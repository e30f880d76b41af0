#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <optional>
#include <string>

#include "drive/loop.hpp"
#include "drive/tcp_connection.hpp"
#include "drive/tcp_listener.hpp"

namespace ginnel {
namespace {

using Queued = TcpConnection::Queued;

/// A listener, a client, and the server's end of the client's connection, on one loop.
class TcpTest : public testing::TestWithParam<Address> {
 protected:
  explicit TcpTest(const Address& bind = Address::v4(127, 0, 0, 1, 0))
      : listener(must_open(bind)),
        watch(loop, listener.fd(),
              [this] {
                while (auto accepted = listener.accept()) {
                  accepted_from = accepted->second;
                  server.emplace(loop, std::move(accepted->first), server_calls);
                  if (on_accepted) on_accepted();
                }
              }),
        limit(loop, [this] {
          ADD_FAILURE() << "10 s passed";
          loop.stop();
        }) {
    watch.want_read(true);
    limit.set(loop.now() + 10s);
    ignore(client_calls);
    ignore(server_calls);
  }

  static TcpListener must_open(const Address& bind) {
    auto listener = TcpListener::open(bind);
    EXPECT_TRUE(listener) << listener.error().text;
    return std::move(*listener);
  }
  static void ignore(TcpConnection::Callbacks& calls) {
    calls.on_received = [](MutableBytes bytes) { return bytes.size(); };
  }
  void connect() { client = TcpConnection::connect(loop, listener.local_address(), client_calls); }

  Loop loop;
  TcpListener listener;
  Loop::Watch watch;
  Loop::Timer limit;
  TcpConnection::Callbacks client_calls, server_calls;
  std::function<void()> on_accepted;
  Address accepted_from;
  std::unique_ptr<TcpConnection> client;
  std::optional<TcpConnection> server;
};

TEST_F(TcpTest, connectsAndTellsBothAddresses) {
  Address local;
  client_calls.on_connected = [&](const Address& address) {
    local = address;
    if (server) loop.stop();
  };
  on_accepted = [&] {
    if (!local.is_unspecified()) loop.stop();
  };
  connect();
  loop.run();
  EXPECT_EQ(local, accepted_from);
  EXPECT_EQ(client->remote_address(), listener.local_address());
  EXPECT_EQ(server->remote_address(), local);
}

TEST_F(TcpTest, refusalIsTold) {
  std::string why;
  client_calls.on_closed = [&](const std::string& text) {
    why = text;
    client.reset();
    loop.stop();
  };
  Address nobody = must_open(listener.local_address().with_port(0)).local_address();  // closed again at once
  client = TcpConnection::connect(loop, nobody, client_calls);
  EXPECT_EQ(why, "") << "never from inside connect()";
  loop.run();
  EXPECT_NE(why.find("refused"), why.npos) << why;
}

TEST_F(TcpTest, whatIsSentBeforeTheConnectionStandsArrives) {
  std::string got;
  server_calls.on_received = [&](MutableBytes bytes) {
    got += as_text(bytes);
    if (got.size() == 10) loop.stop();
    return bytes.size();
  };
  connect();
  EXPECT_EQ(client->send(as_bytes("hello")), Queued::ok);
  EXPECT_EQ(client->send(as_bytes("world")), Queued::ok);
  loop.run();
  EXPECT_EQ(got, "helloworld");
}

TEST_F(TcpTest, leftoverComesAgainWithMoreBehindIt) {
  // Frames of 5 bytes, sent in pieces of 3.
  std::string frames;
  bool saw_partial = false;
  server_calls.on_received = [&](MutableBytes bytes) {
    size_t used = bytes.size() / 5 * 5;
    saw_partial |= used != bytes.size();
    frames += as_text(bytes.first(used));
    if (frames.size() == 15) loop.stop();
    return used;
  };
  const std::string text = "aaaaabbbbbccccc";
  size_t sent = 0;
  Loop::Timer pace(loop, [&] {
    EXPECT_EQ(client->send(as_bytes(text).subspan(sent, 3)), Queued::ok);
    sent += 3;
    if (sent < text.size()) pace.set(loop.now() + 1ms);
  });
  client_calls.on_connected = [&](const Address&) { pace.set(loop.now()); };
  connect();
  loop.run();
  EXPECT_EQ(frames, text);
  EXPECT_TRUE(saw_partial);
}

TEST_F(TcpTest, aFrameWithoutEndClosesTheConnection) {
  std::string why;
  server_calls.on_received = [](MutableBytes) { return size_t{0}; };
  server_calls.on_closed = [&](const std::string& text) {
    why = text;
    loop.stop();
  };
  std::vector<uint8_t> flood(TcpConnection::leftover_max + 1);
  connect();
  client->send(flood);
  loop.run();
  EXPECT_EQ(why, "the other side sent a frame that is too long");
}

TEST_F(TcpTest, backpressure) {
  std::vector<uint8_t> piece(64 * 1024, 'x');
  uint64_t accepted = 0, received = 0;
  bool full = false, refused = false, writable = false, reading = false;
  server_calls.on_received = [&](MutableBytes bytes) {
    received += bytes.size();
    if (writable && received == accepted) loop.stop();
    return bytes.size();
  };
  auto fill = [&] {
    for (int i = 0; i < 1000 && !refused; i++) {
      Queued answer = client->send(piece);
      if (answer == Queued::refused) {
        refused = true;
      } else {
        accepted += piece.size();
        full |= answer == Queued::full;
        EXPECT_EQ(answer == Queued::full, client->queued() > TcpConnection::queue_full);
      }
      EXPECT_LE(client->queued(), TcpConnection::queue_max);
    }
  };
  client_calls.on_writable = [&] {
    EXPECT_TRUE(reading);
    EXPECT_FALSE(writable) << "once";
    EXPECT_LT(client->queued(), TcpConnection::queue_writable);
    writable = true;
  };
  // While this runs nobody reads: kernel and queue must fill up.
  client_calls.on_connected = [&](const Address&) {
    fill();
    reading = true;
  };
  connect();
  loop.run();
  EXPECT_TRUE(full);
  EXPECT_TRUE(refused);
  EXPECT_TRUE(writable);
  EXPECT_EQ(received, accepted);
}

TEST_F(TcpTest, closeFlushesThenEnds) {
  std::vector<uint8_t> bytes(800 * 1024, 'x');
  size_t received = 0;
  bool client_closed = false, server_closed = false;
  server_calls.on_received = [&](MutableBytes got) {
    received += got.size();
    return got.size();
  };
  server_calls.on_closed = [&](const std::string&) {
    server_closed = true;
    EXPECT_EQ(received, bytes.size());
    server.reset();
    if (client_closed) loop.stop();
  };
  client_calls.on_closed = [&](const std::string&) {
    EXPECT_FALSE(client_closed) << "once";
    client_closed = true;
    EXPECT_TRUE(client->closing());
    client.reset();
    if (server_closed) loop.stop();
  };
  client_calls.on_connected = [&](const Address&) {
    EXPECT_NE(client->send(bytes), Queued::refused);
    client->close();
    client->close();
    EXPECT_EQ(client->send(bytes), Queued::refused);
  };
  connect();
  loop.run();
  EXPECT_EQ(received, bytes.size());
  EXPECT_TRUE(client_closed && server_closed);
}

TEST_F(TcpTest, closeDoesNotWaitForASilentPeer) {
  // This peer accepts in the kernel only, reads nothing, and never closes.
  watch.want_read(false);
  std::vector<uint8_t> bytes(TcpConnection::queue_max, 'x');
  Instant begun;
  client_calls.on_connected = [&](const Address&) {
    while (client->send(bytes) != Queued::refused) continue;
    begun = loop.now();
    client->close();
  };
  client_calls.on_closed = [&](const std::string&) { loop.stop(); };
  connect();
  loop.run();
  EXPECT_GE(loop.now() - begun, TcpConnection::close_limit);
  EXPECT_LT(loop.now() - begun, TcpConnection::close_limit + 1s);
}

TEST_F(TcpTest, destroyedInsideOnReceived) {
  auto held = std::make_shared<int>(7);
  server_calls.on_received = [&, held](MutableBytes bytes) {
    server_calls = {};
    server.reset();
    EXPECT_EQ(*held, 7);
    return bytes.size();
  };
  client_calls.on_closed = [&](const std::string&) {
    client.reset();
    loop.stop();
  };
  connect();
  client->send(as_bytes("x"));
  loop.run();
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(TcpTest, v6) {
  auto v6 = TcpListener::open(*Address::parse("[::1]:0"));
  ASSERT_TRUE(v6) << v6.error().text;
  client_calls.on_connected = [&](const Address& local) {
    EXPECT_TRUE(local.v6);
    loop.stop();
  };
  client = TcpConnection::connect(loop, v6->local_address(), client_calls);
  loop.run();
  auto accepted = v6->accept();
  ASSERT_TRUE(accepted);
  EXPECT_TRUE(accepted->second.v6);
  EXPECT_FALSE(v6->accept());
}

TEST(TcpListener, portInUseSaysSo) {
  auto first = TcpListener::open(Address::v4(127, 0, 0, 1, 0));
  ASSERT_TRUE(first);
  auto second = TcpListener::open(first->local_address());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::in_use);
}

}  // namespace
}  // namespace ginnel
