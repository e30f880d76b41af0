#include "core/nat/mapping_table.hpp"

namespace ginnel::nat {

MappingTable::MappingTable(uint32_t limit, Rng& rng)
    : secret_{rng.u64() | 1, rng.u64() | 1}, sessions_(limit), mappings_(limit), hosts_(limit), permissions_(limit) {}

uint32_t MappingTable::find_inside(const FlowKey& key) const {
  return by_inside_.find(hash(key), [&](uint32_t i) {
    const Session& s = sessions_[i];
    return s.inside == key.near && s.remote == key.remote && s.protocol == key.protocol;
  });
}

uint32_t MappingTable::find_outside(const FlowKey& key) const {
  return by_outside_.find(hash(key), [&](uint32_t i) {
    const Session& s = sessions_[i];
    return s.outside == key.near && s.remote == key.remote && s.protocol == key.protocol;
  });
}

uint32_t MappingTable::add_session(uint32_t mapping, const FlowKey& inside, const Endpoint& outside) {
  uint32_t index = sessions_.take();
  if (index == no_index) return no_index;
  Session& s = sessions_[index];
  s.inside = inside.near;
  s.outside = outside;
  s.remote = inside.remote;
  s.protocol = inside.protocol;
  s.mapping = mapping;
  by_outside_.insert(hash({outside, inside.remote, inside.protocol}), index);
  if (mapping == no_index) return index;
  by_inside_.insert(hash(inside), index);
  Mapping& m = mappings_[mapping];
  if (m.first_session == no_index) {
    m.first_session = index;
  } else {  // behind the first: strangers must not push aside the one that holds the mapping
    Session& first = sessions_[m.first_session];
    s.previous = m.first_session;
    s.next = first.next;
    if (s.next != no_index) sessions_[s.next].previous = index;
    first.next = index;
  }
  if (m.host != no_index) ++hosts_[m.host].sessions;
  return index;
}

void MappingTable::unlink(const Session& s) {
  if (s.next != no_index) sessions_[s.next].previous = s.previous;
  if (s.previous != no_index) {
    sessions_[s.previous].next = s.next;
  } else {
    mappings_[s.mapping].first_session = s.next;
  }
}

void MappingTable::move_to_front(uint32_t index) {
  Session& s = sessions_[index];
  Mapping& m = mappings_[s.mapping];
  if (m.first_session == index) return;
  unlink(s);
  s.previous = no_index;
  s.next = m.first_session;
  sessions_[s.next].previous = index;
  m.first_session = index;
}

void MappingTable::remove_session(uint32_t index) {
  Session& s = sessions_[index];
  wheel.cancel(index);
  by_outside_.erase(hash({s.outside, s.remote, s.protocol}), index);
  if (s.mapping != no_index) {
    by_inside_.erase(hash({s.inside, s.remote, s.protocol}), index);
    if (s.permits) forbid(s);
    Mapping& m = mappings_[s.mapping];
    unlink(s);
    if (s.holds) --m.holders;
    if (m.host != no_index) --hosts_[m.host].sessions;
  }
  sessions_.give(index);
}

uint32_t MappingTable::find_mapping(const FlowKey& key) const {
  return mapping_by_inside_.find(hash(key), [&](uint32_t i) {
    const Mapping& m = mappings_[i];
    return m.inside == key.near && m.remote == key.remote && m.protocol == key.protocol;
  });
}

uint32_t MappingTable::find_mapping_outside(uint8_t protocol, const Endpoint& outside) const {
  return mapping_by_outside_.find(hash({outside, {}, protocol}), [&](uint32_t i) {
    const Mapping& m = mappings_[i];
    return m.outside == outside && m.protocol == protocol;
  });
}

uint32_t MappingTable::add_mapping(const FlowKey& key, const Endpoint& outside, uint32_t host) {
  uint32_t index = mappings_.take();
  if (index == no_index) return no_index;
  Mapping& m = mappings_[index];
  m.inside = key.near;
  m.remote = key.remote;
  m.protocol = key.protocol;
  m.outside = outside;
  m.host = host;
  mapping_by_inside_.insert(hash(key), index);
  mapping_by_outside_.insert(hash({outside, {}, key.protocol}), index);
  if (host != no_index) ++hosts_[host].mappings;
  return index;
}

void MappingTable::remove_mapping(uint32_t index) {
  Mapping& m = mappings_[index];
  while (m.first_session != no_index) remove_session(m.first_session);
  mapping_by_inside_.erase(hash({m.inside, m.remote, m.protocol}), index);
  mapping_by_outside_.erase(hash({m.outside, {}, m.protocol}), index);
  if (m.host != no_index) --hosts_[m.host].mappings;
  mappings_.give(index);
}

uint32_t MappingTable::find_host(uint32_t ip) const {
  return host_by_ip_.find(hash({{ip, 0}, {}, 0}), [&](uint32_t i) { return hosts_[i].ip == ip; });
}

uint32_t MappingTable::add_host(uint32_t ip) {
  uint32_t index = hosts_.take();
  if (index == no_index) return no_index;
  hosts_[index].ip = ip;
  host_by_ip_.insert(hash({{ip, 0}, {}, 0}), index);
  return index;
}

void MappingTable::remove_host(uint32_t index) {
  host_by_ip_.erase(hash({{hosts_[index].ip, 0}, {}, 0}), index);
  hosts_.give(index);
}

uint32_t MappingTable::permission(uint32_t mapping, uint32_t ip) const {
  return permission_by_ip_.find(hash({{mapping, 0}, {ip, 0}, 0}), [&](uint32_t i) {
    return permissions_[i].mapping == mapping && permissions_[i].ip == ip;
  });
}

void MappingTable::permit(Session& s) {
  if (s.permits) return;
  uint32_t index = permission(s.mapping, s.remote.ip);
  if (index == no_index) {
    index = permissions_.take();
    permissions_[index].mapping = s.mapping;
    permissions_[index].ip = s.remote.ip;
    permission_by_ip_.insert(hash({{s.mapping, 0}, {s.remote.ip, 0}, 0}), index);
  }
  ++permissions_[index].count;
  s.permits = true;
}

void MappingTable::forbid(Session& s) {
  uint32_t index = permission(s.mapping, s.remote.ip);
  s.permits = false;
  if (--permissions_[index].count > 0) return;
  permission_by_ip_.erase(hash({{s.mapping, 0}, {s.remote.ip, 0}, 0}), index);
  permissions_.give(index);
}

bool MappingTable::permitted(uint32_t mapping, uint32_t remote_ip) const {
  return permission(mapping, remote_ip) != no_index;
}

void MappingTable::set_limit(uint32_t limit) {
  sessions_.set_limit(limit);
  mappings_.set_limit(limit);
  hosts_.set_limit(limit);
  permissions_.set_limit(limit);
}

void MappingTable::clear() {
  sessions_.clear();
  mappings_.clear();
  hosts_.clear();
  permissions_.clear();
  for (IndexTable* table :
       {&by_inside_, &by_outside_, &mapping_by_inside_, &mapping_by_outside_, &host_by_ip_, &permission_by_ip_})
    table->clear();
  wheel.clear();
}

size_t MappingTable::memory() const {
  size_t sum = sessions_.memory() + mappings_.memory() + hosts_.memory() + permissions_.memory() + wheel.memory();
  for (const IndexTable* table :
       {&by_inside_, &by_outside_, &mapping_by_inside_, &mapping_by_outside_, &host_by_ip_, &permission_by_ip_})
    sum += table->memory();
  return sum;
}

}  // namespace ginnel::nat
