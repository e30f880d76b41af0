// Reads and writes tickets. Knows their one spelling (but for letter case) and tells a person what is wrong with the
// text; refuses to know whether the proof is good, which only the exposing side can, and never repeats the text, which
// is a secret. No RFC but 4648 (base32).
#include "wire/ticket.hpp"

#include <array>
#include <cassert>

#include "wire/crc32.hpp"
#include "wire/url_text.hpp"

namespace ginnel::wire {

namespace {

constexpr std::string_view scheme = "ginnel://";
constexpr uint8_t version = 1;
constexpr uint8_t flag_expires = 1;
constexpr size_t checksum_size = 4;
constexpr size_t payload_max = 1 + 32 + 32 + 8 + 1 + 4 + 16 + checksum_size;
constexpr size_t text_max = 1024;  // several times the longest ticket: a later version may be longer

Error bad(std::string_view sentence) { return Error{Errc::bad_ticket, std::string(sentence)}; }

void put_signed_part(Writer& out, const Capability& capability) {
  out.put(capability.service);
  out.u8(capability.expires_minutes ? flag_expires : 0);
  if (capability.expires_minutes) out.u32(*capability.expires_minutes);
}

// The host and port are in front of the payload, in their one spelling: moving a ticket to another server by hand
// shows as damage.
uint32_t checksum(const ServerUrl& server, Bytes payload) {
  return crc32(payload, crc32(as_bytes(host_port_to_string(server.host, server.port))));
}

// What is behind the version byte, without the checksum.
bool read_payload(Reader& in, Ticket& ticket) {
  in.fill(std::span(ticket.peer.bytes));
  in.fill(std::span(ticket.server.key.bytes));
  auto capability = Capability::read(in);
  if (!capability || !in.empty()) return false;
  ticket.capability = *capability;
  return true;
}

}  // namespace

std::vector<uint8_t> Capability::signed_part() const {
  std::array<uint8_t, 8 + 1 + 4> room;
  Writer out(room);
  put_signed_part(out, *this);
  return {out.written().begin(), out.written().end()};
}

std::optional<Capability> Capability::read(Reader& in) {
  Capability out;
  in.fill(std::span(out.service));
  uint8_t flags = in.u8();
  if ((flags & ~flag_expires) != 0) return {};  // a limit that this version cannot show must not be dropped
  if (flags & flag_expires) out.expires_minutes = in.u32();
  in.fill(std::span(out.proof));
  if (in.failed()) return {};
  return out;
}

Result<Ticket> Ticket::parse(std::string_view input) {
  std::string_view trimmed = trim(input);
  if (trimmed.empty()) return bad("The ticket is empty: copy the whole line that `ginnel expose` prints.");
  if (has_scheme(trimmed, "ginnel-server://"))
    return bad("This is a server URL, not a ticket: copy the line that begins with ginnel:// from `ginnel expose`.");
  if (!has_scheme(trimmed, scheme))
    return bad("This is not a ticket: copy the line that begins with ginnel:// from `ginnel expose`.");
  if (trimmed.size() > text_max)
    return bad("This is too long for a ticket: copy one line of `ginnel expose`, only it.");
  if (has_space(trimmed)) return bad("This ticket has a space or line break inside: copy it again, as one line.");

  std::string text = lower_case(trimmed);
  std::string_view rest = std::string_view(text).substr(scheme.size());
  size_t slash = rest.find('/');
  if (slash == rest.npos) return bad("This ticket is cut off behind the server's address: copy it again, whole.");
  auto host_port = parse_host_port(rest.substr(0, slash), default_port);
  if (!host_port) return Error{Errc::bad_ticket, "This ticket is damaged. " + host_port.error().text};
  Ticket ticket;
  ticket.server.host = std::move(host_port->first);
  ticket.server.port = host_port->second;

  auto raw = parse_base32(rest.substr(slash + 1));
  if (!raw || raw->size() < 1 + checksum_size)
    return bad("This ticket is damaged: a character is wrong or missing. Copy it again, whole.");
  Bytes payload = Bytes(*raw).first(raw->size() - checksum_size);
  // The checksum is at the end in every version, and is asked first: a typing error must not look like a new version.
  if (Reader(Bytes(*raw).last(checksum_size)).u32() != checksum(ticket.server, payload))
    return bad("This ticket is damaged: its checksum does not match. Copy it again, whole.");
  Reader in(payload);
  if (in.u8() != version)
    return bad("This ticket was made by another version of ginnel: update ginnel on this machine.");
  // One text for one ticket: the address as we would write it, nothing left over.
  if (!read_payload(in, ticket) || ticket.to_string() != text)
    return bad("This ticket is not understood by this version of ginnel: update ginnel, or ask for a new ticket.");
  return ticket;
}

std::string Ticket::to_string() const {
  std::array<uint8_t, payload_max> room;
  Writer out(room);
  out.u8(version);
  out.put(peer.bytes);
  out.put(server.key.bytes);
  put_signed_part(out, capability);
  out.put(capability.proof);
  out.u32(checksum(server, out.written()));
  assert(!out.failed());
  return std::string(scheme) + host_port_to_string(server.host, server.port) + "/" + base32(out.written());
}

}  // namespace ginnel::wire
