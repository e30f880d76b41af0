#include "core/conform/experiments.hpp"

#include <algorithm>
#include <functional>

#include "core/conform/requirement.hpp"
#include "core/conform/tester.hpp"

namespace ginnel::conform {
namespace {

constexpr uint8_t icmp_of = wire::ip_protocol_icmp, tcp_of = wire::ip_protocol_tcp, udp_of = wire::ip_protocol_udp;

// Each value is less than twice the one before: so a mapping that is prolonged when it last was known to live is still
// alive when one that was not is known to be dead. They stand beside the timers that NATs have: 30 s, 60 s, 2, 3, 5
// min.
constexpr Duration idle_times[] = {18s, 32s, 59s, 100s, 119s, 179s, 299s, 310s};
constexpr Duration margin = 2s;  // of a stimulus before the moment that is known to be in time
constexpr Duration transitory = 239s, half_closed = 250s;

struct Task {
  Duration due;
  std::function<void()> run;
};

void run_all(Tester& t, std::vector<Task> tasks) {
  std::stable_sort(tasks.begin(), tasks.end(), [](const Task& a, const Task& b) { return a.due < b.due; });
  for (Task& task : tasks) {
    if (task.due > t.elapsed()) t.wait(task.due - t.elapsed());
    task.run();
  }
}

/// A UDP mapping that both sides have used.
Address two_way(Tester& t, const Address& from, const Address& to) {
  Address at = t.map(udp_of, from, to);
  t.reaches(udp_of, to, at);
  t.map(udp_of, from, to);
  return at;
}

void note_life(Lifetime& life, Duration time, bool alive) {
  if (alive && !life.dead) life.alive = std::max(life.alive, time);
  if (!alive && (!life.dead || *life.dead > time)) life.dead = time;
}

void watch_datagrams(Tester& t, Idle& out, std::vector<Task>& tasks) {
  for (Duration time : idle_times) {
    auto probe = [&](Lifetime& life, uint8_t protocol, const Address& to, const Address& at) {
      tasks.push_back({t.elapsed() + time,
                       [&t, &life, time, protocol, to, at] { note_life(life, time, t.reaches(protocol, to, at)); }});
    };
    Address to = t.server(0);
    probe(out.udp_one_way, udp_of, to, t.map(udp_of, t.host(0), to));
    probe(out.udp_two_way, udp_of, to, two_way(t, t.host(0), to));
    Address well_known = t.server(0, 53);
    probe(out.udp_well_known, udp_of, well_known, two_way(t, t.host(0), well_known));
    Address pinged = t.server(0);
    probe(out.icmp, icmp_of, pinged, t.map(icmp_of, t.host(0), pinged));
  }
}

void watch_connections(Tester& t, Idle& out, std::vector<Task>& tasks) {
  auto later = [&](Duration time, Connection c, bool& result, uint8_t flags, std::string text) {
    tasks.push_back({t.elapsed() + time, [&t, c, &result, flags, text]() mutable {
                       result = t.segment(c, Side::outside, flags, text).has_value();
                     }});
  };
  Connection half_open{t.host(0), t.server(0), {}, 1000, 5000};
  if (auto first = t.segment(half_open, Side::inside, syn)) half_open.outside = first->source;
  later(transitory, half_open, out.tcp_half_open, syn | ack, "");

  Connection closing = t.connect(t.host(0), t.server(0));
  t.segment(closing, Side::inside, fin | ack);
  t.segment(closing, Side::outside, fin | ack);
  t.segment(closing, Side::inside, ack);
  later(transitory, closing, out.tcp_closing, ack, "");

  Connection reset = t.connect(t.host(0), t.server(0));
  t.segment(reset, Side::outside, rst | ack);
  later(transitory, reset, out.tcp_reset, ack, t.token());

  Connection half = t.connect(t.host(0), t.server(0));
  t.segment(half, Side::inside, fin | ack);
  t.segment(half, Side::outside, ack);
  later(half_closed, half, out.tcp_half_closed, ack, t.token());
}

/// Opens a mapping now, does `stimulus` just before it would die, and looks when it would be dead.
struct Refresher {
  Tester& t;
  const Lifetime& life;
  std::vector<Task>& tasks;

  template <typename Open, typename Stimulus>
  void add(std::optional<bool>& result, uint8_t protocol, Open open, Stimulus stimulus) {
    Address from = t.host(0), to = t.server(0);
    Address at = open(from, to);
    Duration opened = t.elapsed();
    tasks.push_back({opened + life.alive - margin, [from, to, at, stimulus] { stimulus(from, to, at); }});
    tasks.push_back({opened + *life.dead + 1s,
                     [this_t = &t, &result, protocol, to, at] { result = this_t->reaches(protocol, to, at); }});
  }
};

bool can_be_prolonged(const Lifetime& life) { return life.alive > 0s && life.dead; }

void watch_refreshes(Tester& t, Refreshed& out, const Lifetime& life, std::vector<Task>& tasks) {
  Refresher refresher{t, life, tasks};
  auto open = [&t](const Address& from, const Address& to) { return two_way(t, from, to); };
  refresher.add(out.outbound, udp_of, open,
                [&t](const Address& from, const Address& to, const Address&) { t.map(udp_of, from, to); });
  refresher.add(out.inbound, udp_of, open,
                [&t](const Address&, const Address& to, const Address& at) { t.reaches(udp_of, to, at); });
  auto answer = [&t](const Address& from, const Address& to, const Address&) {
    t.error_out(from, wire::icmp_unreachable, wire::icmp_port_unreachable, udp(to, from, "answered"));
  };
  // What an error answers has to have come in: the last inbound packet of that mapping, whatever it carried.
  refresher.add(out.outbound_error, udp_of, open, answer);
  if (admitted(t, udp_of) != "yyyy") {
    Address stranger = t.server(t.servers() - 1);
    refresher.add(out.refused, udp_of, open, [&t, stranger](const Address&, const Address&, const Address& at) {
      t.reaches(udp_of, stranger, at);
    });
  }
}

void watch_query(Tester& t, Refreshed& out, const Lifetime& life, std::vector<Task>& tasks) {
  Address from = t.host(0), to = t.server(0);
  auto sent = t.out(t.opening(icmp_of, from, to));
  if (!sent) return;
  Duration opened = t.elapsed();
  tasks.push_back({opened + life.alive - margin,
                   [&t, sent, to] { t.error_in(to, wire::icmp_unreachable, wire::icmp_host_unreachable, *sent); }});
  tasks.push_back(
      {opened + *life.dead + 1s, [&t, &out, sent, to] { out.query_error = t.reaches(icmp_of, to, sent->source); }});
}

/// RFC 6888 REQ-8: is the port of a mapping that died given to another host at once?
void watch_port(Tester& t, Refreshed& out, const Lifetime& life, std::vector<Task>& tasks) {
  if (admitted(t, udp_of) != "yyyy") {
    out.why_port = "the filter depends on the remote, for which the RFC makes an exception (C)";
    return;
  }
  Address from = t.host(0), to = t.server(0);
  Address at = t.map(udp_of, from, to);
  if (at.port != from.port) {
    out.why_port = "this NAT chooses ports itself, so that one cannot be asked for";
    return;
  }
  out.why_port = "no other host had the same outside address";
  tasks.push_back({t.elapsed() + *life.dead + 1s, [&t, &out, from, to, at] {
                     for (size_t i = 1; i < t.hosts() && !out.port_reused; ++i)
                       if (t.map(udp_of, t.host(i), to).same_ip(at))
                         out.port_reused = t.map(udp_of, t.host(i, from.port), to) == at;
                   }});
}

bool concerns(const Packet& answer, const Address& stranger, const Address& outside) {
  if (answer.protocol == tcp_of) return answer.destination == stranger && answer.source == outside;
  if (!answer.is_error()) return false;
  auto quoted = read_quoted(answer.payload);
  return quoted && quoted->source == stranger && quoted->destination == outside;
}

std::string describe(const Packet& p) {
  if (p.protocol == icmp_of) return say("an ICMP error ", p.type, "/", p.code);
  return p.flags & rst ? "a RST" : p.flags & syn ? "a SYN" : "a TCP segment";
}

}  // namespace

const Idle& idle(Tester& t) {
  if (t.memo.idle) return *t.memo.idle;
  Idle& out = t.memo.idle.emplace();
  std::vector<Task> tasks;
  watch_datagrams(t, out, tasks);
  watch_connections(t, out, tasks);
  run_all(t, std::move(tasks));
  return out;
}

const Refreshed& refreshed(Tester& t) {
  if (t.memo.refreshed) return *t.memo.refreshed;
  const Idle& lives = idle(t);
  Refreshed& out = t.memo.refreshed.emplace();
  std::vector<Task> tasks;
  if (can_be_prolonged(lives.udp_two_way)) {
    watch_refreshes(t, out, lives.udp_two_way, tasks);
  } else {
    out.why = lives.udp_two_way.dead ? say("UDP mappings live less than ", idle_times[0], ": too short to tell")
                                     : say("UDP mappings live longer than ", lives.udp_two_way.alive,
                                           ": too long to tell what prolongs them");
    out.why_port = out.why;
  }
  if (can_be_prolonged(lives.udp_one_way)) watch_port(t, out, lives.udp_one_way, tasks);
  if (can_be_prolonged(lives.icmp)) watch_query(t, out, lives.icmp, tasks);
  run_all(t, std::move(tasks));
  return out;
}

const SynAnswers& syn_answers(Tester& t) {
  if (t.memo.syn_answers) return *t.memo.syn_answers;
  SynAnswers& out = t.memo.syn_answers.emplace();
  Address a = t.host(0), friendly = t.server(0), stranger = t.server(t.servers() - 1),
          crossing = t.server(t.servers() - 1);
  Address at = t.map(tcp_of, a, friendly);
  Address nobody = at.with_port(t.fresh_port());
  t.forget_arrivals();
  Duration begun = t.elapsed();
  out.admitted = t.reaches(tcp_of, stranger, at);
  out.all_admitted = out.admitted && t.reaches(tcp_of, stranger, nobody);
  if (!out.all_admitted) t.send(Side::outside, tcp(stranger, nobody, syn, 7));
  t.send(Side::outside, tcp(crossing, at, syn, 7));
  t.wait(1s);
  t.send(Side::inside, tcp(a, crossing, syn, 9));
  auto look = [&](Duration until, std::string& answer) {
    for (const Packet& p : t.collect(Side::outside, std::max(begun + until - t.elapsed(), Duration(0)))) {
      if (p.protocol == tcp_of && p.destination == crossing && p.flags == syn) {
        out.crossing_seen = p.source == at;
      } else if (concerns(p, crossing, at)) {
        out.crossed = describe(p);
      } else if (concerns(p, stranger, at) || concerns(p, stranger, nobody)) {
        answer = describe(p);
        if (&answer == &out.late)
          out.late_is_port_unreachable = p.type == wire::icmp_unreachable && p.code == wire::icmp_port_unreachable;
      }
    }
  };
  look(5800ms, out.early);
  look(8500ms, out.late);
  return out;
}

const Exhaustion& exhaustion(Tester& t) {
  if (t.memo.exhaustion) return *t.memo.exhaustion;
  Exhaustion& out = t.memo.exhaustion.emplace();
  Address to = t.server(0), first_inside = t.host(0);
  Address first = t.map(udp_of, first_inside, to);
  for (out.opened = 1; out.opened < t.network().mappings_max && !out.refused; ++out.opened) {
    if (out.opened % 50 == 0) t.wait(200ms);  // a NAT may limit the rate as well, and that is not what is asked here
    Packet p = udp(t.host(0), to, t.token());
    if (t.out(p)) continue;
    out.refused = true;
    out.error = t.expect(Side::inside, [&](const Packet& got) { return quotes(got, p, true); });
    break;
  }
  out.first_lives = t.reaches(udp_of, to, first);
  for (size_t i = 1; i < t.hosts() && !out.another_host; ++i) {
    out.others_known = true;
    out.another_host = t.try_map(udp_of, t.host(i), to).has_value();
  }
  return out;
}

std::string admitted(Tester& t, uint8_t protocol) {
  Address a = t.host(0);
  auto remotes = t.corners();
  Address at = t.map(protocol, a, remotes[0]);
  std::string out;
  for (const Address& from : remotes) out += t.reaches(protocol, from, at) ? 'y' : 'n';
  return out;
}

}  // namespace ginnel::conform
