// SSDP of a gateway. Knows names and moments; refuses to answer more than it has room for. UPnP Device Architecture 1.1
// sections 1.2.2 (what is announced), 1.3.3 (what is answered).
#include "core/portmap/ssdp_server.hpp"

#include <algorithm>

namespace ginnel::portmap {

SsdpServer::SsdpServer(const IgdIdentity& identity, Rng& rng) : rng_(rng), server_line_(igd_server_line(identity)) {
  for (int version : igd_versions) add_targets(identity, version);
}

void SsdpServer::add_targets(const IgdIdentity& identity, int version) {
  std::string location = "http://" + identity.http.to_string() + igd_description_path(version);
  auto add = [&](const std::string& uuid, const std::string& name) {
    targets_.push_back({name, name == uuid ? uuid : uuid + "::" + name, location});
  };
  add(igd_uuid(identity, IgdDevice::gateway, version), "upnp:rootdevice");
  for (IgdDevice device : {IgdDevice::gateway, IgdDevice::wan, IgdDevice::connection}) {
    std::string uuid = igd_uuid(identity, device, version);
    add(uuid, uuid);
    add(uuid, igd_device_type(device, version));
  }
  add(igd_uuid(identity, IgdDevice::gateway, version), igd_service_type(IgdKind::layer3, version));
  add(igd_uuid(identity, IgdDevice::wan, version), igd_service_type(IgdKind::common, version));
  add(igd_uuid(identity, IgdDevice::connection, version), igd_service_type(IgdKind::ip, version));
}

void SsdpServer::start(Instant now) {
  notify(wire::SsdpKind::alive);
  next_alive_ = now + 1s;  // once more soon: section 1.2.2 has them sent more than once, they may be lost
}

void SsdpServer::stop(Instant) {
  waiting_.clear();
  next_alive_.reset();
  notify(wire::SsdpKind::byebye);
}

void SsdpServer::notify(wire::SsdpKind kind) {
  ready_.clear();  // what was not sent by now says no more than this
  auto age = static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(max_age).count());
  for (const auto& target : targets_) {
    wire::SsdpMessage message{kind, target.name, target.usn, target.location, 0, age};
    ready_.push_back({wire::ssdp_group, wire::ssdp_text(message, server_line_)});
  }
}

void SsdpServer::handle(Instant now, const Address& from, const wire::SsdpMessage& message) {
  if (message.kind != wire::SsdpKind::search || !next_alive_) return;
  // Section 1.3.3: at a random moment within MX seconds; a search without one is answered at once.
  Duration within = std::min<Duration>(std::chrono::seconds(message.mx), answer_within_max);
  for (size_t i = 0; i < targets_.size() && waiting_.size() < waiting_max; ++i) {
    if (message.target != "ssdp:all" && message.target != targets_[i].name) continue;
    Duration delay(static_cast<int64_t>(rng_.below(static_cast<uint64_t>(within.count()) + 1)));
    waiting_.push_back({now + delay, from, i});
  }
}

void SsdpServer::handle_timeout(Instant now) {
  if (!next_alive_ || now < *next_alive_) return;
  notify(wire::SsdpKind::alive);
  next_alive_ = now + alive_interval;
}

std::optional<SsdpServer::Out> SsdpServer::poll(Instant now) {
  if (!ready_.empty()) {
    Out out = std::move(ready_.front());
    ready_.pop_front();
    return out;
  }
  auto due = std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& w) { return w.when <= now; });
  if (due == waiting_.end()) return {};
  const Target& target = targets_[due->target];
  auto age = static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(max_age).count());
  Out out{due->to,
          wire::ssdp_text({wire::SsdpKind::response, target.name, target.usn, target.location, 0, age}, server_line_)};
  waiting_.erase(due);
  return out;
}

std::optional<Deadline> SsdpServer::next_deadline() const {
  std::optional<Deadline> next;
  if (next_alive_) next = Deadline{*next_alive_, "ssdp: say that we are here"};
  for (const auto& w : waiting_) next = earlier(next, Deadline{w.when, "ssdp: answer a search"});
  return next;
}

}  // namespace ginnel::portmap
