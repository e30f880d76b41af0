#include "app/nat_port_mapping.hpp"

#include <algorithm>

#include "app/nat_words.hpp"

namespace ginnel::app {

NatPortMapping::NatPortMapping(Loop& loop, nat::Gateway& gateway, portmap::Offers offers, Rng& rng, Reporter report)
    : loop_(loop), gateway_(gateway), offers_(offers), rng_(rng), report_(std::move(report)) {}

NatPortMapping::~NatPortMapping() {
  for (Served& one : served_) one.hands->close();
}

std::optional<Error> NatPortMapping::serve(const std::vector<Interface>& inside, const Address& external) {
  std::vector<Interface::Own> wanted;
  for (const Interface& interface : inside)
    if (const Interface::Own* own = interface.first_v4()) wanted.push_back(*own);
  auto serves = [](const Served& one, const Interface::Own& own) {
    return one.ip == own.ip && one.prefix == own.prefix;
  };
  std::erase_if(served_, [&](Served& one) {
    bool gone = std::none_of(wanted.begin(), wanted.end(), [&](const auto& own) { return serves(one, own); });
    if (gone) one.hands->reset();  // its leases end with its address
    return gone;
  });
  for (const Interface::Own& own : wanted) {
    if (std::any_of(served_.begin(), served_.end(), [&](const Served& one) { return serves(one, own); })) continue;
    auto hands = open(own);
    if (!hands) return hands.error();
    served_.push_back({own.ip, own.prefix, std::move(*hands)});
    served_.back().hands->set_external(external);
  }
  return {};
}

Result<std::unique_ptr<PortmapServiceHands>> NatPortMapping::open(const Interface::Own& own) {
  PortmapServiceOptions options;
  options.inside = own.ip;
  options.networks = {{own.ip, own.prefix}};
  options.offers = offers_;
  options.traffic = [this] { return traffic(); };
  return PortmapServiceHands::open(loop_, options, *this, rng_, [this](const auto& event) { tell(event); });
}

void NatPortMapping::set_external(const Address& address) {
  for (Served& one : served_) one.hands->set_external(address);
}

void NatPortMapping::reset() {
  for (Served& one : served_) one.hands->reset();
}

const portmap::Lease* NatPortMapping::lease(uint8_t protocol, uint16_t outside_port) const {
  for (const Served& one : served_)
    if (const portmap::Lease* lease = one.hands->book().at(protocol, outside_port)) return lease;
  return nullptr;
}

bool NatPortMapping::add_forward(const portmap::Forward& forward) {
  return gateway_.add_forward(forward.protocol, forward.outside, forward.inside);
}

void NatPortMapping::remove_forward(const portmap::Forward& forward) {
  gateway_.remove_forward(forward.protocol, forward.outside);
}

portmap::Traffic NatPortMapping::traffic() const {
  const nat::Counters& c = gateway_.counters();
  return {.bytes_sent = c.inside_bytes,
          .bytes_received = c.outside_bytes,
          .packets_sent = c.forwarded_out,
          .packets_received = c.forwarded_in};
}

void NatPortMapping::tell(const portmap::LeaseEvent& event) const {
  using What = portmap::LeaseEvent::What;
  const portmap::Lease& lease = event.lease;
  std::string what = event.what == What::mapped ? "mapped" : event.what == What::unmapped ? "unmapped" : "expired";
  std::string method(portmap::to_string(lease.method)), protocol = protocol_name(lease.forward.protocol);
  std::string outside = lease.forward.outside.to_string(), inside = lease.forward.inside.to_string();
  report_({Report::Kind::detail,
           "lease",
           {{"what", what}, {"method", method}, {"protocol", protocol}, {"outside", outside}, {"inside", inside}},
           method + " " + what + " " + protocol + " " + outside + " -> " + inside});
}

}  // namespace ginnel::app
