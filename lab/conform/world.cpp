#include "lab/conform/world.hpp"

#include "lab/line.hpp"

namespace ginnel::lab {
namespace {

constexpr int hosts = 4, servers = 3;

Address host(int i) { return Address::v4(192, 168, 1, static_cast<uint8_t>(2 + i), 0); }
Address server(int i) { return Address::v4(203, 0, 113, static_cast<uint8_t>(1 + i), 0); }
std::string of_gateway(int i) { return "198.51.100." + std::to_string(1 + i); }

/// Lets no IPv4 packet come to the stack of a host: its answers would disturb the tester's.
void silence(const Host& host) {
  host.nft(R"(
table ip conformance {
  chain prerouting { type filter hook prerouting priority raw; policy drop; }
}
)");
}

}  // namespace

World::World(int outside_addresses) : outside_addresses_(outside_addresses) {
  gateway_.ip("link add lan type veth peer name lan netns inside\nlink add wan type veth peer name wan netns outside");
  for (const auto* end : {&inside_, &gateway_}) set_offloads(*end, "lan", false);
  for (const auto* end : {&outside_, &gateway_}) set_offloads(*end, "wan", false);
  const std::string mtu = "link set wan up mtu " + std::to_string(mtu_outside);

  std::string lines = "link set lan up";
  for (int i = 0; i < hosts; ++i) lines += "\naddr add " + host(i).ip_to_string() + "/24 dev lan";
  inside_.ip(lines + "\nroute add default via 192.168.1.1");
  silence(inside_);

  lines = mtu + "\naddr add 198.51.100.254/24 dev wan";
  for (int i = 0; i < servers; ++i) lines += "\naddr add " + server(i).ip_to_string() + "/32 dev lo";
  outside_.ip(lines);
  silence(outside_);

  lines = mtu + "\nlink set lan up\naddr add 192.168.1.1/24 dev lan";
  for (int i = 0; i < outside_addresses; ++i) lines += "\naddr add " + of_gateway(i) + "/24 dev wan";
  gateway_.ip(lines + "\nroute add default via 198.51.100.254");
  gateway_.address = of_gateway(0);
}

std::vector<std::string> World::pool() const {
  std::vector<std::string> out;
  for (int i = 1; i < outside_addresses_; ++i) out.push_back(of_gateway(i));
  return out;
}

conform::Network World::network() const {
  conform::Network out;
  for (int i = 0; i < hosts; ++i) out.inside.push_back(host(i));
  for (int i = 0; i < servers; ++i) out.outside.push_back(server(i));
  out.gateway_inside = Address::v4(192, 168, 1, 1, 0);
  out.mtu_outside = mtu_outside;
  return out;
}

}  // namespace ginnel::lab
