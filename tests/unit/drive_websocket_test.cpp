// The two ends of a WebSocket inside TLS, on loopback, with somebody in between who sees every byte and can hold them
// up. Knows drive/websocket_connection; RFC 6455 and TLS are the libraries' business, what they show the world is ours.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "drive/loop.hpp"
#include "drive/tcp_connection.hpp"
#include "drive/tcp_listener.hpp"
#include "drive/websocket_connection.hpp"

namespace ginnel {
namespace {

using Queued = Connection::Queued;

class WebSocketTest : public testing::Test {
 protected:
  WebSocketTest()
      : watch(loop, listener.fd(), [this] { accept(); }),
        tap_watch(loop, tap_listener.fd(), [this] { accept_tapped(); }),
        limit(loop, [this] {
          ADD_FAILURE() << "20 s passed";
          loop.stop();
        }) {
    watch.want_read(true);
    tap_watch.want_read(true);
    limit.set(loop.now() + 20s);
    for (auto* calls : {&client_calls, &server_calls})
      calls->on_received = [](MutableBytes bytes) { return bytes.size(); };
  }

  static TcpListener must_open() {
    auto listener = TcpListener::open(Address::v4(127, 0, 0, 1, 0));
    EXPECT_TRUE(listener) << listener.error().text;
    return std::move(*listener);
  }

  /// As app/driver does it: plain at first, until the first bytes are seen.
  void accept() {
    while (auto accepted = listener.accept()) {
      Connection::Callbacks first;
      first.on_received = [this](MutableBytes bytes) -> size_t {
        Fd fd = fresh->detach();
        fresh.reset();
        server = WebSocketConnection::accept(loop, std::move(fd), tls, bytes, server_calls);
        return bytes.size();
      };
      fresh = std::make_unique<TcpConnection>(loop, std::move(accepted->first), first);
    }
  }
  /// Who stands in between: two plain connections, each hands its bytes to the other.
  void accept_tapped() {
    while (auto accepted = tap_listener.accept()) {
      Connection::Callbacks near, far;
      near.on_received = [this](MutableBytes bytes) {
        seen += as_text(bytes);
        if (!muted) tap_far->send(bytes);
        return bytes.size();
      };
      near.on_closed = [this](const std::string&) { tap_far->close(); };
      far.on_received = [this](MutableBytes bytes) {
        if (!muted) tap_near->send(bytes);
        return bytes.size();
      };
      far.on_closed = [this](const std::string&) { tap_near->close(); };
      tap_near = std::make_unique<TcpConnection>(loop, std::move(accepted->first), near);
      tap_far = TcpConnection::connect(loop, listener.local_address(), far);
    }
  }
  void connect(const std::string& host = "relay.example.org") {
    client = WebSocketConnection::connect(loop, listener.local_address(), host, client_calls);
  }
  void connect_tapped(const std::string& host = "relay.example.org") {
    client = WebSocketConnection::connect(loop, tap_listener.local_address(), host, client_calls);
  }

  Loop loop;
  TlsContext tls = TlsContext::self_signed("relay.example.org");
  TcpListener listener = must_open(), tap_listener = must_open();
  Loop::Watch watch, tap_watch;
  Loop::Timer limit;
  Connection::Callbacks client_calls, server_calls;
  std::unique_ptr<TcpConnection> fresh, tap_near, tap_far;
  std::string seen;  ///< by the one in between, of the client
  bool muted = false;
  std::unique_ptr<WebSocketConnection> client, server;
};

TEST_F(WebSocketTest, bytesGoBothWays) {
  Address local;
  std::string at_server, at_client;
  client_calls.on_connected = [&](const Address& address) {
    local = address;
    EXPECT_EQ(client->send(as_bytes("question")), Queued::ok);
  };
  server_calls.on_received = [&](MutableBytes bytes) {
    at_server += as_text(bytes);
    if (at_server == "question") server->send(as_bytes("answer"));
    return bytes.size();
  };
  client_calls.on_received = [&](MutableBytes bytes) {
    at_client += as_text(bytes);
    if (at_client == "answer") loop.stop();
    return bytes.size();
  };
  connect();
  loop.run();
  EXPECT_EQ(at_client, "answer");
  EXPECT_TRUE(local.is_loopback() && local.port != 0);
}

TEST_F(WebSocketTest, whatIsSentBeforeItStandsArrives) {
  std::string got;
  server_calls.on_received = [&](MutableBytes bytes) {
    got += as_text(bytes);
    if (got == "helloworld") loop.stop();
    return bytes.size();
  };
  connect();
  EXPECT_EQ(client->send(as_bytes("hello")), Queued::ok);
  EXPECT_EQ(client->send(as_bytes("world")), Queued::ok);
  EXPECT_EQ(client->queued(), 10u);
  loop.run();
  EXPECT_EQ(got, "helloworld");
}

TEST_F(WebSocketTest, leftoverComesAgainWithMoreBehindIt) {
  // Frames of 5 bytes, sent in messages of 3.
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

TEST_F(WebSocketTest, aFrameWithoutEndClosesTheConnection) {
  std::string why;
  server_calls.on_received = [](MutableBytes) { return size_t{0}; };
  server_calls.on_closed = [&](const std::string& text) {
    why = text;
    loop.stop();
  };
  std::vector<uint8_t> flood(Connection::leftover_max + 20 * 1024);
  connect();
  client->send(flood);
  loop.run();
  EXPECT_EQ(why, "the other side sent a frame that is too long");
}

/// Bytes that depend on their place.
std::vector<uint8_t> pattern(size_t size, uint64_t from) {
  std::vector<uint8_t> out(size);
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<uint8_t>((from + i) * 2654435761u >> 13);
  return out;
}

TEST_F(WebSocketTest, megabytesBothWaysAtOnceArriveUnchanged) {
  constexpr uint64_t total = 20'000'000;
  struct Way {
    uint64_t sent = 0, received = 0;
    bool wrong = false;
  } up, down;
  auto fill = [&](Connection& from, Way& way) {
    while (way.sent < total) {
      auto piece = pattern(std::min<uint64_t>(50'001, total - way.sent), way.sent);
      Queued answer = from.send(piece);
      if (answer == Queued::refused) return;
      way.sent += piece.size();
      if (answer == Queued::full) return;
    }
  };
  auto take = [&](Way& way) {
    return [&](MutableBytes bytes) {
      auto right = pattern(bytes.size(), way.received);
      way.wrong |= !std::equal(right.begin(), right.end(), bytes.begin());
      way.received += bytes.size();
      if (up.received == total && down.received == total) loop.stop();
      return bytes.size();
    };
  };
  client_calls.on_connected = [&](const Address&) { fill(*client, up); };
  client_calls.on_writable = [&] { fill(*client, up); };
  client_calls.on_received = take(down);
  server_calls.on_writable = [&] { fill(*server, down); };
  server_calls.on_received = [&, took = take(up)](MutableBytes bytes) {
    if (down.sent == 0) fill(*server, down);
    return took(bytes);
  };
  connect();
  loop.run();
  EXPECT_EQ(up.received, total);
  EXPECT_EQ(down.received, total);
  EXPECT_FALSE(up.wrong || down.wrong);
}

TEST_F(WebSocketTest, backpressure) {
  std::vector<uint8_t> piece(64 * 1024, 'x');
  uint64_t accepted = 0, received = 0;
  bool full = false, refused = false, writable = false;
  server_calls.on_received = [&](MutableBytes bytes) {
    received += bytes.size();
    if (writable && received == accepted) loop.stop();
    return bytes.size();
  };
  client_calls.on_writable = [&] {
    EXPECT_FALSE(writable) << "once";
    EXPECT_LT(client->queued(), Connection::queue_writable);
    writable = true;
  };
  client_calls.on_connected = [&](const Address&) {
    for (int i = 0; i < 1000 && !refused; i++) {  // while this runs nobody reads
      Queued answer = client->send(piece);
      refused = answer == Queued::refused;
      full |= answer == Queued::full;
      if (!refused) {
        accepted += piece.size();
        EXPECT_EQ(answer == Queued::full, client->queued() > Connection::queue_full);
      }
      EXPECT_LE(client->queued(), Connection::queue_max);
    }
  };
  connect();
  loop.run();
  EXPECT_TRUE(full);
  EXPECT_TRUE(refused);
  EXPECT_TRUE(writable);
  EXPECT_EQ(received, accepted);
}

TEST_F(WebSocketTest, closeFlushesThenEnds) {
  std::vector<uint8_t> bytes(800 * 1024, 'x');
  size_t received = 0;
  bool client_closed = false, server_closed = false;
  server_calls.on_received = [&](MutableBytes got) {
    received += got.size();
    return got.size();
  };
  server_calls.on_closed = [&](const std::string& why) {
    server_closed = true;
    EXPECT_EQ(why, "the other side closed the connection");
    EXPECT_EQ(received, bytes.size());
    server.reset();
    if (client_closed) loop.stop();
  };
  Instant begun;
  client_calls.on_closed = [&](const std::string&) {
    EXPECT_FALSE(client_closed) << "once";
    client_closed = true;
    EXPECT_TRUE(client->closing());
    EXPECT_LT(loop.now() - begun, Connection::close_limit) << "both said goodbye: nothing to wait for";
    client.reset();
    if (server_closed) loop.stop();
  };
  client_calls.on_connected = [&](const Address&) {
    begun = loop.now();
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

TEST_F(WebSocketTest, closeDoesNotWaitForASilentPeer) {
  Instant begun;
  client_calls.on_connected = [&](const Address&) {
    muted = true;
    begun = loop.now();
    client->close();
  };
  client_calls.on_closed = [&](const std::string&) { loop.stop(); };
  connect_tapped();
  loop.run();
  EXPECT_GE(loop.now() - begun, Connection::close_limit);
  EXPECT_LT(loop.now() - begun, Connection::close_limit + 1s);
}

TEST_F(WebSocketTest, closeBeforeItStandsEndsAtOnce) {
  bool closed = false;
  client_calls.on_connected = [](const Address&) { ADD_FAILURE(); };
  client_calls.on_closed = [&](const std::string&) {
    closed = true;
    loop.stop();
  };
  connect();
  client->close();
  EXPECT_FALSE(closed) << "never from inside close()";
  loop.run();
  EXPECT_TRUE(closed);
}

TEST_F(WebSocketTest, anEndWithoutGoodbyeIsAnEnd) {
  std::string why;
  client_calls.on_connected = [&](const Address&) { client->send(as_bytes("x")); };
  client_calls.on_closed = [&](const std::string& text) {
    why = text;
    loop.stop();
  };
  server_calls.on_received = [&](MutableBytes bytes) {
    server.reset();  // inside its own callback
    return bytes.size();
  };
  connect();
  loop.run();
  EXPECT_EQ(why, "the other side closed the connection");
}

TEST_F(WebSocketTest, theClientShowsWhatABrowserShows) {
  client_calls.on_connected = [&](const Address&) { loop.stop(); };
  connect_tapped("relay.example.org");
  loop.run();
  ASSERT_GT(seen.size(), 100u);
  EXPECT_EQ(seen.substr(0, 2), "\x16\x03");
  EXPECT_NE(seen.find("relay.example.org"), std::string::npos) << "SNI, RFC 6066 section 3";
  EXPECT_NE(seen.find("http/1.1"), std::string::npos) << "ALPN, RFC 7301 section 3.1";
  EXPECT_EQ(seen.find("ginnel"), std::string::npos);
}

TEST_F(WebSocketTest, anAddressIsNoServerName) {
  for (const char* host : {"127.0.0.1", "2001:db8::1"}) {
    seen.clear();
    client_calls.on_connected = [&](const Address&) { loop.stop(); };
    connect_tapped(host);
    loop.run();
    ASSERT_GT(seen.size(), 100u);
    EXPECT_EQ(seen.find(host), std::string::npos);
  }
}

TEST_F(WebSocketTest, whoSpeaksNoTlsIsNamed) {
  Connection::Callbacks calls;
  std::unique_ptr<TcpConnection> other;
  calls.on_received = [&](MutableBytes bytes) {
    other->send(as_bytes("HTTP/1.1 400 Bad Request\r\n\r\n"));
    return bytes.size();
  };
  TcpListener plain = must_open();
  Loop::Watch plain_watch(loop, plain.fd(), [&] {
    while (auto accepted = plain.accept())
      other = std::make_unique<TcpConnection>(loop, std::move(accepted->first), calls);
  });
  plain_watch.want_read(true);
  std::string why;
  client_calls.on_closed = [&](const std::string& text) {
    why = text;
    loop.stop();
  };
  client = WebSocketConnection::connect(loop, plain.local_address(), "relay.example.org", client_calls);
  loop.run();
  EXPECT_TRUE(why.starts_with("no TLS with 127.0.0.1:")) << why;
}

TEST_F(WebSocketTest, nobodyThereIsTold) {
  std::string why;
  client_calls.on_closed = [&](const std::string& text) {
    why = text;
    loop.stop();
  };
  Address nobody = must_open().local_address();  // closed again at once
  client = WebSocketConnection::connect(loop, nobody, "relay.example.org", client_calls);
  EXPECT_EQ(why, "") << "never from inside connect()";
  loop.run();
  EXPECT_NE(why.find("refused"), why.npos) << why;
}

TEST_F(WebSocketTest, garbageThatBeginsLikeTlsEndsTheServersSide) {
  for (size_t size : {size_t{100}, size_t{60'000}}) {
    std::string why;
    server_calls.on_closed = [&](const std::string& text) {
      why = text;
      loop.stop();
    };
    std::vector<uint8_t> garbage = pattern(size, 7);
    garbage[0] = 22, garbage[1] = 3;
    auto liar = TcpConnection::connect(loop, listener.local_address(), client_calls);
    liar->send(garbage);
    loop.run();
    EXPECT_TRUE(why.starts_with("no TLS with the client")) << why;
  }
}

TEST_F(WebSocketTest, mayBeDestroyedAtAnyStage) {
  client_calls.on_connected = [&](const Address&) {
    client.reset();
    loop.stop();
  };
  client_calls.on_closed = [](const std::string&) { ADD_FAILURE(); };
  connect();
  loop.run();
  connect();  // and with the loop at rest
  client.reset();
  server.reset();
  connect();
  loop.post([&] { client.reset(); });
  loop.post([&] { loop.stop(); });
  loop.run();
  connect();  // this one outlives nothing: the loop goes with its operation under way
}

TEST(TlsContext, filesThatAreNoneAreNamed) {
  auto missing = TlsContext::from_files("/nonexistent/cert.pem", "/nonexistent/key.pem");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::usage);
  EXPECT_NE(missing.error().text.find("/nonexistent/cert.pem"), std::string::npos);
}

}  // namespace
}  // namespace ginnel
