// One machine in the simulated world, driven as app/driver drives it: one input, then every action, then every event,
// until nothing is left; after that the next deadline. Datagrams that wait together are regrouped at random into the
// batches that UDP receive offload would make of them. A machine that never settles, or that asks to be woken at one
// instant again and again, is a bug, and is reported instead of being run for ever.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/machine.hpp"
#include "sim/clock.hpp"
#include "sim/random.hpp"
#include "sim/stack.hpp"
#include "sim/trace.hpp"

namespace ginnel::sim {

/// What all hosts of a world share.
struct Commons {
  Schedule& clock;
  Trace& trace;
  std::vector<Address> server;  ///< what every name resolves to, with the port that was asked for
  std::vector<uint8_t> room = std::vector<uint8_t>(room_size);  ///< for one action at a time
  std::vector<uint8_t> batch;                                   ///< for one input at a time
};

class Host : public Process {
 public:
  Host(Commons& commons, Stack& stack, Random random, std::string name);
  ~Host() override;
  Host(const Host&) = delete;

  // ---- commands
  void input(Input input);
  /// Something was told to the machine: drain it. From inside an event handler the drain under way goes on.
  void drain();
  /// The process died: nothing reaches it, nothing leaves it, its connections are reset.
  void kill();
  bool dead() const { return dead_; }
  /// A laptop's lid: time passes and it does not notice; what is sent to it is lost.
  void set_asleep(bool asleep);

  const std::string& name() const { return name_; }
  Stack& stack() { return stack_; }
  Duration coalesce{};  ///< datagrams wait up to this for others, as in a network card

 protected:
  virtual void handle(Input& input) = 0;
  virtual void handle_timeout() = 0;
  virtual std::optional<Action> poll_action(MutableBytes room) = 0;
  virtual bool take_event() = 0;
  virtual std::optional<Deadline> next_deadline() const = 0;
  Instant now() const { return commons_.clock.now(); }

 private:
  // ---- Process
  void datagram(SocketId socket, const Address& from, PacketPtr packet, MutableBytes payload) override;
  void tcp_accepted(TcpId id, const Address& from, const Address& local) override;
  void tcp_connected(TcpId id, const Address& local) override;
  size_t tcp_received(TcpId id, MutableBytes bytes) override;
  void tcp_writable(TcpId id) override;
  void tcp_closed(TcpId id, std::string_view why) override;

  struct Datagram {
    Address from;
    SocketId socket;
    PacketPtr packet;
    MutableBytes payload;
  };
  void flush();
  void give_batch(size_t first, size_t count);
  void perform(const Action& action);
  void transmit(const Transmit& t);
  void answer_later(Input input);
  void arm();
  void wake();

  Commons& commons_;
  Stack& stack_;
  Random random_;
  std::string name_;
  std::vector<Datagram> pending_, flushed_;
  bool flushing_ = false;
  bool draining_ = false;
  bool dead_ = false;
  std::optional<Instant> armed_;
  Instant woken_at_{};
  int wakes_at_once_ = 0;
};

template <Machine M>
class MachineHost final : public Host {
 public:
  using Event = typename decltype(std::declval<M&>().poll_event())::value_type;
  using OnEvent = std::function<void(Event&)>;

  template <typename... Args>
  MachineHost(Commons& commons, Stack& stack, Random random, std::string name, OnEvent on_event, Args&&... args)
      : Host(commons, stack, random.fork(), std::move(name)),
        on_event_(std::move(on_event)),
        random_(random.fork()),
        machine_(std::forward<Args>(args)..., random_) {}

  M& machine() { return machine_; }
  const M& machine() const { return machine_; }

 protected:
  void handle(Input& input) override { machine_.handle(now(), input); }
  void handle_timeout() override { machine_.handle_timeout(now()); }
  std::optional<Action> poll_action(MutableBytes room) override { return machine_.poll_action(now(), room); }
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
