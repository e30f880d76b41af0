#include "app/driver.hpp"
#include "app/roles.hpp"
#include "app/stop.hpp"
#include "app/state.hpp"
#include "core/rendezvous/server.hpp"
#include "drive/entropy.hpp"
#include "drive/interfaces.hpp"
#include "drive/process_limits.hpp"
#include "wire/server_url.hpp"

namespace ginnel::app {

namespace {

Result<std::vector<Address>> listen_addresses(const ServerOptions& options, bool& given) {
  std::vector<Address> out;
  given = !options.listen.empty();
  for (const std::string& text : options.listen) {
    auto address = Address::parse(text);
    if (!address)
      return Error{Errc::usage, "--listen wants ADDRESS:PORT, such as 0.0.0.0:3478 or [::]:3478; \"" + text + "\" is neither."};
    out.push_back(*address);
  }
  if (given) return out;
  Address any4, any6;
  any6.v6 = true;
  return std::vector{any4.with_port(wire::default_port), any6.with_port(wire::default_port)};
}

// What others can reach us by: what they were told to use, else the address we listen on, else one of this host's.
std::string url_host(const ServerOptions& options, const Address& bound) {
  if (!options.host.empty()) return options.host;
  if (!bound.is_unspecified()) return bound.ip_to_string();
  auto mine = interface_addresses();
  for (const Address& a : mine)
    if (!a.v6 && !a.is_private()) return a.ip_to_string();
  return mine.empty() ? "127.0.0.1" : mine.front().ip_to_string();
}

/// The server's sockets. The first of a family is the main one; its next port, and a second address, show agents what
/// their NATs do (RFC 5780); all of them serve.
class Ears {
 public:
  Ears(Driver<rendezvous::Server>& driver, rendezvous::Server& server) : driver_(driver), server_(server) {}

  std::optional<Error> open(const Address& at) {
    stun::Faces& faces = faces_[at.v6];
    bool second_address = faces[0].port != 0 && faces[2].port == 0 && !faces[0].same_ip(at) && faces[0].port == at.port;
    SocketId id = faces[0].port == 0 ? 0 : second_address ? 2 : next_extra_++;
    auto error = driver_.open_udp(at, id);
    if (error) return error;
    Address local = driver_.udp_address(id, at.v6);
    error = driver_.listen_tcp(local);
    if (error) return error;
    if (!first_) first_ = local;
    if (id > 2) return {};
    faces[id] = local;
    Address next = local.with_port(at.port == 0 ? uint16_t{0} : static_cast<uint16_t>(local.port + 1));
    // Whether there is a second port is no matter of life and death: discovery tells less without.
    if (at.port != 65535 && !driver_.open_udp(next, id + 1)) {
      faces[id + 1] = driver_.udp_address(id + 1, at.v6);
      (void)driver_.listen_tcp(faces[id + 1]);
    }
    server_.set_faces(at.v6, faces);
    return {};
  }
  const std::optional<Address>& first() const { return first_; }

 private:
  Driver<rendezvous::Server>& driver_;
  rendezvous::Server& server_;
  stun::Faces faces_[2];
  SocketId next_extra_ = 4;
  std::optional<Address> first_;
};

/// What the server's TCP ports wear where plain packets do not pass.
Result<TlsContext> tls_of(const ServerOptions& options) {
  if (options.tls_certificate.empty() != options.tls_key.empty())
    return Error{Errc::usage, "--tls-cert and --tls-key belong together: give both, or none."};
  if (options.tls_key.empty()) return TlsContext::self_signed(options.host.empty() ? "localhost" : options.host);
  return TlsContext::from_files(options.tls_certificate, options.tls_key);
}

}  // namespace

std::optional<Error> run_server(const CommonOptions& common, const ServerOptions& options, const Reporter& report) {
  Entropy entropy;
  auto state = State::open(common.state);
  if (!state) return state.error();
  auto self = state->identity("server", entropy);
  if (!self) return self.error();
  std::set<PublicKey> allowed;
  for (const std::string& text : options.allow) {
    auto key = PublicKey::parse(text);
    if (!key) return Error{Errc::usage, "--allow-key wants a peer id of 52 characters, as `ginnel id` prints it; \"" + text + "\" is not."};
    allowed.insert(*key);
  }
  bool given = false;
  auto addresses = listen_addresses(options, given);
  if (!addresses) return addresses.error();
  auto tls = tls_of(options);
  if (!tls) return tls.error();

  raise_open_files();
  Loop loop;
  rendezvous::Server server(*self, std::move(allowed), static_cast<uint32_t>(entropy.u64()), entropy);
  Driver<rendezvous::Server> driver(loop, server, WhenBlocked::drop, [&] {
    while (auto event = server.poll_event()) report({Report::Kind::detail, "", {}, event->text});
  });
  driver.set_tls(*tls);
  Ears ears(driver, server);
  std::optional<Error> refused;
  for (const Address& address : *addresses) {
    auto error = ears.open(address);
    if (error && given) return error;
    if (error) refused = error;  // by default IPv6 may be missing
  }
  if (!ears.first()) return refused;
  Address first = *ears.first();

  wire::ServerUrl url{self->public_key(), url_host(options, first), first.port};
  report({Report::Kind::line, "ready", {{"url", url.to_string()}, {"listen", first.to_string()}},
          "ready on " + first.to_string() + ", UDP and TCP\n\n  " + url.to_string() + "\n\n"
          "Give this URL to `ginnel expose TARGET --server URL`."});
  StopSignal stop(loop, [&] {
    server.shut_down();
    driver.pump();
    loop.stop();
  });
  loop.run();
  return stop.outcome();
}

}  // namespace ginnel::app
