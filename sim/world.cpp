#include "sim/world.hpp"

namespace ginnel::sim {

namespace {

constexpr Duration connect_limit = 10s;  // of drive/tcp_connection

std::vector<uint8_t> copy(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

/// Past every checksum, as a middlebox with bad memory does it.
void flip(MutableBytes bytes, uint64_t bit) {
  if (bytes.empty()) return;
  bit %= bytes.size() * 8;
  bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
}

}  // namespace

World::World(uint64_t seed) : random(seed), server_identity_(crypto::Identity::generate(random)) {
  sites_.push_back({"server", Address::v4(203, 0, 113, 1, server_port), nullptr, nullptr});
}

SiteId World::add_home(std::string name, NatConfig config) {
  auto site = static_cast<SiteId>(sites_.size());
  auto n = static_cast<uint8_t>(site);
  auto box = std::make_unique<NatBox>(Address::v4(198, 51, 100, n, 0), config, random.fork());
  sites_.push_back({std::move(name), Address::v4(192, 168, n, 2, agent_port), std::move(box), nullptr});
  return site;
}

Link& World::link(SiteId from, SiteId to) {
  auto& link = links_[{from, to}];
  if (!link) link = std::make_unique<Link>(clock, random.fork());
  return *link;
}

void World::set_way(SiteId a, SiteId b, const LinkConfig& config) {
  link(a, b).set_config(config);
  link(b, a).set_config(config);
}

wire::ServerUrl World::server_url() const {
  const Address& at = sites_[server_site].inside;
  return {server_identity_.public_key(), at.ip_to_string(), at.port};
}

// ---- to break it

void World::start_server() {
  auto on_event = [this](rendezvous::ServerEvent& event) { trace.line(clock.now(), "server", "event", event.text); };
  servers_.push_back(std::make_unique<ServerHost>(*this, clock, trace, random.fork(), server_site, "server", on_event,
                                                  server_identity_, std::set<PublicKey>{}, server_instance_++));
  server_host_ = servers_.back().get();
  server_host_->coalesce = coalesce;
  settle(server_site, server_host_);
  trace.line(clock.now(), "server", "starts");
}

void World::kill_server() {
  if (!server_host_) return;
  server_host_->kill();
  server_host_ = nullptr;
  settle(server_site, nullptr);
  for (auto at = tcp_.begin(); at != tcp_.end();) {
    bool ours = at->first.first == server_site;
    if (ours) at->second.wire->kill(at->second.end);
    at = ours ? tcp_.erase(at) : std::next(at);
  }
  trace.line(clock.now(), "server", "dies");
}

void World::reboot_nat(SiteId site, bool fresh_ports) {
  nat(site).reboot(fresh_ports);
  forget_tcp(site);
  trace.line(clock.now(), sites_[static_cast<size_t>(site)].name, "its NAT reboots");
}

void World::move(SiteId site) {
  nat(site).move_to(Address::v4(198, 51, ++moves_, static_cast<uint8_t>(100 + site), 0));
  forget_tcp(site);
  trace.line(clock.now(), sites_[static_cast<size_t>(site)].name, "moves to", nat(site).public_ip().ip_to_string());
}

void World::forget_tcp(SiteId site) {
  for (auto& [key, connection] : tcp_)
    if (key.first == site) connection.wire->forget();
}

// ---- datagrams

SiteId World::site_of(const Address& to) const {
  for (size_t i = 0; i < sites_.size(); ++i) {
    const Site& site = sites_[i];
    if (site.nat ? to.same_ip(site.nat->public_ip()) : to == site.inside) return static_cast<SiteId>(i);
  }
  return -1;
}

void World::send_datagram(SiteId from, const Address& to, Bytes datagram) {
  Site& site = sites_[static_cast<size_t>(from)];
  std::optional<Address> source = site.inside;
  if (site.nat) source = site.nat->outbound(clock.now(), site.inside, to);
  SiteId target = site_of(to);
  if (!source || target < 0 || target == from) return;  // private addresses of other homes, and hairpins, lead nowhere
  link::Fate fate = link(from, target).send(datagram.size());
  for (uint8_t i = 0; i < fate.copies; ++i) {
    std::vector<uint8_t> bytes = copy(datagram);
    if (i == 0 && fate.wrong_bit) flip(bytes, *fate.wrong_bit);
    clock.at(fate.due[i], [this, target, source = *source, to, bytes = std::move(bytes)]() mutable {
      arrive(target, source, to, std::move(bytes));
    });
  }
}

void World::arrive(SiteId at, const Address& from, const Address& to, std::vector<uint8_t> bytes) {
  Site& site = sites_[static_cast<size_t>(at)];
  if (site.nat && !site.nat->inbound(clock.now(), from, to)) return;
  if (site.host) site.host->receive(from, std::move(bytes));
}

// ---- TCP

TcpWire::Callbacks World::callbacks(Host* host, TcpId id) {
  return {[host, id](const std::vector<uint8_t>& bytes) { host->tcp_bytes(id, bytes); },
          [host, id] { host->input(TcpWritable{id}); }, [host, id](std::string why) { host->tcp_closed(id, std::move(why)); }};
}

void World::connect_tcp(SiteId from, TcpId id, const Address& to) {
  Site& site = sites_[static_cast<size_t>(from)];
  Link &up = link(from, server_site), &down = link(server_site, from);
  if (site.tcp_blocked || to != sites_[server_site].inside || up.is_cut() || down.is_cut()) {
    clock.after(connect_limit, [host = site.host, id] { host->tcp_closed(id, "did not answer"); });
    return;
  }
  connecting_.insert({from, id});
  Address outside = site.nat ? site.nat->public_ip().with_port(static_cast<uint16_t>(50'000 + id)) : site.inside;
  clock.at(up.stream_arrival(0), [this, from, id, outside, host = site.host, &up, &down] {
    if (!connecting_.erase({from, id})) return;  // closed meanwhile
    if (!server_host_) {
      clock.at(down.stream_arrival(0), [host, id] { host->tcp_closed(id, "connection refused"); });
      return;
    }
    TcpId accepted = next_accepted_++;
    auto wire = std::make_shared<TcpWire>(clock, up, down, callbacks(host, id), callbacks(server_host_, accepted));
    tcp_[{from, id}] = {wire, TcpWire::client};
    tcp_[{server_site, accepted}] = {wire, TcpWire::server};
    server_host_->input(TcpAccepted{accepted, outside});
    clock.at(down.stream_arrival(0), [this, from, id, host] {
      if (tcp_.contains({from, id})) host->input(TcpConnected{id, inside(from)});
    });
  });
}

bool World::send_tcp(SiteId from, TcpId id, Bytes bytes) {
  auto at = tcp_.find({from, id});
  return at == tcp_.end() || at->second.wire->send(at->second.end, bytes);
}

void World::close_tcp(SiteId from, TcpId id) {
  connecting_.erase({from, id});
  auto at = tcp_.find({from, id});
  if (at == tcp_.end()) return;
  at->second.wire->close(at->second.end);
  tcp_.erase(at);
}

}  // namespace ginnel::sim
