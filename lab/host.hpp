// A machine of the lab: a named network namespace in which programs run. It also stands under /run/netns, so `ip netns
// exec NAME ...` from a shell inside the sandbox sees it.
#pragma once
#include <string>

#include "lab/process.hpp"

namespace ginnel::lab {

class Host {
 public:
  explicit Host(std::string name);  ///< makes the namespace, with its loopback up
  ~Host();                          ///< gives the name back; the namespace lives on while a process of it does
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  Process start(const Command& command) const { return spawn(command, netns_); }
  /// Forks, enters, runs the function there.
  Process start(std::function<int()> body) const;
  /// Runs to the end, gives stdout, throws if it fails.
  std::string run(Command command, Duration patience = 10s) const {
    return lab::run(std::move(command), netns_, patience);
  }
  std::string run(const std::string& words_of_command) const;
  void nft(const std::string& rules) const;  ///< as `nft -f -`
  void ip(const std::string& lines) const;   ///< as `ip -batch -`: one command a line, without "ip"
  void later(const std::string& line) { pending_ += line + "\n"; }       ///< for ip, together with others
  void flush();                                                          ///< does what was put off
  void sysctl(const std::string& path, const std::string& value) const;  ///< "net/ipv4/ip_forward"

  void enable_ipv6(const std::string& interface) const;  ///< off in a new host; addresses are good at once
  static bool has_ipv6();                                ///< this kernel

  /// True once something listens on this TCP port of 127.0.0.1.
  bool wait_listening(uint16_t port, Time deadline) const;

  const std::string& name() const { return name_; }
  int netns() const { return netns_; }
  /// Its main addresses; topology.cpp sets them. An IPv6-only machine has the same in both.
  std::string address, address6;

 private:
  std::string name_;
  int netns_ = -1;
  std::string pending_;
};

}  // namespace ginnel::lab
