// Writes the seed corpus: make_seeds FOLDER. Knows one small good example of everything the targets read, made by our
// own encoders, so that the fuzzers start behind the first checks; refuses randomness, so that running it again changes
// nothing. Run it by hand after a change of format, and commit what it wrote. No RFC.
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/conform/packet.hpp"
#include "core/stun/credentials.hpp"
#include "tests/support/seeded_rng.hpp"
#include "wire/igd.hpp"
#include "wire/ip.hpp"
#include "wire/nat_pmp.hpp"
#include "wire/pcp.hpp"
#include "wire/peer_message.hpp"
#include "wire/relay_frame.hpp"
#include "wire/signal.hpp"
#include "wire/ssdp.hpp"
#include "wire/stun.hpp"
#include "wire/tcp_frame.hpp"
#include "wire/ticket.hpp"

using namespace ginnel;
using namespace ginnel::wire;

namespace {

std::filesystem::path folder;

void write(const std::string& target, const std::string& name, Bytes bytes) {
  std::filesystem::create_directories(folder / target);
  std::ofstream out(folder / target / name, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

void stun_seeds(Rng& rng) {
  std::vector<uint8_t> room(2048);
  StunWriter bare(room, StunClass::request, stun_binding, rng.array<12>());
  bare.server_instance(0);
  write("stun", "keepalive", bare.finish());
  StunWriter check(room, StunClass::request, stun_binding, rng.array<12>());
  check.username("abcd:efgh");
  check.priority(0x6e0001ff);
  check.ice_controlling(rng.u64());
  check.use_candidate();
  check.pad_to(200);
  write("stun", "check", stun::sign(check, "password"));
  for (const char* address : {"192.0.2.1:80", "[2001:db8::1]:80"}) {
    StunWriter answer(room, StunClass::success, stun_binding, rng.array<12>());
    answer.xor_mapped_address(*Address::parse(address));
    answer.server_instance(7);
    write("stun", address[0] == '[' ? "answer_v6" : "answer_v4", stun::sign(answer, "password"));
  }
  StunWriter conflict(room, StunClass::error, stun_binding, rng.array<12>());
  conflict.error_code(487);
  conflict.ice_controlled(rng.u64());
  conflict.fingerprint();
  write("stun", "role_conflict", conflict.finish());
}

void relay_seeds() {
  std::vector<uint8_t> out = {3, 0, 4, 250};  // three cut lengths
  for (size_t size : {1, 20, 300}) {
    size_t at = out.size();
    out.resize(at + tcp_frame_header_size + relay_header_size + size, 0x40);
    put_tcp_frame_header(out.data() + at, relay_header_size + size);
    put_relay_header(out.data() + at + tcp_frame_header_size, static_cast<RouteNumber>(size));
  }
  write("relay_frame", "three_packets", out);
  out.insert(out.end(), {0, 0, 1, 2});
  write("relay_frame", "then_broken", out);
}

void message_seeds(Rng& rng) {
  PublicKey peer{rng.array<32>()};
  auto service = rng.array<8>(), session = rng.array<8>();
  std::vector<Signal> signals = {Register{{service, session}},
                                 Registered{Address::v4(192, 0, 2, 1, 80)},
                                 Registered{*Address::parse("[2001:db8::1]:80")},
                                 Dial{1, peer, service, session},
                                 DialFailed{1, SignalCode::not_here},
                                 Incoming{2, peer, service, session},
                                 RouteClosed{2, SignalCode::peer_left},
                                 Notice{SignalCode::closing, service}};
  std::vector<uint8_t> all;
  for (size_t i = 0; i < signals.size(); ++i) {
    auto one = encode(signals[i]);
    write("signal", "signal_" + std::to_string(i), one);
    all.insert(all.end(), one.begin(), one.end());
  }
  write("signal", "all", all);

  Candidates candidates{"abcd", "abcdefghijklmnopqrstuv", {}};
  candidates.candidates.push_back({CandidateType::host, 1, Address::v4(10, 0, 0, 1, 80)});
  candidates.candidates.push_back({CandidateType::server_reflexive, 2, *Address::parse("[2001:db8::1]:80")});
  std::vector<PeerMessage> messages = {Hello{{service, {}, rng.array<16>()}}, Hello{{service, 7u, rng.array<16>()}},
                                       Welcome{}, candidates};
  for (size_t i = 0; i < messages.size(); ++i)
    write("peer_message", "message_" + std::to_string(i), encode(messages[i]));
}

void text_seeds(Rng& rng) {
  int number = 0;
  for (const char* host : {"relay.example.org", "192.0.2.1", "2001:db8::1"}) {
    Ticket ticket;
    ticket.peer.bytes = rng.array<32>();
    ticket.server = {PublicKey{rng.array<32>()}, host, 3478};
    if (number > 0) ticket.capability.expires_minutes = 7;
    write("ticket", "ticket_" + std::to_string(number), as_bytes(ticket.to_string()));
    write("server_url", "url_" + std::to_string(number), as_bytes(ticket.server.to_string()));
    write("server_url", "host_port_" + std::to_string(number), as_bytes(host_port_to_string(host, 80)));
    ++number;
  }
  number = 0;
  for (const char* text : {"http://ann:p%40ss@proxy.example:3128/", "10.0.0.1", "http://[2001:db8::1]:80",
                           "relay.example.org\nlocalhost, .example.org:443", "192.0.2.1\n10.0.0.0/8 192.0.2.0/24"})
    write("proxy_url", "text_" + std::to_string(number++), as_bytes(text));
  std::vector<uint8_t> values(32 + 32 + 8 + 16, 1);  // the second half of the ticket target: values, then HOST:PORT
  for (char c : std::string("\x01\x00\x00\x00\x07", 5) + "[2001:db8::1]:80") values.push_back(static_cast<uint8_t>(c));
  write("ticket", "values", values);
}

void pcp_seeds(Rng& rng) {
  std::vector<uint8_t> room(pcp_message_max);
  PcpRequest request;
  request.client = Address::v4(192, 168, 1, 2, 0);
  write("pcp", "announce", put_pcp_request(request, room));
  request.opcode = PcpOpcode::map;
  request.lifetime = 7200;
  request.mapping = {rng.array<12>(), ip_protocol_udp, 4000, Address::v4(198, 51, 100, 7, 4000)};
  write("pcp", "map", put_pcp_request(request, room));
  PcpRequest with_options = request;
  with_options.options = {Address::v4(192, 168, 1, 9, 0), true, {{120, Address::v4(203, 0, 113, 0, 0)}}};
  write("pcp", "map_options", put_pcp_request(with_options, room));
  request.opcode = PcpOpcode::peer;
  request.peer = Address::v4(203, 0, 113, 5, 443);
  write("pcp", "peer", put_pcp_request(request, room));
  write("pcp", "mapped",
        put_pcp_response({pcp_version, PcpOpcode::map, PcpResult::success, 7200, 9, request.mapping}, room));

  write("nat_pmp", "address", put_nat_pmp_request({}, room));
  write("nat_pmp", "map", put_nat_pmp_request({NatPmpOpcode::map_tcp, 22, 22, 7200}, room));
  NatPmpResponse answer;
  answer.address = Address::v4(198, 51, 100, 7, 0);
  write("nat_pmp", "address_answer", put_nat_pmp_response(answer, room));
  write("nat_pmp", "mapped",
        put_nat_pmp_response({NatPmpOpcode::map_tcp, NatPmpResult::success, 9, {}, 22, 22, 7200}, room));
}

void upnp_seeds() {
  const std::string device(std::string(igd_device_prefix) + "1"), service(std::string(igd_ip_connection_prefix) + "1");
  const std::string usn = "uuid:0123::" + device, location = "http://192.168.1.1:5000/root.xml";
  int number = 0;
  for (const SsdpMessage& message :
       {SsdpMessage{SsdpKind::search, device, {}, {}, 2}, SsdpMessage{SsdpKind::byebye, device, usn},
        SsdpMessage{SsdpKind::response, device, usn, location, 0, 120},
        SsdpMessage{SsdpKind::alive, device, usn, location, 0, 1800}})
    write("ssdp", "message_" + std::to_string(number++), as_bytes(ssdp_text(message, "Linux/6 UPnP/1.1 ginnel/1")));
  write("ssdp", "url", as_bytes(location));
  write("igd", "call",
        as_bytes(soap_call(service, {"AddPortMapping", {{"NewRemoteHost", ""}, {"NewExternalPort", "80"}}})));
  write("igd", "answer", as_bytes(soap_answer(service, "A", {{"NewExternalIPAddress", "198.51.100.7"}})));
  write("igd", "fault", as_bytes(soap_fault(718, "ConflictInMappingEntry")));
  write("igd", "action", as_bytes(soap_action(service, "GetStatusInfo")));
  write("igd", "description",
        as_bytes("<?xml version=\"1.0\"?><root "
                 "xmlns=\"urn:schemas-upnp-org:device-1-0\"><URLBase>http://192.168.1.1/</URLBase>"
                 "<device><friendlyName>x</friendlyName><serviceList><service><serviceType>" +
                 service + "</serviceType><controlURL>/c</controlURL></service></serviceList></device></root>"));
}

void packet_seeds() {
  const Address a = Address::v4(10, 0, 0, 2, 4000), b = Address::v4(203, 0, 113, 1, 80);
  auto datagram = conform::write(conform::udp(a, b, "hello"));
  write("conform", "udp", datagram);
  write("conform", "tcp", conform::write(conform::tcp(a, b, tcp_syn, 1)));
  write("conform", "echo", conform::write(conform::echo(a, b, 7, "ping")));
  write("conform", "error", conform::write(conform::icmp_error(b, a, icmp_unreachable, 4, datagram, 1280)));
  write("conform", "fragment", conform::cut(conform::udp(a, b, std::string(50, 'x')), 24).back());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  folder = argv[1];
  test::SeededRng rng;
  stun_seeds(rng);
  relay_seeds();
  message_seeds(rng);
  text_seeds(rng);
  pcp_seeds(rng);
  upnp_seeds();
  packet_seeds();
}
