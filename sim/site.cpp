#include "sim/site.hpp"

#include <stdexcept>
#include <string>

namespace ginnel::sim {

nat::Behaviour preset(std::string_view name) {
  if (auto found = nat::preset(name)) return *found;
  throw std::invalid_argument("no preset " + std::string(name));
}

SiteConfig behind(const nat::Behaviour& behaviour) {
  SiteConfig out;
  out.nats.push_back({behaviour});
  return out;
}

SiteConfig behind(std::string_view name) { return behind(preset(name)); }

nat::Behaviour cone(nat::Depends mapping, nat::Depends filtering, nat::PortChoice choice) {
  nat::Behaviour b;
  b.udp = b.tcp = {mapping, filtering};
  b.ports.choice = choice;
  b.timers.udp_one_way = b.timers.udp_two_way = 60s;
  b.unsolicited_syn = nat::UnsolicitedSyn::silent;
  return b;
}

SiteConfig public_site() { return {}; }

SiteConfig stateful_firewall() {
  // One address for one address, and both are the same: what is left of the NAT is its filter.
  nat::Behaviour b = cone(nat::Depends::on_nothing, nat::Depends::on_address_and_port);
  b.basic = true;
  b.icmp.filtering = nat::Depends::on_address_and_port;
  b.answer_ping = false;
  SiteConfig out = behind(b);
  out.nats[0].bridges = true;
  return out;
}

}  // namespace ginnel::sim
