// A program that the lab started: its output line by line with a deadline, its end, its memory. A Process owns its
// child: destroying it kills it. Starting one is Host's business (in a namespace) or spawn's (right here).
#pragma once
#include <sys/types.h>

#include <csignal>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lab/time.hpp"

namespace ginnel::lab {

/// Where one of a child's standard streams goes.
struct Stream {
  enum Kind { inherit, null, pipe, file } kind = null;
  std::string path;  ///< of a file; appended to

  static Stream to_file(std::string path) { return {file, std::move(path)}; }
};

struct Command {
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;  ///< added to the lab's own
  std::string directory;                   ///< where it runs; empty: here
  Stream in{Stream::null};
  Stream out{Stream::pipe};
  Stream err{Stream::inherit};
  std::function<int()> body;  ///< if set, this runs in the child in place of argv; its result is the exit code
};

class Process {
 public:
  Process() = default;
  Process(Process&& other) noexcept { swap(other); }
  Process& operator=(Process&& other) noexcept;
  ~Process();

  // Reading. Lines come without their end; what stands before end of file counts as a line.
  std::optional<std::string> read_line(Time deadline);  ///< of stdout; none at the deadline or at its end
  std::optional<std::string> next_line();               ///< one that has already come; does not wait
  std::string read_all(Time deadline);                  ///< the rest of stdout, up to its end
  std::string read_errors(Time deadline);               ///< the rest of stderr, if that is a pipe
  bool ended();                                         ///< stdout is at its end and every line was taken

  // Commands.
  bool write(std::string_view text);  ///< to stdin, if that is a pipe; false: nobody reads any more
  void close_input();
  void kill(int signal = SIGKILL);         ///< does not wait
  std::optional<int> wait(Time deadline);  ///< the exit code (128 + signal if killed); none: still runs
  int stop(int signal = SIGKILL);          ///< kill, wait (10 s, then SIGKILL), exit code
  void release() { pid_ = -1; }            ///< lets it live on until the sandbox ends

  // Getters.
  pid_t pid() const { return pid_; }
  bool running();
  int out_fd() const { return out_.fd; }  ///< to poll several at once; non-blocking
  size_t resident_bytes() const;          ///< VmRSS

 private:
  struct Reader {
    int fd = -1;
    std::string buffered;
    bool at_end = true;

    void fill();  ///< takes what is there without waiting
    std::optional<std::string> take_line();
    std::string drain(Time deadline);
    void close();
  };

  void swap(Process& other) noexcept;
  friend Process spawn(const Command& command, int netns);

  pid_t pid_ = -1;
  int in_ = -1;
  Reader out_, err_;
  std::optional<int> code_;
};

/// Starts it here, or in the network namespace of the descriptor `netns`.
Process spawn(const Command& command, int netns = -1);

/// Runs to the end and gives stdout; throws LabError with what the program said if it does not end with 0 in time.
std::string run(Command command, int netns = -1, Duration patience = 10s);
/// The same with text on its stdin: for `ip -batch -` and `nft -f -`.
std::string run_with_input(Command command, const std::string& input, int netns = -1, Duration patience = 10s);

/// The program that this is, by a name that means the same to every process.
std::string own_binary();

/// Splits at spaces: "ip link set lo up". No quoting.
std::vector<std::string> words(std::string_view text);

}  // namespace ginnel::lab
