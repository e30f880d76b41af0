#include "app/nat_pump.hpp"

#include "wire/checksum.hpp"
#include "wire/ip_fields.hpp"
#include "wire/tcp.hpp"
#include "wire/udp.hpp"

namespace ginnel::app {

nat::Offload offload_of(const TunHeader& header, Bytes packet) {
  nat::Offload out;
  out.partial_checksum = header.flags & TunHeader::needs_checksum;
  if (header.cut == 0) return out;
  // What is cut has its checksum made for each piece, so checksum_start says where the transport header is.
  size_t size = header.checksum_start;
  if (header.cut == TunHeader::cut_udp) {
    size += wire::udp_header_size;
  } else if (size + wire::tcp_header_min <= packet.size()) {
    size += (packet[size + wire::tcp_offset_at] >> 4) * size_t{4};
  }
  out.wire_size = static_cast<uint16_t>(std::min<size_t>({size + header.segment, packet.size(), UINT16_MAX}));
  return out;
}

void give_back_hop(MutableBytes packet) {
  if (wire::ip_version(packet) == 6) {
    if (packet.size() >= wire::ipv6_header_size && packet[7] < 255) ++packet[7];
    return;
  }
  if (packet.size() < wire::ipv4_header_min || packet[wire::ipv4_ttl_at] == 255) return;
  wire::ChecksumChange change;
  change.word(0, 0x0100);  // the TTL is the upper half of its word
  uint8_t* checksum = &packet[wire::ipv4_checksum_at];
  ++packet[wire::ipv4_ttl_at];
  wire::store16(checksum, change.apply(wire::load16(checksum)));
}

NatPump::NatPump(Loop& loop, Tun& inside, Tun& outside, nat::Gateway& gateway, std::function<void()> on_gone)
    : loop_(loop),
      gateway_(gateway),
      inside_{inside, Loop::Watch(loop, inside.fd(), [this] { serve(nat::Side::inside); })},
      outside_{outside, Loop::Watch(loop, outside.fd(), [this] { serve(nat::Side::outside); })},
      on_gone_(std::move(on_gone)),
      timer_(loop,
             [this] {
               gateway_.handle_timeout(loop_.now());
               settle();
             }),
      arena_(2 * Tun::packet_max),
      generated_(Tun::packet_max) {}

void NatPump::start() {
  inside_.watch.want_read(true);
  outside_.watch.want_read(true);
  settle();
}

void NatPump::settle() {
  send_generated();
  for (Port* port : {&inside_, &outside_})
    if (port->capture) port->capture->flush();
  if (auto deadline = gateway_.next_deadline())
    timer_.set(deadline->when);
  else
    timer_.cancel();
}

void NatPump::serve(nat::Side from) {
  Port& port = this->port(from);
  for (int batch = 0; batch < batches_max; ++batch) {
    size_t count = read_batch(port);
    if (count == 0) break;
    Instant now = loop_.now();
    if (count > 1) {
      for (size_t i = 0; i < count; ++i) views_[i] = slots_[i].packet;
      std::span<const MutableBytes> views(views_.data(), count);
      from == nat::Side::inside ? gateway_.prefetch_inside(views) : gateway_.prefetch_outside(views);
    }
    for (size_t i = 0; i < count; ++i) translate(now, from, slots_[i]);
  }
  settle();
  if (!port.tun.gone()) return;
  port.watch.want_read(false);
  on_gone_();
}

size_t NatPump::read_batch(Port& port) {
  MutableBytes room = arena_;
  size_t count = 0;
  while (count < batch_max && room.size() >= Tun::packet_max) {
    Slot& slot = slots_[count];
    size_t size = port.tun.read(slot.header, room);
    if (size == 0) break;
    slot.packet = room.first(size);
    room = room.subspan(size);
    ++count;
  }
  return count;
}

void NatPump::translate(Instant now, nat::Side from, Slot& slot) {
  give_back_hop(slot.packet);
  if (Capture* capture = port(from).capture) capture->add(slot.packet);
  nat::Offload offload = offload_of(slot.header, slot.packet);
  counters_.large += offload.wire_size != 0;
  nat::Verdict verdict = from == nat::Side::inside ? gateway_.handle_inside(now, slot.packet, offload)
                                                   : gateway_.handle_outside(now, slot.packet, offload);
  switch (verdict.action) {
    case nat::Action::forward_out:
      send(nat::Side::outside, slot.header, slot.packet.first(verdict.size));
      break;
    case nat::Action::forward_in:
    case nat::Action::hairpin:
    case nat::Action::local:
      send(nat::Side::inside, slot.header, slot.packet.first(verdict.size));
      break;
    case nat::Action::held:
    case nat::Action::drop:
      break;
  }
  send_generated();  // at once: the other pieces of a packet that was split come right behind its first
}

void NatPump::send(nat::Side to, const TunHeader& header, MutableBytes packet) {
  Port& port = this->port(to);
  if (port.capture) port.capture->add(packet);
  give_back_hop(packet);
  if (!port.tun.write(header, packet)) ++counters_.not_taken;
}

void NatPump::send_generated() {
  constexpr TunHeader whole{};
  while (auto own = gateway_.poll_generated(generated_)) {
    MutableBytes packet(generated_.data(), own->bytes.size());
    send(own->side, whole, packet);
  }
}

}  // namespace ginnel::app
