// Any moves of four hosts inside and one outside against a gateway's port mapping: datagrams and HTTP of every kind,
// time, another outside address. Promises: the engine has exactly the leases that the book has; a lease leads to a host
// that asked for it, lasts a week at most, and is never touched by another host; a host has its quota at most;
// strangers get nothing; whoever asks is answered and nobody else; time never stands still. RFC 6887, RFC 6886, UPnP
// IGD.
#include <cstdint>
#include <map>
#include <vector>

#include "core/portmap/service.hpp"
#include "fuzz/check.hpp"
#include "tests/support/seeded_rng.hpp"
#include "wire/ip.hpp"
#include "wire/xml.hpp"

using namespace ginnel;
using namespace ginnel::portmap;

namespace {

constexpr BookLimits limits{.per_host = 5, .total = 12, .port_min = 1024, .port_max = 1200};
using Forwards = std::map<std::pair<uint8_t, Address>, Address>;

struct Engine : ForwardEngine {
  Forwards forwards;
  bool add_forward(const Forward& f) override {
    FUZZ_CHECK(!f.outside.is_unspecified() && f.outside.port >= limits.port_min && f.outside.port <= limits.port_max);
    if (f.outside.port % 16 == 3) return false;  // a flow has it
    return forwards.emplace(std::pair{f.protocol, f.outside}, f.inside).second;
  }
  void remove_forward(const Forward& f) override { FUZZ_CHECK(forwards.erase({f.protocol, f.outside}) == 1); }
};

Address host(uint8_t n) {
  return n % 5 == 4 ? Address::v4(203, 0, 113, 9, 999) : Address::v4(192, 168, 1, static_cast<uint8_t>(2 + n % 5), 999);
}

struct Storm {
  test::SeededRng rng;
  Engine engine;
  Instant now{1h};
  ServiceConfig config{{{Address::v4(192, 168, 1, 1, 0), 24}}, {Address::v4(192, 168, 1, 1, 5000), {1}, "x"}, limits};
  Service service{now, config, engine, rng};
  std::vector<Address> answered;  ///< since the last move

  Storm() { service.set_external(now, Address::v4(198, 51, 100, 7, 0)); }

  void drain() {
    std::array<uint8_t, 1500> room;
    while (auto action = service.poll_action(now, room)) {
      FUZZ_CHECK(!action->bytes.empty() && action->bytes.size() <= wire::ssdp_message_max);
      bool to_all = action->to == announcement_group || action->to == wire::ssdp_group;
      FUZZ_CHECK(to_all || service.book().is_inside(action->to));
      if (action->from == Socket::requests && !to_all) answered.push_back(action->to);
    }
    while (service.poll_event()) {
    }
  }

  void check() {
    const MappingBook& book = service.book();
    FUZZ_CHECK(book.size() == engine.forwards.size() && book.size() <= limits.total);
    std::map<Address, size_t> per_host;
    for (size_t i = 0; i < book.size(); ++i) {
      const Lease& lease = *book.nth(i);
      auto found = engine.forwards.find({lease.forward.protocol, lease.forward.outside});
      FUZZ_CHECK(found != engine.forwards.end() && found->second == lease.forward.inside);
      FUZZ_CHECK(lease.forward.outside.same_ip(book.external()) && book.is_inside(lease.forward.inside));
      FUZZ_CHECK(lease.expires > now && lease.expires <= now + IgdServer::lifetime_max);
      FUZZ_CHECK(++per_host[lease.forward.inside.with_port(0)] <= limits.per_host);
    }
    FUZZ_CHECK(!book.nth(book.size()));
  }

  /// What everybody but `except` has.
  Forwards of_others(const Address& except) const {
    Forwards out;
    for (const auto& [outside, inside] : engine.forwards)
      if (!inside.same_ip(except)) out.emplace(outside, inside);
    return out;
  }

  void datagram(Socket at, const Address& from, Bytes bytes) {
    Forwards before = of_others(from);
    Datagram in{at, from, bytes};
    service.handle(now, in);
    answered.clear();
    drain();
    FUZZ_CHECK(of_others(from) == before);
    FUZZ_CHECK(answered.size() <= 1 && (answered.empty() || answered[0] == from));
  }

  void http(const Address& from, std::string path, std::string action, std::string body, const char* method = "POST") {
    Forwards before = of_others(from);
    auto response = service.handle_http(now, {from, method, path, "192.168.1.1:5000", action, body});
    FUZZ_CHECK(response.body.size() <= wire::xml_size_max);
    FUZZ_CHECK(response.body.empty() || wire::parse_xml(as_bytes(response.body), wire::XmlBytes::strict));
    FUZZ_CHECK(service.book().is_inside(from) || response.status == 403);
    FUZZ_CHECK(of_others(from) == before);
    drain();
  }

  void pcp(Reader& in, const Address& from) {
    wire::PcpRequest r;
    uint8_t flags = in.u8();
    r.opcode = flags & 1 ? wire::PcpOpcode::map : static_cast<wire::PcpOpcode>(flags >> 1 & 1);
    r.lifetime = flags & 4 ? 0 : in.u32();
    r.client = flags & 8 ? host(in.u8()).with_port(0) : from.with_port(0);
    r.mapping = {{in.u8()},
                 static_cast<uint8_t>(flags & 16 ? wire::ip_protocol_tcp : wire::ip_protocol_udp),
                 in.u16(),
                 Address::v4(198, 51, 100, 7, in.u16())};
    if (flags & 32) r.mapping.protocol = in.u8();
    r.options.prefer_failure = flags & 64 && r.opcode == wire::PcpOpcode::map;
    if (flags & 128 && r.opcode == wire::PcpOpcode::map) r.options.third_party = host(in.u8());
    std::array<uint8_t, wire::pcp_message_max> room;
    datagram(Socket::requests, from, wire::put_pcp_request(r, room));
  }

  void nat_pmp(Reader& in, const Address& from) {
    std::array<uint8_t, wire::nat_pmp_message_max> room;
    uint8_t flags = in.u8();
    wire::NatPmpRequest r{static_cast<wire::NatPmpOpcode>(flags % 3), in.u16(), in.u16(), flags & 64 ? 0 : in.u32()};
    datagram(Socket::requests, from, wire::put_nat_pmp_request(r, room));
  }

  void soap(Reader& in, const Address& from) {
    uint8_t flags = in.u8();
    int version = 1 + (flags & 1);
    auto kind = static_cast<IgdKind>(flags & 32 ? in.u8() % 3 : 2);
    const auto& actions = igd_actions(kind);
    const IgdAction& action = actions[in.u8() % actions.size()];
    wire::SoapCall call{std::string(action.name), {}};
    for (const auto& argument : action.in) {
      std::string value = std::to_string(in.u16());
      if (argument.name == "NewProtocol") value = flags & 2 ? "TCP" : "UDP";
      if (argument.name == "NewInternalClient") value = (flags & 4 ? host(in.u8()) : from).ip_to_string();
      if (argument.name == "NewEnabled") value = "1";
      if (argument.name == "NewManage") value = flags & 16 ? "1" : "0";
      if (argument.name == "NewRemoteHost") value = "";
      if (argument.name == "NewPortMappingIndex") value = std::to_string(in.u8() % 16);
      if (argument.name == "NewPortMappingDescription")
        value = std::string(as_text(in.take(std::min<size_t>(in.u8(), in.rest().size()))));
      if (flags & 8 && in.u8() % 8 == 0)
        value = std::string(as_text(in.take(std::min<size_t>(in.u8() % 16, in.rest().size()))));
      call.arguments.push_back({std::string(argument.name), value});
    }
    const char* names[] = {"l3", "common", "ip"};
    http(from, "/ctl" + std::to_string(version) + "/" + names[static_cast<int>(kind)],
         wire::soap_action(igd_service_type(kind, version), call.action),
         wire::soap_call(igd_service_type(kind, version), call));
  }

  /// At every deadline in turn, and after many in one leap: the machine may have slept.
  void pass(Duration how_long) {
    Instant until = now + how_long;
    for (int turns = 0; service.next_deadline() && service.next_deadline()->when <= until; ++turns) {
      now = turns < 20 ? std::max(now, service.next_deadline()->when) : until;
      service.handle_timeout(now);
      drain();
      FUZZ_CHECK(!service.next_deadline() || service.next_deadline()->when > now);
    }
    now = until;
  }
  void move(Reader& in) {
    uint8_t kind = in.u8();
    Address from = host(in.u8());
    switch (kind % 8) {
      case 0:
        return pcp(in, from);
      case 1:
        return nat_pmp(in, from);
      case 2:
        return soap(in, from);
      case 3:
        return pass(std::chrono::milliseconds(in.u16()) * (kind & 64 ? 3000 : 1));
      case 4:
        return datagram(Socket::requests, from, in.take(std::min<size_t>(in.u8(), in.rest().size())));
      case 5: {
        std::string target(as_text(in.take(std::min<size_t>(in.u8() % 64, in.rest().size()))));
        std::string text = kind & 64 ? wire::ssdp_text({wire::SsdpKind::search, "ssdp:all", {}, {}, 1}) : target;
        return datagram(Socket::ssdp, from, as_bytes(text));
      }
      case 6: {
        std::string text(as_text(in.take(std::min<size_t>(in.u8(), in.rest().size()))));
        return http(from, kind & 64 ? "/ctl2/ip" : text, text, text, kind & 128 ? "GET" : "POST");
      }
      default:
        if (in.u8() % 4 == 0)
          service.set_external(now, in.u8() % 3 ? Address::v4(198, 51, 100, in.u8() % 3, 0) : Address{});
        drain();
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Storm storm;
  Reader in({data, std::min<size_t>(size, 4096)});
  storm.drain();
  while (!in.empty()) {
    storm.move(in);
    storm.check();
  }
  storm.now += std::chrono::hours(24 * 8);
  storm.service.handle_timeout(storm.now);
  storm.drain();
  FUZZ_CHECK(storm.engine.forwards.empty());
  return 0;
}
