// A home's ginnel: a node, its key, its host in the world, and a diary of what the node said. Plays the role that
// src/app plays for a real one: admits who says hello, dials, and hands the events of streams to whoever asked for them.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/crypto/identity.hpp"
#include "core/peer/node.hpp"
#include "sim/host.hpp"
#include "sim/site.hpp"
#include "sim/world.hpp"

namespace ginnel::sim {

class Agent {
 public:
  struct PathSeen {
    Instant when;
    peer::PeerId peer;
    std::string technique, transport;
  };
  using OnPeerEvent = std::function<void(peer::PeerId, const peer::PeerEvent&)>;

  /// At a site of its own. With a service it exposes, without one it dials. Of `config` the server and the UDP ports are
  /// filled in.
  Agent(World& world, std::string name, const SiteConfig& site, std::optional<wire::ServiceId> service,
        peer::NodeConfig config = {});
  /// On a new host of a site that is there.
  Agent(World& world, std::string name, SiteId site, std::optional<wire::ServiceId> service, peer::NodeConfig config = {});

  // ---- commands
  void start();
  /// Its interfaces changed, as after World::move of a site without a NAT.
  void tell_interfaces();
  peer::PeerId dial(const Agent& to);
  /// Ways in that were made for it.
  void arrange(std::vector<reach::Arranged> arranged);
  /// A command on a peer, drained afterwards. Nothing happens if the peer is gone.
  void use(peer::PeerId id, const std::function<void(peer::Peer&)>& command);
  /// Who hears of the streams of the peers with that key.
  void listen(const PublicKey& key, OnPeerEvent handler) { listeners_[key] = std::move(handler); }

  // ---- getters
  SiteId site() const { return site_; }
  uint16_t udp_port() const { return udp_port_[0]; }  ///< IPv4
  const PublicKey& key() const { return identity_.public_key(); }
  const peer::Node& node() const { return host_->machine(); }
  Host& host() { return *host_; }
  wire::Ticket ticket() const;
  /// The technique in use towards the newest peer; empty before the first one.
  std::string technique() const { return paths.empty() ? std::string() : paths.back().technique; }
  std::string transport() const { return paths.empty() ? std::string() : paths.back().transport; }

  // ---- the diary
  std::vector<PathSeen> paths;
  std::vector<std::pair<Instant, rendezvous::LinkCarrier>> server_ups;
  std::vector<Instant> registered;
  std::vector<Instant> connected;
  std::vector<peer::Searched> searches;
  std::vector<std::string> closed;  ///< why sessions ended

 private:
  void on_event(peer::NodeEvent& event);
  void on_peer_event(peer::PeerId id, const peer::PeerEvent& event);
  void note(std::string_view what, std::string_view detail = {});

  World& world_;
  crypto::Identity identity_;
  std::optional<wire::ServiceId> service_;
  SiteId site_;
  uint16_t udp_port_[2] = {};
  std::unique_ptr<MachineHost<peer::Node>> host_;
  std::map<PublicKey, OnPeerEvent> listeners_;
  std::map<peer::PeerId, PublicKey> keys_;
};

}  // namespace ginnel::sim
