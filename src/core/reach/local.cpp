#include "core/reach/local.hpp"

#include <algorithm>

namespace ginnel::reach {

using wire::CandidateType;
using wire::Transport;

void Local::set_arranged(std::vector<Arranged> arranged) {
  if (arranged.size() > arranged_max) arranged.resize(arranged_max);
  arranged_ = std::move(arranged);
}

void Local::set_servers(Instant now, const std::vector<Address>& addresses, const std::optional<Address>& in_use) {
  for (bool v6 : {false, true}) {
    auto first = std::find_if(addresses.begin(), addresses.end(), [&](const Address& a) { return a.v6 == v6; });
    server_[v6] = in_use && in_use->v6 == v6 ? *in_use : first != addresses.end() ? *first : Address{};
    reflexive.set_server(now, v6, udp_port_[v6] != 0 ? server_[v6] : Address{});
  }
}

void Local::ask_tcp(Instant now) {
  // IPv6 is not translated: only a server of IPv4 has something to tell.
  const Address& server = server_[0].port != 0 ? server_[0] : server_[1];
  if (server.port != 0) tcp.ask(now, server, true, true);
}

std::optional<Action> Local::poll_action(Instant now, MutableBytes room) {
  if (auto request = reflexive.poll_request(now, room))
    return Transmit{request->to, 0, request->bytes, request->bytes.size(), request->socket};
  if (auto action = ports.poll_action(now, room)) return action;
  return tcp.poll_action(now, room);
}

void Local::look_at_ports(Instant now) {
  if (reflexive.mapping(false) != wire::NatMapping::endpoint_dependent || looked_at_ == reflexive.main(false)) return;
  looked_at_ = reflexive.main(false);
  ports.start(now, reflexive.server(false), reflexive.second_port(false));
}

std::vector<wire::Candidate> Local::candidates(SocketId fresh) const {
  std::vector<wire::Candidate> out = host_candidates(interfaces_, own_ports(), server_is_here(), hosts_max);
  auto add = [&](CandidateType type, Transport transport, const Address& address) {
    auto same = [&](const wire::Candidate& c) { return c.address == address && c.transport == transport; };
    if (out.size() < wire::candidates_max && std::none_of(out.begin(), out.end(), same))
      out.push_back({type, priority(type, transport, address.v6, 0), address, transport});
  };
  for (const Arranged& a : arranged_) add(a.type, a.transport, a.outside);
  if (auto own = fresh ? reflexive.of(fresh) : std::nullopt)
    add(CandidateType::server_reflexive, Transport::udp, *own);
  else if (reflexive.main(false))
    add(CandidateType::server_reflexive, Transport::udp, *reflexive.main(false));
  if (reflexive.main(true)) add(CandidateType::server_reflexive, Transport::udp, *reflexive.main(true));
  if (tcp.mapped()) add(CandidateType::server_reflexive, Transport::tcp, *tcp.mapped());
  return out;
}

wire::NatView Local::nat() const {
  wire::NatView view;
  view.udp_blocked = udp_blocked_;
  const auto& udp = reflexive.main(false);
  if (udp) view.udp = is_ours(interfaces_, *udp) ? wire::NatMapping::none : reflexive.mapping(false);
  if (view.udp == wire::NatMapping::endpoint_dependent && looked_at_ == udp) view.udp_ports = ports.pattern();
  if (tcp.mapped() && is_ours(interfaces_, *tcp.mapped())) view.tcp = wire::NatMapping::none;
  return view;
}

bool Local::server_is_here() const { return server_[0].is_loopback() || server_[1].is_loopback(); }

Ports Local::own_ports() const {
  Ports p;
  for (bool v6 : {false, true}) {
    p.udp[v6] = udp_port_[v6];
    p.tcp[v6] = tcp.port(v6);
  }
  return p;
}

}  // namespace ginnel::reach
