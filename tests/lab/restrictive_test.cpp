// Networks that let through little: one port, only TLS, only a proxy's guests, only what a box has opened and looked
// at. Real firewalls (nft), real proxies (tinyproxy, haproxy), the real binary: a service is reached wherever a browser
// works.
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "lab/error.hpp"
#include "tests/lab/harness.hpp"
#include "tests/lab/stream.hpp"
#include "tests/lab/two_homes.hpp"

namespace ginnel::lab {
namespace {

constexpr uint64_t kMb = 1'000'000;
constexpr uint16_t kProxyPort = 3128;

bool has(const char* program) { return ::access(program, X_OK) == 0; }
const char* tinyproxy = "/usr/bin/tinyproxy";
const char* haproxy = "/usr/sbin/haproxy";

/// What the gateway forwards from its home: what `rules` accept, and answers to it.
void let_through_only(const Site& site, const std::string& rules) {
  site.gateway().nft(
      "table ip restrict {\n  chain forward {\n    type filter hook forward priority -1; policy drop;\n"
      "    ct state established,related accept\n" +
      rules + "\n  }\n}\n");
}
void let_everything_through(const Site& site) { site.gateway().nft("delete table ip restrict\n"); }

/// Whatever the home sends to port 443 goes to the gateway's own port 8443; nothing else leaves.
void divert_443(const Site& site) {
  let_through_only(site, "");
  site.gateway().nft(
      "table ip divert {\n  chain prerouting {\n    type nat hook prerouting priority dstnat; policy accept;\n"
      "    iifname \"lan\" tcp dport 443 redirect to :8443\n  }\n}\n");
}

Process start_logged(const Host& host, std::vector<std::string> argv, uint16_t port) {
  const std::string log = scratch() + "/" + host.name() + ".log";
  Process process = host.start(Command{.argv = argv, .out = Stream::to_file(log), .err = Stream::to_file(log)});
  if (!host.wait_listening(port, in(10s))) throw LabError(argv[0] + " did not start: " + run({.argv = {"cat", log}}));
  return process;
}

/// An HTTP proxy on the gateway. It alone knows the name relay.test.
Process start_proxy(const Site& site, const std::string& more = "") {
  const Host& gateway = site.gateway();
  const std::string base = scratch() + "/" + gateway.name();
  std::ofstream(base + ".hosts") << "127.0.0.1 localhost\n203.0.113.10 relay.test\n";
  std::ofstream(base + ".conf") << "Port " << kProxyPort
                                << "\nListen 0.0.0.0\nTimeout 600\nMaxClients 50\nConnectPort 443\n"
                                << more;
  return start_logged(
      gateway,
      {"unshare", "--mount", "sh", "-c",
       "mount --bind " + base + ".hosts /etc/hosts && exec " + std::string(tinyproxy) + " -d -c " + base + ".conf"},
      kProxyPort);
}

/// haproxy on the gateway's port 8443, in front of the server's 443. It ends what is no TLS at all.
Process start_haproxy(const Site& site, const std::string& frontend, const std::string& backend) {
  const std::string config = scratch() + "/" + site.gateway().name() + ".haproxy";
  std::ofstream(config)
      << "global\n  maxconn 100\ndefaults\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n"
         "  timeout tunnel 1h\nfrontend near\n"
      << frontend << "  default_backend far\nbackend far\n"
      << backend;
  return start_logged(site.gateway(), {haproxy, "-db", "-f", config}, 8443);
}

/// A server that listens on 443 as well, home A with a service on port 8000, home B.
struct Restricted {
  Restricted()
      : server(lab.add_host("server", "203.0.113.10")),
        a(lab.add_site("home-a", {.address = "198.51.100.20"})),
        b(lab.add_site("home-b", {.address = "192.0.2.40"})),
        server_agent(start_server(server, ginnel_binary(), "server", {"--listen", server.address + ":443"})),
        url(server_agent.ready().text("url")),
        source(start_source(a.machine(), 8000)) {}

  std::string url_by_name() const { return url.substr(0, url.find('@')) + "@relay.test:3478"; }
  void expose(const Words& extra = {}, const std::string& server_url = "") {
    expose_agent = std::make_unique<Agent>(
        start_expose(a.machine(), ginnel_binary(), "8000", server_url.empty() ? url : server_url, "expose", extra));
    ticket = expose_agent->ready(20s).text("ticket");
  }
  Agent connect(const Words& extra = {}) {
    Agent agent = start_connect(b.machine(), ginnel_binary(), ticket, "127.0.0.1:9000", "connect", extra);
    agent.ready(20s);
    return agent;
  }
  /// Gives Mbit/s.
  double expect_transfer(uint64_t bytes) {
    const auto outcome = Transfer(b.machine(), 9000, bytes).finish(in(90s));
    EXPECT_EQ(outcome.fault, "");
    std::printf("  %.0f MB in %.2f s: %.0f Mbit/s\n", static_cast<double>(outcome.bytes) / 1e6, outcome.seconds,
                outcome.mbit_s());
    return outcome.mbit_s();
  }

  Lab lab;
  const Host& server;
  Site& a;
  Site& b;
  Agent server_agent;
  std::string url;
  Process source;
  std::unique_ptr<Agent> expose_agent;
  std::string ticket;
};

/// The agent came to the server by this door, and nothing direct was found.
void expect_door(Agent& agent, const std::string& door, const std::string& port) {
  const Event* up = agent.wait_for([](const Event& e) { return e.is("server_up"); }, in(5s));
  ASSERT_TRUE(up) << agent.said();
  std::printf("  %s: %s", agent.name().c_str(), (up->line + "\n").c_str());
  EXPECT_EQ(up->text("door"), door) << up->line;
  EXPECT_EQ(up->text("port"), port) << up->line;
  EXPECT_EQ(agent.last_path() ? agent.last_path()->text("technique") : "relay", "relay");
}

TEST(LabRestrictive, OnlyTcpPort443Passes) {
  in_sandbox([] {
    Restricted net;
    for (Site* site : {&net.a, &net.b}) let_through_only(*site, "tcp dport 443 accept");
    net.expose();
    Agent connect = net.connect();
    expect_door(connect, "tcp", "443");
    expect_door(*net.expose_agent, "tcp", "443");
    net.expect_transfer(100 * kMb);
  });
}

TEST(LabRestrictive, FromPort443TheLinkMovesToUdpWhenTheFirewallOpens) {
  in_sandbox([] {
    Restricted net;
    net.expose();
    let_through_only(net.b, "tcp dport 443 accept");
    Agent connect = net.connect();
    expect_door(connect, "tcp", "443");
    Transfer transfer(net.b.machine(), 9000, 200 * kMb);
    let_everything_through(net.b);
    const size_t before = connect.events().size();
    EXPECT_TRUE(
        connect.wait_for([](const Event& e) { return e.is("server_up") && e.text("door") == "udp"; }, in(20s), before))
        << connect.said();
    EXPECT_TRUE(connect.wait_direct(in(30s), before)) << connect.said();
    EXPECT_EQ(transfer.finish(in(60s)).fault, "");
  });
}

TEST(LabRestrictive, OnlyAProxyLeadsOutAndItAloneKnowsTheName) {
  in_sandbox([] {
    if (!has(tinyproxy)) GTEST_SKIP() << "no tinyproxy here: apt install tinyproxy-bin";
    Restricted net;
    for (Site* site : {&net.a, &net.b}) let_through_only(*site, "");
    Process proxies[] = {start_proxy(net.a), start_proxy(net.b)};
    const Words by_proxy = {"--proxy", "http://192.168.1.1:3128"};
    net.expose(by_proxy, net.url_by_name());
    Agent connect = net.connect(by_proxy);
    expect_door(connect, "proxy-websocket", "443");
    expect_door(*net.expose_agent, "proxy-websocket", "443");
    net.expect_transfer(100 * kMb);
  });
}

TEST(LabRestrictive, AProxyThatWantsAPasswordSaysSoAndGetsItFromTheEnvironment) {
  in_sandbox([] {
    if (!has(tinyproxy)) GTEST_SKIP() << "no tinyproxy here: apt install tinyproxy-bin";
    Restricted net;
    net.expose();
    let_through_only(net.b, "");
    Process proxy = start_proxy(net.b, "BasicAuth ann open-sesame\n");
    const auto with = [&](const std::string& variable) {
      return Agent(net.b.machine(), "/usr/bin/env", "connect",
                   {variable, ginnel_binary(), "connect", net.ticket, "--listen", "127.0.0.1:9000"});
    };
    Agent without = with("https_proxy=http://192.168.1.1:3128");
    EXPECT_EQ(without.process().wait(in(20s)), 4);
    EXPECT_NE(without.said().find("wants http://USER:PASSWORD@HOST:PORT (407)"), std::string::npos) << without.said();
    Agent wrong = with("https_proxy=http://ann:sesame@192.168.1.1:3128");
    EXPECT_EQ(wrong.process().wait(in(20s)), 4);
    EXPECT_EQ(wrong.said().find("sesame"), std::string::npos) << wrong.said();
    Agent right = with("ALL_PROXY=http://ann:open%2Dsesame@192.168.1.1:3128");
    right.ready(20s);
    expect_door(right, "proxy-websocket", "443");
    net.expect_transfer(5 * kMb);
  });
}

TEST(LabRestrictive, AFirewallThatWantsTls) {
  in_sandbox([] {
    if (!has(haproxy)) GTEST_SKIP() << "no haproxy here: apt install haproxy";
    Restricted net;
    net.expose();
    divert_443(net.b);
    Process box =
        start_haproxy(net.b,
                      "  bind :8443\n  mode tcp\n  tcp-request inspect-delay 5s\n"
                      "  tcp-request content reject unless { req.ssl_hello_type 1 } { req.ssl_alpn http/1.1 }\n",
                      "  mode tcp\n  server it 203.0.113.10:443\n");
    Agent connect = net.connect();
    expect_door(connect, "websocket", "443");
    net.expect_transfer(100 * kMb);
  });
}

TEST(LabRestrictive, ABoxThatOpensTlsAndReadsTheHttpInside) {
  in_sandbox([] {
    if (!has(haproxy)) GTEST_SKIP() << "no haproxy here: apt install haproxy";
    Restricted net;
    net.expose();
    divert_443(net.b);
    const std::string pem = scratch() + "/box.pem";
    run({.argv = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                  "2", "-subj", "/CN=box", "-keyout", pem, "-out", pem + ".crt"},
         .err = {Stream::null}});
    run({.argv = {"sh", "-c", "cat " + pem + ".crt >> " + pem}});
    Process box = start_haproxy(net.b,
                                "  bind :8443 ssl crt " + pem +
                                    " alpn http/1.1\n  mode http\n"
                                    "  http-request deny unless { path /ginnel } { hdr(host) 203.0.113.10 } { "
                                    "hdr(user-agent) -m beg Mozilla }\n",
                                "  mode http\n  server it 203.0.113.10:443 ssl verify none\n");
    Agent connect = net.connect();
    expect_door(connect, "websocket", "443");
    net.expect_transfer(100 * kMb);
  });
}

// The same box in both cases, so that only the dress differs.
TEST(LabRestrictive, AWebSocketCarriesAGoodPartOfWhatPlainTcpDoes) {
  in_sandbox([] {
    if (!has(haproxy)) GTEST_SKIP() << "no haproxy here: apt install haproxy";
    Restricted net;
    net.expose();
    divert_443(net.b);
    const auto rate = [&](const std::string& rule, const std::string& door) {
      Process box =
          start_haproxy(net.b, "  bind :8443\n  mode tcp\n" + rule, "  mode tcp\n  server it 203.0.113.10:443\n");
      Agent connect = net.connect();
      expect_door(connect, door, "443");
      net.expect_transfer(10 * kMb);  // the session learns how fast it may be
      return net.expect_transfer(200 * kMb);
    };
    const double websocket = rate(
        "  tcp-request inspect-delay 5s\n  tcp-request content reject unless { req.ssl_hello_type 1 }\n", "websocket");
    const double plain = rate("", "tcp");
    std::printf("  a WebSocket carries %.2f of plain TCP\n", websocket / plain);
    EXPECT_GT(websocket / plain, 0.2);
  });
}

TEST(LabRestrictive, AServerWithoutPort443BehindAFirewallThatWantsTls) {
  in_sandbox([] {
    if (!has(haproxy)) GTEST_SKIP() << "no haproxy here: apt install haproxy";
    TwoHomes net;
    Process source = start_source(net.a.machine(), 8000);
    let_through_only(net.b, "");
    net.b.gateway().nft(
        "table ip divert {\n  chain prerouting {\n    type nat hook prerouting priority dstnat; policy accept;\n"
        "    iifname \"lan\" tcp dport 3478 redirect to :8443\n  }\n}\n");
    Process box = start_haproxy(net.b,
                                "  bind :8443\n  mode tcp\n  tcp-request inspect-delay 5s\n"
                                "  tcp-request content reject unless { req.ssl_hello_type 1 }\n",
                                "  mode tcp\n  server it 203.0.113.10:3478\n");
    Agent connect = net.connect();
    expect_door(connect, "websocket", "3478");
    EXPECT_EQ(Transfer(net.b.machine(), 9000, 5 * kMb).finish(in(30s)).fault, "");
  });
}

TEST(LabRestrictive, ACertificateOfOnesOwn) {
  in_sandbox([] {
    Lab lab;
    const Host& server = lab.add_host("server", "203.0.113.10");
    const std::string key = scratch() + "/own.key", certificate = scratch() + "/own.crt";
    run({.argv = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                  "2", "-subj", "/CN=relay.example.org", "-keyout", key, "-out", certificate},
         .err = {Stream::null}});
    Agent own = start_server(server, ginnel_binary(), "server", {"--tls-cert", certificate, "--tls-key", key});
    own.ready();
    const std::string shown = server.run(
        Command{.argv = {"sh", "-c", "openssl s_client -connect 203.0.113.10:3478 -alpn http/1.1 </dev/null 2>&1"}});
    EXPECT_NE(shown.find("CN = relay.example.org"), std::string::npos) << shown;
    EXPECT_NE(shown.find("ALPN protocol: http/1.1"), std::string::npos) << shown;
  });
}

}  // namespace
}  // namespace ginnel::lab
