#include "core/nat/fragment_table.hpp"

#include <algorithm>

namespace ginnel::nat {

void FragmentTable::remember(Instant now, Duration lifetime, const FragmentKey& key, const FragmentRoute& route) {
  if (entries_.empty()) entries_.resize(sets);
  auto& set = entries_[set_of(key)];
  auto place = std::find_if(set.begin(), set.end(), [&](const Entry& e) { return e.key == key; });
  if (place == set.end())
    place =
        std::min_element(set.begin(), set.end(), [](const Entry& a, const Entry& b) { return a.expires < b.expires; });
  *place = {key, route, now + lifetime};
}

std::optional<FragmentRoute> FragmentTable::find(Instant now, const FragmentKey& key) const {
  if (entries_.empty()) return {};
  for (const Entry& entry : entries_[set_of(key)])
    if (entry.key == key && entry.expires > now) return entry.route;
  return {};
}

bool FragmentTable::hold(Instant now, Duration lifetime, const FragmentKey& key, Bytes packet) {
  if (packet.size() > held_size_max) return false;
  while (!held_.empty() && (held_.front().taken || held_.front().expires <= now)) held_.pop();
  if (held_.size() == held_max) held_.pop();
  Held* held = held_.push();
  held->key = key;
  held->expires = now + lifetime;
  held->taken = false;
  held_bytes_ -= held->bytes.capacity();
  held->bytes.assign(packet.begin(), packet.end());
  held_bytes_ += held->bytes.capacity();
  return true;
}

MutableBytes FragmentTable::take_held(Instant now, const FragmentKey& key) {
  for (size_t i = 0; i < held_.size(); ++i) {
    Held& held = held_[i];
    if (held.taken || !(held.key == key)) continue;
    held.taken = true;
    if (held.expires > now) return held.bytes;
  }
  return {};
}

size_t FragmentTable::memory() const {
  return entries_.capacity() * sizeof entries_[0] + held_.memory() + held_bytes_;
}

void FragmentTable::clear() {
  entries_.clear();
  held_.clear();
}

}  // namespace ginnel::nat
