// Applications at the two ends of one session: streams with a plan of what each direction says and how it ends, written
// under backpressure and checked byte by byte on arrival. Knows sizes, seeds and endings; refuses to know paths. A byte
// that is wrong, doubled, missing or out of order, or an ending that was not planned, is a sentence in problems().
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/agent.hpp"

namespace ginnel::sim {

/// What one direction of a stream says.
struct Speech {
  size_t bytes = 0;
  bool reset = false;   ///< end it by a reset of the stream behind the last byte, instead of a finish
  size_t chunk = 0;     ///< paced: so many bytes ...
  Duration every{};     ///< ... each; zero: as fast as the session takes them
};
struct StreamPlan {
  Speech up, down;      ///< of the dialler, of the acceptor
  bool slow_readers = false;
};

/// One end of one stream.
class StreamEnd {
 public:
  StreamEnd(World& world, Agent& agent, peer::PeerId peer, quic::StreamId id, Speech says, Speech hears, uint64_t seed,
            bool dialler, bool slow);

  void begin();
  void handle(const peer::PeerEvent& event);

  size_t written() const { return written_; }
  size_t received() const { return received_; }
  bool heard_end() const { return heard_end_; }
  bool reset() const { return reset_.has_value(); }
  bool closed() const { return closed_; }
  /// Everything was written and ended, everything was heard to its end.
  bool done() const { return said_all_ && (heard_end_ || reset_); }
  const std::vector<Instant>& arrivals() const { return arrivals_; }  ///< when new bytes came
  /// Empty, or what went wrong.
  const std::string& problem() const { return problem_; }
  std::string state() const;

 private:
  void write(quic::Session& session);
  void read(quic::Session& session);
  void tick();
  void ended(const quic::StreamClosed& event);

  World& world_;
  Agent& agent_;
  peer::PeerId peer_;
  quic::StreamId id_;
  Speech says_, hears_;
  uint64_t out_seed_, in_seed_;
  bool slow_;
  Random random_;
  size_t written_ = 0, received_ = 0;
  size_t budget_ = 0;  ///< of a paced speech: bytes whose time has come
  bool said_all_ = false;
  bool heard_end_ = false;
  bool closed_ = false;
  bool reading_later_ = false;
  std::optional<quic::Code> reset_;
  std::vector<Instant> arrivals_;
  std::string problem_;
};

class Traffic {
 public:
  /// Between a dialler and whom it dialled, for the session that dial() gave.
  Traffic(World& world, Agent& dialler, Agent& acceptor, peer::PeerId dialled);

  /// Opened as soon as the session allows.
  void open(const StreamPlan& plan) { plans_.push_back(plan), open_waiting(); }

  bool done() const;
  bool ended() const { return ended_; }        ///< the session itself is over
  size_t opened() const { return near_.size(); }
  size_t waiting() const { return plans_.size() - near_.size(); }
  StreamEnd* near(size_t nth) { return nth < near_.size() ? near_[nth].get() : nullptr; }
  /// The acceptor's end; null until the stream got there.
  StreamEnd* far(size_t nth);
  /// Empty, or all that went wrong.
  std::string problems() const;
  std::string state() const;

  /// The longest time within [from, to] in which that end got nothing new.
  static Duration longest_gap(const StreamEnd& end, Instant from, Instant to);

 private:
  void open_waiting();
  void near_event(peer::PeerId id, const peer::PeerEvent& event);
  void far_event(peer::PeerId id, const peer::PeerEvent& event);

  World& world_;
  Agent& dialler_;
  Agent& acceptor_;
  peer::PeerId dialled_;
  uint64_t seed_;
  bool connected_ = false;
  bool opening_ = false;
  bool ended_ = false;
  std::vector<StreamPlan> plans_;
  std::vector<std::unique_ptr<StreamEnd>> near_;
  std::map<quic::StreamId, size_t> near_ids_;
  std::map<quic::StreamId, std::unique_ptr<StreamEnd>> far_;
  std::vector<quic::StreamId> ids_;
  std::string problem_;
};

}  // namespace ginnel::sim
