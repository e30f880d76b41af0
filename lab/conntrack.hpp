// Forgets every connection a Linux NAT tracks: what a reboot of the box does to those behind it. Speaks ctnetlink
// itself, so that the lab does not need the conntrack program.
#pragma once
#include "lab/host.hpp"

namespace ginnel::lab {

void flush_conntrack(const Host& gateway);
/// The same in the network namespace where the caller is.
void flush_conntrack_here();

}  // namespace ginnel::lab
