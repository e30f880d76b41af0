// Two NATs that are asked the same questions: the kernel's, in this network namespace between two TUN devices, and the
// engine. Knows how a packet is given to each and that everything it causes has come out again; refuses to compare.
#pragma once
#include <ostream>
#include <string>
#include <vector>

#include "core/nat/gateway.hpp"
#include "lab/host.hpp"
#include "tests/support/packets.hpp"
#include "tests/support/seeded_rng.hpp"

namespace ginnel::test {

/// What came out: on which side, and its bytes.
struct Arrival {
  bool inside = false;
  PacketBytes bytes;
};

/// How the kernel's gateway is set up, and which behaviour of the engine that is.
struct Setting {
  std::string name;
  std::string masquerade;  ///< "masquerade", "masquerade random" ...
  bool input_open = true;  ///< packets to the gateway itself are accepted, so that its closed ports answer
  nat::Behaviour behaviour;
  bool ports_of_remotes = false;  ///< each remote has ports of its own

  friend void PrintTo(const Setting& setting, std::ostream* out) { *out << setting.name; }
};

inline const Address gateway_inside = Address::v4(10, 0, 0, 1, 0), gateway_outside = Address::v4(198, 51, 100, 1, 0);
inline constexpr uint16_t mtu_outside = 1280;

class KernelNat {
 public:
  /// Builds the gateway in `host` and enters its namespace for good. Throws LabError.
  KernelNat(const lab::Host& host, const Setting& setting);
  ~KernelNat();
  KernelNat(const KernelNat&) = delete;

  std::vector<Arrival> send(bool from_inside, Bytes packet);
  void forget();  ///< every connection

 private:
  void take(int fd, bool inside, std::vector<Arrival>& out);

  int lan_ = -1, wan_ = -1;
  PacketBytes sentinel_;
  bool passed_ = false;  ///< the sentinel
};

class EngineNat {
 public:
  EngineNat(const Setting& setting, uint64_t seed);
  std::vector<Arrival> send(bool from_inside, Bytes packet);

 private:
  SeededRng rng_;
  nat::Gateway gateway_;
  Instant now_{1h};
};

}  // namespace ginnel::test
