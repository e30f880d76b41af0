// Port mapping of a gateway, put together. Knows which datagram is whose; refuses to know any protocol further than its
// first byte. RFC 6887 section 9 and RFC 6886 section 9 (one port, told apart by version).
#include "core/portmap/service.hpp"

#include <utility>

namespace ginnel::portmap {

Service::Service(Instant now, const ServiceConfig& config, ForwardEngine& engine, Rng& rng)
    : offers_(config.offers),
      book_(now, config.networks, config.limits, engine, rng),
      igd_(book_, config.identity, now),
      ssdp_(config.identity, rng) {}

void Service::handle(Instant now, ServiceInput& input) {
  if (!book_.is_inside(input.from)) return;
  if (input.at == Socket::ssdp) {
    auto message = wire::parse_ssdp(input.bytes);
    if (message && offers_.upnp) ssdp_.handle(now, input.from, *message);
    return;
  }
  if (input.at != Socket::requests || input.bytes.empty() || answers_.size() >= answers_max) return;
  std::array<uint8_t, wire::pcp_message_max> room;
  // Whoever asks in the one that is not spoken is told so by the other (RFC 6886 section 3.5, RFC 6887 section 9).
  bool nat_pmp = offers_.nat_pmp && (input.bytes[0] == wire::nat_pmp_version || !offers_.pcp);
  if (!nat_pmp && !offers_.pcp) return;
  auto answer =
      nat_pmp ? nat_pmp_.handle(now, input.from, input.bytes, room) : pcp_.handle(now, input.from, input.bytes, room);
  if (answer) answers_.push_back({input.from, {answer->begin(), answer->end()}});
}

HttpResponse Service::handle_http(Instant now, const HttpRequest& request) { return igd_.handle(now, request); }

void Service::handle_timeout(Instant now) {
  book_.handle_timeout(now);
  ssdp_.handle_timeout(now);
  if (!announcer_.take_due(now)) return;
  announce_pcp_ = offers_.pcp;
  announce_nat_pmp_ = offers_.nat_pmp;
}

void Service::set_external(Instant now, const Address& address) {
  if (!book_.set_external(now, address)) return;
  announcer_.start(now);
  if (offers_.upnp && !address.is_unspecified() && !std::exchange(started_, true)) ssdp_.start(now);
}

void Service::reset(Instant now) {
  book_.reset(now);
  announcer_.start(now);
}

void Service::close(Instant now) { ssdp_.stop(now); }

std::optional<ServiceAction> Service::poll_action(Instant now, MutableBytes room) {
  if (!answers_.empty()) {
    Answer answer = std::move(answers_.front());
    answers_.pop_front();
    Writer out(room);
    out.put(answer.bytes);
    return SendDatagram{Socket::requests, answer.to, out.written()};
  }
  if (std::exchange(announce_pcp_, false))
    return SendDatagram{Socket::requests, announcement_group, pcp_.announcement(now, room)};
  if (std::exchange(announce_nat_pmp_, false))
    return SendDatagram{Socket::requests, announcement_group, nat_pmp_.announcement(now, room)};
  if (auto text = ssdp_.poll(now)) {
    Writer out(room);
    out.put(as_bytes(text->text));
    return SendDatagram{Socket::ssdp, text->to, out.written()};
  }
  return {};
}

std::optional<Deadline> Service::next_deadline() const {
  return earlier(earlier(book_.next_deadline(), announcer_.next_deadline()), ssdp_.next_deadline());
}

}  // namespace ginnel::portmap
