#include "app/portmap_service_hands.hpp"

#include "drive/multicast.hpp"
#include "wire/pcp.hpp"
#include "wire/ssdp.hpp"

namespace ginnel::app {

Result<std::unique_ptr<PortmapServiceHands>> PortmapServiceHands::open(
    Loop& loop, const PortmapServiceOptions& options, portmap::ForwardEngine& engine, Rng& rng,
    std::function<void(const portmap::LeaseEvent&)> on_event) {
  std::unique_ptr<PortmapServiceHands> out(new PortmapServiceHands(loop, std::move(on_event)));
  portmap::IgdIdentity identity;
  identity.uuid = rng.array<16>();
  identity.name = options.name;
  std::optional<Error> error;
  if (options.offers.pcp || options.offers.nat_pmp) error = out->open_requests(options.inside);
  if (!error && options.offers.upnp) error = out->open_upnp(options, identity);
  if (error) return *error;
  portmap::ServiceConfig config{options.networks, identity, options.limits, options.offers};
  out->service_.emplace(loop.now(), config, engine, rng);
  return out;
}

PortmapServiceHands::PortmapServiceHands(Loop& loop, std::function<void(const portmap::LeaseEvent&)> on_event)
    : loop_(loop), on_event_(std::move(on_event)), timer_(loop, [this] {
        service_->handle_timeout(loop_.now());
        pump();
      }) {}

namespace {

Error no_multicast(const Address& inside) {
  return {Errc::usage, "The interface of " + inside.ip_to_string() +
                           " takes no multicast: give the gateway's inside address on its local network."};
}

}  // namespace

std::optional<Error> PortmapServiceHands::open_requests(const Address& inside) {
  auto socket = UdpSocket::open(inside.with_port(wire::pcp_server_port));
  if (auto error = open(requests_, std::move(socket), portmap::Socket::requests)) return error;
  if (!send_groups_from(requests_->socket.fd(), inside, 1)) return no_multicast(inside);
  return {};
}

std::optional<Error> PortmapServiceHands::open_upnp(const PortmapServiceOptions& options,
                                                    portmap::IgdIdentity& identity) {
  using portmap::Socket;
  // What is sent to the group and what is sent to us are two sockets, so that answers come from our inside address and
  // nothing is heard on any other.
  const Address& inside = options.inside;
  uint16_t port = wire::ssdp_group.port;
  if (auto error = open(ssdp_, UdpSocket::open_shared(inside.with_port(port)), Socket::ssdp)) return error;
  if (auto error = open(group_, UdpSocket::open_shared(wire::ssdp_group), Socket::ssdp)) return error;
  bool ok = join_group(group_->socket.fd(), wire::ssdp_group, inside) && send_groups_from(ssdp_->socket.fd(), inside, 2);
  if (!ok) return no_multicast(inside);
  auto answer = [this, traffic = options.traffic](const portmap::HttpRequest& request) {
    if (traffic) service_->set_traffic(traffic());
    auto response = service_->handle_http(loop_.now(), request);
    pump();
    return response;
  };
  auto http = HttpServer::listen(loop_, inside.with_port(options.http_port), portmap::igd_server_line(identity),
                                 std::move(answer));
  if (!http) return http.error();
  http_ = std::move(*http);
  identity.http = http_->local_address();
  return {};
}

std::optional<Error> PortmapServiceHands::open(std::unique_ptr<Port>& port, Result<UdpSocket> socket,
                                               portmap::Socket name) {
  if (!socket) return socket.error();
  port = std::make_unique<Port>(Port{std::move(*socket), {}});
  Port* p = port.get();
  p->watch = Loop::Watch(loop_, p->socket.fd(), [this, p, name] {
    p->socket.receive(buffers_, [this, name](Datagrams in) {
      for (size_t at = 0; at < in.bytes.size(); at += in.segment) {
        portmap::Datagram one{name, in.from, in.bytes.subspan(at, std::min(in.segment, in.bytes.size() - at))};
        service_->handle(loop_.now(), one);
      }
      pump();
    });
  });
  p->watch.want_read(true);
  return {};
}

void PortmapServiceHands::set_external(const Address& address) {
  service_->set_external(loop_.now(), address);
  pump();
}

void PortmapServiceHands::reset() {
  service_->reset(loop_.now());
  pump();
}

void PortmapServiceHands::close() {
  service_->close(loop_.now());
  pump();
}

void PortmapServiceHands::pump() {
  std::array<uint8_t, wire::ssdp_message_max> room;
  while (auto action = service_->poll_action(loop_.now(), room)) {
    UdpSocket& from = action->from == portmap::Socket::ssdp ? ssdp_->socket : requests_->socket;
    from.send(action->to, action->bytes, action->bytes.size());  // what is lost is asked for again
  }
  while (auto event = service_->poll_event()) on_event_(*event);
  auto deadline = service_->next_deadline();
  deadline ? timer_.set(deadline->when) : timer_.cancel();
}

}  // namespace ginnel::app
