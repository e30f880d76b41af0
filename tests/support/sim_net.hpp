// A simulated world whose server is a puppet: a reflector on 203.0.113.1 that tells where it sees others. No RFC.
#pragma once
#include "tests/support/sim_puppet.hpp"

namespace ginnel::test {

struct SimNet {
  explicit SimNet(const sim::WorldConfig& config = {}) : world(1, config), server(world, world.host(0)) {
    server.open(3478);
  }
  Address seen(PuppetHost& of, SocketId socket = 0) {
    return reflexive(world, of, server, server.ip().with_port(3478), socket);
  }
  /// Does `text` sent from one to that address arrive within a second?
  bool arrives(PuppetHost& from, const Address& to, PuppetHost& at, const std::string& text, uint8_t hops = 0) {
    from.udp(to, text, 0, hops);
    world.clock.run_for(1s);
    return at.heard(text);
  }
  sim::World world;
  PuppetHost server;
};

}  // namespace ginnel::test
