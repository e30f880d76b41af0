// What expose, connect and ping have in common: a node on real sockets, bridges between application connections and
// streams, and the telling of what happens to server and path.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "app/bridge.hpp"
#include "app/driver.hpp"
#include "app/portmap_hands.hpp"
#include "app/report.hpp"
#include "core/peer/node.hpp"
#include "drive/entropy.hpp"
#include "drive/interface_monitor.hpp"
#include "drive/loop.hpp"

namespace ginnel::app {

struct AgentConfig {
  std::optional<HttpProxy> proxy;         ///< the server may be reached through it, where nothing else leads there
  uint16_t port = 0;                      ///< of our UDP and TCP sockets; 0: any, and TCP only while it is needed
  std::vector<reach::Arranged> forwards;  ///< that lead to that port
  bool map_ports = true;                  ///< ask the gateway for a way in (never with a node that stays on the relay)
};

class Agent {
 public:
  Agent(Loop& loop, peer::NodeConfig node, AgentConfig config, const crypto::Identity& self, Reporter report);

  /// Opens the sockets and begins. `on_event` gets every event of the node after the agent has looked at it.
  std::optional<Error> start(std::function<void(const peer::NodeEvent&)> on_event);
  /// Says goodbye to peers and server, then stops the loop.
  void stop();

  peer::Node& node() { return node_; }
  void pump() { driver_.pump(); }
  peer::PeerId dial(const wire::Ticket& ticket);

  /// From now on the bridge lives as long as its stream or its descriptors.
  Bridge& add_bridge(peer::PeerId peer, quic::StreamId stream, Fd in, Fd out);
  bool has_bridge(peer::PeerId peer, quic::StreamId stream) const { return bridges_.contains({peer, stream}); }
  size_t bridge_count() const { return bridges_.size(); }
  quic::Session* session(peer::PeerId peer);

 private:
  using Key = std::pair<peer::PeerId, quic::StreamId>;

  void drain_events();
  void handle(const peer::NodeEvent& event);
  void handle_stream(peer::PeerId id, const peer::PeerEvent& event);
  void bury(std::map<Key, std::unique_ptr<Bridge>>::iterator at);
  void tell_path(peer::PeerId id, const peer::PathReport& path);
  void tell_server_up(const rendezvous::LinkCarrier& carrier);
  void tell_search(const peer::Searched& search);
  void want_mappings();
  void handle(const portmap::ClientEvent& event);
  void set_mapping(const portmap::Wanted& inside, const std::optional<Address>& outside);

  Loop& loop_;
  AgentConfig config_;
  Entropy entropy_;
  Reporter report_;
  peer::Node node_;
  Driver<peer::Node> driver_;
  InterfaceMonitor monitor_;
  std::optional<PortmapHands> portmap_;
  std::vector<portmap::Wanted> wanted_;
  std::map<portmap::Wanted, Address> mapped_;
  std::function<void(const peer::NodeEvent&)> on_event_;
  std::map<Key, std::unique_ptr<Bridge>> bridges_;
  std::vector<std::unique_ptr<Bridge>> buried_;  ///< destroyed when none of their callbacks can be running
  Loop::Timer stop_timer_;
  bool server_up_ = false;
  bool stopping_ = false;
};

/// "51.2 ms", or "?" if it was not measured.
std::string ms_text(const std::optional<Duration>& d);
/// The path in words: "directly (udp-punch, 198.51.100.1:40000)" or "through the relay (udp, ...)".
std::string path_text(const peer::PathReport& path);

}  // namespace ginnel::app
