// Two connectivity agents joined by virtual ways in virtual time; each way has a delay, a loss, a largest packet.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/ice/agent.hpp"
#include "tests/support/seeded_rng.hpp"

namespace ginnel::test {

struct IceEnd {
  IceEnd(bool controlling, uint32_t tag, Rng& rng) : agent(controlling, tag, rng) {}
  ice::Agent agent;
  std::vector<std::pair<Instant, ice::Event>> events;
  struct Opener { Instant when; Carrier to; uint8_t hops; };
  std::vector<std::pair<Instant, Carrier>> checks;  ///< requests that it sent, with the usual hops
  std::vector<size_t> check_sizes;                  ///< of those
  std::vector<Opener> openers;                      ///< requests that do not reach the other side
  Instant last_heard{};                             ///< when the last packet was delivered to it

  template <typename E>
  size_t count(Instant since = {}) const {
    size_t n = 0;
    for (auto& [when, event] : events) n += when >= since && std::holds_alternative<E>(event);
    return n;
  }
  template <typename E>
  std::optional<Instant> first(Instant since = {}) const {
    for (auto& [when, event] : events)
      if (when >= since && std::holds_alternative<E>(event)) return when;
    return {};
  }
  size_t checks_to(const Carrier& carrier, Instant since = {}) const {
    size_t n = 0;
    for (auto& [when, to] : checks) n += when >= since && to == carrier;
    return n;
  }
  size_t openers_to(const Carrier& carrier) const {
    size_t n = 0;
    for (auto& opener : openers) n += opener.to == carrier;
    return n;
  }
  /// When the first of its checks to `carrier` left.
  std::optional<Instant> first_check(const Carrier& carrier, Instant since = {}) const {
    for (auto& [when, to] : checks)
      if (when >= since && to == carrier) return when;
    return {};
  }
  bool alive(const Carrier& carrier) const {
    auto* pair = agent.find(carrier);
    return pair && pair->state == ice::Pair::State::alive;
  }
};

struct IcePair {
  /// One way between the two: what A calls B's end, and B calls A's.
  struct Way {
    Carrier at_a, at_b;
    Duration one_way = 10ms;
    size_t largest = 20'000;
    unsigned loss_percent = 0;
  };
  struct Packet {
    bool from_a;
    size_t way;
    bool data;  ///< not a check: a packet of the session
    bool request;
    size_t size;
  };

  explicit IcePair(uint64_t seed = 1) : rng(seed) {}

  SeededRng rng;
  Instant now{1h};
  IceEnd a{true, 1, rng}, b{false, 2, rng};
  std::vector<Way> ways;
  bool data = false;                        ///< session packets every 20 ms, both ways, on way 0
  std::function<bool(const Packet&)> lose;  ///< besides what the ways lose

  static Carrier udp(uint8_t last, uint16_t port = 5000) { return Carrier::udp(Address::v4(192, 0, 2, last, port)); }
  static wire::Candidates candidates_of(const IceEnd& end, const std::vector<Carrier>& carriers,
                                        wire::CandidateType type = wire::CandidateType::host) {
    wire::Candidates out{end.agent.ufrag(), end.agent.password(), {}};
    uint32_t priority = 1'000'000;
    for (auto& c : carriers) out.candidates.push_back({type, priority--, c.remote});
    return out;
  }
  /// Each hears of the other's end of all ways.
  void introduce() {
    std::vector<Carrier> of_a, of_b;
    for (Way& way : ways) {
      if (way.at_a.kind != Carrier::Kind::udp) continue;
      of_a.push_back(way.at_b);
      of_b.push_back(way.at_a);
    }
    a.agent.set_remote(now, candidates_of(b, of_b));
    b.agent.set_remote(now, candidates_of(a, of_a));
  }

  void run(Duration how_long) {
    for (Instant until = now + how_long; now < until;) step(until);
    drain();
  }
  bool run_until(const std::function<bool()>& done, Duration limit) {
    for (Instant until = now + limit; now < until;) {
      drain();
      if (done()) return true;
      step(until);
    }
    drain();
    return done();
  }

  void step(Instant until) {
    drain();
    std::optional<Deadline> next = Deadline{until, "end"};
    if (!wire_.empty()) next = earlier(next, Deadline{wire_.begin()->first, "wire"});
    if (data) next = earlier(next, Deadline{std::max(now, next_data_), "data"});
    next = earlier(next, earlier(a.agent.next_deadline(), b.agent.next_deadline()));
    if (next->when <= now && ++standstill_ > 1000) return void(stuck = true), void(now = until);
    if (next->when > now) standstill_ = 0;
    now = std::max(now, next->when);
    while (!wire_.empty() && wire_.begin()->first <= now) {
      auto [packet, bytes] = std::move(wire_.begin()->second);
      wire_.erase(wire_.begin());
      deliver(packet, bytes);
    }
    if (data && now >= next_data_) {
      next_data_ = now + 20ms;
      for (bool from_a : {true, false}) put({from_a, 0, true, false, 1200}, {});
    }
    a.agent.handle_timeout(now);
    b.agent.handle_timeout(now);
  }

  bool stuck = false;  ///< a deadline lay in the past and nothing was done about it

 private:
  void drain() {
    for (bool from_a : {true, false}) {
      IceEnd& end = from_a ? a : b;
      std::vector<uint8_t> room(17'000);
      while (auto check = end.agent.poll_check(now, room)) {
        auto message = wire::parse_stun(check->bytes);
        bool request = message && message->cls == wire::StunClass::request;
        if (check->hops != 0) {  // the first router beyond our own has it
          end.openers.push_back({now, check->to, check->hops});
          continue;
        }
        if (request) end.checks.emplace_back(now, check->to), end.check_sizes.push_back(check->bytes.size());
        for (size_t i = 0; i < ways.size(); ++i)
          if ((from_a ? ways[i].at_a : ways[i].at_b) == check->to)
            put({from_a, i, false, request, check->bytes.size()}, {check->bytes.begin(), check->bytes.end()});
      }
      while (auto event = end.agent.poll_event()) end.events.emplace_back(now, *event);
    }
  }
  void put(const Packet& packet, std::vector<uint8_t> bytes) {
    const Way& way = ways[packet.way];
    if (packet.size > way.largest || (lose && lose(packet))) return;
    if (way.loss_percent > 0 && rng.below(100) < way.loss_percent) return;
    wire_.emplace(now + way.one_way, std::pair(packet, std::move(bytes)));
  }
  void deliver(const Packet& packet, Bytes bytes) {
    IceEnd& end = packet.from_a ? b : a;
    const Carrier& from = packet.from_a ? ways[packet.way].at_b : ways[packet.way].at_a;
    end.last_heard = now;
    if (packet.data) return end.agent.note_received(now, from);
    if (auto message = wire::parse_stun(bytes)) end.agent.handle_stun(now, from, bytes, *message);
  }

  std::multimap<Instant, std::pair<Packet, std::vector<uint8_t>>> wire_;
  Instant next_data_{};
  int standstill_ = 0;
};

}  // namespace ginnel::test
