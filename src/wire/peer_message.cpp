// Peer messages to bytes and back. Knows each message's fields, in one encoding, and the caps of texts and lists;
// refuses to know whether a capability is good or a candidate may be probed (core/peer and core/ice judge). RFC 8445
// section 5.3 for the credentials' form; the format is ours.
#include "wire/peer_message.hpp"

#include <algorithm>
#include <cassert>

#include "wire/address_field.hpp"
#include "wire/message_frame.hpp"

namespace ginnel::wire {

namespace {

enum Type : uint8_t { type_hello = 1, type_welcome = 2, type_candidates = 3, type_search_offer = 4, type_search_end = 5 };

uint8_t type_of(const PeerMessage& message) { return static_cast<uint8_t>(message.index() + 1); }

template <uint8_t type, typename T>
constexpr bool is_type = std::is_same_v<std::variant_alternative_t<type - 1, PeerMessage>, T>;
static_assert(is_type<type_hello, Hello> && is_type<type_welcome, Welcome> && is_type<type_candidates, Candidates> &&
              is_type<type_search_offer, SearchOffer> && is_type<type_search_end, SearchEnd>);

// RFC 8445 section 5.3: ALPHA / DIGIT / "+" / "/".
bool is_ice_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

void put_text(Writer& out, const std::string& text) {
  out.u8(static_cast<uint8_t>(text.size()));
  out.put(as_bytes(text));
}

// Nothing if the length or a character is not allowed there.
std::optional<std::string> read_ice_text(Reader& in, size_t min, size_t max) {
  size_t size = in.u8();
  if (size < min || size > max) return {};
  std::string_view text = as_text(in.take(size));
  if (!std::all_of(text.begin(), text.end(), is_ice_char)) return {};
  return std::string(text);
}

void put(Writer& out, const Hello& m) {
  out.put(m.capability.signed_part());
  out.put(m.capability.proof);
}
void put(Writer&, const Welcome&) {}
void put(Writer& out, const NatView& nat) {
  out.u8(static_cast<uint8_t>(nat.udp));
  out.u8(static_cast<uint8_t>(nat.tcp));
  out.u8(nat.udp_blocked);
  out.u8(static_cast<uint8_t>(nat.udp_ports.kind));
  out.u16(static_cast<uint16_t>(nat.udp_ports.step));
  out.u16(nat.udp_ports.rate);
  out.u16(nat.udp_ports.low);
  out.u16(nat.udp_ports.high);
}
void put(Writer& out, const Candidates& m) {
  assert(m.ufrag.size() >= 4 && m.ufrag.size() <= 32 && m.password.size() >= 22 && m.password.size() <= 64);
  put_text(out, m.ufrag);
  put_text(out, m.password);
  out.u32(m.generation);
  out.u32(m.opened);
  out.u8(static_cast<uint8_t>(m.fresh | m.tcp << 1));
  put(out, m.nat);
  size_t count = std::min(m.candidates.size(), candidates_max);
  assert(count == m.candidates.size());
  out.u8(static_cast<uint8_t>(count));
  for (size_t i = 0; i < count; ++i) {
    out.u8(static_cast<uint8_t>(m.candidates[i].type));
    out.u8(static_cast<uint8_t>(m.candidates[i].transport));
    out.u32(m.candidates[i].priority);
    put_address(out, m.candidates[i].address);
  }
}

void put(Writer& out, const SearchOffer& m) {
  out.u8(static_cast<uint8_t>(m.kind));
  out.u64(m.token);
  put_address(out, m.ip);
  out.u16(m.low);
  out.u16(m.high);
  out.u16(m.step);
  out.u16(m.sockets);
}
void put(Writer& out, const SearchEnd& m) {
  out.u64(m.token);
  out.u16(m.probes);
  out.u8(m.refused);
}

std::optional<PeerMessage> read_hello(Reader& in) {
  auto capability = Capability::read(in);
  if (!capability) return {};
  return Hello{*capability};
}

std::optional<Candidate> read_candidate(Reader& in) {
  Candidate candidate;
  uint8_t type = in.u8(), transport = in.u8();
  candidate.priority = in.u32();
  auto address = read_address(in);
  if (!address || type > static_cast<uint8_t>(CandidateType::forwarded) || transport > 1) return {};
  candidate.type = static_cast<CandidateType>(type);
  candidate.transport = static_cast<Transport>(transport);
  candidate.address = *address;
  return candidate;
}

std::optional<NatView> read_nat(Reader& in) {
  uint8_t udp = in.u8(), tcp = in.u8(), blocked = in.u8();
  uint8_t last = static_cast<uint8_t>(NatMapping::endpoint_dependent);
  PortPattern ports;
  uint8_t kind = in.u8();
  ports.kind = static_cast<PortPattern::Kind>(kind);
  ports.step = static_cast<int16_t>(in.u16());
  ports.rate = in.u16();
  ports.low = in.u16();
  ports.high = in.u16();
  if (udp > last || tcp > last || blocked > 1 || kind > static_cast<uint8_t>(PortPattern::Kind::random)) return {};
  if (ports.low > ports.high) return {};
  return NatView{static_cast<NatMapping>(udp), static_cast<NatMapping>(tcp), blocked == 1, ports};
}

std::optional<PeerMessage> read_search_offer(Reader& in) {
  SearchOffer m;
  uint8_t kind = in.u8();
  m.kind = static_cast<SearchKind>(kind);
  m.token = in.u64();
  auto ip = read_address(in);
  m.low = in.u16();
  m.high = in.u16();
  m.step = in.u16();
  m.sockets = in.u16();
  if (kind < 1 || kind > static_cast<uint8_t>(SearchKind::diagonal) || !ip || m.low > m.high || m.step == 0) return {};
  if (m.kind == SearchKind::diagonal && m.low != m.high) return {};
  m.ip = *ip;
  return m;
}

std::optional<PeerMessage> read_search_end(Reader& in) {
  SearchEnd m;
  m.token = in.u64();
  m.probes = in.u16();
  uint8_t refused = in.u8();
  m.refused = refused == 1;
  if (refused > 1) return {};
  return m;
}

std::optional<PeerMessage> read_candidates(Reader& in) {
  Candidates m;
  auto ufrag = read_ice_text(in, 4, 32);
  auto password = ufrag ? read_ice_text(in, 22, 64) : std::nullopt;
  m.generation = in.u32();
  m.opened = in.u32();
  uint8_t wishes = in.u8();
  m.fresh = wishes & 1;
  m.tcp = wishes & 2;
  auto nat = read_nat(in);
  size_t count = in.u8();
  if (!password || wishes > 3 || !nat || count > candidates_max) return {};
  m.nat = *nat;
  m.ufrag = std::move(*ufrag);
  m.password = std::move(*password);
  m.candidates.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    auto candidate = read_candidate(in);
    if (!candidate) return {};
    m.candidates.push_back(*candidate);
  }
  return m;
}

std::optional<PeerMessage> read_fields(uint8_t type, Reader& in) {
  switch (type) {
    case type_hello:
      return read_hello(in);
    case type_candidates:
      return read_candidates(in);
    case type_search_offer:
      return read_search_offer(in);
    case type_search_end:
      return read_search_end(in);
    default:
      return Welcome{};
  }
}

}  // namespace

std::vector<uint8_t> encode(const PeerMessage& message) {
  return make_message(type_of(message), peer_message_size_max,
                      [&](Writer& out) { std::visit([&](const auto& m) { put(out, m); }, message); });
}

PeerMessageResult next_peer_message(Bytes stream) {
  PeerMessageResult result;
  MessageFrame frame = next_message_frame(stream, peer_message_size_max);
  result.malformed = frame.malformed;
  if (frame.size == 0) return result;
  result.size = frame.size;
  if (frame.type < type_hello || frame.type > type_search_end) return result;  // a later version's: skipped
  Reader in(frame.fields);
  auto message = read_fields(frame.type, in);
  // Fields left over are malformed too: one encoding for one message.
  result.malformed = !message || in.failed() || !in.empty();
  if (!result.malformed) result.message = std::move(message);
  return result;
}

}  // namespace ginnel::wire
