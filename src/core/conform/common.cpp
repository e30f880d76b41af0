#include "core/conform/common.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace ginnel::conform {
namespace {

constexpr uint8_t icmp_of = wire::ip_protocol_icmp, udp_of = wire::ip_protocol_udp;

std::string listed(const std::set<Address>& all) {
  std::string out;
  for (const Address& each : all)
    out += (out.empty() ? "" : ", ") + (each.port ? each.to_string() : each.ip_to_string());
  return out;
}

}  // namespace

Finding endpoint_independent(Tester& t, uint8_t protocol) {
  Address a = t.host(0);
  auto remotes = t.corners();
  if (protocol == icmp_of) {  // remotes differ by address only
    if (t.servers() < 2) return unseen("it takes two outside addresses");
    remotes = {t.server(0), t.server(1)};
  }
  std::set<Address> seen;
  for (const Address& to : remotes) seen.insert(t.map(protocol, a, to));
  return judge(seen.size() == 1, a, " towards ", remotes.size(), " remotes had ", seen.size() == 1 ? "one" : "several",
               " outside endpoint", seen.size() == 1 ? ": " : "s: ", listed(seen));
}

Finding paired_pooling(Tester& t) {
  std::set<Address> all;
  size_t most = 0;
  for (size_t i = 0; i < t.hosts(); ++i) {
    std::set<Address> of_host;
    for (int k = 0; k < 16; ++k) of_host.insert(t.map(udp_of, t.host(i), t.server(0)).with_port(0));
    most = std::max(most, of_host.size());
    all.merge(of_host);
  }
  if (all.size() < 2) return unseen("only one outside address was seen: ", listed(all));
  return judge(most == 1, "16 sockets of each of ", t.hosts(), " hosts used up to ", most, " of the outside addresses ",
               listed(all), " for one host");
}

Finding no_overloading(Tester& t, uint8_t protocol) {
  if (t.hosts() < 2) return unseen("it takes two inside addresses");
  auto remotes = t.corners();
  size_t shared_with_whom = 0;
  std::map<Address, Address> owner;
  for (bool same_remote : {true, false}) {
    uint16_t port = t.fresh_port();
    for (size_t i = 0; i < t.hosts(); ++i) {
      Address a = t.host(i, port);
      Address at = t.map(protocol, a, remotes[same_remote ? 0 : i % remotes.size()]);
      if (auto [held, fresh] = owner.emplace(at, a); !fresh)
        return fail(a, " and ", held->second, " both had the outside endpoint ", at,
                    same_remote ? " towards the same remote" : ", each towards another remote");
      for (const auto& [outside, inside] : owner) shared_with_whom += inside != a && outside.same_ip(at);
    }
  }
  if (shared_with_whom == 0) return pass("the hosts have an outside address each");
  return pass(t.hosts(), " hosts with the same source port had ", owner.size(), " different outside endpoints");
}

std::string_view filter_text(std::string_view admitted) {
  if (admitted == "yyyy") return "let everybody in";
  if (admitted == "yynn") return "let in the address that was spoken to, from any port";
  if (admitted == "ynnn") return "let in only the very endpoint that was spoken to";
  if (!admitted.empty() && admitted[0] == 'n') return "did not even let in the answer";
  return "let in some and not others in no known order";
}

Finding lenient_filtering(Tester& t, uint8_t protocol) {
  std::string in = admitted(t, protocol);
  if (in.size() < 4 && in != "yn") return unseen("it takes two outside addresses");
  return judge(in == "yyyy" || in == "yynn", "a mapping ", in == "yn" ? filter_text("ynnn") : filter_text(in));
}

std::optional<Hairpin> hairpin(Tester& t, uint8_t protocol) {
  if (t.hosts() < 2) return {};
  Hairpin h{t.host(0), t.host(1), {}, {}, {}};
  h.outside_a = t.map(protocol, h.a, t.server(0));
  h.outside_b = t.map(protocol, h.b, t.server(0));
  t.across(t.opening(protocol, h.b, h.outside_a));  // so that a filter of b's knows a
  h.arrived = t.across(t.opening(protocol, h.a, h.outside_b));
  return h;
}

Finding hairpinning(Tester& t, uint8_t protocol) {
  auto h = hairpin(t, protocol);
  if (!h) return unseen("it takes two inside addresses");
  return judge(h->arrived && h->arrived->destination == h->b, "what ", h->a, " sent to ", h->outside_b,
               ", the outside endpoint of ", h->b, h->arrived ? ", arrived there" : ", did not arrive there");
}

Finding hairpin_source(Tester& t, uint8_t protocol) {
  auto h = hairpin(t, protocol);
  if (!h) return unseen("it takes two inside addresses");
  if (!h->arrived) return unseen("hairpinning does not work at all");
  return judge(h->arrived->source == h->outside_a, "the packet came from ", h->arrived->source,
               ", and the sender's outside endpoint is ", h->outside_a);
}

Finding payload_untouched(Tester& t, uint8_t protocol, uint16_t port, std::string_view what) {
  Address a = t.host(0, port), to = t.server(0, port);
  std::string text = say("INVITE sip:b@", to.with_port(0), " SIP/2.0\r\nVia: SIP/2.0/UDP ", a,
                         ";branch=z9hG4bK1\r\nContact: <sip:a@", a, ">\r\nContent-Length: 0\r\n\r\n");
  std::optional<Packet> got;
  auto to_there = [&](const Packet& p) { return p.protocol == protocol && p.destination == to && !p.payload.empty(); };
  if (protocol == udp_of) {
    t.send(Side::inside, udp(a, to, text));
  } else {
    Connection c = t.connect(a, to);
    t.forget_arrivals();
    t.send(Side::inside, tcp(a, to, ack, c.inside_next, c.remote_next, text));
  }
  got = t.expect(Side::outside, to_there);
  if (!got) return fail(what, " from ", a, " did not come out");
  return judge(got->text() == text, what, " with the inside address in it came out ",
               got->text() == text ? "unchanged" : "changed");
}

size_t PortSample::changed() const {
  size_t n = 0;
  for (size_t i = 0; i < inside.size(); ++i) n += inside[i].port != outside[i].port;
  return n;
}

PortSample sample_ports(Tester& t, size_t of_each_host, bool collide, uint16_t first_port) {
  PortSample out;
  for (size_t k = 0; k < of_each_host; ++k) {
    uint16_t port = first_port ? static_cast<uint16_t>(first_port + k) : t.fresh_port();
    for (size_t i = 0; i < t.hosts(); ++i) {
      if (!first_port && !collide && i > 0) port = t.fresh_port();
      out.inside.push_back(t.host(i, port));
      out.outside.push_back(t.map(udp_of, out.inside.back(), t.server(0)));
    }
  }
  return out;
}

std::optional<std::pair<size_t, size_t>> sharing_hosts(Tester& t) {
  std::vector<Address> seen;
  for (size_t i = 0; i < t.hosts(); ++i) {
    Address at = t.map(udp_of, t.host(i), t.server(0));
    for (size_t k = 0; k < seen.size(); ++k)
      if (seen[k].same_ip(at)) return std::pair(k, i);
    seen.push_back(at);
  }
  return {};
}

bool is_basic(Tester& t) {
  if (t.hosts() < 2 || sharing_hosts(t)) return false;
  return sample_ports(t, 4, true).changed() == 0;
}

Finding hard_to_guess(Tester& t) {
  PortSample sample = sample_ports(t, 12, true);
  std::vector<int> chosen;
  for (size_t i = 0; i < sample.inside.size(); ++i)
    if (sample.inside[i].port != sample.outside[i].port) chosen.push_back(sample.outside[i].port);
  if (chosen.size() < 8) return unseen("the NAT kept nearly every port: it is the hosts that choose");
  std::map<int, size_t> steps;
  size_t most = 0;
  for (size_t i = 1; i < chosen.size(); ++i) most = std::max(most, ++steps[chosen[i] - chosen[i - 1]]);
  return judge(most * 4 <= chosen.size(), most, " of ", chosen.size(),
               " ports that it chose followed the one before by the same step");
}

}  // namespace ginnel::conform
