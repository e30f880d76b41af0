// Scripts that the documents for UDP, TCP and ICMP have in common, told which protocol. RFC 4787, RFC 5382, RFC 6888.
#pragma once
#include "core/conform/requirement.hpp"
#include "core/conform/tester.hpp"

namespace ginnel::conform {

/// One endpoint towards several remotes: has it one outside endpoint?
Finding endpoint_independent(Tester& t, uint8_t protocol);
/// Many sockets of several hosts: has each host one outside address?
Finding paired_pooling(Tester& t);
/// The same port of all hosts, towards the same and towards other remotes: has anybody another's outside endpoint?
Finding no_overloading(Tester& t, uint8_t protocol);
/// Open, or depending on the address: both are recommended, the port is not to be asked for.
Finding lenient_filtering(Tester& t, uint8_t protocol);
/// "lets everybody in", "lets in ..." for what admitted() found.
std::string_view filter_text(std::string_view admitted);

/// Two hosts behind the NAT that know each other's outside endpoints; each has sent to the other's.
struct Hairpin {
  Address a, b, outside_a, outside_b;
  std::optional<Packet> arrived;  ///< what a sent to outside_b, as b saw it
};
/// Nothing if there is only one host to send from.
std::optional<Hairpin> hairpin(Tester& t, uint8_t protocol);
Finding hairpinning(Tester& t, uint8_t protocol);
Finding hairpin_source(Tester& t, uint8_t protocol);

/// A payload that an application gateway would change, sent to `port`; unchanged?
Finding payload_untouched(Tester& t, uint8_t protocol, uint16_t port, std::string_view what);

/// Outside ports of mappings whose inside ports are all different or, with `collide`, the same for all hosts.
struct PortSample {
  std::vector<Address> inside, outside;
  size_t changed() const;  ///< how many have not their inside port
};
PortSample sample_ports(Tester& t, size_t of_each_host, bool collide, uint16_t first_port = 0);
/// Two hosts that have the same outside address, by number.
std::optional<std::pair<size_t, size_t>> sharing_hosts(Tester& t);
inline constexpr std::string_view no_sharing = "no two hosts here share an outside address";
/// Basic NAT: every host has an outside address of its own, and keeps its ports.
bool is_basic(Tester& t);
inline constexpr std::string_view only_basic = "it is asked of Basic NAT, and this one translates ports";
inline constexpr std::string_view all_ports_mapped = "under Basic NAT every port of every protocol is mapped";
/// Are ports that the NAT chose hard to guess? (RFC 7857 section 9, RFC 6888 REQ-15)
Finding hard_to_guess(Tester& t);

}  // namespace ginnel::conform
