// Whose turn it is to search for ports: at each public address one pair of peers at a time, however many nodes stand
// behind it, so that no router has to carry more than one search (docs/decisions/011). Knows addresses and time only.
#pragma once
#include <algorithm>
#include <map>
#include <utility>

#include "base/address.hpp"
#include "base/instant.hpp"
#include "base/public_key.hpp"

namespace ginnel::rendezvous {

class SearchTurns {
 public:
  static constexpr Duration turn = 10s;  ///< as long as a search may take
  static constexpr size_t addresses_max = 4'096;

  struct Side { PublicKey key; Address address; };

  /// For both in either order, as each may ask; nobody else at their addresses may have a turn.
  bool take(Instant now, const Side& asks, const Side& other) {
    std::erase_if(turns_, [&](auto& t) { return t.second.ends <= now; });
    Pair pair = std::minmax(asks.key, other.key);
    for (const Address& ip : {asks.address.with_port(0), other.address.with_port(0)})
      if (auto at = turns_.find(ip); at != turns_.end() && at->second.whose != pair) return false;
    if (turns_.size() + 2 > addresses_max) return false;
    for (const Address& ip : {asks.address.with_port(0), other.address.with_port(0)}) turns_[ip] = {pair, now + turn};
    return true;
  }
  /// One of the two says that it is done.
  void end(const PublicKey& key) {
    std::erase_if(turns_, [&](auto& t) { return t.second.whose.first == key || t.second.whose.second == key; });
  }

 private:
  using Pair = std::pair<PublicKey, PublicKey>;
  struct Turn { Pair whose; Instant ends; };
  std::map<Address, Turn> turns_;
};

}  // namespace ginnel::rendezvous
