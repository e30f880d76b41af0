// Multicast on a UDP socket: joining a group on one interface, and sending out of one. IPv4 only; nobody needs more.
#pragma once
#include "base/address.hpp"

namespace ginnel {

/// The socket hears what is sent to `group` on the interface that has this address, and no other socket's groups. False
/// if the kernel refuses.
bool join_group(int fd, const Address& group, const Address& interface);
/// What the socket sends to groups leaves by that interface, and dies after `hops` routers.
bool send_groups_from(int fd, const Address& interface, int hops);

}  // namespace ginnel
