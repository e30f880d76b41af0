// What may happen to a network of the lab while programs use it, in the words of the command line and of the scripts in
// topology files: "cut home", "blackhole home-a home-b one-way", "link home down loss=5%". One parser for both.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "core/link/spec.hpp"

namespace ginnel::lab {

struct Change {
  enum class Verb : uint8_t {
    cut,        ///< the node's line carries nothing
    mend,       ///<
    blackhole,  ///< the internet loses what two nodes send each other, both ways or one
    heal,       ///<
    link,       ///< another line for a node: both directions, or one
    reboot,     ///< a NAT forgets every mapping
    address,    ///< a NAT gets another public address, and forgets
    block_udp,  ///< no UDP passes a NAT, not even what is established
    allow_udp,
  };
  enum class Direction : uint8_t { both, up, down };

  Verb verb = Verb::cut;
  std::string node;
  std::string other;  ///< the second node of blackhole and heal, the new address of address
  bool one_way = false;
  Direction direction = Direction::both;
  link::Spec spec;

  std::string to_string() const;  ///< as it is parsed
};

struct TimedChange {
  Duration at{};  ///< since the network stood
  Change change;
  std::string where = {};  ///< "FILE:LINE", for errors
};

Result<Change> parse_change(std::span<const std::string> words);
Result<Change> parse_change(std::string_view text);
/// "2.5s", "300ms"; up to a day.
Result<Duration> parse_moment(std::string_view text);
/// Every form a change has, a line each, for help.
std::string_view change_forms();

}  // namespace ginnel::lab
