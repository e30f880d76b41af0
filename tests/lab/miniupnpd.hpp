// Debian's miniupnpd at a gateway of the lab: a real PCP, NAT-PMP and UPnP server. It refuses documentation addresses, so
// its gateway needs another public one.
#pragma once
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <string>

#include "lab/host.hpp"
#include "lab/sandbox.hpp"

namespace ginnel::lab {

class Miniupnpd {
 public:
  /// Debian's own script for these chains does not run (unset variables), so they are made here.
  explicit Miniupnpd(const Host& gateway) : gateway_(gateway) {
    gateway.nft(R"(
table inet filter {
  chain miniupnpd { }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
  chain forward { type filter hook forward priority 0; policy accept; jump miniupnpd; }
  chain prerouting { type nat hook prerouting priority dstnat; policy accept; jump prerouting_miniupnpd; }
  chain postrouting { type nat hook postrouting priority srcnat; policy accept; jump postrouting_miniupnpd; }
})");
    start();
  }

  void start() {
    const std::string base = scratch() + "/" + gateway_.name() + ".miniupnpd", config = base + ".conf";
    FILE* file = std::fopen(config.c_str(), "w");
    std::fputs(
        "ext_ifname=wan\nlistening_ip=lan\nport=5000\nenable_natpmp=yes\nenable_upnp=yes\n"
        "secure_mode=yes\nuuid=00000000-0000-0000-0000-000000000001\nupnp_table_name=filter\nupnp_nat_table_name="
        "filter\n"
        "upnp_forward_chain=miniupnpd\nupnp_nat_chain=prerouting_miniupnpd\n"
        "upnp_nat_postrouting_chain=postrouting_miniupnpd\nallow 1024-65535 0.0.0.0/0 1024-65535\n",
        file);
    std::fclose(file);
    daemon_ = gateway_.start(Command{.argv = words("miniupnpd -d -f " + config + " -P " + base + ".pid"),
                                     .out = Stream::to_file(base + ".log"),
                                     .err = Stream::to_file(base + ".log")});
    EXPECT_TRUE(
        wait_until([&] { return gateway_.run("ss -Hltn sport = 5000").find("5000") != std::string::npos; }, in(10s)))
        << "miniupnpd does not run: " << lab::run(Command{.argv = words("cat " + base + ".log")});
  }
  void kill() { daemon_.stop(SIGKILL); }
  /// Its forwards, as nft lists them.
  std::string rules() const { return gateway_.run("nft list chain inet filter prerouting_miniupnpd"); }

 private:
  const Host& gateway_;
  Process daemon_;
};

}  // namespace ginnel::lab
