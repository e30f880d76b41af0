// The real services of the lab tests: a web server and an sshd, and how a client logs in.
#pragma once
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "lab/agent.hpp"
#include "lab/error.hpp"
#include "lab/host.hpp"
#include "lab/sandbox.hpp"

namespace ginnel::lab {

/// python3's web server with a longer queue: its own of 5 turns many connections at once into resets.
inline Process start_web(const Host& host, uint16_t port, const std::string& directory) {
  const std::string program =
      "import functools, http.server as h\n"
      "h.ThreadingHTTPServer.request_queue_size = 256\n"
      "handler = functools.partial(h.SimpleHTTPRequestHandler, directory='" +
      directory +
      "')\n"
      "h.ThreadingHTTPServer(('127.0.0.1', " +
      std::to_string(port) + "), handler).serve_forever()\n";
  return host.start(Command{.argv = {"python3", "-c", program}, .out = {Stream::null}, .err = {Stream::null}});
}

/// sshd wants several user ids: a user namespace of one is not enough for it.
inline bool are_really_root() {
  std::ifstream map("/proc/self/uid_map");
  unsigned inside = 0, outside = 0, count = 0;
  return map >> inside >> outside >> count && count > 1;
}

/// Empty: sshd can run here.
inline std::string what_sshd_lacks() {
  if (!are_really_root()) return "sshd needs the real root";
  if (::access("/usr/sbin/sshd", X_OK) != 0) return "no sshd here: apt install openssh-server";
  return "";
}

/// A real sshd on 127.0.0.1:2222 with keys of its own; a client may log in with directory/user_key.
inline Process start_sshd(const Host& host, const std::string& directory) {
  ::mkdir(directory.c_str(), 0700);
  for (const char* key : {"/host_key", "/user_key"}) {
    run({.argv = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory + key}});
  }
  std::ofstream(directory + "/config")
      << "Port 2222\nListenAddress 127.0.0.1\nHostKey " << directory << "/host_key\n"
      << "AuthorizedKeysFile " << directory << "/user_key.pub\n"
      << "PermitRootLogin prohibit-password\nStrictModes no\nUsePAM yes\nPidFile none\n";
  Process sshd = host.start(Command{.argv = {"/usr/sbin/sshd", "-D", "-e", "-f", directory + "/config"},
                                    .err = Stream::to_file(directory + "/log")});
  if (!host.wait_listening(2222, in(10s)))
    throw LabError("sshd did not start: " + run({.argv = {"cat", directory + "/log"}}));
  return sshd;
}

/// ssh with that directory's key; `rest` has the destination and the command.
inline Command ssh_login(const std::string& directory, const Words& rest) {
  Command login{.argv = {"ssh", "-F", "none", "-i", directory + "/user_key", "-o", "StrictHostKeyChecking=no", "-o",
                         "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"}};
  login.argv.insert(login.argv.end(), rest.begin(), rest.end());
  return login;
}

}  // namespace ginnel::lab
