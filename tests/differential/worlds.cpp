#include "tests/differential/worlds.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstring>

#include "lab/conntrack.hpp"
#include "lab/error.hpp"

namespace ginnel::test {
namespace {

int open_tun(const char* name) {
  int fd = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) lab::throw_errno("cannot open /dev/net/tun");
  ifreq request{};
  std::strcpy(request.ifr_name, name);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (::ioctl(fd, TUNSETIFF, &request) != 0) lab::throw_errno("cannot make a TUN device");
  return fd;
}

/// What conntrack calls invalid is not dropped but told: out of the wan untranslated, or with ICMP 3/13 to the
/// stranger.
std::string rules(const Setting& setting) {
  return R"(
table ip test {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "wan" )" +
         setting.masquerade + R"(
  }
  chain input {
    type filter hook input priority filter; policy )" +
         (setting.input_open ? "accept" : "drop") + R"(;
    iifname "wan" ct state invalid reject with icmp type admin-prohibited
    ct state established,related accept
    iifname "lan" icmp type echo-request accept
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "lan" oifname "wan" accept
  }
}
)";
}

const Address watcher = Address::v4(10, 0, 0, 250, 9), watched = Address::v4(203, 0, 113, 250, 9);

}  // namespace

KernelNat::KernelNat(const lab::Host& host, const Setting& setting) : sentinel_(udp(watcher, watched, "sentinel")) {
  if (::setns(host.netns(), CLONE_NEWNET) != 0) lab::throw_errno("cannot enter the gateway");
  lan_ = open_tun("lan");
  wan_ = open_tun("wan");
  host.ip("link set lan up\naddr add 10.0.0.1/24 dev lan\nlink set wan up mtu " + std::to_string(mtu_outside) +
          "\naddr add 198.51.100.1/32 dev wan\nroute add default dev wan");
  for (const char* setting_of_kernel :
       {"ip_forward 1", "icmp_ratemask 0", "conf/all/rp_filter 0", "conf/lan/rp_filter 0", "conf/wan/rp_filter 0",
        "conf/all/send_redirects 0", "conf/lan/send_redirects 0"}) {
    std::string words = setting_of_kernel;
    host.sysctl("net/ipv4/" + words.substr(0, words.find(' ')), words.substr(words.find(' ') + 1));
  }
  host.nft(rules(setting));
}

KernelNat::~KernelNat() {
  ::close(lan_);
  ::close(wan_);
}

void KernelNat::forget() { lab::flush_conntrack_here(); }

void KernelNat::take(int fd, bool inside, std::vector<Arrival>& out) {
  uint8_t room[2048];
  for (ssize_t n; (n = ::read(fd, room, sizeof room)) > 0;) {
    PacketBytes p(room, room + n);
    if (p.size() < 20 || p[0] >> 4 != 4) continue;
    if (!inside && protocol_of(p) == 17 && !is_fragment(p) && destination_of(p) == watched) {
      passed_ = true;
    } else {
      out.push_back({inside, std::move(p)});
    }
  }
}

/// The packet, then a sentinel from the same side: when that has come out, everything before it has.
std::vector<Arrival> KernelNat::send(bool from_inside, Bytes packet) {
  int fd = from_inside ? lan_ : wan_;
  std::vector<Arrival> out;
  if (::write(fd, packet.data(), packet.size()) < 0) return out;  // what the kernel does not even take in is lost
  passed_ = false;
  if (::write(lan_, sentinel_.data(), sentinel_.size()) < 0) lab::throw_errno("cannot send a sentinel");
  for (int tries = 0; !passed_; ++tries) {
    pollfd wait[] = {{wan_, POLLIN, 0}, {lan_, POLLIN, 0}};
    if (tries == 1000) throw lab::LabError("the kernel lost a sentinel");
    ::poll(wait, 2, 10);
    take(wan_, false, out);
    take(lan_, true, out);
  }
  take(lan_, true, out);
  return out;
}

EngineNat::EngineNat(const Setting& setting, uint64_t seed)
    : rng_(seed),
      gateway_(
          [&] {
            nat::Behaviour b = setting.behaviour;
            b.mtu_outside = mtu_outside;
            b.generated_per_second = 1'000'000;
            return b;
          }(),
          std::vector{gateway_outside}, rng_) {
  gateway_.set_inside_address(gateway_inside);
}

std::vector<Arrival> EngineNat::send(bool from_inside, Bytes packet) {
  now_ += 1ms;
  std::vector<Arrival> out;
  PacketBytes p(packet.begin(), packet.end());
  nat::Verdict verdict = from_inside ? gateway_.handle_inside(now_, p) : gateway_.handle_outside(now_, p);
  p.resize(verdict.size);
  if (verdict.action == nat::Action::forward_out) out.push_back({false, p});
  if (verdict.action == nat::Action::forward_in || verdict.action == nat::Action::hairpin) out.push_back({true, p});
  uint8_t room[65536];
  while (auto own = gateway_.poll_generated(room))
    out.push_back({own->side == nat::Side::inside, {own->bytes.begin(), own->bytes.end()}});
  return out;
}

}  // namespace ginnel::test
