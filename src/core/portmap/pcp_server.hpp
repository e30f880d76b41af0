// The gateway's answers to PCP. Knows who may ask for what and how long it lasts; keeps no state of its own: that is in
// the book, which NAT-PMP and UPnP share. RFC 6887 sections 8.3, 9, 11.3, 13, 14.1, 15.
#pragma once
#include "core/portmap/mapping_book.hpp"

namespace ginnel::portmap {

/// MAP and ANNOUNCE, in version 2, for IPv4 hosts. PEER is an unsupported opcode, FILTER and THIRD_PARTY are
/// unsupported options: no engine here could keep the promise of the first two, and nobody maps for others.
class PcpServer {
 public:
  static constexpr Duration lifetime_min = 120s;                  // section 15: what is RECOMMENDED
  static constexpr Duration lifetime_max = 24h;                   // likewise
  static constexpr uint32_t short_error = 30, long_error = 1800;  // seconds; section 7.4

  explicit PcpServer(MappingBook& book) : book_(book) {}

  /// The answer to a datagram at port 5351, written into room (at least pcp_message_max bytes); nothing: say nothing.
  std::optional<Bytes> handle(Instant now, const Address& from, Bytes datagram, MutableBytes room);
  /// What to multicast when state was lost (section 14.1.1).
  Bytes announcement(Instant now, MutableBytes room) const;

 private:
  struct Answer {
    wire::PcpResult result = wire::PcpResult::success;
    uint32_t lifetime = 0;
    Address external;
  };
  Answer map(Instant now, const Address& from, const wire::PcpRequest& request);
  Answer create(Instant now, const Address& inside, const wire::PcpRequest& request);
  Answer remove(Instant now, const Address& inside, const wire::PcpRequest& request);
  Answer refused(Instant now, Refusal why, const Address& inside, const wire::PcpMapping& mapping) const;

  MappingBook& book_;
};

}  // namespace ginnel::portmap
