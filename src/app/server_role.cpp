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

  raise_open_files();
  Loop loop;
  rendezvous::Server server(*self, std::move(allowed), static_cast<uint32_t>(entropy.u64()), entropy);
  Driver<rendezvous::Server> driver(loop, server, WhenBlocked::drop, [&] {
    while (auto event = server.poll_event()) report({Report::Kind::detail, "", {}, event->text});
  });
  size_t opened = 0;
  std::optional<Error> refused;
  Address first;
  for (const Address& address : *addresses) {
    auto error = driver.open_udp(address);
    if (!error) error = driver.listen_tcp(address.with_port(driver.udp_port(address.v6)));
    if (error && given) return error;
    if (error) {  // by default IPv6 may be missing
      refused = error;
      continue;
    }
    if (opened++ == 0) first = address.with_port(driver.udp_port(address.v6));
  }
  if (opened == 0) return refused;

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
