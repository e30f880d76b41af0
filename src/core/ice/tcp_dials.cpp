#include "core/ice/tcp_dials.hpp"

#include <algorithm>

namespace ginnel::ice {

// ---- inputs

const TcpDials::Target* TcpDials::handle_connected(TcpId id) {
  for (Target& target : targets_) {
    if (target.id != id) continue;
    target.connected = true;
    target.seen = "connected";
    return &target;
  }
  return nullptr;
}

bool TcpDials::handle_closed(Instant now, TcpId id, const std::string& why) {
  auto at = std::find_if(targets_.begin(), targets_.end(), [&](const Target& t) { return t.id == id; });
  if (at == targets_.end()) return false;
  at->id = 0;
  at->connected = false;
  at->seen = why;
  if (ends_ && at->tries < tries_max) {
    auto span = static_cast<uint64_t>((retry_max - retry_min).count());
    at->next = now + retry_min + Duration(static_cast<int64_t>(rng_.below(span)));
  }
  return true;
}

void TcpDials::handle_timeout(Instant now) {
  if (ends_ && *ends_ <= now) return stop();
  for (Target& target : targets_)
    if (target.next && *target.next <= now) dial(target);
}

// ---- commands

void TcpDials::forget(TcpId id, const std::string& why) {
  for (Target& target : targets_)
    if (target.id == id) target.id = 0, target.connected = false, target.seen = why;
}

void TcpDials::begin(Instant now, const std::vector<wire::Candidate>& remote, const uint16_t (&from_port)[2],
                     Instant when) {
  stop();
  std::erase_if(targets_, [](const Target& t) { return !t.connected; });
  from_port_[0] = from_port[0], from_port_[1] = from_port[1];
  ends_ = std::max(now, when) + patience;
  for (const wire::Candidate& candidate : remote) {
    if (candidate.transport != wire::Transport::tcp || targets_.size() >= targets_max) continue;
    bool known = std::any_of(targets_.begin(), targets_.end(), [&](auto& t) { return t.to == candidate.address; });
    if (known || from_port_[candidate.address.v6] == 0) continue;
    if (!candidate.address.is_probeable()) continue;  // to nobody whom a peer could want to harm through us
    targets_.push_back({candidate.address, candidate.type, 0, false, 0, std::max(now, when), {}});
  }
}

void TcpDials::stop() {
  ends_.reset();
  for (Target& target : targets_) {
    target.next.reset();
    if (target.id == 0 || target.connected) continue;
    actions_.push_back(CloseTcp{target.id});
    target.id = 0;
    if (target.seen.empty()) target.seen = "no answer";
  }
}

// ---- polls

std::optional<Action> TcpDials::poll_action() {
  if (actions_.empty()) return {};
  Action action = std::move(actions_.front());
  actions_.pop_front();
  return action;
}

std::optional<Deadline> TcpDials::next_deadline() const {
  if (!ends_) return {};
  std::optional<Deadline> next = Deadline{*ends_, "ice: end of TCP dialling"};
  for (const Target& target : targets_)
    if (target.next) next = earlier(next, Deadline{*target.next, "ice: next TCP dial"});
  return next;
}

// ---- inside

void TcpDials::dial(Target& target) {
  target.next.reset();
  target.id = ids_.next();
  ++target.tries;
  ++dials_;
  actions_.push_back(ConnectTcp{target.id, target.to, from_port_[target.to.v6]});
}

}  // namespace ginnel::ice
