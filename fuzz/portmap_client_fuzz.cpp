// Any gateway against a client: datagrams that answer what it asked, nearly answer it, or are anything; HTTP answers
// likewise; time; networks and wishes that change. Promises: it talks to its gateway only; it has one HTTP request at a
// time, to a path that can stand in a request line; what it calls mapped was wanted and can be an address; it never
// spins; and it ends within a second when told to. RFC 6887, RFC 6886, UPnP IGD.
#include <cstdint>
#include <set>
#include <vector>

#include "core/portmap/client/client.hpp"
#include "fuzz/check.hpp"
#include "tests/support/seeded_rng.hpp"
#include "wire/ip.hpp"
#include "wire/nat_pmp.hpp"
#include "wire/ssdp.hpp"

using namespace ginnel;
using namespace ginnel::portmap;

namespace {

const Address gateways[] = {Address::v4(192, 168, 1, 1, 0), Address::v4(10, 0, 0, 1, 0)};
const Wanted wishes[] = {{wire::ip_protocol_udp, 4000}, {wire::ip_protocol_tcp, 4000}, {wire::ip_protocol_udp, 4001}};

struct Storm {
  test::SeededRng rng;
  Instant now{1h};
  Client client{rng};
  Address gateway = gateways[0];
  std::optional<HttpAsk> asked;
  std::vector<uint8_t> last_pcp, last_nat_pmp;
  std::set<Wanted> wanted, mapped;
  size_t sent = 0;

  void drain() {
    std::array<uint8_t, 1500> room;
    while (auto action = client.poll_action(now, room)) {
      if (auto* send = std::get_if<SendDatagram>(&*action)) {
        ++sent;
        FUZZ_CHECK(send->from == Socket::own && !send->bytes.empty());
        FUZZ_CHECK(send->to == wire::ssdp_group || send->to.same_ip(gateway));
        if (send->to.port == 5351)
          (send->bytes[0] == 2 ? last_pcp : last_nat_pmp).assign(send->bytes.begin(), send->bytes.end());
      } else if (auto* ask = std::get_if<HttpAsk>(&*action)) {
        ++sent;
        FUZZ_CHECK(!asked && ask->to.same_ip(gateway) && ask->to.port != 0 && ask->body_max <= 65536 &&
                   ask->limit <= 3s);
        FUZZ_CHECK(ask->path.starts_with('/'));
        for (char c : ask->path) FUZZ_CHECK(c > ' ' && c < 0x7f);
        for (const auto& [name, value] : ask->headers) FUZZ_CHECK(value.find_first_of("\r\n") == value.npos);
        asked = *ask;
      } else {
        FUZZ_CHECK(asked && asked->id == std::get<HttpForget>(*action).id);
        asked.reset();
      }
    }
    while (auto event = client.poll_event()) {
      if (auto* m = std::get_if<Mapped>(&*event)) {
        FUZZ_CHECK(wanted.contains(m->inside) && is_endpoint(m->external) && m->lifetime > 0s);
        FUZZ_CHECK(m->lifetime <= lifetime_believed);
        mapped.insert(m->inside);
      } else if (auto* u = std::get_if<Unmapped>(&*event)) {
        FUZZ_CHECK(mapped.erase(u->inside) == 1 && !u->why.empty());
      }
    }
  }

  void give(ClientInput input) {
    client.handle(now, input);
    drain();
  }
  void datagram(Address from, Bytes bytes, Socket at = Socket::own) { give(Datagram{at, from, bytes}); }
  std::string text(Reader& in) { return std::string(as_text(in.take(std::min<size_t>(in.u8(), in.rest().size())))); }

  /// At every deadline in turn, and after many in one leap: the machine may have slept.
  void pass(Duration how_long) {
    Instant until = now + how_long;
    for (int turns = 0; client.next_deadline() && client.next_deadline()->when <= until; ++turns) {
      now = turns < 100 ? std::max(now, client.next_deadline()->when) : until;
      client.handle_timeout(now);
      drain();
      FUZZ_CHECK(!client.next_deadline() || client.next_deadline()->when > now);
    }
    now = until;
  }
  void answer_pcp(Reader& in) {
    auto incoming = wire::parse_pcp_request(last_pcp);
    auto* request = std::get_if<wire::PcpRequest>(&incoming);
    if (!request) return;
    uint8_t flags = in.u8();
    wire::PcpResponse r{wire::pcp_version, request->opcode, wire::PcpResult::success, 7200, in.u8(), request->mapping};
    r.mapping.external = Address::v4(198, 51, 100, 7, 4000);
    if (flags & 1) r.result = static_cast<wire::PcpResult>(in.u8() % 16);
    if (flags & 2) r.lifetime = in.u32();
    if (flags & 4) r.epoch = in.u32();
    if (flags & 8) r.mapping.external = Address::from_ip(in.take(flags & 128 ? 16 : 4), in.u16());
    if (flags & 16) r.mapping.nonce[in.u8() % 12] ^= 1;
    if (flags & 32) r.version = in.u8();
    if (flags & 64) r.opcode = wire::PcpOpcode::announce;
    std::array<uint8_t, wire::pcp_message_max> room;
    datagram(gateway.with_port(5351), wire::put_pcp_response(r, room),
             flags & 64 ? Socket::announcements : Socket::own);
  }

  void answer_nat_pmp(Reader& in) {
    auto incoming = wire::parse_nat_pmp_request(last_nat_pmp);
    auto* request = std::get_if<wire::NatPmpRequest>(&incoming);
    if (!request) return;
    uint8_t flags = in.u8();
    wire::NatPmpResponse r{
        request->opcode, wire::NatPmpResult::success, in.u8(), {}, request->internal_port, 4000, 7200};
    r.address = Address::v4(198, 51, 100, 7, 0);
    if (flags & 1) r.result = static_cast<wire::NatPmpResult>(in.u8() % 8);
    if (flags & 2) r.lifetime = in.u32();
    if (flags & 4) r.epoch = in.u32();
    if (flags & 8) r.external_port = in.u16();
    if (flags & 16) r.address = Address::from_ip(in.take(4), 0);
    if (flags & 32) r.internal_port = in.u16();
    if (flags & 64) r.opcode = wire::NatPmpOpcode::public_address;
    std::array<uint8_t, wire::nat_pmp_message_max> room;
    datagram(gateway.with_port(5351), wire::put_nat_pmp_response(r, room));
  }

  void answer_http(Reader& in) {
    uint8_t flags = in.u8();
    HttpId id = asked && !(flags & 1) ? asked->id : in.u8();
    std::optional<HttpAsk> ask = asked;
    if (asked && id == asked->id) asked.reset();
    if (flags & 2) return give(HttpFailed{id, "refused"});
    unsigned status = flags & 4 ? in.u8() * 3u : 200;
    std::string body = flags & 8 ? text(in) : "";
    if (ask && ask->method == "GET" && body.empty())
      body = "<root>" + (flags & 16 ? "<URLBase>" + text(in) + "</URLBase>" : "") +
             "<device><serviceList><service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:" +
             (flags & 32 ? "2" : "1") + "</serviceType><controlURL>" + (flags & 64 ? text(in) : "/ctl") +
             "</controlURL></service></serviceList></device></root>";
    if (ask && ask->method == "POST" && body.empty()) {
      auto call = wire::parse_soap_call(as_bytes(ask->body));
      FUZZ_CHECK(call.has_value());
      wire::SoapArguments values = {{"NewExternalIPAddress", "198.51.100.7"}, {"NewReservedPort", "4000"}};
      if (flags & 16) values[0].value = text(in);
      if (flags & 32) values[1].value = text(in);
      body = flags & 64 ? wire::soap_fault(in.u16(), "x") : wire::soap_answer("urn:x", call->action, values);
    }
    give(HttpAnswer{id, status, body});
  }

  void move(Reader& in) {
    uint8_t kind = in.u8();
    switch (kind % 10) {
      case 0:
        return answer_pcp(in);
      case 1:
        return answer_nat_pmp(in);
      case 2:
        return answer_http(in);
      case 3:
        return pass(std::chrono::milliseconds(in.u8()));
      case 4:
        return pass(std::chrono::seconds(in.u16()));
      case 5: {
        std::string location = kind & 64 ? text(in) : "http://" + gateway.ip_to_string() + ":5000/root.xml";
        std::string answer = wire::ssdp_text({wire::SsdpKind::response, "a", "b", location, 0, 60});
        return datagram(gateway.with_port(1900), as_bytes(answer));
      }
      case 6: {
        Address from = kind & 64    ? gateway.with_port(5351)
                       : kind & 128 ? gateway.with_port(in.u16())
                                    : Address::v4(203, 0, 113, 9, 5351);
        std::string bytes = text(in);
        return datagram(from, as_bytes(bytes), static_cast<Socket>(in.u8() % 4));
      }
      case 7: {
        wanted.clear();
        for (size_t i = 0; i < 3; ++i)
          if (kind >> (5 + i) & 1) wanted.insert(wishes[i]);
        std::erase_if(mapped, [&](const Wanted& w) { return !wanted.contains(w); });
        client.want(now, {wanted.begin(), wanted.end()});
        return drain();
      }
      case 8: {
        uint8_t which = in.u8() % 8;
        if (which == 0) client.set_network(now, {});
        if (which == 1 || which == 2) {
          gateway = gateways[which - 1];
          client.set_network(now, Network{gateway, Address::v4(192, 168, 1, in.u8(), 0)});
        }
        return drain();
      }
      default:
        return datagram(gateway.with_port(5351), in.take(std::min<size_t>(in.u8() % 64, in.rest().size())));
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Storm storm;
  storm.client.set_network(storm.now, Network{storm.gateway, Address::v4(192, 168, 1, 2, 0)});
  storm.wanted = {wishes[0], wishes[1]};
  storm.client.want(storm.now, {wishes[0], wishes[1]});
  storm.drain();
  Reader in({data, std::min<size_t>(size, 2048)});
  while (!in.empty()) storm.move(in);
  storm.client.close(storm.now);
  storm.drain();
  storm.pass(Client::close_limit);
  FUZZ_CHECK(storm.client.closed() && !storm.client.next_deadline());
  size_t before = storm.sent;
  storm.pass(24h);
  FUZZ_CHECK(storm.sent == before);
  return 0;
}
