#include "tests/differential/duel.hpp"

#include <algorithm>

#include "tests/support/kernel_differences.hpp"

namespace ginnel::test {
namespace {

constexpr size_t steps_of_a_script = 60, remembered = 24;
constexpr uint16_t inside_ports[] = {2001, 2002, 2003, 700};
constexpr uint16_t timestamps = 2003;
constexpr uint8_t source_quench = 4, redirect = 5, mask_request = 17;
using Kind = std::pair<uint8_t, uint8_t>;
constexpr Kind kinds[] = {{3, 0}, {3, 1}, {3, 3}, {3, 4}, {3, 13}, {11, 0}, {11, 1}, {12, 0}};
constexpr Kind obsolete_kinds[] = {{source_quench, 0}, {redirect, 1}};

template <typename T>
void keep(std::vector<T>& all, T one) {
  if (all.size() == remembered) all.erase(all.begin());
  all.push_back(std::move(one));
}

/// What arrived in fragments, put together; what of them is not whole is left out: the kernel waits for it.
std::vector<Arrival> whole(const std::vector<Arrival>& all) {
  std::vector<Arrival> out;
  std::map<std::tuple<bool, uint32_t, uint32_t, uint16_t>, std::vector<PacketBytes>> pieces;
  for (const Arrival& each : all) {
    if (!is_fragment(each.bytes)) {
      out.push_back(each);
    } else {
      pieces[{each.inside, get32(each.bytes, 12), get32(each.bytes, 16), get16(each.bytes, 4)}].push_back(each.bytes);
    }
  }
  for (auto& [key, fragments] : pieces) {
    size_t sum = 0, end = 0;
    for (const auto& f : fragments) {
      sum += f.size() - 20;
      if (!(f[6] & 0x20)) end = (get16(f, 6) & 0x1fff) * size_t{8} + f.size() - 20;
    }
    if (end == 0 || sum != end) continue;
    std::sort(fragments.begin(), fragments.end(),
              [](auto& a, auto& b) { return (get16(a, 6) & 0x1fff) < (get16(b, 6) & 0x1fff); });
    out.push_back({std::get<0>(key), reassembled(fragments)});
  }
  return out;
}

}  // namespace

Duel::Duel(KernelNat& kernel, const Setting& setting, uint64_t seed)
    : rng_(seed),
      kernel_(kernel),
      engine_(setting, seed + 1),
      ports_of_remotes_(setting.ports_of_remotes),
      ports_(setting.ports_of_remotes) {
  next_id_ = static_cast<uint16_t>(rng_.u64());
}

bool Duel::play(Tally& tally) {
  kernel_.forget();
  ++tally.scripts;
  for (size_t i = 0; i < steps_of_a_script && !over_; ++i)
    if (!step(tally)) return false;
  return true;
}

Address Duel::host() {
  return Address::v4(10, 0, 0, static_cast<uint8_t>(2 + rng_.below(4)),
                     inside_ports[rng_.below(std::size(inside_ports))]);
}
Address Duel::server() {
  return Address::v4(203, 0, 113, static_cast<uint8_t>(1 + rng_.below(3)), static_cast<uint16_t>(3001 + rng_.below(2)));
}

bool Duel::step(Tally& tally) {
  pending_ = {};
  bool from_inside = rng_.below(2);
  bool error = rng_.below(6) == 0;
  if (error && (from_inside ? seen_inside_ : seen_outside_).empty()) error = false;
  Pair pair = error         ? (from_inside ? error_from_inside() : error_from_outside())
              : from_inside ? outgoing()
                            : incoming();
  if (pair.kernel.empty()) return true;
  bool cut = !error && pair.kernel.size() > 200 && !(pair.kernel[6] & 0x40) && rng_.below(3) == 0;
  return exchange(from_inside, pair, cut, tally);
}

/// TTL, DF, TOS, checksums: the same of both packets.
void Duel::vary(Pair& pair) {
  bool clear_df = rng_.below(3) == 0;
  uint8_t ttl = rng_.below(25) == 0 ? static_cast<uint8_t>(1 + rng_.below(2)) : 64;
  uint8_t tos = rng_.below(8) == 0 ? 0xb8 : 0;
  bool no_udp_checksum = rng_.below(12) == 0, wrong = rng_.below(60) == 0 && pair.kernel.size() <= mtu_outside;
  uint16_t id = next_id_++;
  for (PacketBytes* p : {&pair.kernel, &pair.engine}) {
    if (clear_df) (*p)[6] = 0;
    (*p)[8] = ttl;
    (*p)[1] = tos;
    put16(*p, 4, id);
    fix_ip_checksum(*p);
    if (protocol_of(*p) == 17 && no_udp_checksum) {
      put16(*p, 26, 0);
    } else if (wrong && (protocol_of(*p) == 17 || protocol_of(*p) == 6)) {
      (*p)[protocol_of(*p) == 17 ? 27 : 37] ^= 1;
    }
  }
}

/// The next segment of one side. Most are what a TCP would send; the rest has flags and numbers by chance.
PacketBytes Duel::segment(const Address& from, const Address& to, Stream& stream, bool from_inside) {
  static constexpr uint8_t any[] = {syn, syn | ack, ack,       ack, fin | ack, rst | ack,
                                    rst, fin,       syn | fin, 0,   syn | rst, fin | rst | ack};
  uint32_t own = from_inside ? stream.inside_next : stream.remote_next;
  uint32_t other = from_inside ? stream.remote_next : stream.inside_next;
  uint8_t flags = ack;
  Stage after = stream.stage;
  bool far = false;
  using enum Stage;
  switch (stream.stage) {
    case nothing:
      flags = syn;
      after = opening;
      break;
    case opening:
      flags = from_inside ? syn : rng_.below(8) == 0 ? rst | ack : rng_.below(8) == 0 ? syn : syn | ack;
      if (from_inside) own -= 1;  // again
      after = from_inside ? opening : flags == (syn | ack) ? answered : flags == syn ? crossed : closed;
      break;
    case crossed:
      flags = syn | ack;
      own -= 1;
      after = open;
      break;
    case answered:
      after = from_inside ? open : answered;
      if (!from_inside) flags = syn | ack, own -= 1;
      break;
    case open:
      if (rng_.below(6) == 0) flags = fin | ack, after = from_inside ? inside_closed : remote_closed;
      if (rng_.below(20) == 0) flags = rst | ack, after = closed;
      break;
    case inside_closed:
    case remote_closed:
      if ((stream.stage == inside_closed) != from_inside && rng_.below(2)) flags = fin | ack, after = closed;
      break;
    case closed:
      if (from_inside && rng_.below(2)) flags = syn, own += 1'000'000, after = opening;
  }
  if (rng_.below(10) == 0) {
    flags = any[rng_.below(std::size(any))];
    after = stream.stage;
    if (rng_.below(3) == 0) {
      far = rng_.below(2);
      own += far ? 1u << 30 : ~0u;
    }
  }
  bool may_carry = (flags & ack) && !(flags & (syn | rst)) && rng_.below(2);
  std::string text(may_carry ? rng_.below(60) : 0, 'd');
  pending_ = {&stream, from_inside,
              own + static_cast<uint32_t>(text.size()) + (flags & syn ? 1 : 0) + (flags & fin ? 1 : 0), after, far};
  return tcp(from, to, flags, own, flags & ack ? other : 0, text);
}

Duel::Stream& Duel::stream(const Address& inside, const Address& remote) {
  auto [found, fresh] = streams_.try_emplace({inside, remote});
  if (fresh) found->second = {static_cast<uint32_t>(rng_.u64()), static_cast<uint32_t>(rng_.u64())};
  return found->second;
}

Duel::Pair Duel::outgoing() {
  Address from = host(), to = server();
  Pair pair;
  bool hairpin = rng_.below(14) == 0 && !known_.empty();
  Address kernel_to = to, engine_to = to;
  if (hairpin) {
    const Known& other = known_[rng_.below(known_.size())];
    if (other.protocol != 17) return {};
    kernel_to = other.kernel, engine_to = other.engine;
  }
  std::string text(rng_.below(4) ? rng_.below(60) : rng_.below(1400), 'p');
  switch (rng_.below(20)) {
    default:
      pair = {udp(from, kernel_to, text), udp(from, engine_to, text)};
      break;
    case 9:
    case 10:
    case 11:
    case 12:
    case 13:
    case 14:
    case 15: {
      if (hairpin) return {};
      pair = both(segment(from, to, stream(from, to), true));
      break;
    }
    case 16:
    case 17:
    case 18: {
      // One identifier for timestamps: conntrack keeps them apart from echoes, the engine does not.
      uint8_t type = rng_.below(8) == 0 ? 0 : from.port == timestamps && !hairpin ? 13 : 8;
      if (!hairpin && rng_.below(12) == 0) type = mask_request;
      pair = {query(from, kernel_to, type), query(from, engine_to, type)};
      break;
    }
    case 19:
      if (hairpin) return {};
      pair = both(ip_packet(from, to, 253, std::vector<uint8_t>(10 + rng_.below(20), 7)));
  }
  vary(pair);
  return pair;
}

Duel::Pair Duel::incoming() {
  Address from = server();
  Address kernel_to = gateway_outside.with_port(inside_ports[rng_.below(std::size(inside_ports))]),
          engine_to = kernel_to;
  Address whose = kernel_to;
  uint8_t protocol = rng_.below(3) == 0 ? 6 : rng_.below(6) == 0 ? 1 : 17;
  if (!known_.empty() && rng_.below(5)) {
    const Known& one = known_[rng_.below(known_.size())];
    protocol = one.protocol;
    kernel_to = one.kernel, engine_to = one.engine, whose = one.inside;
    if (rng_.below(3)) from = one.remote;  // else a stranger
  }
  Pair pair;
  std::string text(rng_.below(4) ? rng_.below(60) : rng_.below(1200), 'q');
  if (protocol == 17) {
    pair = {udp(from, kernel_to, text), udp(from, engine_to, text)};
  } else if (protocol == 6) {
    auto owner = owners_.find({kernel_to, from});
    pair = both(segment(from, kernel_to, stream(owner == owners_.end() ? whose : owner->second, from), false));
    put16(pair.engine, 22, engine_to.port);
    fix_checksums(pair.engine);
  } else if (protocol == 1) {
    uint8_t type = rng_.below(4) == 0 ? 8 : whose.port == timestamps ? 14 : 0;
    if (type == 8) kernel_to = engine_to = gateway_outside.with_port(7), from.port = 7;
    pair = {query(from, kernel_to, type), query(from, engine_to, type)};
  } else {
    pair = both(ip_packet(from, gateway_outside, 253, std::vector<uint8_t>(10 + rng_.below(20), 8)));
  }
  vary(pair);
  return pair;
}

std::pair<uint8_t, uint8_t> Duel::kind() {
  return rng_.below(10) ? kinds[rng_.below(std::size(kinds))] : obsolete_kinds[rng_.below(std::size(obsolete_kinds))];
}

Duel::Pair Duel::error_from_outside() {
  Pair quoted = seen_outside_[rng_.below(seen_outside_.size())];
  auto [type, code] = kind();
  Address by = rng_.below(3) ? server() : destination_of(quoted.kernel);
  size_t quote = rng_.below(2) ? 28 : quoted.kernel.size();
  uint16_t other_port = static_cast<uint16_t>(rng_.below(8) ? 0 : 3999);
  Pair pair;
  for (auto [from, to] : {std::pair(&quoted.kernel, &pair.kernel), std::pair(&quoted.engine, &pair.engine)}) {
    if (other_port && (protocol_of(*from) == 17 || protocol_of(*from) == 6)) {  // about what was never sent
      put16(*from, 22, other_port);
      fix_checksums(*from);
    }
    *to = icmp_error(by, source_of(*from), type, code, Bytes(*from).first(std::min(quote, from->size())), 1200);
  }
  vary(pair);
  return pair;
}

Duel::Pair Duel::error_from_inside() {
  Pair quoted = seen_inside_[rng_.below(seen_inside_.size())];
  auto [type, code] = kind();
  Address by = rng_.below(3) ? destination_of(quoted.kernel) : host();
  Address to = rng_.below(8) ? source_of(quoted.kernel) : server();
  size_t quote = rng_.below(2) ? 28 : quoted.kernel.size();
  Pair pair = both(icmp_error(by, to, type, code, Bytes(quoted.kernel).first(quote), 1200));
  vary(pair);
  return pair;
}

bool Duel::exchange(bool from_inside, const Pair& pair, bool cut, Tally& tally) {
  ++tally.packets;
  std::vector<Arrival> kernel, engine;
  if (cut) {
    size_t step = 64 + 8 * rng_.below(100);
    auto order = rng_.u64();
    auto pieces = [&](const PacketBytes& p) {
      auto out = fragments_of(p, step, get16(p, 4));
      if (order & 1) std::reverse(out.begin(), out.end());
      if (order & 2) std::rotate(out.begin(), out.begin() + 1, out.end());
      return out;
    };
    for (const auto& piece : pieces(pair.kernel))
      for (auto& each : kernel_.send(from_inside, piece)) kernel.push_back(std::move(each));
    for (const auto& piece : pieces(pair.engine))
      for (auto& each : engine_.send(from_inside, piece)) engine.push_back(std::move(each));
  } else {
    kernel = kernel_.send(from_inside, pair.kernel);
    engine = engine_.send(from_inside, pair.engine);
  }
  kernel = whole(kernel);
  engine = whole(engine);
  std::string text = std::string(from_inside ? "  inside sends " : "  outside sends ") + describe(pair.kernel) +
                     (cut ? ", in fragments" : "") +
                     (pair.kernel == pair.engine ? "" : "\n          (engine: " + describe(pair.engine) + ")");
  std::string result = "\n    kernel:" + describe(kernel) + "\n    engine:" + describe(engine);

  bool invalid = says_invalid(kernel, from_inside);
  if (invalid) kernel.clear();
  if (spoiled(from_inside, pair, kernel, engine)) return over_ = true;
  auto difference = compare(kernel, engine, ports_);
  if (difference) {
    if (auto rule = excuse(from_inside, pair, invalid, kernel, engine)) {
      ++tally.excused[std::string(*rule)];
      return true;
    }
    explanation_ = log_ + text + result + "\n  " + *difference + "\n";
    return false;
  }
  log_ += text + (kernel.empty() ? std::string(invalid ? " (invalid)" : "") + "\n      dropped by both\n"
                                 : describe(kernel) + "\n");
  ++(kernel.empty() ? tally.dropped : kernel[0].inside == from_inside ? tally.answered : tally.delivered);
  learn(from_inside, pair, kernel, engine);
  return true;
}

/// See rules() in worlds.cpp.
bool Duel::says_invalid(const std::vector<Arrival>& kernel, bool from_inside) const {
  if (kernel.size() != 1 || kernel[0].inside) return false;
  Bytes p = kernel[0].bytes;
  if (from_inside) return p[12] == 10;
  return protocol_of(p) == 1 && icmp_type(p) == 3 && icmp_code(p) == 13 && source_of(p).same_ip(gateway_outside);
}

/// The differences that are meant: each rule as narrow as can be, with its sentence in kernel_differences.hpp.
std::optional<std::string_view> Duel::excuse(bool from_inside, const Pair& sent, bool invalid,
                                             const std::vector<Arrival>& kernel, const std::vector<Arrival>& engine) {
  const PacketBytes& p = sent.kernel;
  uint8_t protocol = protocol_of(p);
  bool kernel_forwards = kernel.size() == 1 && kernel[0].inside != from_inside;
  bool still_wrong = engine.size() == 1 && (engine[0].inside == from_inside || !checksums_right(engine[0].bytes));
  if (kernel.empty() && !checksums_right(sent.engine) && still_wrong) {
    over_ =
        true;  // it may have opened or changed something for one of them: of fragments no sum is known before the last
    return wrong_checksum.rule;
  }
  if (invalid && pending_.stream && engine.size() == 1) {
    over_ = true;
    return tcp_invalid.rule;
  }
  if (pending_.far && engine.empty() && kernel_forwards) return tcp_far.rule;
  if (protocol == 1 && engine.empty() && kernel.size() == 1) {
    if (icmp_type(p) == source_quench || icmp_type(p) == redirect) return obsolete_errors.rule;
    if (icmp_type(p) == mask_request) return obsolete_queries.rule;
  }
  return {};
}

/// A port that one of them chose at random is by accident one that the script speaks of by its number, or one that it
/// chose before for another flow: then the script says different things to the two, and ends.
bool Duel::spoiled(bool from_inside, const Pair& sent, const std::vector<Arrival>& kernel,
                   const std::vector<Arrival>& engine) {
  if (!from_inside || is_fragment(sent.kernel) || kernel.size() != 1 || engine.size() != 1) return false;
  if (kernel[0].inside || engine[0].inside) return false;
  Address inside = source_of(sent.kernel), remote = destination_of(sent.kernel);
  std::pair flow(inside, ports_of_remotes_ ? remote : Address{});
  uint16_t ports[] = {source_of(kernel[0].bytes).port, source_of(engine[0].bytes).port};
  bool kept = ports[0] == inside.port && ports[1] == inside.port, accident = false;
  for (size_t i : {0, 1}) {
    accident |=
        !kept && std::find(std::begin(inside_ports), std::end(inside_ports), ports[i]) != std::end(inside_ports);
    if (ports[i] != inside.port)
      accident |= chosen_[i].emplace(std::pair(protocol_of(sent.kernel), ports[i]), flow).first->second != flow;
  }
  return accident;
}

/// After such a segment the two may think differently of the connection, though they treated it alike: one that was
/// dropped for its TTL or size counts for conntrack, one whose number is far ahead does or does not, and so does a RST
/// of whoever opened and had no answer.
bool Duel::counts_for_one(bool from_inside, const Arrival& outcome) const {
  if (outcome.inside == from_inside) return protocol_of(outcome.bytes) == 1;
  bool own_reset = (tcp_flags(outcome.bytes) & rst) && from_inside && pending_.stream->stage == Stage::opening;
  return pending_.far || own_reset;
}

void Duel::learn(bool from_inside, const Pair& sent, const std::vector<Arrival>& kernel,
                 const std::vector<Arrival>& engine) {
  if (kernel.size() != 1) return;
  const PacketBytes &k = kernel[0].bytes, &e = engine[0].bytes;
  uint8_t protocol = protocol_of(k);
  if (pending_.stream && counts_for_one(from_inside, kernel[0])) over_ = true;
  bool error = protocol == 1 && icmp_type(k) != 0 && icmp_type(k) != 8 && icmp_type(k) != 13 && icmp_type(k) != 14;
  if (error) return;
  if (pending_.stream && kernel[0].inside != from_inside) {  // the segment arrived
    Stream& stream = *pending_.stream;
    uint32_t& next = pending_.from_inside ? stream.inside_next : stream.remote_next;
    if (static_cast<int32_t>(pending_.next - next) > 0) next = pending_.next;
    stream.stage = pending_.after;
  }
  if (from_inside && !kernel[0].inside) {
    if (protocol == 6) owners_[{source_of(k), destination_of(k)}] = source_of(sent.kernel);
    keep(known_, {protocol, source_of(k), source_of(e), source_of(sent.kernel), destination_of(k)});
    keep(seen_outside_, {k, e});
  } else if (!from_inside && kernel[0].inside) {
    keep(seen_inside_, {k, e});
  }
}

}  // namespace ginnel::test
