// A way through an HTTP proxy, and every way in which proxies say no. The proxy is a few lines here; RFC 9110 sections
// 9.3.6 and 15, RFC 7617.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "drive/http_tunnel.hpp"
#include "drive/loop.hpp"
#include "drive/tcp_connection.hpp"
#include "drive/tcp_listener.hpp"

namespace ginnel {
namespace {

class TunnelTest : public testing::Test {
 protected:
  TunnelTest()
      : watch(loop, listener.fd(), [this] { accept(); }), limit(loop, [this] {
          ADD_FAILURE() << "10 s passed";
          loop.stop();
        }) {
    watch.want_read(true);
    limit.set(loop.now() + 10s);
    proxy = {"127.0.0.1", listener.local_address().port, "", ""};
  }

  static TcpListener must_open() {
    auto listener = TcpListener::open(Address::v4(127, 0, 0, 1, 0));
    EXPECT_TRUE(listener) << listener.error().text;
    return std::move(*listener);
  }
  /// The proxy: reads a request to its empty line, gives the answer, and from then on echoes.
  void accept() {
    while (auto accepted = listener.accept()) {
      Connection::Callbacks calls;
      calls.on_received = [this](MutableBytes bytes) { return serve(bytes); };
      calls.on_closed = [](const std::string&) {};
      server = std::make_unique<TcpConnection>(loop, std::move(accepted->first), calls);
    }
  }
  size_t serve(MutableBytes bytes) {
    if (answered) {
      server->send(bytes);
      return bytes.size();
    }
    request += as_text(bytes);
    if (!request.ends_with("\r\n\r\n")) return bytes.size();
    answered = true;
    if (piece == 0) {
      if (!answer.empty()) server->send(as_bytes(answer));
      if (hang_up) server->close();
      return bytes.size();
    }
    pace.emplace(loop, [this] {
      server->send(as_bytes(answer).subspan(told, std::min(piece, answer.size() - told)));
      told = std::min(told + piece, answer.size());
      if (told < answer.size()) pace->set(loop.now());
    });
    pace->set(loop.now());
    return bytes.size();
  }

  /// The descriptor, or what went wrong in `error`.
  std::optional<Fd> ask(const std::string& host = "relay.example.org", uint16_t port = 443) {
    std::optional<Fd> got;
    bool inside = true;
    HttpTunnel tunnel(
        loop, proxy, host, port,
        [&](Result<Fd> result) {
          EXPECT_FALSE(inside) << "never from inside the constructor";
          if (result) got = std::move(*result);
          if (!result) error = result.error();
          loop.stop();
        },
        patience);
    inside = false;
    loop.run();
    return got;
  }
  void expect_refusal(const std::string& status_line, const std::string& words) {
    answer = "HTTP/1.1 " + status_line + "\r\nContent-Length: 4\r\n\r\nsee!";
    request.clear();
    answered = false;
    EXPECT_FALSE(ask()) << status_line;
    EXPECT_NE(error.text.find(words), std::string::npos) << error.text;
    EXPECT_NE(error.text.find("http://127.0.0.1:"), std::string::npos) << error.text;
  }

  Loop loop;
  TcpListener listener = must_open();
  Loop::Watch watch;
  Loop::Timer limit;
  HttpProxy proxy;
  Duration patience = HttpTunnel::limit;
  std::unique_ptr<TcpConnection> server;
  std::optional<Loop::Timer> pace;
  std::string request, answer = "HTTP/1.1 200 Connection established\r\n\r\n";
  size_t piece = 0, told = 0;  ///< the answer comes in pieces of so many bytes
  bool answered = false, hang_up = false;
  Error error;
};

TEST_F(TunnelTest, asksForTheNameAndHandsOverWhatLeadsThere) {
  auto fd = ask();
  ASSERT_TRUE(fd) << error.text;
  EXPECT_TRUE(request.starts_with("CONNECT relay.example.org:443 HTTP/1.1\r\nHost: relay.example.org:443\r\n"))
      << request;
  EXPECT_EQ(request.find("Proxy-Authorization"), std::string::npos);
  std::string echoed;
  Connection::Callbacks calls;
  calls.on_received = [&](MutableBytes bytes) {
    echoed += as_text(bytes);
    if (echoed.size() == 5) loop.stop();
    return bytes.size();
  };
  TcpConnection through(loop, std::move(*fd), calls);
  through.send(as_bytes("hello"));
  loop.run();
  EXPECT_EQ(echoed, "hello");
}

TEST_F(TunnelTest, anIpv6AddressStandsInBrackets) {
  ASSERT_TRUE(ask("2001:db8::1", 3478)) << error.text;
  EXPECT_TRUE(request.starts_with("CONNECT [2001:db8::1]:3478 HTTP/1.1\r\n")) << request;
}

TEST_F(TunnelTest, saysUserAndPassword) {
  proxy.user = "Aladdin";
  proxy.password = "open sesame";  // RFC 7617 section 2 has this example
  ASSERT_TRUE(ask()) << error.text;
  EXPECT_NE(request.find("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"), std::string::npos)
      << request;
}

TEST_F(TunnelTest, readsAnAnswerInAnyPieces) {
  answer = "HTTP/1.1 200 OK\r\nVia: 1.1 box\r\nX-Long: " + std::string(5000, 'x') + "\r\n\r\n";
  for (size_t size : {size_t{1000}, size_t{7}, size_t{1}}) {
    piece = size, told = 0, answered = false;
    request.clear();
    EXPECT_TRUE(ask()) << size << ": " << error.text;
  }
}

TEST_F(TunnelTest, takesAnySuccessWhateverItsFieldsSay) {
  for (const char* text :
       {"HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"}) {
    answer = text, answered = false;
    request.clear();
    EXPECT_TRUE(ask()) << text << error.text;
  }
}

TEST_F(TunnelTest, everyRefusalHasItsSentence) {
  expect_refusal("407 Proxy Authentication Required", "USER:PASSWORD");
  EXPECT_EQ(error.code, Errc::refused);
  expect_refusal("403 Forbidden", "allows no connection to relay.example.org:443 (403)");
  expect_refusal("502 Bad Gateway", "cannot reach relay.example.org:443 (502)");
  EXPECT_EQ(error.code, Errc::unreachable);
  expect_refusal("504 Gateway Timeout", "cannot reach relay.example.org:443 (504)");
  expect_refusal("500 Oops", "does not connect us to relay.example.org:443 (500)");
  expect_refusal("301 Moved", "(301)");
  proxy.user = "ann", proxy.password = "secret";
  expect_refusal("407 Proxy Authentication Required", "does not accept that user name and password (407)");
  EXPECT_EQ(error.text.find("secret"), std::string::npos);
}

TEST_F(TunnelTest, whatIsNoProxyIsSaidToBeNone) {
  for (const char* text : {"SSH-2.0-OpenSSH_9.2\r\n", "220 mail.example ESMTP\r\n", "HTTP/1.1 2000 OK\r\n\r\n",
                           "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"}) {
    answer = text, answered = false, hang_up = true;
    request.clear();
    EXPECT_FALSE(ask()) << text;
    EXPECT_NE(error.text.find("is no HTTP proxy"), std::string::npos) << text << ": " << error.text;
  }
}

TEST_F(TunnelTest, anAnswerWithoutEndIsNotReadToItsEnd) {
  answer = "HTTP/1.1 200 OK\r\n";
  while (answer.size() <= HttpTunnel::answer_max) answer += "X-Filler: " + std::string(1000, 'x') + "\r\n";
  EXPECT_FALSE(ask());
  EXPECT_FALSE(error.text.empty());
  answer = std::string(HttpTunnel::answer_max * 2, 'x'), answered = false;
  request.clear();
  EXPECT_FALSE(ask());
}

TEST_F(TunnelTest, aTunnelThatSpeaksFirstIsNone) {
  answer += "surprise";
  EXPECT_FALSE(ask());
  EXPECT_NE(error.text.find("says more"), std::string::npos) << error.text;
}

TEST_F(TunnelTest, aProxyThatHangsUpIsTold) {
  answer = "HTTP/1.1 200 OK\r\n", hang_up = true;
  EXPECT_FALSE(ask());
  EXPECT_NE(error.text.find("closed the connection"), std::string::npos) << error.text;
}

TEST_F(TunnelTest, aSilentProxyIsNotWaitedForForEver) {
  answer.clear();
  patience = 50ms;
  EXPECT_FALSE(ask());
  EXPECT_NE(error.text.find("does not answer"), std::string::npos) << error.text;
}

TEST_F(TunnelTest, aNameWithTwoAddressesIsTriedAtBoth) {
  proxy.host = "localhost";  // often ::1 first, where nobody listens
  EXPECT_TRUE(ask()) << error.text;
}

TEST_F(TunnelTest, aProxyThatIsNotThere) {
  proxy.port = must_open().local_address().port;  // closed again at once
  EXPECT_FALSE(ask());
  EXPECT_NE(error.text.find("cannot be connected to"), std::string::npos) << error.text;
}

TEST_F(TunnelTest, mayBeDestroyedAtAnyTime) {
  auto tunnel =
      std::make_unique<HttpTunnel>(loop, proxy, "relay.example.org", uint16_t{443}, [](Result<Fd>) { ADD_FAILURE(); });
  tunnel.reset();
  bool done = false;
  tunnel = std::make_unique<HttpTunnel>(loop, proxy, "relay.example.org", uint16_t{443}, [&](Result<Fd> fd) {
    tunnel.reset();
    done = static_cast<bool>(fd);
    loop.stop();
  });
  loop.run();
  EXPECT_TRUE(done);
}

}  // namespace
}  // namespace ginnel
