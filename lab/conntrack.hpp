// Forgets every connection a Linux NAT tracks: what a reboot of the box does to those behind it. Speaks ctnetlink
// itself, so that the lab does not need the conntrack program.
#pragma once
#include "lab/host.hpp"

namespace ginnel::lab {

void flush_conntrack(const Host& gateway);

}  // namespace ginnel::lab
