// What searching for a symmetric NAT's port may cost the routers on the way (docs/decisions/011 says why so much and no
// more): one search at a time, a pause between two, few with one peer, and limits for each.
#pragma once
#include <map>
#include <optional>

#include "base/address.hpp"
#include "base/instant.hpp"
#include "base/public_key.hpp"

namespace ginnel::reach {

class Budget {
 public:
  static constexpr size_t sockets_max = 256;
  static constexpr size_t probes_max = 2'048;
  static constexpr Duration probe_pace = 3ms;
  static constexpr Duration pause = 20s;          ///< between two searches by many probes
  static constexpr int searches_an_hour = 3;      ///< with one peer
  static constexpr size_t peers_max = 64;         ///< that are remembered

  /// May a search with this peer begin now? A cheap one (some sockets, some probes) needs no pause.
  bool may_begin(Instant now, const PublicKey& peer, bool cheap) const;
  void begin(Instant now, const PublicKey& peer, bool cheap);
  void end(Instant now);
  bool busy() const { return busy_; }
  /// The soonest that may_begin() can say yes to that peer.
  Instant free_at(Instant now, const PublicKey& peer, bool cheap) const;

 private:
  struct Spent { Instant since; int searches = 0; };
  bool busy_ = false;
  bool cheap_ = false;
  std::optional<Instant> rests_until_;
  std::map<PublicKey, Spent> spent_;
};

/// May probes go there on a peer's word, which the server confirmed? Never to private, multicast or reserved space.
bool may_be_searched(const Address& ip);

}  // namespace ginnel::reach
