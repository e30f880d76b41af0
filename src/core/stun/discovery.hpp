// What this network's NAT does, found out with nothing but the ginnel server: RFC 5780 for UDP (mapping, filtering,
// hairpinning, lifetime), the same for the mapping of TCP, and how external ports are chosen (RFC 4787 section 4.2). A
// machine like the others: its hands open the sockets and carry the packets.
#pragma once
#include <array>
#include <deque>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "base/machine.hpp"
#include "base/rng.hpp"
#include "base/tcp_ids.hpp"
#include "core/stun/transaction.hpp"

namespace ginnel::stun {

/// RFC 4787 sections 4.1 and 5: on what a decision depends. `dependent`: on the address or on the port as well, which
/// only a server with two addresses can tell apart.
enum class Dependence : uint8_t { unknown, independent, address, address_and_port, dependent };
enum class PortUse : uint8_t { unknown, preserved, sequential, other };

struct UdpFindings {
  bool asked = false;                 ///< the server has an address of that family, and we a socket
  std::optional<Address> mapped;      ///< nothing: no answer
  std::optional<Duration> rtt;
  bool translated = false;
  Dependence mapping{}, filtering{};
  PortUse ports{};
  int port_step = 0;                  ///< of sequential ones
  std::optional<bool> hairpin;
  /// An idle mapping lives at least so long, and less than so long; only with Config::lifetime.
  std::optional<Duration> lifetime_from, lifetime_below;
};

struct TcpFindings {
  std::optional<Address> mapped;      ///< nothing: the server's TCP port was not reached
  bool translated = false;
  Dependence mapping{};
};

struct Findings {
  UdpFindings udp[2];                 ///< IPv4, IPv6
  TcpFindings tcp;
  bool second_port = false, second_address = false;  ///< what the server has for us to ask
  std::string problem;                ///< why nothing at all was found
};

class Discovery {
 public:
  static constexpr size_t samples = 6;          ///< sockets whose external ports are compared
  static constexpr Duration patience = 4s;      ///< without lifetimes
  static constexpr Duration idle_times[] = {10s, 20s, 30s, 45s, 60s, 90s, 120s, 180s};

  struct Config {
    std::string host;
    uint16_t port = 0;
    bool lifetime = false;             ///< takes three minutes
  };
  Discovery(Config config, Rng& rng) : config_(std::move(config)), rng_(rng) {}

  // ---- inputs
  /// Before the start: which families have a main socket (id 0).
  void set_udp(bool v4, bool v6) { have_[0] = v4, have_[1] = v6; }
  void start(Instant now);
  void handle(Instant now, Input& input);
  void handle_timeout(Instant now);
  // ---- polls
  std::optional<Action> poll_action(Instant now, MutableBytes room);
  /// Once, when the findings are final.
  struct Done {};
  std::optional<Done> poll_event();
  std::optional<Deadline> next_deadline() const;
  // ---- getters
  const Findings& findings() const { return findings_; }

 private:
  enum class Kind : uint8_t { main, second_port, second_address, filter_port, filter_both, sample, life };
  struct Probe {
    Kind kind;
    bool v6;
    SocketId socket;
    Address to;
    std::optional<uint32_t> change;
    Transaction transaction;
    bool ready = false;                ///< its socket is open
    uint16_t local_port = 0;
    std::optional<Duration> idle;      ///< of a life: asked for after that ...
    std::optional<Instant> wake_at;    ///< ... at this time
    bool woken = false;                ///< and something came
  };

  void add(Instant now, Kind kind, bool v6, const Address& to, std::optional<uint32_t> change = {});
  void begin_family(Instant now, const Probe& main);
  void heard(Instant now, const Datagrams& in);
  void try_hairpin(Instant now);
  void tcp_event(Instant now, TcpId id, bool connected);
  void tcp_received(Instant now, TcpReceived& in);
  std::optional<Action> poll_probe(Instant now, Probe& probe, MutableBytes room);
  std::optional<Action> poll_hairpin(Instant now, MutableBytes room);
  std::optional<Action> poll_tcp(Instant now, MutableBytes room);
  bool over(const Probe& probe) const;
  void judge();
  void judge_ports(bool v6);
  const Probe* find(Kind kind, bool v6) const;

  Config config_;
  Rng& rng_;
  TcpIds tcp_ids_;
  bool have_[2] = {};
  Findings findings_;
  std::vector<Address> interfaces_;
  std::list<Probe> probes_;
  SocketId last_socket_ = 0;
  std::array<Address, 2> server_;

  struct Hairpin {
    SocketId from = 0, to = 0;
    Address target;
    wire::TransactionId id{};
    int left = 0;
    Instant next{};
  };
  std::optional<Hairpin> hairpin_;

  struct TcpProbe {
    TcpId id = 0;
    Address to;
    bool connected = false, over = false;
    Transaction transaction;
  };
  std::vector<TcpProbe> tcp_;
  uint16_t tcp_port_ = 0;

  std::deque<Action> actions_;
  std::optional<Instant> ends_;
  bool done_ = false, told_ = false;
};

static_assert(Machine<Discovery>);

}  // namespace ginnel::stun
