// RFC 7857, updates to the three documents, by section.
#include <map>

#include "core/conform/common.hpp"

namespace ginnel::conform {
namespace {

constexpr uint8_t icmp_of = wire::ip_protocol_icmp, tcp_of = wire::ip_protocol_tcp, udp_of = wire::ip_protocol_udp;

Finding half_closed_lives(Tester& t) {
  bool lives = idle(t).tcp_half_closed;
  return judge(lives, "250 s after the inside's FIN data from outside ", lives ? "came in" : "did not come in");
}

Finding reset_is_translated(Tester& t) {
  for (Side from : {Side::outside, Side::inside}) {
    Connection c = t.connect(t.host(0), t.server(0));
    if (!t.segment(c, from, rst | ack))
      return fail("a RST from ", from == Side::inside ? "inside" : "outside", " did not pass");
  }
  return pass("RSTs from both sides passed");
}

Finding reset_lingers(Tester& t) {
  bool lives = idle(t).tcp_reset;
  return judge(lives, "239 s after a RST from outside data from outside ", lives ? "came in" : "did not come in");
}

Finding overlapping_ports(Tester& t) {
  auto pair = sharing_hosts(t);
  if (!pair) return unseen(no_sharing);
  uint16_t port = t.fresh_port();
  auto remotes = t.corners();
  Address one = t.map(udp_of, t.host(pair->first, port), remotes.front());
  Address two = t.map(udp_of, t.host(pair->second, port), remotes.back());
  return judge(one == two, "two hosts with the same source port had ", one, " and ", two, " towards different remotes");
}

Finding one_address_for_all_protocols(Tester& t) {
  Finding pooling = paired_pooling(t);
  if (pooling.outcome != Outcome::pass) return pooling;
  for (size_t i = 0; i < t.hosts(); ++i) {
    Address of_udp = t.map(udp_of, t.host(i), t.server(0));
    for (uint8_t protocol : {tcp_of, icmp_of})
      if (Address other = t.map(protocol, t.host(i), t.server(0)); !other.same_ip(of_udp))
        return fail("one host had the outside addresses ", of_udp.with_port(0), " and ", other.with_port(0),
                    " for two protocols");
  }
  return pass("every host had one outside address for UDP, TCP and ICMP");
}

Finding mappings_per_protocol(Tester& t) {
  Address a = t.host(0), to = t.server(0);
  Address of_tcp = t.map(tcp_of, a, to), of_udp = t.map(udp_of, a, to);
  if (of_tcp != of_udp) return pass(a, " had ", of_tcp, " for TCP and ", of_udp, " for UDP");
  auto pair = sharing_hosts(t);
  if (!pair) return unseen("ports are kept, and ", no_sharing);
  uint16_t port = t.fresh_port();
  Address held = t.map(tcp_of, t.host(pair->first, port), to);
  Address other = t.map(udp_of, t.host(pair->second, port), to);
  return judge(other == held, "while one host had ", held, " for TCP another ",
               other == held ? "had it for UDP" : "could not have it for UDP");
}

Finding filters_per_protocol(Tester& t) {
  if (is_basic(t)) return unseen(all_ports_mapped);
  Address a = t.host(0), to = t.server(0);
  Address at = t.map(udp_of, a, to);
  bool came = t.reaches(tcp_of, to, at);
  return judge(!came, "a SYN to an endpoint that only UDP had opened ", came ? "came in" : "did not come in");
}

Finding refused_refresh_nothing(Tester& t) {
  const Refreshed& seen = refreshed(t);
  if (!seen.refused) return unseen(seen.why.empty() ? "the filter lets everybody in: nothing is refused" : seen.why);
  return judge(!*seen.refused, "a mapping to which the filter refused a packet just before its end ",
               *seen.refused ? "lived on" : "died on time");
}

Finding errors_refresh_nothing(Tester& t) {
  const Refreshed& seen = refreshed(t);
  if (!seen.outbound_error) return unseen(seen.why);
  return judge(!*seen.outbound_error, "a mapping whose host sent an ICMP error just before its end ",
               *seen.outbound_error ? "lived on" : "died on time");
}

Finding parity_is_off(Tester& t) {
  PortSample sample = sample_ports(t, 12, true);
  size_t changed = 0, other = 0;
  for (size_t i = 0; i < sample.inside.size(); ++i) {
    changed += sample.inside[i].port != sample.outside[i].port;
    other += sample.inside[i].port % 2 != sample.outside[i].port % 2;
  }
  if (changed < 8) return unseen("the NAT kept nearly every port");
  return judge(other > 0, other, " of ", changed, " changed ports had the other parity");
}

Finding fresh_ids(Tester& t) {
  auto pair = sharing_hosts(t);
  if (!pair) return unseen(no_sharing);
  Address to = t.server(0);
  std::map<uint16_t, Address> seen;
  for (size_t i : {pair->first, pair->second}) {
    Packet p = t.opening(udp_of, t.host(i), to);
    p.dont_fragment = false;
    p.id = 4321;
    auto got = t.out(p);
    if (!got) return fail("nothing came out");
    if (auto [held, fresh] = seen.emplace(got->id, p.source); !fresh)
      return fail(held->second, " and ", p.source,
                  " sent packets with one IP identification, and they came out from one address with one");
  }
  return pass("packets of two hosts with one IP identification came out with two");
}

Finding basic_passes_queries(Tester& t) {
  if (!is_basic(t)) return unseen(only_basic);
  Address a = t.host(0);
  Address at = t.map(udp_of, a, t.server(0));
  auto got = t.in(echo(t.server(0), at, 99, t.token()));
  return judge(got && got->destination.same_ip(a), "an echo request to a host's outside address ",
               got ? "reached it" : "did not reach it");
}

constexpr std::string_view rfc = "RFC 7857";
using enum Level;
using enum Cost;

constexpr Requirement all[] = {
    {rfc, "section 2.1", should, "SHOULD", "follow connections by state: a half-closed one is not closing", slow,
     half_closed_lives},
    {rfc, "section 2.2", should, "SHOULD", "have separate times for opening and closing connections", quick, nullptr,
     in_configuration},
    {rfc, "section 2.3", must, "MUST", "translate a RST of a known connection", quick, reset_is_translated},
    {rfc, "section 2.3 wait", should, "SHOULD", "keep the connection for four minutes after a RST", slow,
     reset_lingers},
    {rfc, "section 3", may, "MAY", "let hosts share a port towards different remotes", quick, overlapping_ports},
    {rfc, "section 4", should, "RECOMMENDED", "to give a host one outside address for all protocols", quick,
     one_address_for_all_protocols},
    {rfc, "section 5", should, "SHOULD", "map each protocol by itself", quick, mappings_per_protocol},
    {rfc, "section 6", should, "SHOULD", "filter each protocol by itself", quick, filters_per_protocol},
    {rfc, "section 7", should, "SHOULD NOT", "prolong a mapping for a packet that it refuses", slow,
     refused_refresh_nothing},
    {rfc, "section 7.1", should, "SHOULD NOT", "prolong a mapping for ICMP errors in answer to the outside", slow,
     errors_refresh_nothing},
    {rfc, "section 8", may, "MAY", "not keep parity", quick, parity_is_off},
    {rfc, "section 9", should, "SHOULD", "choose ports that are hard to guess", quick, hard_to_guess},
    {rfc, "section 10", should, "SHOULD", "keep IP identifications of hosts apart", quick, fresh_ids},
    {rfc, "section 11", may, "MAY", "forget a query identifier with its last session", quick, nullptr,
     "whether an identifier is free cannot be asked"},
    {rfc, "section 12", should, "RECOMMENDED", "to pass queries to a mapped address (Basic NAT)", quick,
     basic_passes_queries},
};

}  // namespace

std::span<const Requirement> rfc7857() { return all; }

}  // namespace ginnel::conform
