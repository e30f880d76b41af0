// RFC 5508, network address translation for ICMP: eleven requirements.
#include <algorithm>
#include <set>

#include "core/conform/common.hpp"

namespace ginnel::conform {
namespace {

constexpr uint8_t icmp_of = wire::ip_protocol_icmp, udp_of = wire::ip_protocol_udp;
constexpr uint8_t query_with_mask = 17, unassigned = 40;
constexpr std::pair<uint8_t, uint8_t> kinds[] = {{3, 1}, {3, 4}, {3, 13}, {11, 0}, {12, 0}};

Finding queries(Tester& t) {
  Address a = t.host(0), to = t.server(0);
  Address at = t.map(icmp_of, a, to);
  auto back = t.in(echo_reply(to, at, at.port, t.token()));
  return judge(back && back->destination == a, "an echo request came out, and its reply ",
               back ? "came in" : "did not come in");
}

Finding one_identifier(Tester& t) { return endpoint_independent(t, icmp_of); }

Finding sixty_seconds(Tester& t) {
  const Lifetime& life = idle(t).icmp;
  bool lives = life.at_least(59s);
  return judge(lives, "an echo reply ", lives ? "still came in after " : "did not come in any more after ",
               lives ? life.alive : *life.dead);
}

// ---- REQ-3: what is checked of an error. `damage` works on the bytes of one that would pass.

Finding damaged_error(Tester& t, bool should_pass, std::string_view what,
                      const std::function<void(PacketBytes&)>& damage) {
  auto sent = t.out(t.opening(udp_of, t.host(0), t.server(0)));
  if (!sent) return fail("nothing came out");
  PacketBytes error = write(icmp_error(sent->destination, sent->source, 3, 1, write(*sent)));
  damage(error);
  t.send(Side::outside, error);
  bool came = t.expect(Side::inside, [&](const Packet& got) { return quotes(got, *sent, true); }).has_value();
  return judge(came == should_pass, "an error with ", what, came ? " came in" : " did not come in");
}

Finding bad_checksum(Tester& t) {
  return damaged_error(t, false, "a wrong checksum", [](PacketBytes& e) { e[22] ^= 1; });
}
/// Writes the ICMP checksum anew around a change in the quoted packet.
void remake(PacketBytes& error, const std::function<void(PacketBytes&)>& change) {
  Packet p = *read(error);
  change(p.payload);
  error = write(p);
}
Finding bad_quoted_header(Tester& t) {
  return damaged_error(t, false, "a wrong header checksum in the quoted packet",
                       [](PacketBytes& e) { remake(e, [](PacketBytes& quoted) { quoted[10] ^= 1; }); });
}
Finding quoted_options(Tester& t) {
  return damaged_error(t, true, "IP options in the quoted packet", [](PacketBytes& e) {
    remake(e, [](PacketBytes& quoted) {
      quoted[0] = 0x46;
      quoted[3] = static_cast<uint8_t>(quoted[3] + 4);
      quoted.insert(quoted.begin() + 20, {1, 1, 1, 0});
      mend_header(quoted);
    });
  });
}
Finding bad_quoted_transport(Tester& t) {
  return damaged_error(t, true, "a wrong UDP checksum in the quoted packet",
                       [](PacketBytes& e) { remake(e, [](PacketBytes& quoted) { quoted[26] ^= 1; }); });
}

Finding extensions(Tester& t) {
  auto sent = t.out(t.opening(udp_of, t.host(0), t.server(0)));
  if (!sent) return fail("nothing came out");
  PacketBytes quoted = write(*sent);
  size_t size = quoted.size();
  quoted.resize(128);
  const PacketBytes extension = {0x20, 0, 0, 0, 0, 8, 1, 1, 1, 2, 3, 4};
  quoted.insert(quoted.end(), extension.begin(), extension.end());
  Packet error = icmp_error(sent->destination, sent->source, 11, 0, quoted, 32 << 16);  // RFC 4884: length in words
  t.send(Side::outside, error);
  auto got = t.expect(Side::inside, [&](const Packet& p) { return quotes(p, *sent, true); });
  if (!got) return fail("an error with an extension behind the quoted packet did not come in");
  bool kept =
      got->payload.size() == quoted.size() && std::equal(extension.begin(), extension.end(), got->payload.end() - 12);
  auto inner = read_quoted(Bytes(got->payload).first(std::min(size, got->payload.size())));
  return judge(kept && inner && inner->checksums_right, "an extension behind the quoted packet ",
               kept ? "came in as it was" : "was changed or lost",
               inner && inner->checksums_right ? "" : ", and the quoted checksum is wrong");
}

// ---- REQ-4 and 5: errors about what went out and what came in

Finding unmapped_error_in(Tester& t) {
  if (is_basic(t)) return unseen(all_ports_mapped);
  Address to = t.server(0);
  Address at = t.map(udp_of, t.host(0), to);
  Packet never = udp(at.with_port(t.fresh_port()), to, t.token());
  bool came = t.error_in(to, 3, 1, never).has_value();
  return judge(!came, "an error about a packet from ", never.source, ", which nobody has, ",
               came ? "came in" : "did not come in");
}

Finding restored_in(Tester& t) {
  for (uint8_t protocol : {udp_of, uint8_t{wire::ip_protocol_tcp}, icmp_of}) {
    Address a = t.host(0), to = t.server(0);
    auto sent = t.out(t.opening(protocol, a, to));
    if (!sent) return fail("nothing came out");
    auto error = t.error_in(to, 3, 1, *sent);
    auto quoted = error ? read_quoted(error->payload) : std::nullopt;
    if (!quoted) return fail("an error about a packet of protocol ", protocol, " did not come in");
    if (quoted->source != a) return fail("an error about what ", a, " sent quoted it as from ", quoted->source);
    if (!quoted->checksums_right)
      return fail("an error about what ", a, " sent quoted it with a wrong checksum, protocol ", protocol);
  }
  return pass("errors about UDP, TCP and echo quoted the packets as the host had sent them, with right checksums");
}

Finding kind_kept_in(Tester& t) {
  auto sent = t.out(t.opening(udp_of, t.host(0), t.server(0)));
  if (!sent) return fail("nothing came out");
  for (auto [type, code] : kinds) {
    auto error = t.error_in(sent->destination, type, code, *sent, 1280);
    if (!error) return fail("ICMP ", type, "/", code, " did not come in");
    if (error->type != type || error->code != code)
      return fail("ICMP ", type, "/", code, " came in as ", error->type, "/", error->code);
  }
  return pass(std::size(kinds), " kinds of errors came in with type and code as they were");
}

Finding addressed_in(Tester& t) {
  Address a = t.host(0);
  auto sent = t.out(t.opening(udp_of, a, t.server(0)));
  auto error = sent ? t.error_in(sent->destination, 11, 0, *sent) : std::nullopt;
  if (!error) return fail("an error about what ", a, " sent did not come in");
  return judge(error->destination.same_ip(a), "an error about what ", a, " sent came to ", error->destination);
}

/// A datagram from outside as it came in, that can be complained about.
std::optional<Packet> received(Tester& t, const Address& a, const Address& from, Address* outside = nullptr) {
  Address at = t.map(udp_of, a, from);
  if (outside) *outside = at;
  return t.in(udp(from, at, t.token()));
}

Finding unmapped_error_out(Tester& t) {
  if (is_basic(t)) return unseen(all_ports_mapped);
  Packet never = udp(t.server(0), t.host(0), t.token());
  bool came = t.error_out(never.destination, 3, 3, never).has_value();
  return judge(!came, "an error from inside about a packet to ", never.destination, ", which has no mapping, ",
               came ? "came out" : "did not come out");
}

Finding restored_out(Tester& t) {
  Address a = t.host(0), at;
  auto got = received(t, a, t.server(0), &at);
  auto error = got ? t.error_out(a, 3, 3, *got) : std::nullopt;
  auto quoted = error ? read_quoted(error->payload) : std::nullopt;
  if (!quoted) return fail("an error from inside did not come out");
  return judge(quoted->destination == at && quoted->checksums_right, "an error from inside about a packet to ", at,
               " quoted it as to ", quoted->destination, quoted->checksums_right ? "" : ", with a wrong checksum");
}

Finding kind_kept_out(Tester& t) {
  Address a = t.host(0);
  auto got = received(t, a, t.server(0));
  if (!got) return fail("a datagram did not come in");
  for (auto [type, code] : kinds) {
    auto error = t.error_out(a, type, code, *got);
    if (!error) return fail("ICMP ", type, "/", code, " from inside did not come out");
    if (error->type != type || error->code != code)
      return fail("ICMP ", type, "/", code, " came out as ", error->type, "/", error->code);
  }
  return pass(std::size(kinds), " kinds of errors came out with type and code as they were");
}

Finding addressed_out(Tester& t) {
  std::set<Address> ours;
  for (size_t i = 0; i < t.hosts(); ++i) ours.insert(t.map(udp_of, t.host(i), t.server(0)).with_port(0));
  Address a = t.host(0);
  auto got = received(t, a, t.server(0));
  auto error = got ? t.error_out(a, 3, 3, *got) : std::nullopt;
  if (!error) return fail("an error from inside did not come out");
  return judge(ours.contains(error->source.with_port(0)), "an error from inside came out from ", error->source);
}

// ---- REQ-6 and 7

Finding error_keeps_query(Tester& t) {
  Address to = t.server(0);
  auto sent = t.out(t.opening(icmp_of, t.host(0), to));
  if (!sent) return fail("an echo request did not come out");
  for (auto [type, code] : kinds) t.error_in(to, type, code, *sent);
  bool lives = t.reaches(icmp_of, to, sent->source);
  return judge(lives, "after errors about an echo request its reply ", lives ? "came in" : "did not come in");
}

Finding error_refreshes_no_query(Tester& t) {
  const auto& alive = refreshed(t).query_error;
  if (!alive) return unseen("query sessions live too short or too long here to tell");
  return judge(!*alive, "an echo session with an error about it just before its end ",
               *alive ? "lived on" : "died on time");
}

struct HairpinnedError {
  Hairpin way;
  std::optional<Packet> error;
};
std::optional<HairpinnedError> hairpinned_error(Tester& t) {
  auto way = hairpin(t, udp_of);
  if (!way) return {};
  HairpinnedError out{*way, {}};
  if (!way->arrived) return out;
  t.send(Side::inside, icmp_error(way->b, way->arrived->source, 3, 3, write(*way->arrived)));
  out.error = t.expect(Side::inside, [&](const Packet& got) { return quotes(got, *way->arrived, false); });
  return out;
}

Finding hairpinned_errors(Tester& t) {
  auto seen = hairpinned_error(t);
  if (!seen) return unseen("it takes two inside addresses");
  if (!seen->way.arrived) return fail("hairpinning does not work at all");
  return judge(seen->error.has_value(), "an error about a hairpinned packet ",
               seen->error ? "reached its sender" : "did not reach its sender");
}

Finding hairpinned_error_address(Tester& t) {
  auto seen = hairpinned_error(t);
  if (!seen || !seen->error) return unseen("errors about hairpinned packets do not arrive");
  auto quoted = read_quoted(seen->error->payload);
  bool right = seen->error->destination.same_ip(seen->way.a) && quoted && quoted->source == seen->way.a;
  return judge(right, "the error came to ", seen->error->destination, " and quoted the packet as from ",
               quoted ? quoted->source : Address{});
}

Finding hairpinned_queries(Tester& t) {
  if (!is_basic(t)) return unseen(only_basic);
  Address at = t.map(udp_of, t.host(1), t.server(0));
  bool came = t.across(echo(t.host(0), at, 77, t.token())).has_value();
  return judge(came, "an echo request to the outside address of another host ",
               came ? "reached it" : "did not reach it");
}

// ---- REQ-8 to 11: the NAT's own messages

Finding prohibited(Tester& t) {
  const Exhaustion& seen = exhaustion(t);
  if (!seen.refused) return unseen("a host got ", seen.opened, " mappings and was never refused");
  if (!seen.error) return fail("after ", seen.opened, " mappings a host was refused in silence");
  return judge(seen.error->type == 3 && seen.error->code == wire::icmp_prohibited, "after ", seen.opened,
               " mappings a host was refused with ICMP ", seen.error->type, "/", seen.error->code);
}

std::optional<Packet> expired(Tester& t, uint8_t tos = 0) {
  Packet p = t.opening(udp_of, t.host(0), t.server(0));
  p.ttl = 1;
  p.tos = tos;
  t.send(Side::inside, p);
  return t.expect(Side::inside, [&](const Packet& got) { return quotes(got, p, true); });
}

Finding time_exceeded(Tester& t) {
  auto error = expired(t);
  if (!error) return fail("a packet with a TTL of 1 was not answered");
  return judge(error->type == wire::icmp_time_exceeded, "a packet with a TTL of 1 was answered with ICMP ", error->type,
               "/", error->code);
}

Finding answers_echo(Tester& t) {
  Address at = t.map(udp_of, t.host(0), t.server(0));
  Address to = t.network().gateway_inside.value_or(at);
  Packet ping = t.opening(icmp_of, t.host(0), to);
  t.send(Side::inside, ping);
  bool answered = t.expect(Side::inside, [&](const Packet& got) {
                     return got.type == wire::icmp_echo_reply && got.payload == ping.payload;
                   }).has_value();
  return judge(answered, "an echo request from inside to ", to.with_port(0),
               answered ? " was answered" : " was not answered");
}

Finding no_source_quench(Tester& t) {
  auto sent = t.out(t.opening(udp_of, t.host(0), t.server(0)));
  if (!sent) return fail("nothing came out");
  bool came = t.error_in(sent->destination, wire::icmp_source_quench, 0, *sent).has_value();
  return judge(!came, "source quench ", came ? "came in" : "did not come in");
}

Finding precedence(Tester& t) {
  auto error = expired(t);
  if (!error) return unseen("the NAT sent no error");
  return judge(error->tos >> 5 >= 6, "an error of the NAT's own had the precedence ", error->tos >> 5);
}

Finding no_error_about_errors(Tester& t) {
  Address a = t.host(0), to = t.server(0);
  Packet inner = udp(to, a, t.token());
  Packet error = icmp_error(a, to, 3, 3, write(inner));
  PacketBytes piece = cut(udp(a, to, t.token() + std::string(100, 'x')), 64)[1];
  error.ttl = piece[wire::ipv4_ttl_at] = 1;
  mend_header(piece);
  t.forget_arrivals();
  t.send(Side::inside, error);
  t.send(Side::inside, piece);
  auto answer = t.expect(Side::inside, [&](const Packet& got) { return got.is_error() && got.destination.same_ip(a); });
  return judge(!answer, answer ? "an error about an error, or about a later fragment, came back"
                               : "neither an error nor a later fragment with a TTL of 1 was answered");
}

Finding rate_limited(Tester& t) {
  constexpr size_t sent = 1500;
  Packet p = t.opening(udp_of, t.host(0), t.server(0));
  p.ttl = 1;
  t.forget_arrivals();
  for (size_t i = 0; i < sent; ++i) t.send(Side::inside, p);
  size_t answers = 0;
  for (const Packet& got : t.collect(Side::inside)) answers += quotes(got, p, true);
  if (answers == 0) return unseen("the NAT sent no error");
  return judge(answers < sent, answers, " of ", sent, " packets with a TTL of 1 were answered");
}

Finding other_types(Tester& t) {
  for (uint8_t type : {query_with_mask, unassigned}) {
    Packet p = echo(t.host(0), t.server(0), t.fresh_port(), t.token());
    p.type = type;
    t.send(Side::inside, p);
    if (t.expect(Side::outside, [&](const Packet& got) { return got.protocol == icmp_of && got.payload == p.payload; }))
      return fail("an ICMP message of type ", type, " came out");
  }
  return pass("ICMP messages of types ", query_with_mask, " and ", unassigned, " did not come out");
}

constexpr std::string_view rfc = "RFC 5508";
using enum Level;
using enum Cost;

constexpr Requirement all[] = {
    {rfc, "REQ-1", must, "MUST", "pass ICMP queries from inside, and the responses", quick, queries},
    {rfc, "REQ-1a", should, "SHOULD", "give a query identifier one outside identifier towards all remotes", quick,
     one_identifier},
    {rfc, "REQ-2", must, "MUST NOT", "end a query session within 60 seconds", slow, sixty_seconds},
    {rfc, "REQ-2a", should, "RECOMMENDED", "to have that time configurable", quick, nullptr, in_configuration},
    {rfc, "REQ-3", should, "SHOULD", "drop an error with a wrong ICMP checksum", quick, bad_checksum},
    {rfc, "REQ-3a", should, "SHOULD", "drop an error whose quoted IP header has a wrong checksum", quick,
     bad_quoted_header},
    {rfc, "REQ-3b", must, "MUST", "look behind IP options of the quoted packet", quick, quoted_options},
    {rfc, "REQ-3c", should, "SHOULD NOT", "check the quoted transport checksum", quick, bad_quoted_transport},
    {rfc, "REQ-3d", must, "MUST", "leave ICMP extensions out of the quoted checksum", quick, extensions},
    {rfc, "REQ-4", should, "SHOULD", "drop an error from outside about what has no mapping", quick, unmapped_error_in},
    {rfc, "REQ-4a", must, "MUST", "restore the packet that an error from outside quotes", quick, restored_in},
    {rfc, "REQ-4b", must, "MUST", "leave its type and code", quick, kind_kept_in},
    {rfc, "REQ-4c", must, "MUST", "send it to the host whose packet it quotes", quick, addressed_in},
    {rfc, "REQ-5", should, "SHOULD", "drop an error from inside about what has no mapping", quick, unmapped_error_out},
    {rfc, "REQ-5a", must, "MUST", "restore the packet that an error from inside quotes", quick, restored_out},
    {rfc, "REQ-5b", must, "MUST", "leave its type and code", quick, kind_kept_out},
    {rfc, "REQ-5c", must, "MUST", "send it from an outside address", quick, addressed_out},
    {rfc, "REQ-6", must, "MUST NOT", "end a query session because of an error about it", quick, error_keeps_query},
    {rfc, "REQ-6 refresh", must, "MUST NOT", "prolong a query session because of an error about it", slow,
     error_refreshes_no_query},
    {rfc, "REQ-7", must, "MUST", "pass errors about hairpinned packets", quick, hairpinned_errors},
    {rfc, "REQ-7 queries", must, "MUST", "pass hairpinned queries (Basic NAT)", quick, hairpinned_queries},
    {rfc, "REQ-7a", must, "MUST", "send such errors to the host whose packet they quote", quick,
     hairpinned_error_address},
    {rfc, "REQ-8", should, "SHOULD", "refuse a host what it has no means for with ICMP 3/13", exhausting, prohibited},
    {rfc, "REQ-9", may, "MAY", "be told to send no ICMP messages", quick, nullptr, in_configuration},
    {rfc, "REQ-10a exceeded", must, "MUST", "answer packets whose TTL ends with time exceeded", quick, time_exceeded},
    {rfc, "REQ-10a echo", must, "MUST", "answer echo requests to itself", quick, answers_echo},
    {rfc, "REQ-10c", should, "SHOULD NOT", "support source quench", quick, no_source_quench},
    {rfc, "REQ-10d", should, "RECOMMENDED", "to send errors with precedence 6 or 7 (RFC 1812 section 4.3.2.5)", quick,
     precedence},
    {rfc, "REQ-10e", should, "RECOMMENDED", "to send no errors about errors and later fragments", quick,
     no_error_about_errors},
    {rfc, "REQ-10f", should, "RECOMMENDED", "to limit the rate of its errors", exhausting, rate_limited},
    {rfc, "REQ-11", may, "MAY", "drop other ICMP messages", quick, other_types},
};

}  // namespace

std::span<const Requirement> rfc5508() { return all; }

}  // namespace ginnel::conform
