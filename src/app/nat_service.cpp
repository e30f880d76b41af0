#include "app/nat_service.hpp"

#include <algorithm>

namespace ginnel::app {

Result<std::unique_ptr<NatService>> NatService::make(Loop& loop, Wish wish, Reporter report,
                                                     std::function<void(Error)> on_end) {
  auto network = NatNetwork::make(wish.place);
  if (!network) return network.error();
  std::unique_ptr<NatService> out(
      new NatService(loop, std::move(wish), std::move(report), std::move(on_end), std::move(*network)));
  for (const NatForward& forward : out->wish_.forwards)
    if (!out->apply(forward))
      return Error{Errc::usage, out->wish_.behaviour.basic
                                    ? "The preset basic gives whole addresses to hosts: it forwards no single ports."
                                    : "The forward " + forward.to_string() + " is there twice."};
  out->pump_.start();
  return out;
}

NatService::NatService(Loop& loop, Wish wish, Reporter report, std::function<void(Error)> on_end,
                       std::unique_ptr<NatNetwork> network)
    : loop_(loop),
      wish_(std::move(wish)),
      report_(std::move(report)),
      started_(loop.now()),
      network_(std::move(network)),
      gateway_(behaviour(), network_->public_addresses(), entropy_),
      pump_(loop, network_->inside_tun(), network_->outside_tun(), gateway_,
            [on_end = std::move(on_end)] {
              on_end({Errc::gone,
                      "Somebody deleted the gateway's TUN device, and without it nothing passes. Start it again."});
            }),
      monitor_(loop, [this] { look_again(); }) {
  for (bool v6 : {false, true}) gateway_.set_inside_address(network_->inside_address(v6).with_port(0));
}

/// As asked for, with the sizes that the interfaces have now.
nat::Behaviour NatService::behaviour() const {
  nat::Behaviour out = wish_.behaviour;
  auto size = [](uint32_t mtu) { return static_cast<uint16_t>(std::min<uint32_t>(mtu, UINT16_MAX)); };
  if (!wish_.mtu_inside_given) out.mtu_inside = size(network_->mtu_inside());
  if (!wish_.mtu_outside_given) out.mtu_outside = size(network_->mtu_outside());
  return out;
}

// ---- the network changed

void NatService::look_again() {
  auto before = network_->public_addresses();
  if (auto error = network_->refresh())
    return report_({Report::Kind::line, "network_failed", {{"why", error->text}}, error->text});
  for (bool v6 : {false, true}) gateway_.set_inside_address(network_->inside_address(v6).with_port(0));
  gateway_.change(behaviour());
  if (network_->public_addresses() != before) take_over_addresses();
  pump_.settle();
}

void NatService::take_over_addresses() {
  gateway_.set_public_addresses(network_->public_addresses());
  for (const NatForward& forward : wish_.forwards) apply(forward);
  std::string text;
  for (const auto& ip : public_texts()) text += (text.empty() ? "" : ", ") + ip;
  report_({Report::Kind::line,
           "address",
           {{"public", public_texts()}},
           text.empty() ? "there is no public address any more" : "the public address is now " + text});
}

std::vector<std::string> NatService::public_texts() const {
  std::vector<std::string> out;
  for (const Address& ip : network_->public_addresses()) out.push_back(ip.ip_to_string());
  return out;
}

// ---- commands

void NatService::reboot() {
  gateway_.reboot();
  pump_.settle();
  report_({Report::Kind::line, "reboot", {}, "every mapping was dropped"});
}

std::optional<Error> NatService::set_public_addresses(const std::vector<Address>& addresses) {
  if (auto error = network_->set_public_addresses(addresses)) return error;
  take_over_addresses();
  pump_.settle();
  return {};
}

std::optional<Error> NatService::set(const std::string& text) {
  nat::Behaviour next = wish_.behaviour;
  if (auto error = turn_knob(next, text)) return error;
  wish_.behaviour = next;
  wish_.mtu_inside_given |= text.starts_with("mtu_inside=");
  wish_.mtu_outside_given |= text.starts_with("mtu_outside=");
  bool dropped = gateway_.change(behaviour());
  pump_.settle();
  report_({Report::Kind::line,
           "set",
           {{"knob", text}, {"dropped", dropped}},
           text + (dropped ? "; every mapping was dropped" : "")});
  return {};
}

bool NatService::apply(const NatForward& forward) {
  if (network_->public_addresses().empty()) return true;  // when there is one again
  return gateway_.add_forward(forward.protocol, network_->public_addresses().front().with_port(forward.port),
                              forward.inside);
}

std::optional<Error> NatService::add_forward(const NatForward& forward) {
  if (!apply(forward))
    return Error{Errc::in_use,
                 "Port " + std::to_string(forward.port) + " (" + protocol_name(forward.protocol) +
                     ") of the public address is in use. Remove the forward or the mapping that has it first."};
  wish_.forwards.push_back(forward);
  return {};
}

std::optional<Error> NatService::remove_forward(const NatForward& forward) {
  auto same = [&](const NatForward& one) { return one.protocol == forward.protocol && one.port == forward.port; };
  if (std::erase_if(wish_.forwards, same) == 0)
    return Error{Errc::usage, "There is no forward of " + protocol_name(forward.protocol) + ":" +
                                  std::to_string(forward.port) + "."};
  for (const Address& ip : network_->public_addresses())
    gateway_.remove_forward(forward.protocol, ip.with_port(forward.port));
  return {};
}

std::optional<Error> NatService::capture(nat::Side side, const std::string& path) {
  auto& place = captures_[static_cast<size_t>(side)];
  std::unique_ptr<Capture> next;
  if (!path.empty()) {
    auto opened = Capture::open(path);
    if (!opened) return opened.error();
    next = std::move(*opened);
  }
  pump_.set_capture(side, next.get());
  place = std::move(next);
  return {};
}

}  // namespace ginnel::app
