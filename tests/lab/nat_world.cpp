#include "tests/lab/nat_world.hpp"

#include <algorithm>

#include "lab/sandbox.hpp"

namespace ginnel::lab {

NatWorld::NatWorld() {
  net_.ip(std::string("addr add ") + router + "/32 dev lo");
  net_.sysctl("net/ipv4/ip_forward", "1");
}

void NatWorld::attach(Host& host, const std::vector<std::string>& addresses, int mtu) {
  const std::string port = "p" + std::to_string(ports_++), size = " mtu " + std::to_string(mtu);
  host.ip("link add wan type veth peer name " + port + " netns " + net_.name());
  host.ip("link set wan up" + size);
  net_.ip("link set " + port + " up" + size);
  for (const auto& address : addresses) {
    host.ip("addr add " + address + "/32 dev wan");
    net_.ip("route add " + address + "/32 dev " + port);
  }
  host.ip(std::string("route add ") + router + " dev wan\nroute add default via " + router);
  host.address = addresses.front();
}

Host& NatWorld::outside(const std::string& name, const std::vector<std::string>& addresses, int path_mtu) {
  Host& host = *hosts_.emplace_back(std::make_unique<Host>(name));
  attach(host, addresses, path_mtu);
  return host;
}

NatHome& NatWorld::home(const std::string& name, NatHomeOptions options) {
  NatHome& home = homes_.emplace_back();
  home.options_ = options;
  home.name_ = name;
  home.gateway_ = std::make_unique<Host>(name + ".gw");
  Host& gateway = *home.gateway_;
  if (options.behind) {
    gateway.ip("link add wan type veth peer name lan-" + name + " netns " + options.behind->gateway().name());
    options.behind->gateway().ip("link set lan-" + name + " master lan up");
    gateway.ip("link set wan up mtu " + std::to_string(options.wan_mtu));
    for (const auto& address : options.publics) gateway.ip("addr add " + address + "/24 dev wan");
    gateway.ip("route add default via " + options.behind->options_.prefix + "1");
    gateway.address = options.publics.front();
  } else {
    attach(gateway, options.publics, options.wan_mtu);
  }
  gateway.ip("link add lan type bridge");
  for (int i = 0; i < options.machines; ++i) {
    auto machine = std::make_unique<Host>(name + "-" + std::to_string(i + 1));
    const std::string port = "lan" + std::to_string(i + 1);
    gateway.ip("link add " + port + " type veth peer name lan netns " + machine->name());
    gateway.ip("link set " + port + " master lan up");
    machine->address = options.prefix + std::to_string(i + 2);
    machine->ip("addr add " + machine->address + "/24 dev lan\nlink set lan up");
    home.machines_.push_back(std::move(machine));
  }
  gateway.ip("addr add " + options.prefix + "1/24 dev lan\nlink set lan up");
  for (const auto& machine : home.machines_) machine->ip("route add default via " + options.prefix + "1");
  if (options.start) home.start();
  return home;
}

std::string NatHome::control() const { return scratch() + "/" + name_ + ".sock"; }

void NatHome::start(const Words& more) {
  Words words{"nat", "--inside", "lan", "--outside", "wan", "--control", control()};
  words.insert(words.end(), options_.nat.begin(), options_.nat.end());
  words.insert(words.end(), more.begin(), more.end());
  agent_.emplace(*gateway_, ginnel_program(), name_ + "-nat" + std::to_string(++starts_), words);
  agent_->ready();
}

void NatHome::stop(int signal) {
  agent_->process().kill(signal);
  agent_->process().wait(in(5s));
}

std::string NatHome::command(const std::string& words_of_command) const {
  Words argv = words("nat " + words_of_command + " --control " + control());
  argv.insert(argv.begin(), ginnel_program());
  return gateway_->run(Command{.argv = argv});
}

}  // namespace ginnel::lab
