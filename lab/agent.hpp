// The program under test as the lab sees it: a process that says what it does in JSON lines (DESIGN.md section 7). An
// Agent keeps every line with the moment it came; scenarios wait for lines, and ask afterwards what was said.
#pragma once
#include <deque>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "lab/host.hpp"

namespace ginnel::lab {

/// One line. A tolerant reader of flat objects: "key": value, wherever it stands.
struct Event {
  Time at;
  std::string line;

  std::string text(std::string_view key) const;  ///< a string's content, or any other value as it stands; "" if absent
  double number(std::string_view key) const;     ///< 0 if absent
  bool is(std::string_view name) const { return text("event") == name; }
  /// A path event that says traffic flows not through the server.
  bool is_direct() const { return is("path") && text("technique") != "relay"; }
};

class Agent {
 public:
  using Match = std::function<bool(const Event&)>;

  /// Starts `program arguments... --json --state DIR`. DIR belongs to `name`: the same name again is the same identity.
  /// Its stderr is added to a file that `said()` gives.
  Agent(const Host& host, const std::vector<std::string>& program, std::string name,
        const std::vector<std::string>& arguments);

  Agent(const Host& host, const std::string& program, std::string name, const std::vector<std::string>& arguments)
      : Agent(host, std::vector{program}, std::move(name), arguments) {}

  // Waiting. An event that has already come counts, from number `from` on.
  const Event* wait_for(const Match& match, Time deadline, size_t from = 0);
  const Event* wait_path(std::string_view technique, Time deadline, size_t from = 0);
  const Event* wait_direct(Time deadline, size_t from = 0);
  const Event& ready(Duration patience = 10s);  ///< throws LabError with what it said in place of "ready"
  void pump();                                  ///< takes in what has come

  // Getters.
  const std::deque<Event>& events() const { return events_; }
  const Event* last_path() const;  ///< the newest path event
  std::string said() const;        ///< its stderr so far
  const std::string& name() const { return name_; }
  Process& process() { return process_; }

  static std::string state_directory(const std::string& name);

 private:
  std::string name_;
  Process process_;
  std::deque<Event> events_;
};

/// Waits until one of them has something to read, or for the deadline.
void wait_for_output(std::initializer_list<Agent*> agents, Time deadline);

// The three roles with the lab's usual arguments; `extra` is put behind them.
using Words = std::vector<std::string>;
Agent start_server(const Host& host, const std::string& binary, const std::string& name = "server",
                   const Words& extra = {});
Agent start_expose(const Host& host, const std::string& binary, const std::string& target,
                   const std::string& server_url, const std::string& name = "expose", const Words& extra = {});
Agent start_connect(const Host& host, const std::string& binary, const std::string& ticket, const std::string& listen,
                    const std::string& name = "connect", const Words& extra = {});

}  // namespace ginnel::lab
