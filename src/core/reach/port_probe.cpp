#include "core/reach/port_probe.hpp"

#include <algorithm>

namespace ginnel::reach {

void PortProbe::handle_opened(Instant now, const UdpOpened& in) {
  for (Asked& asked : asked_) {
    if (asked.socket != in.id) continue;
    asked.open = in.local.port != 0;
    asked.local = in.local.port;
  }
  // All or none: the mappings are to be made in one go.
  bool all = std::all_of(asked_.begin(), asked_.end(), [](auto& a) { return a.open; });
  if (all)
    for (Asked& asked : asked_) asked.transaction.start(now);
}

void PortProbe::handle_response(Instant now, SocketId socket, const Address& from, const wire::StunMessage& message) {
  for (Asked& asked : asked_)
    if (asked.socket == socket && asked.to == from) asked.transaction.handle_response(now, message);
}

bool PortProbe::handle_timeout(Instant now) {
  if (!ends_) return false;
  bool all = std::all_of(asked_.begin(), asked_.end(), [](auto& a) { return a.transaction.mapped().has_value(); });
  for (Asked& asked : asked_) asked.transaction.handle_timeout(now);
  if (!all && now < *ends_) return false;
  finish();
  return true;
}

void PortProbe::start(Instant now, const Address& server, const Address& second) {
  stop();
  ends_ = now + patience;
  first_ = ids_.next(sockets);
  for (SocketId i = 0; i < sockets; ++i) {
    actions_.push_back(OpenUdp{first_ + i, false});
    asked_.push_back({first_ + i, server, 0, false, {}, stun::Transaction(rng_)});
    if (second.port != 0) asked_.push_back({first_ + i, second, 0, false, {}, stun::Transaction(rng_)});
  }
}

void PortProbe::stop() {
  if (ends_)
    for (SocketId i = 0; i < sockets; ++i) actions_.push_back(CloseUdp{first_ + i, false});
  ends_.reset();
  asked_.clear();
}

std::optional<Action> PortProbe::poll_action(Instant now, MutableBytes room) {
  if (!actions_.empty()) {
    Action action = std::move(actions_.front());
    actions_.pop_front();
    return action;
  }
  for (Asked& asked : asked_) {
    auto bytes = asked.transaction.poll_request(now, room);
    if (!bytes) continue;
    if (asked.sent == Instant{}) asked.sent = now;  // the first copy makes the mapping
    return Transmit{asked.to, 0, *bytes, bytes->size(), asked.socket};
  }
  return {};
}

std::optional<Deadline> PortProbe::next_deadline() const {
  if (!ends_) return {};
  std::optional<Deadline> next = Deadline{*ends_, "ports: enough was seen"};
  for (const Asked& asked : asked_) next = earlier(next, asked.transaction.next_deadline());
  return next;
}

void PortProbe::finish() {
  std::vector<PortSample> samples;
  for (const Asked& asked : asked_)
    if (asked.transaction.mapped()) samples.push_back({asked.sent, asked.local, asked.transaction.mapped()->port});
  pattern_ = infer_ports(samples);
  // One that keeps ports for the first destination only shows it in every other sample.
  if (pattern_.kind != wire::PortPattern::Kind::sequential) {
    std::vector<PortSample> firsts;
    for (const Asked& asked : asked_)
      if (asked.to == asked_.front().to && asked.transaction.mapped())
        firsts.push_back({asked.sent, asked.local, asked.transaction.mapped()->port});
    auto of_firsts = infer_ports(firsts);
    if (of_firsts.kind == wire::PortPattern::Kind::preserving) {
      std::vector<PortSample> rest;
      for (const PortSample& s : samples)
        if (s.local != s.external) rest.push_back(s);
      pattern_ = infer_ports(rest);
    }
  }
  stop();
}

}  // namespace ginnel::reach
