// One TCP connection of a simulated host (RFC 9293), small but honest: handshakes, the simultaneous one too, sequence
// numbers, cumulative acknowledgements, retransmission, resets, both ends of a close. Its queue has the limits of
// drive/tcp_connection. Left out: options, urgent data, keepalive, and a window of the receiver, because programs here
// take what comes.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "base/address.hpp"
#include "base/input.hpp"
#include "sim/packet.hpp"
#include "sim/tcp_congestion.hpp"
#include "sim/tcp_queue.hpp"

namespace ginnel::sim {

class TcpStack;

class TcpSocket {
 public:
  // As in drive/tcp_connection.
  static constexpr size_t queue_full = 256 * 1024;
  static constexpr size_t queue_writable = 64 * 1024;
  static constexpr size_t queue_max = 1024 * 1024;
  static constexpr size_t leftover_max = 128 * 1024;
  static constexpr Duration connect_limit = 10s;
  static constexpr Duration close_limit = 2s;
  static constexpr Duration user_timeout = 10s;
  // Of kernels.
  static constexpr size_t segment_max = 16 * 1024;
  static constexpr int answers_max = 5;  ///< SYN-ACKs again to somebody who then says nothing
  static constexpr Duration time_wait = 60s;

  enum class State : uint8_t { syn_sent, syn_received, open, time_wait, closed };

  /// `id` 0: somebody dialled us, and gets an id when the handshake is done.
  TcpSocket(TcpStack& stack, TcpId id, const Address& local, const Address& remote, uint32_t first_sequence);

  // ---- inputs
  void connect(Instant now);
  void accept(Instant now, const TcpFields& syn);
  void handle(Instant now, const TcpFields& segment, Slice payload);
  void unreachable();
  void handle_timeout(Instant now);
  // ---- commands
  /// False: it wants no more for now; TcpWritable follows. Beyond queue_max nothing was taken.
  bool send(Instant now, Bytes bytes);
  void close(Instant now);
  /// Resets the other side and tells nobody here.
  void abort();
  // ---- getters
  std::optional<Instant> deadline() const;
  State state() const { return state_; }
  TcpId id() const { return id_; }
  const Address& local() const { return local_; }
  const Address& remote() const { return remote_; }
  bool simultaneous() const { return simultaneous_; }  ///< both SYNs met

  // ---- of the stack
  std::optional<Instant> armed;  ///< when its timer looks at this one
  bool linked = true;            ///< segments and commands find it

 private:
  static bool before(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) < 0; }

  void handle_syn_sent(Instant now, const TcpFields& segment);
  bool handle_syn_received(Instant now, const TcpFields& segment);
  void handle_acknowledgement(Instant now, uint32_t number, bool empty);
  void take_payload(uint32_t sequence, Slice payload);
  void append(const Slice& payload);
  void deliver(Instant now);
  void open(Instant now);
  void push(Instant now);
  void send_again(Instant now);
  void emit(uint8_t flags, uint32_t sequence, Slice payload = {});
  void acknowledge() { emit(0, sent_end_); }
  void look_for_the_end(Instant now);
  void fail(std::string_view why);
  size_t unsent() const { return queue_.size() - std::min<size_t>(next_ - data_begin_, queue_.size()); }
  uint32_t data_end() const { return data_begin_ + static_cast<uint32_t>(queue_.size()); }
  uint32_t under_way() const { return next_ - unacknowledged_; }
  bool opening() const { return state_ == State::syn_sent || state_ == State::syn_received; }

  TcpStack& stack_;
  TcpId id_;
  Address local_, remote_;
  State state_ = State::closed;
  bool simultaneous_ = false;

  // ---- sending
  uint32_t first_;           ///< number of our SYN
  uint32_t unacknowledged_;  ///< SND.UNA
  uint32_t next_;            ///< SND.NXT; goes back when the timer fires
  uint32_t sent_end_;        ///< one past the last number ever sent
  uint32_t data_begin_;      ///< number of the first byte in the queue
  uint32_t recover_ = 0;     ///< where the present recovery ends
  TcpQueue queue_;
  TcpCongestion congestion_;
  TcpTimeout timeout_;
  bool ending_ = false;  ///< FIN behind the queue
  bool end_sent_ = false;
  bool end_acknowledged_ = false;
  bool ended_first_ = false;
  bool owes_writable_ = false;
  std::optional<Instant> resend_at_;
  Instant progress_{};                                 ///< since when what is under way waits
  std::optional<std::pair<uint32_t, Instant>> timed_;  ///< a number whose acknowledgement is a round trip
  int tries_ = 0;                                      ///< of the handshake

  // ---- receiving
  uint32_t expected_ = 0;            ///< RCV.NXT
  std::map<uint32_t, Slice> early_;  ///< came before what they follow; keys are distances from the other side's SYN
  uint32_t their_first_ = 0;
  std::optional<uint32_t> their_end_;
  std::vector<uint8_t> unread_;
  size_t fresh_ = 0;  ///< of unread_, not yet shown to the program
  bool they_ended_ = false;
  bool owes_acknowledgement_ = false;

  bool program_gone_ = false;     ///< it closed, or was told of the end
  std::optional<Instant> limit_;  ///< of connecting, of the other side's FIN, of TIME_WAIT
};

}  // namespace ginnel::sim
