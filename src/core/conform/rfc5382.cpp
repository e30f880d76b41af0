// RFC 5382, network address translation for TCP: ten requirements.
#include "core/conform/common.hpp"

namespace ginnel::conform {
namespace {

constexpr uint8_t tcp_of = wire::ip_protocol_tcp;
constexpr Duration two_hours_four = 7440s;

Finding mapping(Tester& t) { return endpoint_independent(t, tcp_of); }
Finding overloading(Tester& t) { return no_overloading(t, tcp_of); }
Finding filtering(Tester& t) { return lenient_filtering(t, tcp_of); }
Finding hairpins(Tester& t) { return hairpinning(t, tcp_of); }
Finding hairpins_from_outside(Tester& t) { return hairpin_source(t, tcp_of); }
Finding no_alg(Tester& t) { return payload_untouched(t, tcp_of, 5060, "a SIP request"); }

/// Steps of a connection, one after the other; the first that did not arrive is told.
class Steps {
 public:
  Steps(Tester& t, Connection& c) : t_(t), c_(c) {}
  Steps& step(Side from, uint8_t flags, std::string_view what, bool data = false) {
    if (failed_.empty() && !t_.segment(c_, from, flags, data ? t_.token() : "")) failed_ = what;
    return *this;
  }
  std::string_view failed() const { return failed_; }

 private:
  Tester& t_;
  Connection& c_;
  std::string_view failed_;
};

Finding every_sequence(Tester& t) {
  constexpr Side in = Side::inside, out = Side::outside;
  Connection c = t.connect(t.host(0), t.server(0));
  Steps steps(t, c);
  steps.step(out, ack, "data from outside", true)
      .step(out, fin | ack, "the outside's FIN")
      .step(in, ack, "data from inside after the outside's FIN", true)
      .step(in, fin | ack, "the inside's FIN")
      .step(out, ack, "the last ACK");
  if (!steps.failed().empty()) return fail(steps.failed(), " did not pass");
  c.inside_next += 2'000'000;  // RFC 9293 section 3.6.1: beyond what the old connection used
  c.remote_next += 2'000'000;
  auto again = t.segment(c, in, syn);
  if (!again) return fail("a new SYN on the ports of a closed connection did not pass");
  c.outside = again->source;
  Steps second(t, c);
  second.step(out, syn | ack, "the answer to a SYN on the ports of a closed connection")
      .step(in, ack, "the third segment of that")
      .step(out, rst | ack, "a RST");
  if (!second.failed().empty()) return fail(second.failed(), " did not pass");
  return pass("a connection with data, half-close, close, a new one on the same ports, and a RST passed");
}

Finding simultaneous_open(Tester& t) {
  constexpr Side in = Side::inside, out = Side::outside;
  Connection c{t.host(0), t.server(0), {}, 1000, 5000};
  auto first = t.segment(c, in, syn);
  if (!first) return fail("a SYN did not come out");
  c.outside = first->source;
  Steps steps(t, c);
  steps.step(out, syn, "a SYN from outside that crossed one from inside");
  --c.inside_next;  // the answers repeat the SYNs
  steps.step(in, syn | ack, "the inside's SYN with ACK");
  --c.remote_next;
  steps.step(out, syn | ack, "the outside's SYN with ACK")
      .step(in, ack, "data", true)
      .step(out, ack, "data from outside", true);
  return steps.failed().empty() ? pass("two SYNs that crossed made a connection")
                                : fail(steps.failed(), " did not pass");
}

Finding independent_filtering(Tester& t) {
  std::string of_tcp = admitted(t, tcp_of), of_udp = admitted(t, wire::ip_protocol_udp);
  return judge(of_tcp != of_udp, "for TCP it ", filter_text(of_tcp), "; for UDP it ", filter_text(of_udp));
}

Finding silent_for_six_seconds(Tester& t) {
  const SynAnswers& seen = syn_answers(t);
  if (!seen.early.empty()) return fail("an unexpected SYN was answered within six seconds, by ", seen.early);
  return pass("for six seconds an unexpected SYN was not answered",
              seen.admitted ? " (one to a mapped port was let in)" : "");
}

Finding crossed_syn(Tester& t) {
  const SynAnswers& seen = syn_answers(t);
  if (!seen.crossing_seen) return unseen("the inside's SYN left from another outside endpoint: it cannot cross");
  return judge(seen.crossed.empty(), "a SYN that one from inside crossed after a second was ",
               seen.crossed.empty() ? "never answered" : "answered by ", seen.crossed);
}

Finding late_answer(Tester& t) {
  const SynAnswers& seen = syn_answers(t);
  if (!seen.early.empty()) return fail("the answer came too early: ", seen.early);
  if (seen.all_admitted) return unseen("every SYN is let in: none is unexpected");
  if (seen.late.empty()) return fail("nothing came within 8 s (which REQ-4a asks for if policy forbids an answer)");
  return judge(seen.late_is_port_unreachable, "after six seconds came ", seen.late);
}

Finding established_timer(Tester& t) {
  Connection c = t.connect(t.host(0), t.server(0));
  t.wait(two_hours_four - 1s);
  bool lives = t.segment(c, Side::outside, ack, t.token()).has_value();
  return judge(lives, "after ", two_hours_four - 1s, " of silence data from outside ",
               lives ? "came in" : "did not come in");
}

Finding transitory_timer(Tester& t) {
  const Idle& lives = idle(t);
  if (!lives.tcp_half_open) return fail("the answer to a SYN did not come in after 239 s");
  return judge(lives.tcp_closing, "239 s after both FINs a segment ",
               lives.tcp_closing ? "came in, and so did the answer to a SYN" : "did not come in");
}

Finding unreachable_passes(Tester& t) {
  auto sent = t.out(t.opening(tcp_of, t.host(0), t.server(0)));
  if (!sent) return fail("a SYN did not come out");
  auto error = t.error_in(sent->destination, wire::icmp_unreachable, wire::icmp_port_unreachable, *sent);
  return judge(error.has_value(), "port unreachable about a SYN ", error ? "came in" : "did not come in");
}

Finding survives_errors(Tester& t) {
  Connection c = t.connect(t.host(0), t.server(0));
  auto sent = t.segment(c, Side::inside, ack, t.token());
  if (!sent) return fail("data did not come out");
  static constexpr std::pair<uint8_t, uint8_t> errors[] = {{3, 0},  {3, 1}, {3, 2},  {3, 3},  {3, 10},
                                                           {3, 13}, {4, 0}, {11, 0}, {11, 1}, {12, 0}};
  for (auto [type, code] : errors) t.send(Side::outside, icmp_error(c.remote, sent->source, type, code, write(*sent)));
  t.forget_arrivals();
  bool lives = t.segment(c, Side::outside, ack, t.token()).has_value();
  return judge(lives, "after ", std::size(errors), " kinds of ICMP errors about it the connection ",
               lives ? "went on" : "was gone");
}

constexpr std::string_view rfc = "RFC 5382";
using enum Level;
using enum Cost;

constexpr Requirement all[] = {
    {rfc, "REQ-1", must, "MUST", "give an inside endpoint one outside endpoint towards all remotes", quick, mapping},
    {rfc, "REQ-2", must, "MUST", "pass every valid sequence of segments", quick, every_sequence},
    {rfc, "REQ-2a", must, "MUST", "pass a simultaneous open", quick, simultaneous_open},
    {rfc, "REQ-3", should, "RECOMMENDED", "to filter by nothing, or by the remote address only", quick, filtering},
    {rfc, "REQ-3b", may, "MAY", "filter TCP in another way than UDP", quick, independent_filtering},
    {rfc, "REQ-4", must, "MUST NOT", "answer an unexpected SYN within six seconds", quick, silent_for_six_seconds},
    {rfc, "REQ-4 crossed", must, "MUST", "never answer it if a SYN from inside crosses it", quick, crossed_syn},
    {rfc, "REQ-4 after", should, "SHOULD", "answer it with port unreachable after that time", quick, late_answer},
    {rfc, "REQ-5", must, "MUST NOT", "end an established connection within 2 h 4 min of silence", slow,
     established_timer},
    {rfc, "REQ-5 transitory", must, "MUST NOT", "end an opening or closing one within 4 min of silence", slow,
     transitory_timer},
    {rfc, "REQ-6", should, "RECOMMENDED", "to have its application gateways for TCP off, except FTP's", quick, no_alg},
    {rfc, "REQ-7", must, "MUST NOT", "give two hosts the same outside endpoint", quick, overloading},
    {rfc, "REQ-8", must, "MUST", "let hosts reach each other by their outside endpoints (hairpinning)", quick,
     hairpins},
    {rfc, "REQ-8a", must, "MUST", "let such segments come from the sender's outside endpoint", quick,
     hairpins_from_outside},
    {rfc, "REQ-9", should, "SHOULD", "translate ICMP destination unreachable", quick, unreachable_passes},
    {rfc, "REQ-10", must, "MUST NOT", "end a mapping or a connection because of an ICMP message", quick,
     survives_errors},
};

}  // namespace

std::span<const Requirement> rfc5382() { return all; }

}  // namespace ginnel::conform
