// The hands of a script: fresh endpoints, packets that can be told from all others, and the same packet on the other
// side. Knows how to recognise what was sent, whatever the NAT made of its addresses; refuses to judge. No RFC.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/rng.hpp"
#include "core/conform/bench.hpp"
#include "core/conform/experiments.hpp"
#include "core/conform/packet.hpp"

namespace ginnel::conform {

inline constexpr uint8_t fin = wire::tcp_fin, syn = wire::tcp_syn, rst = wire::tcp_rst, ack = wire::tcp_ack;

/// A TCP connection through the NAT, both of whose ends are the tester.
struct Connection {
  Address inside, remote, outside;
  uint32_t inside_next = 0, remote_next = 0;  ///< sequence numbers
};

class Tester {
 public:
  static constexpr uint16_t ports_first = 10'000, ports_last = 29'999;  ///< what fresh ports come from
  using Match = std::function<bool(const Packet&)>;

  Tester(Bench& bench, Rng& rng);
  Tester(const Tester&) = delete;

  // ---- places
  const Network& network() const { return bench_.network(); }
  size_t hosts() const { return network().inside.size(); }
  size_t servers() const { return network().outside.size(); }
  Address host(size_t i) { return host(i, fresh_port()); }
  Address host(size_t i, uint16_t port) const { return network().inside.at(i).with_port(port); }
  Address server(size_t i) { return server(i, fresh_port()); }
  Address server(size_t i, uint16_t port) const { return network().outside.at(i).with_port(port); }
  /// Two ports of each of two servers, in the order 11 12 21 22; of one server if there is only one.
  std::vector<Address> corners();
  uint16_t fresh_port();
  uint64_t below(uint64_t bound) { return rng_.below(bound); }
  std::string token();  ///< a payload that nobody has sent before

  // ---- sending and seeing
  void send(Side from, const Packet& packet) { send(from, write(packet)); }
  void send(Side from, Bytes packet);
  /// The next whole packet for which `match` holds; others are thrown away. Fragments are put together first.
  std::optional<Packet> expect(Side at, const Match& match);
  size_t pieces() const { return pieces_; }           ///< fragments that the last arrival consisted of; 1: whole
  bool pieces_in_order() const { return in_order_; }  ///< and whether they came in order
  void wait(Duration how_long) { bench_.wait(how_long); }
  Duration elapsed() const { return bench_.elapsed(); }
  /// Everything that has arrived there, and what arrives within this time.
  std::vector<Packet> collect(Side at, Duration how_long = Duration(0));
  void forget_arrivals();  ///< of both sides, so far

  /// Sends from one side; the same packet as it came out on the other (or, across, on the inside again), or nothing.
  std::optional<Packet> out(const Packet& packet);
  std::optional<Packet> in(const Packet& packet);
  std::optional<Packet> across(const Packet& packet);

  /// Something of the protocol's own that opens: a datagram, a SYN, an echo request.
  Packet opening(uint8_t protocol, const Address& from, const Address& to);
  /// The outside endpoint `from` gets towards `to`; unspecified if it gets none.
  std::optional<Address> try_map(uint8_t protocol, const Address& from, const Address& to);
  /// The same where everything else hangs on it: if nothing comes out, the script's finding becomes a failure.
  Address map(uint8_t protocol, const Address& from, const Address& to);
  /// A datagram, a SYN or an echo reply from outside: does it come in?
  bool reaches(uint8_t protocol, const Address& from, const Address& outside);
  /// An error about `sent` as the outside saw it, from `by`: as it came in.
  std::optional<Packet> error_in(const Address& by, uint8_t type, uint8_t code, const Packet& sent, uint32_t rest = 0);
  /// An error about `received` as the inside saw it: as it came out.
  std::optional<Packet> error_out(const Address& by, uint8_t type, uint8_t code, const Packet& received);

  // ---- connections
  Connection connect(const Address& from, const Address& to);
  /// The next segment of one side, with its numbers; as it arrived on the other.
  std::optional<Packet> segment(Connection& c, Side from, uint8_t flags, std::string_view text = {});

  // ---- what the runner asks at the end of a script
  /// Something that had to pass did not, or arrived broken: a sentence. Forgets it.
  std::optional<std::string> take_trouble();

  Experiments memo;  ///< what took long and more than one requirement asks for

 private:
  struct Partial {
    Packet first;  ///< its header
    std::vector<std::pair<uint16_t, PacketBytes>> pieces;
    size_t end = 0;  ///< of the whole payload; 0: its last piece has not come
    bool in_order = true;
  };

  std::optional<Packet> through(Side from, Side at, const Packet& packet, const Match& match);
  std::optional<Packet> understand(Bytes bytes);
  std::optional<Packet> put_together(const Packet& fragment, Bytes raw);
  void note(std::string trouble) {
    if (trouble_.empty()) trouble_ = std::move(trouble);
  }

  Bench& bench_;
  Rng& rng_;
  uint16_t next_port_;
  uint64_t tokens_ = 0;
  uint64_t secret_;
  std::vector<Partial> partial_;  ///< datagrams of which pieces are still to come
  size_t pieces_ = 1;
  bool in_order_ = true;
  std::string trouble_;
};

/// Does an error's quoted packet belong to `about`? By what the NAT must leave alone: data, else the remote endpoint.
bool quotes(const Packet& error, const Packet& about, bool remote_is_destination);

}  // namespace ginnel::conform
