// RFC 4787, network address translation for UDP: 14 requirements.
#include <algorithm>
#include <map>
#include <set>

#include "core/conform/common.hpp"

namespace ginnel::conform {
namespace {

constexpr uint8_t udp_of = wire::ip_protocol_udp;

Finding mapping(Tester& t) { return endpoint_independent(t, udp_of); }
Finding overloading(Tester& t) { return no_overloading(t, udp_of); }
Finding filtering(Tester& t) { return lenient_filtering(t, udp_of); }
Finding hairpins(Tester& t) { return hairpinning(t, udp_of); }
Finding hairpins_from_outside(Tester& t) { return hairpin_source(t, udp_of); }
Finding no_alg(Tester& t) { return payload_untouched(t, udp_of, 5060, "a SIP request"); }

Finding range_class(Tester& t) {
  size_t total = 0, kept = 0;
  for (uint16_t first : {uint16_t{600}, t.fresh_port()}) {
    PortSample sample = sample_ports(t, 6, true, first);
    for (size_t i = 0; i < sample.inside.size(); ++i, ++total)
      kept += (sample.inside[i].port < 1024) == (sample.outside[i].port < 1024);
  }
  return judge(kept == total, kept, " of ", total, " outside ports were on the same side of 1024 as the inside port");
}

Finding parity(Tester& t) {
  PortSample sample = sample_ports(t, 12, true);
  size_t kept = 0;
  for (size_t i = 0; i < sample.inside.size(); ++i) kept += sample.inside[i].port % 2 == sample.outside[i].port % 2;
  return judge(kept == sample.inside.size(), kept, " of ", sample.inside.size(),
               " outside ports were odd or even as the inside port");
}

Finding judge_life(const Lifetime& life, Duration wanted, std::string_view what) {
  return judge(life.at_least(wanted), what,
               life.at_least(wanted) ? " still worked after " : " did not work any more after ",
               life.at_least(wanted) ? life.alive : *life.dead, " of silence");
}

Finding two_minutes(Tester& t) {
  const Idle& lives = idle(t);
  bool one_way = lives.udp_one_way.alive < lives.udp_two_way.alive;
  return judge_life(one_way ? lives.udp_one_way : lives.udp_two_way, 119s,
                    one_way ? "a mapping that had only sent" : "a mapping");
}

Finding five_minutes(Tester& t) {
  const Idle& lives = idle(t);
  return judge_life(lives.udp_one_way.at_least(299s) ? lives.udp_two_way : lives.udp_one_way, 299s, "a mapping");
}

Finding shorter_for_well_known(Tester& t) {
  const Idle& lives = idle(t);
  return judge(lives.udp_well_known.alive < lives.udp_two_way.alive, "towards port 53 a mapping lived ",
               lives.udp_well_known.alive, ", towards others ", lives.udp_two_way.alive);
}

Finding judge_refresh(const std::optional<bool>& alive, const Refreshed& all, bool wanted, std::string_view what) {
  if (!alive) return unseen(all.why.empty() ? "the filter lets everybody in: nothing is refused" : all.why);
  return judge(*alive == wanted, "a mapping that ", what, " just before its end ",
               *alive ? "lived on" : "died on time");
}
Finding outbound_refresh(Tester& t) {
  return judge_refresh(refreshed(t).outbound, refreshed(t), true, "sent a packet");
}
Finding inbound_refresh(Tester& t) {
  return judge_refresh(refreshed(t).inbound, refreshed(t), true, "received a packet");
}

Finding overlapping_networks(Tester& t) {
  if (!t.network().overlapping) return unseen("it takes an outside host whose address lies in the inside network");
  Address a = t.host(0), far = t.network().overlapping->with_port(t.fresh_port());
  Address at = t.map(udp_of, a, far);
  bool back = t.reaches(udp_of, far, at);
  return judge(back, a, " spoke to ", far, " outside, whose number lies in the inside network, and the answer ",
               back ? "came" : "did not come");
}

/// What one socket sees of the NAT: endpoints towards four remotes, and who gets in.
std::string seen_from(Tester& t, const Address& a) {
  auto remotes = t.corners();
  std::map<Address, int> numbers;
  std::string out;
  Address first;
  for (const Address& to : remotes) {
    Address at = t.map(udp_of, a, to);
    if (first.is_unspecified()) first = at;
    out += static_cast<char>('1' + numbers.emplace(at, static_cast<int>(numbers.size())).first->second);
  }
  return out;
}

Finding deterministic(Tester& t) {
  uint16_t taken = t.fresh_port();
  for (size_t i = 0; i < t.hosts(); ++i) t.map(udp_of, t.host(i, taken), t.server(0));
  std::string before = seen_from(t, t.host(0)), filter_before = admitted(t, udp_of);
  for (size_t i = 0; i < t.hosts(); ++i)  // those whose port was taken already behave as others do
    if (std::string collided = seen_from(t, t.host(i, taken)); collided != before)
      return fail("a socket whose port was taken had the outside endpoints ", collided,
                  " towards four remotes, others ", before);
  Address poked = t.host(0);
  auto remotes = t.corners();
  Address at = t.map(udp_of, poked, remotes[0]);
  for (const Address& from : remotes) t.reaches(udp_of, from, at);  // some are refused
  std::string after_strangers = seen_from(t, t.host(0));
  std::set<Address> towards;
  for (const Address& to : remotes) towards.insert(t.map(udp_of, poked, to));
  if (before == "1111" && towards.size() > 1)
    return fail("after packets from strangers had come to ", at, " that socket had ", towards.size(),
                " outside endpoints");
  for (size_t i = 0; i < t.network().load; ++i) t.map(udp_of, t.host(i % t.hosts()), t.server(i % t.servers()));
  std::string loaded = seen_from(t, t.host(0)), filter_loaded = admitted(t, udp_of);
  if (loaded != before || filter_loaded != filter_before)
    return fail("with ", t.network().load, " more mappings it mapped ", loaded, " and not ", before, ", and filtered ",
                filter_loaded, " and not ", filter_before);
  return pass("mapping and filtering were the same after collisions, strangers and ", t.network().load,
              " more mappings");
}

/// The flow `sent` gets every kind of error; does its mapping live?
Finding survives_errors(Tester& t) {
  Address a = t.host(0), to = t.server(0);
  auto sent = t.out(t.opening(udp_of, a, to));
  if (!sent) return fail("what ", a, " sent did not come out");
  static constexpr std::pair<uint8_t, uint8_t> errors[] = {{3, 0},  {3, 1}, {3, 2},  {3, 3},  {3, 10},
                                                           {3, 13}, {4, 0}, {11, 0}, {11, 1}, {12, 0}};
  for (auto [type, code] : errors) t.send(Side::outside, icmp_error(to, sent->source, type, code, write(*sent)));
  t.forget_arrivals();
  bool lives = t.reaches(udp_of, to, sent->source);
  return judge(lives, "after ", std::size(errors), " kinds of ICMP errors about it the mapping ",
               lives ? "still worked" : "was gone");
}

Finding error_from_anybody(Tester& t) {
  if (t.servers() < 2) return unseen("it takes two outside addresses");
  auto sent = t.out(t.opening(udp_of, t.host(0), t.server(0)));
  if (!sent) return fail("nothing came out");
  Address router = t.server(1, 0);
  bool came = t.error_in(router, wire::icmp_time_exceeded, 0, *sent).has_value();
  return judge(came, "time exceeded from ", router, ", about a packet to ", sent->destination,
               came ? ", came in" : ", did not come in");
}

Finding unreachable_passes(Tester& t) {
  auto sent = t.out(t.opening(udp_of, t.host(0), t.server(0)));
  if (!sent) return fail("nothing came out");
  bool came = t.error_in(sent->destination, wire::icmp_unreachable, wire::icmp_port_unreachable, *sent).has_value();
  return judge(came, "port unreachable from the remote ", came ? "came in" : "did not come in");
}

Finding too_big(Tester& t) {
  if (t.network().mtu_outside == 0) return unseen("no outside link with a smaller MTU is known here");
  Packet big = udp(t.host(0), t.server(0), t.token() + std::string(t.network().mtu_outside, 'x'));
  t.send(Side::inside, big);
  auto error = t.expect(Side::inside, [&](const Packet& got) { return quotes(got, big, true); });
  if (!error)
    return fail("a packet of ", big.payload.size() + 28, " bytes that may not be fragmented was not answered");
  bool right = error->type == wire::icmp_unreachable && error->code == wire::icmp_fragmentation_needed;
  return judge(right, "the answer was ICMP ", error->type, "/", error->code, " with the MTU ", error->rest & 0xffff);
}

Finding fragments_too_big(Tester& t) {
  if (t.network().mtu_outside == 0) return unseen("no outside link with a smaller MTU is known here");
  Packet big = udp(t.host(0), t.server(0), t.token() + std::string(t.network().mtu_outside, 'x'));
  big.dont_fragment = false;
  big.id = 77;
  auto got = t.out(big);
  if (!got) return fail("a packet of ", big.payload.size() + 28, " bytes that may be fragmented did not come out");
  return judge(t.pieces() > 1 && t.pieces_in_order(), "it came out in ", t.pieces(), " fragments, ",
               t.pieces_in_order() ? "in order" : "out of order");
}

/// Sends a datagram in fragments, in this order, from one side; did it arrive whole?
bool fragments_pass(Tester& t, Side from, bool backwards) {
  Address a = t.host(0), to = t.server(0);
  Address at = t.map(udp_of, a, to);
  std::string text = t.token() + std::string(2000, 'y');
  Packet whole = from == Side::inside ? udp(a, to, text) : udp(to, at, text);
  whole.id = t.fresh_port();
  auto pieces = cut(whole, 800);
  if (backwards) std::reverse(pieces.begin(), pieces.end());
  for (const auto& piece : pieces) t.send(from, piece);
  return t
      .expect(from == Side::inside ? Side::outside : Side::inside,
              [&](const Packet& got) { return got.text() == text; })
      .has_value();
}

Finding fragments(Tester& t) {
  for (Side from : {Side::inside, Side::outside})
    for (bool backwards : {false, true})
      if (!fragments_pass(t, from, backwards))
        return fail("a datagram in three fragments, the ", backwards ? "last" : "first", " one first, sent from ",
                    from == Side::inside ? "inside" : "outside", ", did not arrive");
  return pass("datagrams in three fragments arrived from both sides, in order and backwards");
}

Finding fragment_flood(Tester& t) {
  Address a = t.host(0), to = t.server(0);
  Address at = t.map(udp_of, a, to);
  constexpr size_t flood = 2000;
  auto pieces = cut(udp(to, at, std::string(1600, 'z')), 800);
  for (size_t i = 0; i < flood; ++i) {
    PacketBytes last = pieces.back();
    last[wire::ipv4_id_at] = static_cast<uint8_t>(i >> 8);
    last[wire::ipv4_id_at + 1] = static_cast<uint8_t>(i);
    mend_header(last);
    t.send(Side::outside, last);
  }
  t.forget_arrivals();
  if (!t.reaches(udp_of, to, at))
    return fail("after ", flood, " fragments without a beginning a datagram did not come in");
  return judge(fragments_pass(t, Side::outside, false), "after ", flood,
               " fragments without a beginning datagrams came in, whole and in fragments");
}

constexpr std::string_view rfc = "RFC 4787";
using enum Level;
using enum Cost;

constexpr Requirement all[] = {
    {rfc, "REQ-1", must, "MUST", "give an inside endpoint one outside endpoint towards all remotes", quick, mapping},
    {rfc, "REQ-2", should, "RECOMMENDED", "to give all sockets of a host the same outside address", quick,
     paired_pooling},
    {rfc, "REQ-3", must, "MUST NOT", "give two hosts the same outside endpoint", quick, overloading},
    {rfc, "REQ-3a", should, "RECOMMENDED", "to map ports below 1024 to such, and others to others", quick, range_class},
    {rfc, "REQ-4", should, "RECOMMENDED", "to map even ports to even, odd to odd ones", quick, parity},
    {rfc, "REQ-5", must, "MUST NOT", "end a mapping within two minutes of silence", slow, two_minutes},
    {rfc, "REQ-5a", may, "MAY", "end mappings towards well-known ports earlier", slow, shorter_for_well_known},
    {rfc, "REQ-5c", should, "RECOMMENDED", "to keep a mapping through five minutes of silence", slow, five_minutes},
    {rfc, "REQ-6", must, "MUST", "prolong a mapping when the inside sends", slow, outbound_refresh},
    {rfc, "REQ-6a", may, "MAY", "prolong a mapping when the outside sends", slow, inbound_refresh},
    {rfc, "REQ-7", must, "MUST", "reach outside hosts whose addresses lie in the inside network", quick,
     overlapping_networks},
    {rfc, "REQ-8", should, "RECOMMENDED", "to filter by nothing, or by the remote address only", quick, filtering},
    {rfc, "REQ-9", must, "MUST", "let hosts reach each other by their outside endpoints (hairpinning)", quick,
     hairpins},
    {rfc, "REQ-9a", must, "MUST", "let such packets come from the sender's outside endpoint", quick,
     hairpins_from_outside},
    {rfc, "REQ-10", should, "SHOULD", "have its application gateways for UDP off", quick, no_alg},
    {rfc, "REQ-10a", should, "RECOMMENDED", "to have a switch for each application gateway", quick, nullptr,
     in_configuration},
    {rfc, "REQ-11", must, "MUST", "map and filter in the same way at all times", quick, deterministic},
    {rfc, "REQ-12", must, "MUST NOT", "end a mapping because of an ICMP message", quick, survives_errors},
    {rfc, "REQ-12a", should, "SHOULD NOT", "filter ICMP messages by who sent them", quick, error_from_anybody},
    {rfc, "REQ-12b", should, "RECOMMENDED", "to translate ICMP destination unreachable", quick, unreachable_passes},
    {rfc, "REQ-13", must, "MUST", "answer a packet that is too big and may not be fragmented", quick, too_big},
    {rfc, "REQ-13a", must, "MUST", "fragment a packet that is too big and may be, in order", quick, fragments_too_big},
    {rfc, "REQ-14", must, "MUST", "pass fragments in any order", quick, fragments},
    {rfc, "REQ-14a", must, "MUST", "withstand a flood of fragments", quick, fragment_flood},
};

}  // namespace

std::span<const Requirement> rfc4787() { return all; }

}  // namespace ginnel::conform
