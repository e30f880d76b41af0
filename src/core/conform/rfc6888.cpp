// RFC 6888, carrier-grade NATs: fifteen requirements, of which a tester on both sides sees the half.
#include "core/conform/common.hpp"

namespace ginnel::conform {
namespace {

Finding open_filter(Tester& t) {
  std::string in = admitted(t, wire::ip_protocol_udp);
  if (in.size() < 4) return unseen("it takes two outside addresses");
  return judge(in == "yyyy", "a UDP mapping ", filter_text(in));
}

Finding limit_for_each_host(Tester& t) {
  const Exhaustion& seen = exhaustion(t);
  if (!seen.refused) return unseen("a host got ", seen.opened, " mappings and was never refused");
  if (!seen.others_known) return unseen("it takes two inside addresses");
  return judge(seen.another_host, "one host was refused after ", seen.opened, " mappings, and another ",
               seen.another_host ? "still got one" : "got none either");
}

Finding port_rests(Tester& t) {
  const Refreshed& seen = refreshed(t);
  if (!seen.port_reused)
    return unseen(seen.why_port.empty() ? "mappings live too short or too long here to tell" : seen.why_port);
  return judge(!*seen.port_reused, "the port of a mapping that had just died was ",
               *seen.port_reused ? "given to another host at once" : "not given to another host");
}

Finding nobody_evicted(Tester& t) {
  const Exhaustion& seen = exhaustion(t);
  if (!seen.refused) return unseen("a host got ", seen.opened, " mappings and was never refused");
  return judge(seen.first_lives, "when a host was refused after ", seen.opened, " mappings, its first one ",
               seen.first_lives ? "still worked" : "was gone");
}

Finding refused_with_error(Tester& t) {
  const Exhaustion& seen = exhaustion(t);
  if (!seen.refused) return unseen("a host got ", seen.opened, " mappings and was never refused");
  if (!seen.error) return fail("a host was refused in silence");
  return judge(seen.error->type == wire::icmp_unreachable, "a host was refused with ICMP ", seen.error->type, "/",
               seen.error->code);
}

constexpr std::string_view rfc = "RFC 6888";
using enum Level;
using enum Cost;

constexpr Requirement all[] = {
    {rfc, "REQ-1", must, "MUST", "obey the documents of the protocols", quick, nullptr, "it is the sum of the others"},
    {rfc, "REQ-2", must, "MUST", "give all sockets of a host the same outside address", quick, paired_pooling},
    {rfc, "REQ-3", must, "MUST", "take any set of outside addresses", quick, nullptr, in_configuration},
    {rfc, "REQ-4", must, "MUST", "limit the ports of each subscriber", exhausting, limit_for_each_host},
    {rfc, "REQ-5", should, "SHOULD", "limit the memory of each subscriber", quick, nullptr,
     "memory is not seen in packets"},
    {rfc, "REQ-6", must, "MUST", "be told not to translate towards some destinations", quick, nullptr,
     in_configuration},
    {rfc, "REQ-7", should, "RECOMMENDED", "to let everybody reach a mapping", quick, open_filter},
    {rfc, "REQ-8", should, "SHOULD NOT", "give a port away within 120 s after its mapping's end", slow, port_rests},
    {rfc, "REQ-9", must, "MUST", "let subscribers control mappings, by PCP", quick, nullptr,
     "port mapping protocols are asked by other means"},
    {rfc, "REQ-10", should, "SHOULD", "be manageable", quick, nullptr, in_configuration},
    {rfc, "REQ-11", must, "MUST NOT", "end a mapping to make another", exhausting, nobody_evicted},
    {rfc, "REQ-11 error", should, "SHOULD", "refuse with ICMP destination unreachable", exhausting, refused_with_error},
    {rfc, "REQ-12", should, "SHOULD NOT", "log destinations", quick, nullptr, "logs are not seen in packets"},
    {rfc, "REQ-13", should, "SHOULD", "use its ports well", quick, nullptr, "it is a matter of degree"},
    {rfc, "REQ-14", should, "SHOULD", "need few log lines", quick, nullptr, "logs are not seen in packets"},
    {rfc, "REQ-15", should, "SHOULD", "choose ports that are hard to guess", quick, hard_to_guess},
};

}  // namespace

std::span<const Requirement> rfc6888() { return all; }

}  // namespace ginnel::conform
