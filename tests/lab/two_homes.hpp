// The picture that most lab tests begin with: a public server and two homes behind NATs, `ginnel server` and `ginnel
// expose 8000` running, the ticket in hand. What stands on home A's port 8000, and who connects, is the test's
// business.
#pragma once
#include <string>

#include "lab/agent.hpp"
#include "lab/topology.hpp"

namespace ginnel::lab {

inline const std::string& ginnel_binary() {
  static const std::string path = GINNEL_BINARY;
  return path;
}

struct TwoHomes {
  explicit TwoHomes(SiteOptions a_options = {}, SiteOptions b_options = {}, const Link& server_link = {})
      : server(lab.add_host("server", "203.0.113.10", server_link)),
        a(lab.add_site("home-a", with_address(std::move(a_options), "198.51.100.20"))),
        b(lab.add_site("home-b", with_address(std::move(b_options), "192.0.2.40"))),
        server_agent(start_server(server, ginnel_binary())),
        url(server_agent.ready().text("url")),
        expose(start_expose(a.machine(), ginnel_binary(), "8000", url)),
        ticket(expose.ready(20s).text("ticket")) {}

  /// `ginnel connect` in home B, ready on 127.0.0.1:9000.
  Agent connect(const Words& extra = {}, const std::string& name = "connect") {
    Agent agent = start_connect(b.machine(), ginnel_binary(), ticket, "127.0.0.1:9000", name, extra);
    agent.ready(20s);
    return agent;
  }

  void kill_and_restart_server() {
    server_agent.process().stop(SIGKILL);
    server_agent = start_server(server, ginnel_binary());
    server_agent.ready();
  }

  Lab lab{ginnel_binary()};
  const Host& server;
  Site& a;
  Site& b;
  Agent server_agent;
  std::string url;
  Agent expose;
  std::string ticket;

 private:
  static SiteOptions with_address(SiteOptions options, const char* address) {
    if (options.address.empty()) options.address = address;
    return options;
  }
};

}  // namespace ginnel::lab
