// A private world for one run: its own mounts, network and processes, made and forgotten by the kernel. Whatever ends
// the run (return, Ctrl-C, SIGKILL), every process, interface and file of it is gone with it, and nothing outside was
// touched. Inside one is root, by a user namespace if need be.
//
//   caller --fork--> keeper (unshares; ends the world) --fork--> init (pid 1; reaps) --fork--> body
#pragma once
#include <functional>
#include <string>

namespace ginnel::lab {

/// What run_in_sandbox gives when no sandbox can be made here; `why` then says what the reader can do about it (it is
/// empty if the body itself gave 77).
inline constexpr int exit_no_sandbox = 77;

/// Runs `body` in a new sandbox and gives its result; 128 + signal if it was killed or interrupted, LabError's code or
/// 1 if it threw (the sentence is on stderr). Call it from a program's only thread.
int run_in_sandbox(const std::function<int()>& body, std::string* why = nullptr);

/// An ordinary user's PATH has none, and ip and nft live there.
void add_sbin_to_path();

/// A file inside it that programs find as /etc/hosts; whoever names machines writes it.
const std::string& hosts_file();

/// A directory on memory that exists only inside the sandbox. Bodies put their files there.
const std::string& scratch();

/// $XDG_STATE_HOME of what runs on that host: two machines must not be one peer, and ginnel's keys are kept there.
std::string state_home(const std::string& host);

}  // namespace ginnel::lab
