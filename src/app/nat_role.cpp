#include <csignal>

#include "app/nat_control.hpp"
#include "app/nat_service.hpp"
#include "app/roles.hpp"
#include "app/stop.hpp"
#include "drive/files.hpp"
#include "drive/process_limits.hpp"

namespace ginnel::app {

namespace {

Result<NatService::Wish> wish_of(const NatOptions& options) {
  NatService::Wish out;
  out.place = {options.inside, options.outside, {}};
  for (const auto& text : options.publics) {
    auto address = parse_public_address(text);
    if (!address) return address.error();
    out.place.publics.push_back(*address);
  }
  auto behaviour = parse_preset(options.preset);
  if (!behaviour) return behaviour.error();
  out.behaviour = *behaviour;
  for (const auto& text : options.set) {
    if (auto error = turn_knob(out.behaviour, text)) return *error;
    out.mtu_inside_given |= text.starts_with("mtu_inside=");
    out.mtu_outside_given |= text.starts_with("mtu_outside=");
  }
  for (const auto& text : options.forward) {
    auto forward = parse_forward(text);
    if (!forward) return forward.error();
    out.forwards.push_back(*forward);
  }
  return out;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

Report ready(NatService& service, const std::string& control) {
  std::vector<std::string> publics;
  for (const Address& ip : service.network().public_addresses()) publics.push_back(ip.ip_to_string());
  const NatPlace& place = service.place();
  std::string preset(service.gateway().behaviour().name);
  return {Report::Kind::line,
          "ready",
          {{"inside", place.inside},
           {"outside", place.outside},
           {"public", publics},
           {"preset", preset},
           {"control", control}},
          "translating what " + joined(place.inside) + " sends by " + place.outside + " to " + joined(publics) + " (" +
              preset + ")\n\n  ginnel nat show --control " + control + "\n"};
}

}  // namespace

std::optional<Error> run_nat(const CommonOptions& common, const NatOptions& options, const Reporter& report) {
  auto wish = wish_of(options);
  if (!wish) return wish.error();
  std::string control = options.control;
  if (control.empty()) {
    if (auto error = ensure_private_directory(common.state)) return error;
    control = common.state + "/nat.sock";
  }
  auto listener = StreamListener::open_unix(control);
  if (!listener) return listener.error();

  Loop loop;
  std::optional<Error> fatal;
  StopSignal stop(loop, [&] { loop.stop(); });  // before anything is changed that has to be put back
  NatService* running = nullptr;
  loop.on_signal({SIGHUP}, [&](int) { running->reboot(); });
  auto service = NatService::make(loop, std::move(*wish), report, [&](Error error) {
    fatal = std::move(error);
    loop.stop();
  });
  if (!service) return service.error();
  running = service->get();
  for (auto [side, path] :
       {std::pair(nat::Side::inside, options.capture_inside), std::pair(nat::Side::outside, options.capture_outside)})
    if (!path.empty())
      if (auto error = running->capture(side, path)) return error;
  NatControl door(loop, std::move(*listener), *running);
  report(ready(*running, control));
  loop.run();
  return fatal ? fatal : stop.outcome();
}

}  // namespace ginnel::app
