// From the inside: a session is found or made, then the source is rewritten. RFC 4787 sections 4 and 6, RFC 6888.
#include <functional>

#include "core/nat/gateway.hpp"
#include "wire/tcp.hpp"

namespace ginnel::nat {
namespace {

FlowKey reduce(const FlowKey& key, Depends depends) {
  FlowKey out = key;
  if (depends == Depends::on_nothing) out.remote.ip = 0;
  if (depends != Depends::on_address_and_port) out.remote.port = 0;
  return out;
}

FlowKey whole_address(const FlowKey& key) { return {{key.near.ip, 0}, {}, 0}; }

}  // namespace

Verdict Gateway::outbound(Instant now, Packet& p) {
  Drop why = Drop::none;
  // Before anything is opened for it. What may come back inside is not known yet, nor how large it may be there.
  if (!is_public(p.ip.destination) && too_big(now, p, Side::inside, Side::outside, why)) return drop(why);
  uint32_t i = live(now, table_.find_inside(p.from_source()));
  if (i == no_index && (i = open_outbound(now, p, why)) == no_index) {
    answer_refused_inside(now, p, why);
    return drop(why);
  }
  if (tired(p)) return too_many_hops(now, p, Side::inside);
  Session& s = table_.session(i);
  if (p.is_tcp() && !tcp_passes(s, p, true)) return drop(Drop::tcp_invalid);
  touch_out(i, now, p);

  FragmentKey before{p.ip.source, p.ip.destination, p.ip.id, p.ip.protocol, Side::inside};
  Endpoint inside = s.inside;
  set_source(p, s.outside);
  if (behaviour_.decrement_ttl) decrement_ttl(p);
  // RFC 7857 section 10: hosts that share an address must not send equal ids (RFC 6864 section 5.3.1).
  if (behaviour_.fresh_ip_id && (!p.ip.dont_fragment || p.ip.is_fragment())) set_ip_id(p, next_id_++);
  Verdict verdict;
  Side to = Side::outside;
  if (s.hairpin) {
    verdict = inbound(now, p, true);
    if (verdict.action == Action::drop) return verdict;
    if (behaviour_.hairpin == Hairpin::internal_source) set_source(p, inside);  // against RFC 4787 REQ-9a
    to = Side::inside;
    verdict = finish(p, to, Action::hairpin);
  } else {
    verdict = finish(p, to, Action::forward_out);
  }
  if (p.ip.more_fragments) first_fragment_went(now, before, {p.ip.source, p.ip.destination, p.ip.id, to});
  return verdict;
}

uint32_t Gateway::open_outbound(Instant now, Packet& p, Drop& why) {
  FlowKey key = p.from_source();
  bool to_us = is_public(key.remote.ip);
  auto refuse = [&](Drop reason) {
    why = reason;
    return no_index;
  };
  if (!checksum_right(p)) return refuse(Drop::bad_checksum);  // nothing begins with a broken packet
  if (to_us && p.kind == Packet::Kind::query && !behaviour_.basic) return refuse(Drop::own);
  if (to_us && behaviour_.hairpin == Hairpin::off) return refuse(Drop::hairpin_off);
  if (p.kind == Packet::Kind::query && !wire::icmp_is_request(p.icmp_type)) return refuse(Drop::no_mapping);
  if (p.is_tcp()) {
    if (!may_open(p.segment)) return refuse(Drop::tcp_no_state);
  }
  if (table_.full()) expire(now);
  if (table_.full()) return refuse(Drop::table_full);  // RFC 6888 REQ-11: nobody else's is taken away
  if (uint32_t host = table_.find_host(key.near.ip); host != no_index && behaviour_.sessions_per_host)
    if (table_.host(host).sessions >= behaviour_.sessions_per_host) return refuse(Drop::host_limit);
  uint32_t mapping = mapping_for(now, key, why);
  if (mapping == no_index) return no_index;
  Mapping& m = table_.mapping(mapping);
  Endpoint outside = m.protocol == 0 ? Endpoint{m.outside.ip, key.near.port} : m.outside;
  uint32_t i = table_.add_session(mapping, key, outside);
  Session& s = table_.session(i);
  s.hairpin = to_us;
  s.expires = now + lifetime(s);
  s.saw_out = true;
  table_.wheel.set(i, now, s.expires);
  hold(i);
  if (of(s.protocol).filtering == Depends::on_address) table_.permit(s);
  if (p.is_tcp()) cancel_waiting_syn(outside, key.remote);
  return i;
}

/// Nobody (else) uses these two endpoints together. Where ports are exclusive only a stranger can.
bool Gateway::outside_is_free(Instant now, const Endpoint& outside, const FlowKey& key) {
  return live(now, table_.find_outside({outside, key.remote, key.protocol})) == no_index;
}

uint32_t Gateway::mapping_for(Instant now, const FlowKey& key, Drop& why) {
  if (behaviour_.basic) {
    uint32_t m = table_.find_mapping(whole_address(key));
    return m != no_index && mapping_alive(now, m) ? m : make_mapping(now, whole_address(key), key, why);
  }
  if (statics_ > 0) {  // a forward is also the way out, whatever the mapping depends on
    uint32_t m = table_.find_mapping(reduce(key, Depends::on_nothing));
    if (m != no_index && table_.mapping(m).is_static && outside_is_free(now, table_.mapping(m).outside, key)) return m;
  }
  FlowKey wanted = reduce(key, of(key.protocol).mapping);
  uint32_t m = table_.find_mapping(wanted);
  if (m == no_index || !mapping_alive(now, m)) return make_mapping(now, wanted, key, why);
  if (outside_is_free(now, table_.mapping(m).outside, key)) return m;
  // A stranger's state, or with overloading another host, is in the way. As on Linux another port is taken, and from
  // now on for other remotes too.
  if (table_.mapping(m).is_static) return make_mapping(now, reduce(key, Depends::on_address_and_port), key, why);
  uint32_t other = make_mapping(now, wanted, key, why);
  if (other != no_index) table_.supersede(m);
  return other;
}

uint32_t Gateway::make_mapping(Instant now, const FlowKey& reduced, const FlowKey& key, Drop& why) {
  uint32_t host = host_for(now, key.near.ip, why);
  if (host == no_index) return no_index;
  auto outside = behaviour_.basic ? choose_basic() : choose_outside(now, key, table_.host(host));
  uint32_t mapping = outside ? table_.add_mapping(reduced, *outside, host) : no_index;
  if (mapping == no_index) {
    why = outside ? Drop::table_full : Drop::no_port;
    forget_host_if_idle(host);
    return no_index;
  }
  ++counters_.mappings_made;
  if (!behaviour_.basic && !behaviour_.ports.overloading)
    ports_.use(pool_index(outside->ip), key.protocol, outside->port);
  return mapping;
}

std::optional<Endpoint> Gateway::choose_basic() const {
  for (uint32_t ip : pool_)
    if (table_.find_mapping_outside(0, {ip, 0}) == no_index) return Endpoint{ip, 0};
  return {};
}

std::optional<Endpoint> Gateway::choose_outside(Instant now, const FlowKey& key, Host& host) {
  if (pool_.empty()) return {};
  bool blocks = behaviour_.ports.choice == PortChoice::block;
  uint32_t address = behaviour_.pooling == Pooling::one ? 0 : host.pool_index;
  if (behaviour_.pooling == Pooling::arbitrary && !blocks) address = static_cast<uint32_t>(rng_.below(pool_.size()));
  struct Question {
    Gateway& gateway;
    Instant now;
    const FlowKey& key;
    uint32_t ip;
  };
  Question question{*this, now, key, pool_[address]};
  std::function<bool(uint16_t)> taken = [&question](uint16_t port) {
    return !question.gateway.outside_is_free(question.now, {question.ip, port}, question.key);
  };
  PortAllocator::Request request;
  request.address = address;
  request.protocol = key.protocol;
  request.inside_port = key.near.port;
  request.host = {&host.last_port, &host.block_first};
  if (behaviour_.ports.overloading || behaviour_.strangers_keep_state) request.taken = &taken;
  if (behaviour_.ports.keep_contiguity && key.near.port > 0) {  // RTP's n, RTCP's n + 1
    uint32_t neighbour =
        table_.find_mapping({{key.near.ip, static_cast<uint16_t>(key.near.port - 1)}, {}, key.protocol});
    if (neighbour != no_index && table_.mapping(neighbour).outside.ip == pool_[address])
      request.beside = static_cast<uint16_t>(table_.mapping(neighbour).outside.port + 1);
  }
  auto port = ports_.choose(request);
  return port ? std::optional(Endpoint{pool_[address], *port}) : std::nullopt;
}

/// The host that wants one more mapping, made if need be; no_index when it had enough (RFC 6888 REQ-4).
uint32_t Gateway::host_for(Instant now, uint32_t ip, Drop& why) {
  uint32_t index = table_.find_host(ip);
  uint64_t rate = behaviour_.new_mappings_per_second;
  if (index == no_index) {
    index = table_.add_host(ip);
    if (index == no_index) {
      why = Drop::table_full;
      return no_index;
    }
    Host& fresh = table_.host(index);
    fresh.tokens = static_cast<uint32_t>(std::min<uint64_t>(rate * 1000, UINT32_MAX));
    fresh.refilled = now;
    if (!pool_.empty()) fresh.pool_index = static_cast<uint16_t>(next_in_pool_++ % pool_.size());
  }
  Host& host = table_.host(index);
  if (behaviour_.ports_per_host && host.mappings >= behaviour_.ports_per_host) {
    why = Drop::host_limit;
    return no_index;
  }
  if (rate == 0) return index;
  uint64_t since_ms = static_cast<uint64_t>(std::clamp<int64_t>((now - host.refilled) / 1ms, 0, 1000));
  if (since_ms > 0) {
    host.tokens = static_cast<uint32_t>(std::min<uint64_t>({host.tokens + since_ms * rate, rate * 1000, UINT32_MAX}));
    host.refilled = now;
  }
  if (host.tokens < 1000) {
    why = Drop::host_rate;
    forget_host_if_idle(index);
    return no_index;
  }
  host.tokens -= 1000;
  return index;
}

void Gateway::forget_host_if_idle(uint32_t index) {
  Host& host = table_.host(index);
  if (host.mappings > 0) return;
  ports_.free_block(host.pool_index, host.block_first);
  table_.remove_host(index);
}

void Gateway::answer_refused_inside(Instant now, const Packet& p, Drop why) {
  if (why == Drop::own && p.icmp_type == wire::icmp_echo)  // RFC 5508 REQ-10a
    return send_echo_reply(now, Side::inside, p);
  if (why == Drop::hairpin_off) return answer_at_closed_port(now, Side::inside, p);
  bool out_of_resources =
      why == Drop::host_limit || why == Drop::host_rate || why == Drop::no_port || why == Drop::table_full;
  if (!out_of_resources || behaviour_.limit_answer == LimitAnswer::silent) return;
  uint8_t code =
      behaviour_.limit_answer == LimitAnswer::icmp_prohibited ? wire::icmp_prohibited : wire::icmp_host_unreachable;
  send_error(now, Side::inside, wire::icmp_unreachable, code, 0, p.bytes, p.ip);  // RFC 5508 REQ-8, RFC 6888 REQ-11
}

}  // namespace ginnel::nat
