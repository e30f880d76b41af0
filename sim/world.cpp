#include "sim/world.hpp"

#include <stdexcept>

namespace ginnel::sim {

namespace {

const Address server_ip = Address::v4(203, 0, 113, 1, 0), second_server_ip = Address::v4(203, 0, 113, 2, 0);

/// 2001:db8:SITE:HOST::nth, where HOST is 0 if the site's hosts share one network.
Address global_v6(SiteId site, uint8_t host, uint16_t nth) {
  Address out;
  out.v6 = true;
  out.ip = {0x20,
            0x01,
            0x0d,
            0xb8,
            static_cast<uint8_t>(site >> 16),
            static_cast<uint8_t>(site >> 8),
            static_cast<uint8_t>(site),
            host};
  out.ip[14] = static_cast<uint8_t>(nth >> 8);
  out.ip[15] = static_cast<uint8_t>(nth);
  return out;
}

Address in_net(const Address& net, uint16_t nth) {
  Address out = net;
  auto low = static_cast<uint16_t>((net.ip[2] << 8 | net.ip[3]) + nth);
  out.ip[2] = static_cast<uint8_t>(low >> 8);
  out.ip[3] = static_cast<uint8_t>(low);
  return out;
}

constexpr uint16_t router_number = 1;
const Address carrier_net = Address::v4(100, 64, 0, 0, 0);  // RFC 6598

/// Where a layer's cross traffic comes from: an address that no host gets.
Address neighbour_in(const Address& net) { return in_net(net, net.same_ip(carrier_net) ? 0xfffa : 250); }

}  // namespace

World::Site::Site(World& world, SiteId number, std::string called, const SiteConfig& how)
    : id(number),
      name(std::move(called)),
      config(how),
      edge(how.carrier.value_or(number)),
      lan(world.clock, world.random.fork()),
      up(world.clock, world.random.fork()),
      down(world.clock, world.random.fork()) {
  lan.config = world.config_.lan;
  up.config = down.config = config.line;
}

World::World(uint64_t seed, const WorldConfig& config)
    : random(seed),
      internet(clock, pool_, splitmix64(seed)),
      commons{.clock = clock, .trace = trace, .server = {}},
      config_(config),
      server_identity_(crypto::Identity::generate(random)) {
  internet.usual_way_hops = config.hops;
  internet.answers_expired = config.answers_expired;
  build_server();
}

void World::build_server() {
  SiteConfig here;
  here.ipv6 = config_.server.ipv6 ? Ipv6::works : Ipv6::none;
  Site& site = add("server", here);
  Stack& stack = stacks_.emplace_back(internet, clock, random.fork());
  site.hosts.push_back(&stack);
  Member member = border(site, root_net);
  member.stack = &stack;
  stack.member = internet.add_member(member);
  for (const Address& ip : {server_ip, second_server_ip}) {
    if (ip.same_ip(second_server_ip) && !config_.server.second_address) continue;
    internet.add_address(stack.member, ip);
    stack.add_address(ip);
  }
  commons.server.push_back(server_ip.with_port(server_port));
  if (!config_.server.ipv6) return;
  add_ipv6(site, stack, 0);
  commons.server.push_back(stack.addresses().back().with_port(server_port));
}

std::vector<Address> World::server_addresses() const {
  const ServerConfig& c = config_.server;
  std::vector<Address> out = {server_ip.with_port(server_port)};
  if (c.second_port) out.push_back(server_ip.with_port(second_server_port));
  if (!c.second_address) return out;
  if (!c.second_port) out.push_back({});
  out.push_back(second_server_ip.with_port(server_port));
  if (c.second_port) out.push_back(second_server_ip.with_port(second_server_port));
  return out;
}

wire::ServerUrl World::server_url() const {
  return {server_identity_.public_key(), server_ip.ip_to_string(), server_port};
}

// ---- to build it

Address World::next_public() {
  ++publics_;  // RFC 2544's 198.18.0.0/15, the last /24 but for routers
  return Address::v4(198, static_cast<uint8_t>(18 + (publics_ >> 16)), static_cast<uint8_t>(publics_ >> 8),
                     static_cast<uint8_t>(publics_), 0);
}

Address World::next_of_carrier(SiteId carrier) { return in_net(carrier_net, at(carrier).next_address++); }

World::Site& World::add(std::string name, const SiteConfig& config) {
  auto id = static_cast<SiteId>(sites_.size());
  sites_.push_back(std::make_unique<Site>(*this, id, std::move(name), config));
  return *sites_.back();
}

/// How a site meets the net outside: with its policy, and by its line if it has a carrier.
Member World::border(Site& site, NetId net) {
  Member out;
  out.net = net;
  out.edge = site.edge;
  out.policy = &site.policy;
  if (site.config.carrier) {
    out.up = &site.up;
    out.down = &site.down;
  }
  return out;
}

/// The outside addresses of a layer.
std::vector<Address> World::addresses_for(Site& site, size_t layer) {
  std::vector<Address> out;
  bool outermost = layer + 1 == site.config.nats.size();
  for (size_t i = 0; i < site.config.nats[layer].addresses; ++i) {
    if (!outermost)
      out.push_back(
          Address::v4(10, static_cast<uint8_t>(layer), static_cast<uint8_t>(site.id), static_cast<uint8_t>(2 + i), 0));
    else
      out.push_back(site.config.carrier ? next_of_carrier(*site.config.carrier) : next_public());
  }
  return out;
}

GatewayBox& World::add_layer(Site& site, const NatLayer& layer, NetId outer, std::vector<Address> outside,
                             const Address& inside) {
  std::optional<Address> own;
  if (!layer.bridges) own = in_net(inside, router_number);
  GatewayBox& box = boxes_.emplace_back(layer, outside, own, neighbour_in(inside), clock.now(), random.fork());
  Net net;
  net.router = &box;
  if (!layer.bridges) net.prefixes.push_back(inside);
  net.lan = &site.lan;
  box.inside_net = internet.add_net(std::move(net));
  bool at_border = outer == root_net || site.layers.empty();
  Member face = border(site, outer);
  if (!at_border) face.policy = nullptr, face.up = face.down = nullptr;
  face.gateway = &box;
  box.member4 = internet.add_member(face);
  for (const Address& ip : outside) internet.add_address(box.member4, ip);
  site.layers.insert(site.layers.begin(), &box);
  return box;
}

SiteId World::add_site(std::string name, const SiteConfig& config) {
  Site& site = add(std::move(name), config);
  site.inner = config.carrier ? at(*config.carrier).inner : root_net;
  auto low = static_cast<uint8_t>(site.id);
  for (size_t i = config.nats.size(); i-- > 0;) {
    Address inside = i == 0 ? config.lan.value_or(Address::v4(192, 168, low, 0, 0))
                            : Address::v4(10, static_cast<uint8_t>(i - 1), low, 0, 0);
    site.inner = add_layer(site, config.nats[i], site.inner, addresses_for(site, i), inside).inside_net;
  }
  if (config.nats.empty()) return site.id;
  Net& lan = internet.net(site.inner);
  lan.isolated = config.isolated;
  if (config.ipv6 == Ipv6::none) return site.id;
  Address prefix = global_v6(site.id, 0, 0);
  lan.prefixes.push_back(prefix);
  if (config.ipv6 == Ipv6::broken) return site.id;
  Member face = border(site, root_net);  // IPv6 passes no carrier's NAT
  face.gateway = site.layers.front();
  site.layers.front()->member6 = internet.add_member(face);
  internet.add_address(site.layers.front()->member6, prefix);
  return site.id;
}

SiteId World::add_carrier(std::string name, const CarrierConfig& config) {
  SiteConfig how;
  how.ipv6 = config.ipv6;
  how.nats.push_back(config.nat);
  Site& site = add(std::move(name), how);
  std::vector<Address> outside;
  for (size_t i = 0; i < config.nat.addresses; ++i) outside.push_back(next_public());
  GatewayBox& box = add_layer(site, config.nat, root_net, std::move(outside), carrier_net);
  site.inner = box.inside_net;
  internet.net(site.inner).isolated = config.isolated;
  if (config.ipv6 != Ipv6::works) return site.id;
  Member face = border(site, root_net);
  face.gateway = &box;
  box.member6 = internet.add_member(face);
  return site.id;
}

Stack& World::add_host(SiteId id) {
  Site& site = at(id);
  Stack& stack = stacks_.emplace_back(internet, clock, random.fork());
  size_t nth = site.hosts.size();
  site.hosts.push_back(&stack);
  const auto& nats = site.config.nats;
  Member member;
  member.net = site.inner;
  if (nats.empty()) member = border(site, site.inner);
  member.stack = &stack;
  stack.member = internet.add_member(member);
  if (nats.empty() && nth == 1) internet.way(site.edge, site.edge).link.config = config_.lan;
  Address ip;
  if (!nats.empty() && nats[0].bridges)
    ip = site.layers[0]->outside().at(nth);
  else if (!nats.empty())
    ip = in_net(internet.net(site.inner).prefixes.at(0), site.next_address++);
  else
    ip = site.config.carrier ? next_of_carrier(*site.config.carrier) : next_public();
  internet.add_address(stack.member, ip);
  stack.add_address(ip);
  add_ipv6(site, stack, nth);
  for (const Bridge& bridge : site.config.bridges) stack.add_bridge(bridge);
  return stack;
}

void World::add_ipv6(Site& site, Stack& stack, size_t nth) {
  if (site.config.ipv6 == Ipv6::none) return;
  bool shared = !site.config.nats.empty();
  Address ip = shared ? global_v6(site.id, 0, static_cast<uint16_t>(2 + nth))
                      : global_v6(site.id, static_cast<uint8_t>(1 + nth), 2);
  stack.add_address(ip);
  if (!shared && site.config.ipv6 == Ipv6::broken) return;
  internet.add_address(stack.member, ip);
  if (shared || !site.config.carrier) return;
  if (uint32_t face = at(*site.config.carrier).layers[0]->member6; face != nobody) internet.add_address(face, ip);
}

Stack& World::add_router(SiteId id, size_t layer) {
  Site& site = at(id);
  GatewayBox& box = *site.layers.at(layer);
  Stack& stack = stacks_.emplace_back(internet, clock, random.fork());
  Member member;
  member.net = box.inside_net;
  member.stack = &stack;
  stack.member = internet.add_member(member);
  Address ip = in_net(internet.net(box.inside_net).prefixes.at(0), router_number);
  internet.add_address(stack.member, ip);
  stack.add_address(ip);
  return stack;
}

Way& World::way(SiteId from, SiteId to) {
  SiteId a = at(from).edge, b = at(to).edge;
  if (a == b)
    throw std::invalid_argument(at(from).name + " and " + at(to).name + " have one edge: shape lan() or line_up()");
  return internet.way(a, b);
}

// ---- to break it

void World::start_server() {
  Stack& stack = host(server_site);
  auto on_event = [this](rendezvous::ServerEvent& event) { trace.line(clock.now(), "server", "event", event.text); };
  servers_.push_back(std::make_unique<ServerHost>(commons, stack, random.fork(), "server", on_event, server_identity_,
                                                  std::set<PublicKey>{}, server_instance_++));
  server_host_ = servers_.back().get();
  server_host_->coalesce = coalesce;
  std::vector<Address> sockets = server_addresses();
  stun::Faces faces{};
  for (SocketId id = 0; id < sockets.size(); ++id) {
    if (sockets[id].port != 0) stack.open_udp(id, sockets[id]);
    faces[id] = sockets[id];
  }
  server_host_->machine().set_faces(false, faces);
  Address any, any6;
  any6.v6 = true;
  if (config_.server.ipv6) stack.open_udp(0, any6.with_port(server_port));
  for (uint16_t port : config_.server.tcp_ports) {
    stack.tcp().listen(any.with_port(port));
    if (config_.server.ipv6) stack.tcp().listen(any6.with_port(port));
  }
  trace.line(clock.now(), "server", "starts");
}

void World::kill_server() {
  if (!server_host_) return;
  server_host_->kill();
  server_host_ = nullptr;
  trace.line(clock.now(), "server", "dies");
}

void World::reboot_nat(SiteId id, bool fresh_ports) {
  for (GatewayBox* box : at(id).layers) box->reboot(fresh_ports);
  trace.line(clock.now(), at(id).name, "its NAT reboots");
}

void World::move(SiteId id) {
  Site& site = at(id);
  NetId net = site.config.carrier ? at(*site.config.carrier).inner : root_net;
  auto fresh = [&] { return site.config.carrier ? next_of_carrier(*site.config.carrier) : next_public(); };
  auto change_host = [&](Stack& stack, const Address& before, const Address& after, NetId where) {
    internet.remove_address(where, before);
    stack.replace_address(before, after);
    internet.add_address(stack.member, after);
  };
  if (site.layers.empty()) {
    for (Stack* stack : site.hosts) change_host(*stack, stack->addresses().front(), fresh(), net);
  } else {
    GatewayBox& box = *site.layers.back();
    std::vector<Address> before = box.outside(), after;
    for (const Address& ip : before) {
      internet.remove_address(net, ip);
      after.push_back(fresh());
      internet.add_address(box.member4, after.back());
    }
    box.move_to(after);
    if (site.config.nats.back().bridges)
      for (size_t i = 0; i < site.hosts.size(); ++i) change_host(*site.hosts[i], before.at(i), after.at(i), site.inner);
  }
  trace.line(clock.now(), site.name, "moves to", outside(id).ip_to_string());
}

Address World::outside(SiteId id) {
  Site& edge = at(at(id).edge);
  return edge.layers.empty() ? edge.hosts.at(0)->addresses().front() : edge.layers.back()->outside().front();
}

}  // namespace ginnel::sim
