#include "lab/host.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "lab/error.hpp"

namespace ginnel::lab {
namespace {

void write_sysctl(const std::string& path, const std::string& value) {
  const int fd = ::open(("/proc/sys/" + path).c_str(), O_WRONLY | O_CLOEXEC);
  const bool ok = fd >= 0 && ::write(fd, value.data(), value.size()) > 0;
  if (!ok) throw_errno("cannot set " + path);
  ::close(fd);
}

void set_up(const std::string& interface) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP;
  if (fd < 0 || ::ioctl(fd, SIOCSIFFLAGS, &request) != 0) throw_errno("cannot set " + interface + " up");
  ::close(fd);
}

int make_namespace(const std::string& path) {
  if (::unshare(CLONE_NEWNET) != 0) throw_errno("cannot make a network namespace");
  if (::mount("/proc/self/ns/net", path.c_str(), "none", MS_BIND, nullptr) != 0) throw_errno("cannot mount " + path);
  // Without this every interface would make itself a link-local address. enable_ipv6() is for those who want one.
  if (Host::has_ipv6()) write_sysctl("net/ipv6/conf/default/disable_ipv6", "1");
  set_up("lo");
  return 0;
}

}  // namespace

Host::Host(std::string name) : name_(std::move(name)) {
  const std::string path = "/run/netns/" + name_;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
  if (fd < 0) throw_errno("cannot make " + path + " (is this the sandbox?)");
  ::close(fd);
  Command make{.body = [&path] { return make_namespace(path); }};
  if (spawn(make).wait(in(10s)) != 0) throw LabError("cannot make the host " + name_);
  netns_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (netns_ < 0) throw_errno("cannot open " + path);
}

Host::~Host() {
  const std::string path = "/run/netns/" + name_;
  ::umount2(path.c_str(), MNT_DETACH);
  ::unlink(path.c_str());
  ::close(netns_);
}

Process Host::start(std::function<int()> body) const { return start(Command{.body = std::move(body)}); }

std::string Host::run(const std::string& words_of_command) const {
  return run(Command{.argv = words(words_of_command)});
}

void Host::nft(const std::string& rules) const { run_with_input({.argv = {"nft", "-f", "-"}}, rules, netns_); }

void Host::ip(const std::string& lines) const { run_with_input({.argv = {"ip", "-batch", "-"}}, lines + "\n", netns_); }

void Host::flush() {
  if (!pending_.empty()) ip(std::exchange(pending_, {}));
}

void Host::sysctl(const std::string& path, const std::string& value) const {
  run(Command{.body = [&] { return write_sysctl(path, value), 0; }});
}

bool Host::has_ipv6() { return ::access("/proc/sys/net/ipv6", F_OK) == 0; }

void Host::enable_ipv6(const std::string& interface) const {
  if (!has_ipv6()) throw LabError("this kernel has no IPv6, which " + name_ + " wants");
  const auto body = [&] {
    const std::string conf = "net/ipv6/conf/" + interface + "/";
    write_sysctl(conf + "accept_dad", "0");  // nobody waits a second for an address that cannot be a double
    write_sysctl(conf + "accept_ra", "0");
    write_sysctl(conf + "disable_ipv6", "0");
    return 0;
  };
  run(Command{.body = body});
}

bool Host::wait_listening(uint16_t port, Time deadline) const {
  Process asker = start([port, deadline] {
    const bool up = wait_until(
        [port] {
          const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
          sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
          const bool ok = ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
          ::close(fd);
          return ok;
        },
        deadline);
    return up ? 0 : 1;
  });
  return asker.wait(deadline + std::chrono::seconds(1)) == 0;
}

}  // namespace ginnel::lab
