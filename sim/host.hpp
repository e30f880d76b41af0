// One machine in the simulated world, driven as app/driver drives it: one input, then every action, then every event,
// until nothing is left; after that the next deadline. Datagrams that wait together are regrouped at random into the
// batches that UDP receive offload would make of them. A machine that never settles, or that asks to be woken at one
// instant again and again, is a bug, and is reported instead of being run for ever.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/machine.hpp"
#include "sim/clock.hpp"
#include "sim/network.hpp"
#include "sim/random.hpp"
#include "sim/trace.hpp"

namespace ginnel::sim {

class Host {
 public:
  Host(Network& network, Schedule& clock, Trace& trace, Random random, SiteId site, std::string name);
  virtual ~Host() = default;
  Host(const Host&) = delete;

  // ---- what the network brings
  void receive(const Address& from, std::vector<uint8_t> datagram);
  void tcp_bytes(TcpId id, const std::vector<uint8_t>& bytes);
  void tcp_closed(TcpId id, std::string why);
  void input(Input input);

  // ---- commands
  /// Something was told to the machine: drain it. From inside an event handler the drain under way goes on.
  void drain();
  /// The process died: nothing reaches it, nothing leaves it.
  void kill() { dead_ = true; }
  bool dead() const { return dead_; }

  const std::string& name() const { return name_; }
  Duration coalesce{};  ///< datagrams wait up to this for others, as in a network card

 protected:
  virtual void handle(Input& input) = 0;
  virtual void handle_timeout() = 0;
  virtual std::optional<Action> poll_action(MutableBytes room) = 0;
  virtual bool take_event() = 0;
  virtual std::optional<Deadline> next_deadline() const = 0;
  Schedule& clock_;
  Trace& trace_;

 private:
  struct Datagram {
    Address from;
    std::vector<uint8_t> bytes;
  };
  void flush();
  void perform(const Action& action);
  void transmit(const Transmit& t);
  void arm();

  Network& network_;
  Random random_;
  SiteId site_;
  std::string name_;
  std::vector<uint8_t> room_;
  std::vector<Datagram> pending_;
  std::map<TcpId, std::vector<uint8_t>> leftover_;
  bool flushing_ = false;
  bool draining_ = false;
  bool dead_ = false;
  std::optional<Instant> armed_;
  uint64_t arming_ = 0;
  Instant woken_at_{};
  int wakes_at_once_ = 0;
};

template <Machine M>
class MachineHost final : public Host {
 public:
  using Event = typename decltype(std::declval<M&>().poll_event())::value_type;
  using OnEvent = std::function<void(Event&)>;

  template <typename... Args>
  MachineHost(Network& network, Schedule& clock, Trace& trace, Random random, SiteId site, std::string name,
              OnEvent on_event, Args&&... args)
      : Host(network, clock, trace, random.fork(), site, std::move(name)), on_event_(std::move(on_event)),
        random_(random.fork()), machine_(std::forward<Args>(args)..., random_) {}

  M& machine() { return machine_; }
  const M& machine() const { return machine_; }

 protected:
  void handle(Input& input) override { machine_.handle(clock_.now(), input); }
  void handle_timeout() override { machine_.handle_timeout(clock_.now()); }
  std::optional<Action> poll_action(MutableBytes room) override { return machine_.poll_action(clock_.now(), room); }
  bool take_event() override {
    auto event = machine_.poll_event();
    if (event) on_event_(*event);
    return event.has_value();
  }
  std::optional<Deadline> next_deadline() const override { return machine_.next_deadline(); }

 private:
  OnEvent on_event_;
  Random random_;
  M machine_;
};

}  // namespace ginnel::sim
