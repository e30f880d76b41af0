// The gateway's answers to NAT-PMP. Knows who may ask for what; keeps no state of its own: that is in the book, which
// PCP and UPnP share. RFC 6886 sections 3.2 to 3.6.
#pragma once
#include "core/portmap/mapping_book.hpp"
#include "wire/nat_pmp.hpp"

namespace ginnel::portmap {

class NatPmpServer {
 public:
  static constexpr Duration lifetime_min = 120s;  // as PCP
  static constexpr Duration lifetime_max = 24h;

  explicit NatPmpServer(MappingBook& book) : book_(book) {}

  /// The answer to a datagram at port 5351, written into room (at least nat_pmp_message_max bytes); nothing: say
  /// nothing.
  std::optional<Bytes> handle(Instant now, const Address& from, Bytes datagram, MutableBytes room);
  /// What to multicast when state was lost or the address changed (section 3.2.1).
  Bytes announcement(Instant now, MutableBytes room) const;

 private:
  wire::NatPmpResponse map(Instant now, const Address& from, const wire::NatPmpRequest& request);

  MappingBook& book_;
};

}  // namespace ginnel::portmap
