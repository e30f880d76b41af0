#include "lab/line.hpp"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "lab/error.hpp"

namespace ginnel::lab {
namespace {

void set_feature(int fd, const std::string& interface, uint32_t command, bool on) {
  ethtool_value value{.cmd = command, .data = on};
  ifreq request{};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&value);
  if (::ioctl(fd, SIOCETHTOOL, &request) != 0) throw_errno("cannot switch the offloads of " + interface);
}

bool is_for_cable(const LineState& state) {
  const auto fits = [](const link::Spec& spec) { return spec.only_rate() && spec.takes_trains(); };
  return fits(state.up) && fits(state.down) && !state.udp_blocked;
}

void set_limit(const Host& host, const std::string& interface, const link::Spec& spec) {
  if (spec.bits_per_second == 0) return;
  const uint64_t burst = std::max<uint64_t>(spec.bits_per_second / 8 / 250, 128 * 1024);  // trains pass unsplit
  host.run("tc qdisc add dev " + interface + " root tbf rate " + std::to_string(spec.bits_per_second) + "bit burst " +
           std::to_string(burst) + " limit " + std::to_string(spec.queue_limit()));
}

}  // namespace

void set_offloads(const Host& host, const std::string& interface, bool on) {
  const auto body = [&] {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    // checksums first on the way up and last on the way down: the kernel ties segmentation to them
    if (on) set_feature(fd, interface, ETHTOOL_STXCSUM, on);
    for (uint32_t command : {ETHTOOL_SGSO, ETHTOOL_STSO}) set_feature(fd, interface, command, on);
    if (!on) set_feature(fd, interface, ETHTOOL_STXCSUM, on);
    ::close(fd);
    return 0;
  };
  run({.body = body}, host.netns());
}

link::Spec spec_of(std::string_view text) {
  const auto spec = link::parse_spec(text);
  if (!spec) throw LabError(spec.error().text, Errc::usage);
  return *spec;
}

Line::Line(Host& exchange, const std::string& segment, size_t number, const Host& node, std::string interface,
           const RouterAddresses& router, uint64_t seed)
    : exchange_(exchange),
      node_(node),
      segment_(segment),
      interface_(std::move(interface)),
      near_("near" + std::to_string(number)),
      entry_("entry" + std::to_string(number)),
      exit_("exit" + std::to_string(number)),
      router_(router),
      seed_(seed) {
  exchange.later("link add " + near_ + " type veth peer name " + interface_ + " netns " + node_.name());
  exchange.later("link set " + near_ + " master " + segment_ + " up");
}

void Line::set(const LineState& state) {
  if (state == state_) return;
  state_ = state;
  if (!cut_) plug();
}

void Line::cut(bool cut) {
  if (cut == cut_) return;
  cut_ = cut;
  cut_ ? unplug() : plug();
}

void Line::plug() { is_for_cable(state_) ? become_cable() : become_wire(); }

void Line::unplug() {
  wire_.reset();
  exchange_.ip("link set " + near_ + " nomaster");
}

void Line::become_cable() {
  if (!set_limits()) return become_wire();
  wire_.reset();
  set_offloads(node_, interface_, true);
  exchange_.ip("link set " + near_ + " master " + segment_);
}

/// False: this kernel has no token buckets for us.
bool Line::set_limits() {
  remove_limits();
  try {
    set_limit(node_, interface_, state_.up);
    set_limit(exchange_, near_, state_.down);
  } catch (const LabError&) {
    return false;
  }
  limited_ = !state_.is_plain();
  return true;
}

void Line::remove_limits() {
  if (!std::exchange(limited_, false)) return;
  for (const auto& [host, interface] : {std::pair(&node_, interface_), std::pair(&exchange_, near_)}) {
    host->start(Command{.argv = words("tc qdisc del dev " + interface + " root"), .err = {Stream::null}}).wait(in(10s));
  }
}

void Line::become_wire() {
  remove_limits();
  if (!has_entry_) {
    exchange_.ip("link add " + entry_ + " type veth peer name " + exit_ + "\nlink set " + entry_ + " up\nlink set " +
                 exit_ + " master " + segment_ + " up");
    has_entry_ = true;
  }
  const bool trains = wires_take_trains() && state_.up.takes_trains() && state_.down.takes_trains();
  set_offloads(node_, interface_, trains);
  set_offloads(exchange_, exit_, trains);
  if (!wire_) {
    exchange_.ip("link set " + near_ + " nomaster");
    wire_.emplace(exchange_, near_, entry_, router_, seed_);
  }
  wire_->set(state_);
}

}  // namespace ginnel::lab
