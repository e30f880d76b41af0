#include "lab/agent.hpp"

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "lab/error.hpp"
#include "lab/sandbox.hpp"

namespace ginnel::lab {
namespace {

std::string log_file(const std::string& name) { return scratch() + "/" + name + ".log"; }

Command command_of(Words program, const std::string& name, const Words& arguments) {
  program.insert(program.end(), arguments.begin(), arguments.end());
  for (const auto& word : {std::string("--json"), std::string("--state"), Agent::state_directory(name)}) {
    program.push_back(word);
  }
  return {.argv = std::move(program), .err = Stream::to_file(log_file(name))};
}

Words with(Words words, const Words& extra) {
  words.insert(words.end(), extra.begin(), extra.end());
  return words;
}

}  // namespace

std::string Event::text(std::string_view key) const {
  const std::string quoted = '"' + std::string(key) + '"';
  size_t at = line.find(quoted);
  if (at == std::string::npos) return {};
  at = line.find_first_not_of(" :", at + quoted.size());
  if (at == std::string::npos) return {};
  if (line[at] != '"') return line.substr(at, line.find_first_of(",} ", at) - at);
  std::string out;
  for (++at; at < line.size() && line[at] != '"'; ++at) {
    if (line[at] == '\\' && at + 1 < line.size()) ++at;
    out += line[at];
  }
  return out;
}

double Event::number(std::string_view key) const { return std::strtod(text(key).c_str(), nullptr); }

std::string Agent::state_directory(const std::string& name) { return scratch() + "/state-" + name; }

Agent::Agent(const Host& host, const Words& program, std::string name, const Words& arguments)
    : name_(std::move(name)) {
  ::mkdir(state_directory(name_).c_str(), 0700);
  process_ = host.start(command_of(program, name_, arguments));
}

void Agent::pump() {
  while (auto line = process_.next_line()) events_.push_back({now(), std::move(*line)});
}

const Event* Agent::wait_for(const Match& match, Time deadline, size_t from) {
  while (true) {
    pump();
    for (; from < events_.size(); ++from) {
      if (match(events_[from])) return &events_[from];
    }
    if (now() >= deadline || process_.ended()) return nullptr;
    wait_for_output({this}, deadline);
  }
}

const Event* Agent::wait_path(std::string_view technique, Time deadline, size_t from) {
  return wait_for([&](const Event& e) { return e.is("path") && e.text("technique") == technique; }, deadline, from);
}

const Event* Agent::wait_direct(Time deadline, size_t from) {
  return wait_for([](const Event& e) { return e.is_direct(); }, deadline, from);
}

const Event& Agent::ready(Duration patience) {
  if (const Event* e = wait_for([](const Event& event) { return event.is("ready"); }, in(patience))) return *e;
  const auto code = process_.wait(in(50ms));
  throw LabError(name_ +
                 (code ? " ended with exit code " + std::to_string(*code)
                       : " did not get ready within " + std::to_string(to_ms(patience) / 1000) + " s") +
                 (said().empty() ? " and said nothing" : "; it said: " + said()));
}

const Event* Agent::last_path() const {
  for (auto e = events_.rbegin(); e != events_.rend(); ++e) {
    if (e->is("path")) return &*e;
  }
  return nullptr;
}

std::string Agent::said() const {
  std::ifstream log(log_file(name_));
  return {std::istreambuf_iterator<char>(log), {}};
}

void wait_for_output(std::initializer_list<Agent*> agents, Time deadline) {
  std::vector<pollfd> fds;
  for (Agent* agent : agents) {
    if (!agent->process().ended()) fds.push_back({agent->process().out_fd(), POLLIN, 0});
  }
  ::poll(fds.data(), fds.size(), poll_ms(deadline));
}

Agent start_server(const Host& host, const std::string& binary, const std::string& name, const Words& extra) {
  return Agent(host, binary, name, with({"server", "--listen", host.address + ":3478"}, extra));
}

Agent start_expose(const Host& host, const std::string& binary, const std::string& target,
                   const std::string& server_url, const std::string& name, const Words& extra) {
  return Agent(host, binary, name, with({"expose", target, "--server", server_url}, extra));
}

Agent start_connect(const Host& host, const std::string& binary, const std::string& ticket, const std::string& listen,
                    const std::string& name, const Words& extra) {
  return Agent(host, binary, name, with({"connect", ticket, "--listen", listen}, extra));
}

}  // namespace ginnel::lab
