#include "core/conform/control.hpp"

#include <algorithm>

#include "wire/address_field.hpp"
#include "wire/message_frame.hpp"

namespace ginnel::conform {
namespace {

enum Type : uint8_t { hello = 1, welcome, send, arrived };
constexpr uint32_t magic = 0x676e6c31;  // "gnl1": so that somebody else's bytes are told from ours at once

void put_packet(Writer& out, const PacketBytes& packet) {
  out.put(Bytes(packet).first(std::min(packet.size(), control_packet_max)));
}

PacketBytes rest_of(Reader& in) { return {in.rest().begin(), in.rest().end()}; }

std::optional<ControlMessage> read_hello(Reader& in) {
  ControlHello out;
  bool ours = in.u32() == magic;
  in.fill(std::span(out.token));
  if (!ours || in.failed() || !in.empty()) return {};
  return out;
}

std::optional<ControlMessage> read_welcome(Reader& in) {
  ControlWelcome out;
  auto you = wire::read_address(in);
  size_t count = in.u8();
  if (!you || count > control_addresses_max) return {};
  out.you = *you;
  while (out.addresses.size() < count) {
    auto address = wire::read_address(in);
    if (!address) return {};
    out.addresses.push_back(*address);
  }
  if (in.failed() || !in.empty()) return {};
  return out;
}

std::optional<ControlMessage> read_fields(uint8_t type, Reader& in) {
  switch (type) {
    case hello:
      return read_hello(in);
    case welcome:
      return read_welcome(in);
    case send:
      return ControlSend{rest_of(in)};
    case arrived:
      return ControlArrived{rest_of(in)};
    default:
      return {};
  }
}

}  // namespace

std::vector<uint8_t> encode(const ControlMessage& message) {
  auto type = static_cast<uint8_t>(message.index() + 1);
  return wire::make_message(type, control_size_max, [&](Writer& out) {
    if (const auto* h = std::get_if<ControlHello>(&message)) {
      out.u32(magic);
      out.put(h->token);
    } else if (const auto* w = std::get_if<ControlWelcome>(&message)) {
      wire::put_address(out, w->you);
      size_t count = std::min(w->addresses.size(), control_addresses_max);
      out.u8(static_cast<uint8_t>(count));
      for (size_t i = 0; i < count; ++i) wire::put_address(out, w->addresses[i]);
    } else if (const auto* s = std::get_if<ControlSend>(&message)) {
      put_packet(out, s->packet);
    } else {
      put_packet(out, std::get<ControlArrived>(message).packet);
    }
  });
}

NextControl next_control(Bytes stream) {
  wire::MessageFrame frame = wire::next_message_frame(stream, control_size_max);
  NextControl out;
  out.malformed = frame.malformed;
  out.size = frame.size;
  if (frame.size == 0 || frame.malformed) return out;
  Reader in(frame.fields);
  out.message = read_fields(frame.type, in);
  out.malformed = !out.message;
  return out;
}

}  // namespace ginnel::conform
