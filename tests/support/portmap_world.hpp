// One gateway and the clients behind it, in virtual time: datagrams and HTTP take a millisecond, multicast reaches whom
// it should. Knows how to break the gateway in the ways of real ones (a protocol missing, silence, a restart); refuses
// sockets. No RFC.
#pragma once
#include <functional>
#include <list>
#include <map>
#include <memory>

#include "core/portmap/client/client.hpp"
#include "tests/support/portmap_gateway.hpp"

namespace ginnel::test {

using Octets = std::vector<uint8_t>;

class PortmapWorld {
 public:
  static constexpr Duration delay = 1ms;

  struct Host {
    Address address;
    std::unique_ptr<portmap::Client> client;
    std::vector<std::pair<Instant, portmap::ClientEvent>> events;
    std::map<portmap::Wanted, portmap::Mapped> mapped;  ///< as told
    size_t datagrams = 0, calls = 0;                    ///< sent

    template <typename E>
    std::vector<E> all() const {
      std::vector<E> out;
      for (const auto& [when, event] : events)
        if (auto* e = std::get_if<E>(&event)) out.push_back(*e);
      return out;
    }
    std::optional<Address> external(const portmap::Wanted& wanted) const {
      auto found = mapped.find(wanted);
      return found == mapped.end() ? std::nullopt : std::optional(found->second.external);
    }
  };

  explicit PortmapWorld(uint64_t seed = 1) : rng(seed) { boot(); }

  /// The gateway begins, or begins again: with no memory, under a new epoch.
  void boot() {
    engine.forwards.clear();
    service.emplace(now, config, engine, rng);
    service->set_external(now, external);
  }
  Host& add_host(uint8_t last = 2, std::vector<portmap::Wanted> wanted = {{udp_protocol, 4000}}) {
    Host& host = hosts.emplace_back(Host{lan(last, 0), std::make_unique<portmap::Client>(rng)});
    host.client->set_network(now, network_of(host));
    host.client->want(now, std::move(wanted));
    return host;
  }
  portmap::Network network_of(const Host& host) const { return {gateway_inside, host.address}; }

  void run(Duration how_long) {
    Instant until = now + how_long;
    pump();
    for (auto next = next_event(); next && *next <= until; next = next_event()) {
      now = std::max(now, *next);
      while (!queue.empty() && queue.begin()->first <= now) {
        auto job = std::move(queue.begin()->second);
        queue.erase(queue.begin());
        job();
      }
      if (auto d = service->next_deadline(); d && d->when <= now) service->handle_timeout(now);
      for (Host& host : hosts)
        if (auto d = host.client->next_deadline(); d && d->when <= now) host.client->handle_timeout(now);
      pump();
    }
    now = until;
  }
  bool run_until(const std::function<bool()>& done, Duration limit) {
    for (Instant until = now + limit; !done() && now < until;) run(std::min<Duration>(10ms, until - now));
    return done();
  }

  /// To a host, from wherever.
  void inject(Host& host, const Address& from, Bytes bytes, portmap::Socket at = portmap::Socket::own) {
    give(host, portmap::Datagram{at, from, bytes});
  }
  void give(Host& host, portmap::ClientInput input) {
    host.client->handle(now, input);
    pump();
  }

  SeededRng rng;
  Instant now{1h};
  portmap::ServiceConfig config = service_config();
  Address external = gateway_outside;
  TableEngine engine;
  std::optional<portmap::Service> service;
  std::list<Host> hosts;
  // What the gateway does not do.
  bool pcp = true, nat_pmp = true, upnp = true;
  bool http = true;  ///< false: connection refused
  /// Sees what a host sends to port 5351, or to SSDP; true: it has dealt with it.
  std::function<bool(Host&, const Address& to, Bytes)> on_datagram = [](auto&&...) { return false; };
  /// In place of the gateway's HTTP server: an answer, or nothing (then the real one answers).
  std::function<std::optional<portmap::ClientInput>(const portmap::HttpAsk&)> on_http = [](auto&&) {
    return std::nullopt;
  };

 private:
  void later(std::function<void()> job) { queue.emplace(now + delay, std::move(job)); }

  std::optional<Instant> next_event() const {
    std::optional<Instant> next;
    auto consider = [&](std::optional<Instant> t) {
      if (t && (!next || *t < *next)) next = t;
    };
    if (!queue.empty()) consider(queue.begin()->first);
    if (auto d = service->next_deadline()) consider(d->when);
    for (const Host& host : hosts)
      if (auto d = host.client->next_deadline()) consider(d->when);
    return next;
  }

  void pump() {
    std::array<uint8_t, 1500> room;
    while (auto action = service->poll_action(now, room)) from_gateway(*action);
    while (service->poll_event()) {
    }
    for (Host& host : hosts) {
      while (auto action = host.client->poll_action(now, room)) from_host(host, *action);
      while (auto event = host.client->poll_event()) note(host, *event);
    }
  }

  void note(Host& host, const portmap::ClientEvent& event) {
    host.events.emplace_back(now, event);
    if (auto* mapped = std::get_if<portmap::Mapped>(&event)) host.mapped.insert_or_assign(mapped->inside, *mapped);
    auto* unmapped = std::get_if<portmap::Unmapped>(&event);
    EXPECT_TRUE(!unmapped || host.mapped.erase(unmapped->inside) == 1u) << "what was not mapped cannot be unmapped";
  }

  void from_gateway(const portmap::SendDatagram& send) {
    Octets bytes(send.bytes.begin(), send.bytes.end());
    bool announcement = send.to == portmap::announcement_group;
    Address from = gateway_inside.with_port(send.from == portmap::Socket::requests ? 5351 : 1900);
    if (announcement && !(bytes[0] == 2 ? pcp : nat_pmp)) return;
    for (Host& host : hosts) {
      if (!announcement && !send.to.same_ip(host.address)) continue;
      auto at = announcement ? portmap::Socket::announcements : portmap::Socket::own;
      later([this, &host, bytes, from, at] { give(host, portmap::Datagram{at, from, bytes}); });
    }
  }

  void from_host(Host& host, portmap::ClientAction& action) {
    if (auto* send = std::get_if<portmap::SendDatagram>(&action)) {
      ++host.datagrams;
      EXPECT_EQ(send->from, portmap::Socket::own);
      EXPECT_TRUE(send->to.same_ip(gateway_inside) || send->to == wire::ssdp_group) << send->to.to_string();
      if (on_datagram(host, send->to, send->bytes)) return;
      bool ssdp = send->to.port == 1900;
      bool spoken = ssdp ? upnp : send->bytes[0] == 2 ? pcp : nat_pmp;
      if (!spoken) return;
      Octets bytes(send->bytes.begin(), send->bytes.end());
      later([this, &host, bytes, ssdp] {
        portmap::Datagram in{ssdp ? portmap::Socket::ssdp : portmap::Socket::requests, host.address.with_port(50000),
                             bytes};
        service->handle(now, in);
        pump();
      });
    } else if (auto* ask = std::get_if<portmap::HttpAsk>(&action)) {
      ++host.calls;
      EXPECT_TRUE(ask->to.same_ip(gateway_inside)) << "it went to " << ask->to.to_string();
      EXPECT_LE(ask->body_max, 65536u);
      EXPECT_LE(ask->limit, 5s);
      later([this, &host, ask = *ask] { give(host, answer(host, ask)); });
    }
  }

  portmap::ClientInput answer(const Host& host, const portmap::HttpAsk& ask) {
    if (auto given = on_http(ask)) return *given;
    if (!http || ask.to != config.identity.http) return portmap::HttpFailed{ask.id, "connection refused"};
    portmap::HttpRequest request{host.address.with_port(50001), ask.method, ask.path, ask.to.to_string(), "", ask.body};
    for (const auto& [name, value] : ask.headers)
      if (name == "SOAPAction") request.soap_action = value;
    auto response = service->handle_http(now, request);
    return portmap::HttpAnswer{ask.id, response.status, response.body};
  }

  std::multimap<Instant, std::function<void()>> queue;
};

}  // namespace ginnel::test
