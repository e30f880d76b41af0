// A running NAT gateway: the engine, the kernel around it, and what can be told to it while it runs. The command line
// starts it, the control socket (nat_control.hpp) commands it, the port mapping servers use it.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/capture.hpp"
#include "app/nat_network.hpp"
#include "app/nat_pump.hpp"
#include "app/nat_words.hpp"
#include "app/report.hpp"
#include "core/nat/gateway.hpp"
#include "drive/entropy.hpp"
#include "drive/interface_monitor.hpp"
#include "drive/loop.hpp"

namespace ginnel::app {

class NatService {
 public:
  /// What of the behaviour was said by hand: the rest follows the interfaces.
  struct Wish {
    NatPlace place;
    nat::Behaviour behaviour;
    bool mtu_inside_given = false, mtu_outside_given = false;
    std::vector<NatForward> forwards;
  };

  /// `on_end` is called with the reason when it cannot go on.
  static Result<std::unique_ptr<NatService>> make(Loop& loop, Wish wish, Reporter report,
                                                  std::function<void(Error)> on_end);
  NatService(const NatService&) = delete;

  // ---- commands
  void reboot();
  std::optional<Error> set_public_addresses(const std::vector<Address>& addresses);
  /// "KNOB=VALUE".
  std::optional<Error> set(const std::string& text);
  std::optional<Error> add_forward(const NatForward& forward);
  std::optional<Error> remove_forward(const NatForward& forward);
  /// An empty path ends it.
  std::optional<Error> capture(nat::Side side, const std::string& path);

  // ---- getters
  Instant now() const { return loop_.now(); }
  Instant started() const { return started_; }
  nat::Gateway& gateway() { return gateway_; }
  NatNetwork& network() { return *network_; }
  NatPump& pump() { return pump_; }
  const NatPlace& place() const { return wish_.place; }
  const std::vector<NatForward>& forwards() const { return wish_.forwards; }
  const Capture* capture(nat::Side side) const { return captures_[static_cast<size_t>(side)].get(); }

 private:
  NatService(Loop& loop, Wish wish, Reporter report, std::function<void(Error)> on_end,
             std::unique_ptr<NatNetwork> network);

  nat::Behaviour behaviour() const;
  void look_again();
  void take_over_addresses();
  bool apply(const NatForward& forward);
  std::vector<std::string> public_texts() const;

  Loop& loop_;
  Wish wish_;
  Reporter report_;
  Instant started_;
  std::unique_ptr<NatNetwork> network_;
  Entropy entropy_;
  nat::Gateway gateway_;
  NatPump pump_;
  InterfaceMonitor monitor_;
  std::unique_ptr<Capture> captures_[2];
};

}  // namespace ginnel::app
