#include "sim/population/site_of.hpp"

#include "wire/ip.hpp"

namespace ginnel::sim::population {

namespace {

using nat::Depends;

/// The one that the internet sees.
nat::Behaviour outermost(const Class& c, const PeerDraw& peer) {
  bool dependent = c.mapping == Mapping::dependent;
  nat::Behaviour b = preset(c.carrier ? "cgn" : dependent ? "symmetric" : "home");
  b.udp = {dependent ? Depends::on_address_and_port : Depends::on_nothing, c.filtering};
  b.tcp = {c.tcp == TcpManner::symmetric ? Depends::on_address_and_port : Depends::on_nothing,
           Depends::on_address_and_port};
  b.ports.choice = c.ports;
  b.unsolicited_syn = c.tcp == TcpManner::reset ? nat::UnsolicitedSyn::rst : nat::UnsolicitedSyn::silent;
  b.hairpin = peer.hairpin ? nat::Hairpin::external_source : nat::Hairpin::off;
  b.strangers_keep_state = peer.stranger_state;
  return b;
}

}  // namespace

SiteConfig site_of(const Class& c, const PeerDraw& peer, const Techniques& with) {
  SiteConfig site;
  if (c.natted() && c.carrier) site.nats.push_back({preset("home")});
  if (c.natted()) site.nats.push_back({outermost(c, peer), peer.cross_traffic});
  if (!c.udp) site = site.without_udp();
  if (with.ipv6 && peer.ipv6 != Ipv6Luck::none) site.ipv6 = peer.ipv6 == Ipv6Luck::works ? Ipv6::works : Ipv6::broken;
  if (!with.tcp) site.tcp_ports = server_tcp_ports;
  if (c.web_only) site.tcp_ports = {80, 443};
  return site;
}

uint16_t tcp_port_of(const Class& c, const PeerDraw& peer, const Techniques& with) {
  bool mapped = peer.port_mapping && with.port_mapping;
  if (!with.tcp || (c.natted() && !mapped)) return 0;
  return peer.answers_443 ? 443 : listening_port;
}

std::vector<reach::Arranged> forward(World& world, SiteId site, const PeerDraw& peer, const Address& host, uint16_t udp,
                                     uint16_t tcp) {
  Address outside = world.outside(site);
  size_t layers = world.config(site).nats.size();
  auto through_all = [&](uint8_t protocol, uint16_t at, uint16_t inside_port) {
    for (size_t i = 0; i < layers; ++i) {
      Address from = world.gateway(site, i).outside().front().with_port(at);
      Address to = i == 0 ? host.with_port(inside_port) : world.gateway(site, i - 1).outside().front().with_port(at);
      world.gateway(site, i).engine().add_forward(protocol, from, to);
    }
  };
  through_all(wire::ip_protocol_udp, peer.outside_port, udp);
  std::vector<reach::Arranged> out = {
      {wire::CandidateType::mapped, wire::Transport::udp, outside.with_port(peer.outside_port)}};
  if (tcp == 0) return out;
  uint16_t at = tcp == 443 ? tcp : peer.outside_port;
  through_all(wire::ip_protocol_tcp, at, tcp);
  out.push_back({wire::CandidateType::mapped, wire::Transport::tcp, outside.with_port(at)});
  return out;
}

}  // namespace ginnel::sim::population
