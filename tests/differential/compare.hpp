// Did two NATs do the same? Knows which outside port of one is which of the other, everything of a packet that has to
// be equal, and the differences that are meant (docs/compliance.md prints their sentences); refuses to excuse another.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/differential/worlds.hpp"

namespace ginnel::test {

/// Ports that the two NATs chose: those that are not the inside port are random, and only have to correspond.
class Ports {
 public:
  /// `of_remotes`: each remote has ports of its own.
  explicit Ports(bool of_remotes) : of_remotes_(of_remotes) {}
  /// False: they cannot be the same mapping.
  bool match(uint8_t protocol, const Address& remote, uint16_t kernel, uint16_t engine);

 private:
  using Key = std::tuple<uint8_t, Address, uint16_t>;

  bool of_remotes_;
  std::map<Key, uint16_t> engine_of_, kernel_of_;
};

/// Everything that both sent out, packet by packet; a sentence about the first difference.
std::optional<std::string> compare(const std::vector<Arrival>& kernel, const std::vector<Arrival>& engine,
                                   Ports& ports);

std::string describe(const std::vector<Arrival>& all);
std::string describe(Bytes packet);

}  // namespace ginnel::test
