// The two small ends of HTTP on loopback: against each other, and against peers that lie, drip, flood or fall silent.
// Knows app/http_client and app/http_server; refuses to know what is asked. RFC 9112.
#include <gtest/gtest.h>

#include "app/http_client.hpp"
#include "app/http_server.hpp"
#include "drive/tcp_connection.hpp"

namespace ginnel::app {
namespace {

using portmap::ClientInput;
using portmap::HttpAnswer;
using portmap::HttpAsk;
using portmap::HttpFailed;

const Address loopback = Address::v4(127, 0, 0, 1, 0);

class HttpTest : public ::testing::Test {
 protected:
  HttpTest()
      : client(loop,
               [this](ClientInput in) {
                 results.push_back(std::move(in));
                 if (results.size() >= awaited) loop.stop();
               }),
        watchdog(loop, [this] {
          ADD_FAILURE() << "10 s passed";
          loop.stop();
        }) {
    watchdog.set(loop.now() + 10s);
  }

  void serve(const HttpLimits& limits = {}) {
    auto made = HttpServer::listen(
        loop, loopback, "test/1",
        [this](const portmap::HttpRequest& r) {
          requests.push_back(r);
          return answer;
        },
        limits);
    ASSERT_TRUE(made) << made.error().text;
    server = std::move(*made);
  }
  HttpAsk ask(const Address& to, const std::string& method = "GET", const std::string& body = "") {
    return {next_id++, to, method, "/x?y", {{"SOAPAction", "\"a#b\""}}, body, 1000, 2s};
  }
  ClientInput get(const HttpAsk& a) {
    results.clear();
    awaited = 1;
    client.ask(a);
    loop.run();
    return results.empty() ? ClientInput(HttpFailed{0, "nothing"}) : results[0];
  }

  /// A peer that says this to whoever connects, piece by piece, and then closes or not.
  void script(std::vector<std::string> pieces, bool closes) {
    auto made = TcpListener::open(loopback);
    ASSERT_TRUE(made);
    listener.emplace(std::move(*made));
    accepting = Loop::Watch(loop, listener->fd(), [this, pieces, closes] {
      while (auto accepted = listener->accept()) {
        peer = std::make_unique<TcpConnection>(loop, std::move(accepted->first), quiet());
        for (const auto& piece : pieces) peer->send(as_bytes(piece));
        if (closes) peer->close();
      }
    });
    accepting.want_read(true);
  }
  static TcpConnection::Callbacks quiet() {
    return {
        .on_connected = {}, .on_received = [](MutableBytes b) { return b.size(); }, .on_writable = {}, .on_closed = {}};
  }
  /// Says this to the server; everything it answered, up to the end of the connection.
  std::string say(const std::vector<std::string>& pieces) {
    std::string heard;
    auto callbacks = quiet();
    callbacks.on_received = [&](MutableBytes b) {
      heard += as_text(b);
      return b.size();
    };
    callbacks.on_closed = [&](const std::string&) { loop.stop(); };
    auto connection = TcpConnection::connect(loop, server->local_address(), callbacks);
    for (const auto& piece : pieces) connection->send(as_bytes(piece));
    loop.run();
    return heard;
  }

  Loop loop;
  std::vector<ClientInput> results;
  size_t awaited = 1;
  HttpClient client;
  Loop::Timer watchdog;
  portmap::HttpId next_id = 1;
  std::unique_ptr<HttpServer> server;
  std::vector<portmap::HttpRequest> requests;
  portmap::HttpResponse answer{200, "text/xml", "<a/>"};
  std::optional<TcpListener> listener;
  Loop::Watch accepting;
  std::unique_ptr<TcpConnection> peer;
};

TEST_F(HttpTest, GetAndPost) {
  serve();
  auto result = get(ask(server->local_address()));
  ASSERT_TRUE(std::holds_alternative<HttpAnswer>(result)) << std::get<HttpFailed>(result).why;
  EXPECT_EQ(std::get<HttpAnswer>(result).status, 200u);
  EXPECT_EQ(std::get<HttpAnswer>(result).body, "<a/>");
  result = get(ask(server->local_address(), "POST", "<body/>"));
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].method, "GET");
  EXPECT_EQ(requests[1].method, "POST");
  EXPECT_EQ(requests[1].path, "/x?y");
  EXPECT_EQ(requests[1].host, server->local_address().to_string());
  EXPECT_EQ(requests[1].soap_action, "\"a#b\"");
  EXPECT_EQ(requests[1].body, "<body/>");
  EXPECT_TRUE(requests[1].from.is_loopback());
}

TEST_F(HttpTest, StatusesPassAsTheyAre) {
  serve();
  for (unsigned status : {404u, 500u, 302u}) {
    answer.status = status;
    auto result = get(ask(server->local_address()));
    EXPECT_EQ(std::get<HttpAnswer>(result).status, status);
  }
}

TEST_F(HttpTest, AnswersInEveryForm) {
  struct {
    std::vector<std::string> pieces;
    const char* body;
  } cases[] = {
      {{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"}, "ok"},
      {{"HTTP/1.1 200 OK\r\nContent-Le", "ngth: 2\r\n\r", "\no", "k and more than was said"}, "ok"},
      {{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"}, "ok"},
      {{"HTTP/1.0 200 OK\r\n\r\nok"}, "ok"},  // ends with the connection
      {{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}, ""},
  };
  for (const auto& c : cases) {
    script(c.pieces, true);
    auto result = get(ask(listener->local_address()));
    ASSERT_TRUE(std::holds_alternative<HttpAnswer>(result)) << c.pieces[0] << std::get<HttpFailed>(result).why;
    EXPECT_EQ(std::get<HttpAnswer>(result).body, c.body);
  }
}

TEST_F(HttpTest, AnswersThatLie) {
  struct {
    std::string text;
    bool closes;
  } cases[] = {
      {"nonsense\r\n\r\n", true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok", true},   // less than was said
      {"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", false},  // more than is wanted
      {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", false},
      {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", false},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", false},  // a chunk that is too large
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", false},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\n", false},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok", true},   // cut off
      {"HTTP/1.1 200 OK\r\nX: " + std::string(9000, 'y') + "\r\n\r\n", false},  // a header that is too long
      {"HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'y'), false},
      {"HTTP/1.0 200 OK\r\n\r\n" + std::string(5000, 'y'), false},  // a body without end
      {"", true},
  };
  for (const auto& c : cases) {
    script({c.text}, c.closes);
    auto result = get(ask(listener->local_address()));
    EXPECT_TRUE(std::holds_alternative<HttpFailed>(result)) << c.text.substr(0, 80);
  }
}

TEST_F(HttpTest, AnswersThatNeverEnd) {
  for (const char* text : {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\no"}) {
    script({text}, false);
    HttpAsk a = ask(listener->local_address());
    a.limit = 30ms;
    auto result = get(a);
    ASSERT_TRUE(std::holds_alternative<HttpFailed>(result)) << text;
    EXPECT_EQ(std::get<HttpFailed>(result).why, "no answer in time");
    EXPECT_TRUE(client.idle());
  }
}

TEST_F(HttpTest, NobodyListens) {
  Address gone;
  {
    auto made = TcpListener::open(loopback);
    gone = made->local_address();
  }
  auto result = get(ask(gone));
  ASSERT_TRUE(std::holds_alternative<HttpFailed>(result));
  EXPECT_NE(std::get<HttpFailed>(result).why.find("refused"), std::string::npos);
}

TEST_F(HttpTest, AForgottenQuestionIsNotAnswered) {
  serve();
  HttpAsk a = ask(server->local_address()), b = ask(server->local_address());
  client.ask(a);
  client.ask(b);
  client.forget(a.id);
  loop.run();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(std::get<HttpAnswer>(results[0]).id, b.id);
  EXPECT_TRUE(client.idle());
}

// ---- the server's side

TEST_F(HttpTest, RequestsInPieces) {
  serve();
  std::string heard = say({"POST /a HTTP/1.1\r\nHo", "st: h\r\nContent-Length: 4\r\n\r", "\nbo", "dy"});
  EXPECT_TRUE(heard.starts_with("HTTP/1.1 200 OK\r\n")) << heard;
  EXPECT_TRUE(heard.ends_with("\r\n\r\n<a/>"));
  EXPECT_NE(heard.find("Server: test/1\r\n"), heard.npos);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].body, "body");
}

TEST_F(HttpTest, OneRequestAConnection) {
  serve();
  std::string two = "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n";
  say({two});
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].path, "/a");
}

TEST_F(HttpTest, RequestsThatLie) {
  serve();
  const std::string get_line = "GET / HTTP/1.1\r\n";
  struct {
    std::string text;
    const char* status;
  } cases[] = {
      {"nonsense\r\n\r\n", "400"},
      {get_line + "Host: a\r\nHost: b\r\n\r\n", "400"},
      {get_line + "Host: a\r\nSOAPAction: a\r\nSOAPACTION: b\r\n\r\n", "400"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody", "400"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", "413"},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", "413"},
      {get_line + "X: " + std::string(9000, 'y') + "\r\n\r\n", "413"},
      {get_line + "X Y: z\r\n\r\n", "400"},
      {get_line + " folded\r\n\r\n", "400"},
      {std::string("GET /\0 HTTP/1.1\r\n\r\n", 20), "400"},
  };
  for (const auto& c : cases) {
    std::string heard = say({c.text});
    EXPECT_TRUE(heard.starts_with("HTTP/1.1 " + std::string(c.status))) << c.text.substr(0, 80) << "\n-> " << heard;
  }
  EXPECT_TRUE(requests.empty());
}

TEST_F(HttpTest, WhoDripsIsCutOff) {
  serve({.request = 30ms});
  for (const char* text : {"", "GET", "GET / HTTP/1.1\r\nHost: h\r\n", "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"})
    EXPECT_EQ(say({text}), "") << text;
  EXPECT_EQ(server->connection_count(), 0u);
  EXPECT_TRUE(requests.empty());
}

TEST_F(HttpTest, OneHostCannotTakeAllConnections) {
  serve({.connections_per_host = 3});
  std::vector<std::unique_ptr<TcpConnection>> idle;
  size_t closed = 0;
  for (int i = 0; i < 5; ++i) {
    auto callbacks = quiet();
    callbacks.on_closed = [&](const std::string&) {
      if (++closed == 2) loop.stop();
    };
    idle.push_back(TcpConnection::connect(loop, server->local_address(), callbacks));
  }
  loop.run();
  EXPECT_EQ(server->connection_count(), 3u);
  idle.clear();
}

}  // namespace
}  // namespace ginnel::app
