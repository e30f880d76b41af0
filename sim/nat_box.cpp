#include "sim/nat_box.hpp"

namespace ginnel::sim {

std::string to_string(const NatConfig& config) {
  const char* names[] = {"-independent", "-address", "-address-and-port"};
  return std::string("mapping") + names[static_cast<int>(config.mapping)] + " filtering" +
         names[static_cast<int>(config.filtering)] + (config.preserve_port ? " preserving" : " random") +
         (config.udp_blocked ? " udp-blocked" : "");
}

std::optional<Address> NatBox::outbound(Instant now, const Address& inside, const Address& to) {
  if (config.udp_blocked) return {};
  forget(now);
  Key key{inside, reduce(to, config.mapping)};
  auto known = ports_.find(key);
  if (known == ports_.end()) known = ports_.emplace(key, free_port(inside.port)).first;
  Mapping& mapping = mappings_[known->second];
  mapping.inside = inside;
  mapping.last_sent = now;
  mapping.permitted[reduce(to, config.filtering)] = now;
  return public_ip_.with_port(known->second);
}

std::optional<Address> NatBox::inbound(Instant now, const Address& from, const Address& outside) {
  if (config.udp_blocked || !outside.same_ip(public_ip_)) return {};
  forget(now);
  auto at = mappings_.find(outside.port);
  if (at == mappings_.end() || !at->second.permitted.contains(reduce(from, config.filtering))) return {};
  return at->second.inside;
}

void NatBox::reboot(bool fresh_ports) {
  ports_.clear();
  mappings_.clear();
  preserve_lost_ = fresh_ports;
}

void NatBox::move_to(const Address& public_ip) {
  reboot(false);
  public_ip_ = public_ip;
}

Address NatBox::reduce(const Address& remote, Depends depends) {
  if (depends == Depends::on_nothing) return {};
  return depends == Depends::on_address ? remote.with_port(0) : remote;
}

uint16_t NatBox::free_port(uint16_t wanted) {
  if (config.preserve_port && !preserve_lost_ && !mappings_.contains(wanted)) return wanted;
  for (;;)
    if (auto port = static_cast<uint16_t>(random_.between(1024, 65535)); !mappings_.contains(port)) return port;
}

void NatBox::forget(Instant now) {
  for (auto at = mappings_.begin(); at != mappings_.end();) {
    uint16_t port = at->first;
    std::erase_if(at->second.permitted, [&](auto& p) { return now - p.second > config.timeout; });
    bool old = now - at->second.last_sent > config.timeout;
    if (old) std::erase_if(ports_, [&](auto& p) { return p.second == port; });
    at = old ? mappings_.erase(at) : std::next(at);
  }
}

}  // namespace ginnel::sim
