// Whose turn it is to search for ports: at each public address one pair of peers at a time, however many nodes stand
// behind it, so that no router has to carry more than one search (docs/decisions/011). Knows addresses and time only.
#pragma once
#include <map>

#include "base/address.hpp"
#include "base/instant.hpp"
#include "base/public_key.hpp"

namespace ginnel::rendezvous {

class SearchTurns {
 public:
  static constexpr Duration turn = 10s;  ///< as long as a search may take
  static constexpr size_t addresses_max = 4'096;

  /// The side with the symmetric NAT asks, who is known by its key; nobody at either address may have a turn but itself.
  bool take(Instant now, const PublicKey& asks, const Address& its, const Address& other) {
    std::erase_if(turns_, [&](auto& t) { return t.second.ends <= now; });
    for (const Address& ip : {its.with_port(0), other.with_port(0)})
      if (auto at = turns_.find(ip); at != turns_.end() && at->second.whose != asks) return false;
    if (turns_.size() + 2 > addresses_max) return false;
    for (const Address& ip : {its.with_port(0), other.with_port(0)}) turns_[ip] = {asks, now + turn};
    return true;
  }
  void end(const PublicKey& asked) {
    std::erase_if(turns_, [&](auto& t) { return t.second.whose == asked; });
  }

 private:
  struct Turn { PublicKey whose; Instant ends; };
  std::map<Address, Turn> turns_;
};

}  // namespace ginnel::rendezvous
