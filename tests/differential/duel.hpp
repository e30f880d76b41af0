// One script: random packets, the same for both NATs except for what only they know (the outside ports they chose).
// Knows how packets of hosts, servers, strangers and liars look; refuses to know what a NAT should do with them. A
// script is its seed.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/differential/compare.hpp"

namespace ginnel::test {

struct Tally {
  size_t scripts = 0, packets = 0, delivered = 0, answered = 0, dropped = 0;
  std::map<std::string, size_t> excused;  ///< by rule
};

class Duel {
 public:
  Duel(KernelNat& kernel, const Setting& setting, uint64_t seed);

  /// Plays the script; false if the two differed: explanation() says where.
  bool play(Tally& tally);
  const std::string& explanation() const { return explanation_; }

 private:
  /// A packet as each of the two is given it.
  struct Pair {
    PacketBytes kernel, engine;
  };
  /// What the two called the same outside endpoint, and whose it is.
  struct Known {
    uint8_t protocol;
    Address kernel, engine, inside, remote;
  };
  /// Where a TCP connection is, as its ends see it.
  enum class Stage { nothing, opening, crossed, answered, open, inside_closed, remote_closed, closed };
  struct Stream {
    uint32_t inside_next = 0, remote_next = 0;
    Stage stage = Stage::nothing;
  };
  /// What the segment that is on its way changes when it arrives.
  struct Pending {
    Stream* stream = nullptr;
    bool from_inside = false;
    uint32_t next = 0;
    Stage after = Stage::nothing;
    bool far = false;  ///< its number is far ahead
  };

  Address host();
  Address server();
  Pair both(PacketBytes p) const { return {p, p}; }
  Pair outgoing();
  Pair incoming();
  std::pair<uint8_t, uint8_t> kind();  ///< type and code of an error
  Pair error_from_outside();
  Pair error_from_inside();
  Stream& stream(const Address& inside, const Address& remote);
  PacketBytes segment(const Address& from, const Address& to, Stream& stream, bool from_inside);
  void vary(Pair& pair);

  bool step(Tally& tally);
  bool exchange(bool from_inside, const Pair& pair, bool cut, Tally& tally);
  bool says_invalid(const std::vector<Arrival>& kernel, bool from_inside) const;
  std::optional<std::string_view> excuse(bool from_inside, const Pair& sent, bool invalid,
                                         const std::vector<Arrival>& kernel, const std::vector<Arrival>& engine);
  bool spoiled(bool from_inside, const Pair& sent, const std::vector<Arrival>& kernel,
               const std::vector<Arrival>& engine);
  bool counts_for_one(bool from_inside, const Arrival& outcome) const;
  void learn(bool from_inside, const Pair& sent, const std::vector<Arrival>& kernel,
             const std::vector<Arrival>& engine);

  SeededRng rng_;
  KernelNat& kernel_;
  EngineNat engine_;
  bool ports_of_remotes_;
  Ports ports_;
  /// Which flow each of the two chose a port for, by protocol and port.
  std::map<std::pair<uint8_t, uint16_t>, std::pair<Address, Address>> chosen_[2];
  std::vector<Known> known_;
  std::vector<Pair> seen_outside_, seen_inside_;
  std::map<std::pair<Address, Address>, Stream> streams_;
  std::map<std::pair<Address, Address>, Address> owners_;  ///< of a TCP flow, by outside endpoint and remote
  Pending pending_;
  uint16_t next_id_ = 1;
  bool over_ = false;  ///< from here on the two may differ without being wrong
  std::string log_, explanation_;
};

}  // namespace ginnel::test
