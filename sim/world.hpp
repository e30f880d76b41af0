// A small internet in virtual time: one public server, sites of every kind (site.hpp), a way in each direction between
// every two edges. Knows who may reach whom and how long it takes, and is where a test breaks things: cuts, moves,
// restarts. Everything that happens follows from the seed.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/crypto/identity.hpp"
#include "core/rendezvous/server.hpp"
#include "sim/clock.hpp"
#include "sim/host.hpp"
#include "sim/internet.hpp"
#include "sim/site.hpp"
#include "sim/trace.hpp"
#include "wire/server_url.hpp"

namespace ginnel::sim {

struct ServerConfig {
  bool second_port = false;     ///< UDP socket 1: the first address, another port
  bool second_address = false;  ///< sockets 2 and 3: another address, with the first and the second port
  bool ipv6 = false;
  std::vector<uint16_t> tcp_ports = {3478};  ///< it listens there, on both addresses
};

struct WorldConfig {
  ServerConfig server;
  uint8_t hops = 8;              ///< routers between two edges
  bool answers_expired = false;  ///< they tell by ICMP whose packet ended there
  LinkConfig lan{200us};         ///< from host to host inside a site
};

class World {
 public:
  static constexpr SiteId server_site = 0;
  static constexpr uint16_t server_port = 3478, second_server_port = 3479;

  explicit World(uint64_t seed, const WorldConfig& config = {});
  World(const World&) = delete;

  // ---- to build it
  SiteId add_site(std::string name, const SiteConfig& config);
  /// For SiteConfig::carrier.
  SiteId add_carrier(std::string name, const CarrierConfig& config);
  /// One more host at a site; a Host or an Agent runs on it.
  Stack& add_host(SiteId site);
  /// The host that a NAT is itself: at its inside address, the first of a site being its home router.
  Stack& add_router(SiteId site, size_t layer = 0);
  /// Both directions between the edges of the two sites: their own, or their carriers'.
  void set_way(SiteId a, SiteId b, const LinkConfig& config) { link(a, b).config = link(b, a).config = config; }
  void set_hops(SiteId a, SiteId b, uint8_t hops) { way(a, b).hops = way(b, a).hops = hops; }
  Link& link(SiteId from, SiteId to) { return way(from, to).link; }
  Link& lan(SiteId site) { return at(site).lan; }     ///< between its hosts
  Link& line_up(SiteId site) { return at(site).up; }  ///< to its carrier
  Link& line_down(SiteId site) { return at(site).down; }

  // ---- to break it
  void cut(SiteId a, SiteId b, bool on) { link(a, b).cut = link(b, a).cut = on; }
  void start_server();
  /// As SIGKILL does: TCP connections are reset, everything it knew is gone; key and address stay.
  void kill_server();
  /// All its NATs forget all their mappings; see GatewayBox::reboot.
  void reboot_nat(SiteId site, bool fresh_ports);
  /// Another address from the provider, or the carrier.
  void move(SiteId site);
  void block_udp(SiteId site, bool on) { config(site).udp_out = config(site).udp_in = !on; }
  void block_tcp(SiteId site, bool on) { config(site).tcp = !on; }
  /// What is forbidden may be changed at any time, the rest only before.
  SiteConfig& config(SiteId site) { return at(site).config; }
  /// Layer 0 is the innermost. After a command to its engine let the internet look_after() the box.
  GatewayBox& gateway(SiteId site, size_t layer = 0) { return *at(site).layers.at(layer); }

  // ---- getters
  Stack& host(SiteId site, size_t nth = 0) { return *at(site).hosts.at(nth); }
  /// The address of its first host (port 0).
  Address inside(SiteId site) { return host(site).addresses().front(); }
  /// The address that others see (port 0): of the outermost NAT, the carrier's if there is one.
  Address outside(SiteId site);
  wire::ServerUrl server_url() const;
  /// Where the server's sockets are, by their numbers; the IPv6 one is not among them.
  std::vector<Address> server_addresses() const;
  rendezvous::Server* server() { return server_host_ ? &server_host_->machine() : nullptr; }

 private:
  PacketPool pool_;  ///< outlives the jobs, which carry packets

 public:
  Schedule clock;
  Trace trace;
  Random random;
  Internet internet;
  Commons commons;
  Duration coalesce{};  ///< of hosts made from now on: how long a network card may wait for more datagrams

 private:
  using ServerHost = MachineHost<rendezvous::Server>;
  struct Site {
    Site(World& world, SiteId number, std::string called, const SiteConfig& how);
    SiteId id;
    std::string name;
    SiteConfig config;
    Policy policy{config};
    SiteId edge;
    NetId inner = root_net;  ///< where its hosts are
    std::vector<GatewayBox*> layers;
    std::vector<Stack*> hosts;
    Link lan, up, down;
    uint16_t next_address = 2;  ///< of the next host; of a carrier: site
  };

  Site& at(SiteId site) { return *sites_.at(static_cast<size_t>(site)); }
  Way& way(SiteId from, SiteId to);
  Site& add(std::string name, const SiteConfig& config);
  GatewayBox& add_layer(Site& site, const NatLayer& layer, NetId outer, std::vector<Address> outside,
                        const Address& net);
  Member border(Site& site, NetId net);
  std::vector<Address> addresses_for(Site& site, size_t layer);
  Address next_public();
  Address next_of_carrier(SiteId carrier);
  void add_ipv6(Site& site, Stack& stack, size_t nth);
  void build_server();

  WorldConfig config_;
  std::deque<GatewayBox> boxes_;
  std::deque<Stack> stacks_;
  std::vector<std::unique_ptr<Site>> sites_;
  crypto::Identity server_identity_;
  uint32_t server_instance_ = 1;
  ServerHost* server_host_ = nullptr;                 ///< the one that lives
  std::vector<std::unique_ptr<ServerHost>> servers_;  ///< and those that died: jobs in the schedule may name them
  uint32_t publics_ = 0;
};

}  // namespace ginnel::sim
