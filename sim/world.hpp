// A small internet in virtual time: one public server, homes behind NATs, a link in each direction between every two
// sites. Knows who may reach whom and how long it takes, and is where a test breaks things: cuts, moves, restarts.
// Everything that happens follows from the seed.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/crypto/identity.hpp"
#include "core/rendezvous/server.hpp"
#include "sim/clock.hpp"
#include "sim/host.hpp"
#include "sim/link.hpp"
#include "sim/nat_box.hpp"
#include "sim/network.hpp"
#include "sim/tcp_wire.hpp"
#include "sim/trace.hpp"
#include "wire/server_url.hpp"

namespace ginnel::sim {

class World final : public Network {
 public:
  static constexpr SiteId server_site = 0;
  static constexpr uint16_t server_port = 3478;
  static constexpr uint16_t agent_port = 41'000;

  explicit World(uint64_t seed);

  // ---- to build it
  /// A home with one inside address behind a NAT, a server's round trip away.
  SiteId add_home(std::string name, NatConfig nat);
  /// Who lives there; the caller keeps it alive as long as the world runs.
  void settle(SiteId site, Host* host) { sites_[static_cast<size_t>(site)].host = host; }
  /// Both directions.
  void set_way(SiteId a, SiteId b, const LinkConfig& config);
  Link& link(SiteId from, SiteId to);

  // ---- to break it
  void cut(SiteId a, SiteId b, bool on) { link(a, b).set_cut(on), link(b, a).set_cut(on); }
  void start_server();
  /// As SIGKILL does: TCP connections are reset, everything it knew is gone; key and address stay.
  void kill_server();
  NatBox& nat(SiteId site) { return *sites_[static_cast<size_t>(site)].nat; }
  /// Forgets all mappings; TCP connections through it go silent.
  void reboot_nat(SiteId site, bool fresh_ports);
  /// Another public address from the provider.
  void move(SiteId site);
  void block_tcp(SiteId site, bool on) { sites_[static_cast<size_t>(site)].tcp_blocked = on; }

  // ---- getters
  Address inside(SiteId site) const { return sites_[static_cast<size_t>(site)].inside; }
  wire::ServerUrl server_url() const;
  rendezvous::Server* server() { return server_host_ ? &server_host_->machine() : nullptr; }

  // ---- Network
  void send_datagram(SiteId from, const Address& to, Bytes datagram) override;
  void connect_tcp(SiteId from, TcpId id, const Address& to) override;
  bool send_tcp(SiteId from, TcpId id, Bytes bytes) override;
  void close_tcp(SiteId from, TcpId id) override;
  Address resolve() const override { return sites_[server_site].inside; }

  Schedule clock;
  Trace trace;
  Random random;
  Duration coalesce{};  ///< of hosts made from now on: how long a network card may wait for more datagrams

 private:
  using ServerHost = MachineHost<rendezvous::Server>;
  struct Site {
    std::string name;
    Address inside;
    std::unique_ptr<NatBox> nat;  ///< none: public
    Host* host = nullptr;
    bool tcp_blocked = false;
  };
  struct Connection {
    std::shared_ptr<TcpWire> wire;
    TcpWire::End end;
  };

  void arrive(SiteId at, const Address& from, const Address& to, std::vector<uint8_t> bytes);
  TcpWire::Callbacks callbacks(Host* host, TcpId id);
  void forget_tcp(SiteId site);
  SiteId site_of(const Address& to) const;

  std::vector<Site> sites_;
  std::map<std::pair<SiteId, SiteId>, std::unique_ptr<Link>> links_;
  std::map<std::pair<SiteId, TcpId>, Connection> tcp_;
  std::set<std::pair<SiteId, TcpId>> connecting_;
  TcpId next_accepted_ = TcpId{1} << 31;
  crypto::Identity server_identity_;
  uint32_t server_instance_ = 1;
  ServerHost* server_host_ = nullptr;                ///< the one that lives
  std::vector<std::unique_ptr<ServerHost>> servers_;  ///< and those that died: jobs in the schedule may name them
  uint8_t moves_ = 0;
};

}  // namespace ginnel::sim
