#include "app/portmap_hands.hpp"

#include <utility>

#include "core/portmap/announcer.hpp"
#include "drive/multicast.hpp"
#include "wire/ssdp.hpp"

namespace ginnel::app {

namespace {

/// UPnP Device Architecture 1.1 section 1.3.2: searches live for two hops.
constexpr int search_hops = 2;

}  // namespace

PortmapHands::PortmapHands(Loop& loop, Rng& rng, std::function<void(const portmap::ClientEvent&)> on_event)
    : loop_(loop),
      client_(rng),
      on_event_(std::move(on_event)),
      http_(loop, [this](portmap::ClientInput input) { give(std::move(input)); }),
      timer_(loop, [this] {
        client_.handle_timeout(loop_.now());
        pump();
      }) {
  network_changed();
}

void PortmapHands::want(std::vector<portmap::Wanted> wanted) {
  client_.want(loop_.now(), std::move(wanted));
  pump();
}

/// The preferred IPv4 route. IPv6 needs no mapping where there is no translation: punching opens its firewalls.
std::optional<portmap::Network> PortmapHands::find_network() const {
  for (const DefaultGateway& g : default_gateways())
    if (!g.gateway.v6) return portmap::Network{g.gateway, g.local};
  return {};
}

void PortmapHands::network_changed() {
  if (closing_) return;
  auto network = find_network();
  if (network == network_) return;
  network_ = network;
  open_sockets();
  client_.set_network(loop_.now(), network_);
  pump();
}

void PortmapHands::open_sockets() {
  own_.reset();
  announcements_.reset();
  if (!network_) return;
  open(own_, UdpSocket::open(network_->local), portmap::Socket::own);
  if (own_) send_groups_from(own_->socket.fd(), network_->local, search_hops);
  // Without this one a gateway's restart is noticed a little later.
  open(announcements_, UdpSocket::open_shared(portmap::announcement_group), portmap::Socket::announcements);
  if (announcements_) join_group(announcements_->socket.fd(), portmap::announcement_group, network_->local);
}

void PortmapHands::open(std::unique_ptr<Port>& port, Result<UdpSocket> socket, portmap::Socket name) {
  if (!socket) return;
  port = std::make_unique<Port>(Port{std::move(*socket), {}});
  Port* p = port.get();
  p->watch = Loop::Watch(loop_, p->socket.fd(), [this, p, name] {
    p->socket.receive(buffers_, [this, name](Datagrams in) {
      for (size_t at = 0; at < in.bytes.size(); at += in.segment) {
        Bytes one = in.bytes.subspan(at, std::min(in.segment, in.bytes.size() - at));
        portmap::ClientInput input = portmap::Datagram{name, in.from, one};
        client_.handle(loop_.now(), input);
      }
    });
    pump();  // only now: an event may have closed this socket
  });
  p->watch.want_read(true);
}

void PortmapHands::give(portmap::ClientInput input) {
  client_.handle(loop_.now(), input);
  pump();
}

void PortmapHands::close(std::function<void()> done) {
  closing_ = true;
  done_ = std::move(done);
  client_.close(loop_.now());
  pump();
}

void PortmapHands::pump() {
  again_ = true;
  if (std::exchange(pumping_, true)) return;
  while (std::exchange(again_, false)) {
    std::array<uint8_t, wire::ssdp_message_max> room;
    while (auto action = client_.poll_action(loop_.now(), room)) {
      if (auto* send = std::get_if<portmap::SendDatagram>(&*action)) {
        if (own_) own_->socket.send(send->to, send->bytes, send->bytes.size());  // what is lost is asked for again
      } else if (auto* ask = std::get_if<portmap::HttpAsk>(&*action)) {
        http_.ask(*ask);
      } else {
        http_.forget(std::get<portmap::HttpForget>(*action).id);
      }
    }
    while (auto event = client_.poll_event()) on_event_(*event);
  }
  pumping_ = false;
  auto deadline = client_.next_deadline();
  deadline ? timer_.set(deadline->when) : timer_.cancel();
  if (done_ && client_.closed()) loop_.post(std::exchange(done_, nullptr));  // it may destroy us
}

}  // namespace ginnel::app
