// What makes a node of the lab a NAT: nftables rules, or `ginnel nat` as a process, in a namespace that has interfaces
// "wan" and "lan" already. Knows how each of the two forgets and moves.
#pragma once
#include <string>
#include <vector>

#include "lab/host.hpp"
#include "lab/nat_kind.hpp"

namespace ginnel::lab {

class Gateway {
 public:
  /// `binary` is the ginnel to run if the kind wants one; `pool`: public addresses besides the host's, for that one.
  /// It translates when this returns. Throws LabError, with the exit code of what did not start.
  Gateway(const Host& host, const NatKind& kind, const std::string& binary, const std::vector<std::string>& pool = {});

  // Commands.
  void forget_all();                             ///< as a reboot does
  void move_to(const std::string& new_address);  ///< the interface has it already
  void block_udp(bool blocked);                  ///< only if it can: see blocks_udp()

  // Getters.
  const NatKind& kind() const { return kind_; }
  /// A gateway of the kernel blocks protocols itself; for others the line has to.
  bool blocks_udp() const { return kind_.is_kernel(); }

 private:
  void start_kernel();
  void start_ginnel(const std::vector<std::string>& pool);
  void control(const std::string& words_of_command);

  const Host& host_;
  NatKind kind_;
  std::string binary_;
  std::string control_;  ///< where `ginnel nat show` on that host looks for it
  Process process_;
};

}  // namespace ginnel::lab
