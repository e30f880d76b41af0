#include "core/conform/tester.hpp"

#include <algorithm>

#include "core/conform/requirement.hpp"

namespace ginnel::conform {
namespace {

constexpr size_t partials_max = 64, pieces_max = 64;
constexpr size_t arrivals_max = 100'000;  // that are looked at for one question

std::string_view name_of(uint8_t protocol) {
  return protocol == wire::ip_protocol_udp ? "UDP" : protocol == wire::ip_protocol_tcp ? "TCP" : "ICMP";
}

/// `got` is `sent` after the NAT; `remote`: which endpoint of both it must have left alone, if any.
bool same(const Packet& sent, const Packet& got, const Address Packet::*remote) {
  if (got.protocol != sent.protocol || got.payload != sent.payload) return false;
  switch (sent.protocol) {
    case wire::ip_protocol_tcp:
      return got.flags == sent.flags && (!remote || got.*remote == sent.*remote);
    case wire::ip_protocol_icmp:
      return got.type == sent.type;
    default:
      return true;
  }
}

}  // namespace

bool quotes(const Packet& error, const Packet& about, bool remote_is_destination) {
  if (!error.is_error()) return false;
  auto quoted = read_quoted(error.payload);
  if (!quoted || quoted->protocol != about.protocol) return false;
  size_t common = std::min(quoted->payload.size(), about.payload.size());
  if (common > 0)
    return std::equal(about.payload.begin(), about.payload.begin() + static_cast<ptrdiff_t>(common),
                      quoted->payload.begin());
  return remote_is_destination ? quoted->destination == about.destination : quoted->source == about.source;
}

Tester::Tester(Bench& bench, Rng& rng)
    : bench_(bench),
      rng_(rng),
      next_port_(static_cast<uint16_t>(ports_first + rng.below(ports_last - ports_first))),
      secret_(rng.u64()) {}

uint16_t Tester::fresh_port() {
  next_port_ = next_port_ >= ports_last ? ports_first : static_cast<uint16_t>(next_port_ + 1);
  return next_port_;
}

std::string Tester::token() {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out = "ginnel ";
  uint64_t number = secret_ ^ ++tokens_ * 0x9e3779b97f4a7c15ull;
  for (int shift = 60; shift >= 0; shift -= 4) out += digits[number >> shift & 15];
  return out;
}

std::vector<Address> Tester::corners() {
  std::vector<Address> out;
  uint16_t one = fresh_port(), two = fresh_port();
  for (size_t i = 0; i < std::min<size_t>(servers(), 2); ++i)
    for (uint16_t port : {one, two}) out.push_back(server(i, port));
  return out;
}

// ---- sending and seeing

void Tester::send(Side from, Bytes packet) {
  // A packet to nowhere is one whose mapping was never made; a kernel would take 0.0.0.0 for this machine.
  if (packet.size() < wire::ipv4_header_min ||
      std::all_of(&packet[16], &packet[16] + 4, [](uint8_t b) { return b == 0; }))
    return;
  bench_.send(from, packet);
}

/// A whole packet; nothing if it is none, or a piece of one that is not complete yet.
std::optional<Packet> Tester::understand(Bytes bytes) {
  auto packet = read(bytes);
  pieces_ = 1;
  in_order_ = true;
  if (packet && packet->is_fragment()) return put_together(*packet, bytes.subspan(wire::ipv4_header_min));
  return packet;
}

std::optional<Packet> Tester::expect(Side at, const Match& match) {
  for (size_t i = 0; i < arrivals_max; ++i) {
    auto bytes = bench_.next(at);
    if (!bytes) return {};
    auto packet = understand(*bytes);
    if (!packet || !match(*packet)) continue;
    if (!packet->checksums_right)
      note(say("a ", name_of(packet->protocol), " packet arrived with a wrong checksum, from ", packet->source, " to ",
               packet->destination));
    return packet;
  }
  return {};
}

std::optional<Packet> Tester::put_together(const Packet& fragment, Bytes raw) {
  auto at = std::find_if(partial_.begin(), partial_.end(), [&](const Partial& p) {
    return p.first.source.same_ip(fragment.source) && p.first.destination.same_ip(fragment.destination) &&
           p.first.id == fragment.id && p.first.protocol == fragment.protocol;
  });
  if (at == partial_.end()) {
    if (partial_.size() == partials_max) partial_.erase(partial_.begin());
    partial_.push_back({fragment, {}});
    at = partial_.end() - 1;
  }
  Partial& whole = *at;
  if (!fragment.more_fragments) whole.end = fragment.offset + raw.size();
  if (!whole.pieces.empty() && whole.pieces.back().first > fragment.offset) whole.in_order = false;
  if (whole.pieces.size() < pieces_max) whole.pieces.emplace_back(fragment.offset, PacketBytes(raw.begin(), raw.end()));
  auto sorted = whole.pieces;
  std::sort(sorted.begin(), sorted.end());
  PacketBytes body;
  for (const auto& [offset, bytes] : sorted)
    if (offset == body.size()) body.insert(body.end(), bytes.begin(), bytes.end());
  if (whole.end == 0 || body.size() != whole.end) return {};
  Packet header = whole.first;
  header.more_fragments = false;
  header.offset = 8;  // so that the body is written as it is
  header.payload = std::move(body);
  PacketBytes packet = write(header);
  packet[wire::ipv4_fragment_at] = packet[wire::ipv4_fragment_at + 1] = 0;
  mend_header(packet);
  pieces_ = whole.pieces.size();
  in_order_ = whole.in_order;
  partial_.erase(at);
  return read(packet);
}

std::vector<Packet> Tester::collect(Side at, Duration how_long) {
  std::vector<Packet> out;
  Duration until = bench_.elapsed() + how_long;
  while (out.size() < arrivals_max) {
    Duration left = std::max(until - bench_.elapsed(), Duration(0));
    auto bytes = how_long > Duration(0) ? bench_.receive(at, left) : bench_.next(at);
    if (!bytes) return out;
    if (auto packet = understand(*bytes)) out.push_back(std::move(*packet));
  }
  return out;
}

void Tester::forget_arrivals() {
  for (Side side : {Side::inside, Side::outside})
    for (size_t i = 0; i < arrivals_max && bench_.next(side); ++i) continue;
  partial_.clear();
}

std::optional<Packet> Tester::through(Side from, Side at, const Packet& packet, const Match& match) {
  for (unsigned i = 0; i < std::max(1u, network().attempts); ++i) {
    send(from, packet);
    if (auto got = expect(at, match)) return got;
  }
  return {};
}

std::optional<Packet> Tester::out(const Packet& packet) {
  return through(Side::inside, Side::outside, packet,
                 [&](const Packet& got) { return same(packet, got, &Packet::destination); });
}

std::optional<Packet> Tester::in(const Packet& packet) {
  if (packet.destination.is_unspecified()) return {};
  return through(Side::outside, Side::inside, packet,
                 [&](const Packet& got) { return same(packet, got, &Packet::source); });
}

std::optional<Packet> Tester::across(const Packet& packet) {
  if (packet.destination.is_unspecified()) return {};
  return through(Side::inside, Side::inside, packet, [&](const Packet& got) { return same(packet, got, nullptr); });
}

Packet Tester::opening(uint8_t protocol, const Address& from, const Address& to) {
  switch (protocol) {
    case wire::ip_protocol_tcp:
      return tcp(from, to, syn, static_cast<uint32_t>(rng_.u64()));
    case wire::ip_protocol_icmp:
      return echo(from, to, from.port, token());
    default:
      return udp(from, to, token());
  }
}

std::optional<Address> Tester::try_map(uint8_t protocol, const Address& from, const Address& to) {
  auto got = out(opening(protocol, from, to));
  return got ? std::optional(got->source) : std::nullopt;
}

Address Tester::map(uint8_t protocol, const Address& from, const Address& to) {
  auto at = try_map(protocol, from, to);
  if (!at) note(say("what ", from, " sent to ", to, " over ", name_of(protocol), " did not come out"));
  return at.value_or(Address{});
}

bool Tester::reaches(uint8_t protocol, const Address& from, const Address& outside) {
  switch (protocol) {
    case wire::ip_protocol_tcp:
      return in(tcp(from, outside, syn, static_cast<uint32_t>(rng_.u64()))).has_value();
    case wire::ip_protocol_icmp:
      return in(echo_reply(from, outside, outside.port, token())).has_value();
    default:
      return in(udp(from, outside, token())).has_value();
  }
}

std::optional<Packet> Tester::error_in(const Address& by, uint8_t type, uint8_t code, const Packet& sent,
                                       uint32_t rest) {
  Packet error = icmp_error(by, sent.source, type, code, write(sent), rest);
  return through(Side::outside, Side::inside, error, [&](const Packet& got) { return quotes(got, sent, true); });
}

std::optional<Packet> Tester::error_out(const Address& by, uint8_t type, uint8_t code, const Packet& received) {
  Packet error = icmp_error(by, received.source, type, code, write(received));
  return through(Side::inside, Side::outside, error, [&](const Packet& got) { return quotes(got, received, false); });
}

// ---- connections

Connection Tester::connect(const Address& from, const Address& to) {
  Connection c{from, to, {}, static_cast<uint32_t>(rng_.u64()), static_cast<uint32_t>(rng_.u64())};
  auto first = segment(c, Side::inside, syn);
  if (first) c.outside = first->source;
  bool stands = first && segment(c, Side::outside, syn | ack) && segment(c, Side::inside, ack) &&
                segment(c, Side::inside, ack, token());
  if (!stands) note(say("no TCP connection from ", from, " to ", to, " came to stand"));
  return c;
}

std::optional<Packet> Tester::segment(Connection& c, Side from, uint8_t flags, std::string_view text) {
  bool out_going = from == Side::inside;
  uint32_t& next = out_going ? c.inside_next : c.remote_next;
  uint32_t acknowledged = flags & ack ? (out_going ? c.remote_next : c.inside_next) : 0;
  Packet p = out_going ? tcp(c.inside, c.remote, flags, next, acknowledged, text)
                       : tcp(c.remote, c.outside, flags, next, acknowledged, text);
  next += static_cast<uint32_t>(text.size()) + (flags & syn ? 1 : 0) + (flags & fin ? 1 : 0);
  return out_going ? out(p) : in(p);
}

std::optional<std::string> Tester::take_trouble() {
  if (trouble_.empty()) return {};
  std::string out;
  out.swap(trouble_);
  return out;
}

}  // namespace ginnel::conform
