#include "cli/lab_commands.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "cli/conformance_command.hpp"
#include "lab/control.hpp"
#include "lab/demo.hpp"
#include "lab/error.hpp"
#include "lab/keeper.hpp"
#include "lab/matrix_command.hpp"
#include "lab/plan_file.hpp"
#include "lab/visit.hpp"

namespace ginnel::cli {

namespace {

using Words = std::vector<std::string>;
using Json = boost::json::object;

int fail(const Error& error) {
  std::fprintf(stderr, "ginnel: %s\n", error.text.c_str());
  return static_cast<int>(error.code);
}

int done(const std::optional<Error>& error) { return error ? fail(*error) : 0; }

void print(const Json& object) {
  std::printf("%s\n", boost::json::serialize(object).c_str());
  std::fflush(stdout);
}

void add_name(CLI::App* command, std::string& name) {
  command->add_option("--name", name, "Which lab, if there are several (default)")->type_name("NAME");
}

void add_plan_flags(CLI::App* command, lab::PlanFlags& flags) {
  command->add_option("--nat", flags.nats, "A NAT, maybe behind another; may be repeated")->type_name("NAME=KIND[@NAT]")->allow_extra_args(false);
  command->add_option("--host", flags.hosts, "A machine; may be repeated")->type_name("NAME[=ADDRESS][@NAT]")->allow_extra_args(false);
  command->add_option("--link", flags.links, "A node's line, such as home=delay=20ms,loss=1%; may be repeated")->type_name("NODE=SPEC")->allow_extra_args(false);
  command->add_option("--event", flags.events, "What happens when, such as \"2.5s cut home\"; may be repeated")->type_name("\"TIME EVENT\"")->allow_extra_args(false);
}

Json to_json(const lab::LabInfo& info) {
  boost::json::array nodes;
  for (const auto& node : info.nodes) {
    nodes.push_back(Json{{"name", node.name}, {"kind", node.kind}, {"address", node.address}, {"behind", node.behind}});
  }
  return {{"name", info.name}, {"pid", info.pid}, {"up_s", std::llround(info.up_seconds)}, {"nodes", nodes}};
}

std::string names_of(const lab::LabInfo& info) {
  std::string out;
  for (const auto& node : info.nodes) out += (out.empty() ? "" : ", ") + node.name;
  return out;
}

/// For the examples below it: a machine to be in, one to reach, and something to break.
struct Example {
  std::string machine, other, node;
};
Example example_of(const lab::LabInfo& info) {
  Example out;
  for (const auto& node : info.nodes) {
    std::string& place = node.kind != "host" ? out.node : node.behind.empty() ? out.other : out.machine;
    if (place.empty()) place = node.name;
  }
  std::string any = info.nodes.empty() ? "HOST" : info.nodes.front().name;
  for (auto* place : {&out.machine, &out.other, &out.node})
    if (place->empty()) *place = any;
  return out;
}

void tell_how_to_use(const lab::LabInfo& info) {
  const std::string name = info.name == lab::kDefaultLab ? "" : " --name " + info.name;
  const Example e = example_of(info);
  std::printf("ginnel: the lab \"%s\" is up: %s\n\n", info.name.c_str(), names_of(info).c_str());
  std::printf("  ginnel lab exec%s %s ping -c 3 %s\n", name.c_str(), e.machine.c_str(), e.other.c_str());
  std::printf("  ginnel lab shell%s %s\n", name.c_str(), e.machine.c_str());
  std::printf("  ginnel lab event%s cut %s\n", name.c_str(), e.node.c_str());
  std::printf("  ginnel lab down%s\n", name.c_str());
}

int bring_up(const lab::LabUp& options, const lab::PlanFlags& flags, bool json) {
  auto plan = lab::plan_of(flags);
  if (!plan) return fail(plan.error());
  if (auto error = lab::bring_up(options, *plan)) return fail(*error);
  auto info = lab::lab_info(options.name);
  if (!info) return fail(info.error());
  if (!json) return tell_how_to_use(*info), 0;
  Json ready{{"event", "ready"}, {"t_ms", std::llround(info->up_seconds * 1000)}};
  for (const auto& field : to_json(*info)) ready.insert(field);
  return print(ready), 0;
}

int list(bool json) {
  const auto names = lab::lab_names();
  if (names.empty() && !json) std::fprintf(stderr, "ginnel: No lab is up; `ginnel lab up` starts one.\n");
  for (const auto& name : names) {
    auto info = lab::lab_info(name);
    if (!info) continue;  // it ended meanwhile
    if (json) {
      print(to_json(*info));
      continue;
    }
    std::printf("%s  (up %.0f s)\n", name.c_str(), info->up_seconds);
    for (const auto& node : info->nodes) {
      std::printf("  %-16s %-24s %-18s%s%s\n", node.name.c_str(), node.kind.c_str(), node.address.c_str(),
                  node.behind.empty() ? "" : " behind ", node.behind.c_str());
    }
  }
  return 0;
}

int visit(const std::string& name, const std::string& host, const Words& argv) {
  auto code = lab::visit(name, host, argv);
  return code ? *code : fail(code.error());
}

/// "[HOST:] COMMAND...": the host is a word of its own that ends with a colon.
int run(const lab::PlanFlags& flags, Words words, bool verbose) {
  auto plan = lab::plan_of(flags);
  if (!plan) return fail(plan.error());
  if (plan->hosts.empty()) return fail({Errc::usage, "There is no host in this network to run a command in."});
  std::string host = plan->hosts.front().name;
  if (!words.empty() && words.front().size() > 1 && words.front().back() == ':') {
    host = words.front().substr(0, words.front().size() - 1);
    words.erase(words.begin());
    if (!plan->host(host) && !plan->nat(host)) return fail({Errc::usage, "There is no \"" + host + "\" in this network."});
  }
  if (words.empty()) return fail({Errc::usage, "Write the command behind --, as in: ginnel lab run two.toml -- alice: ping server"});
  auto code = lab::run_in_lab(lab::own_binary(), *plan, host, words, verbose);
  return code ? *code : fail(code.error());
}

int change(const std::string& name, const Words& words) {
  auto change = lab::parse_change(words);
  return change ? done(lab::change_lab(name, *change)) : fail(change.error());
}

int matrix(lab::MatrixOptions options, const std::string& command, double settle_s, const lab::MatrixFiles& files) {
  options.program = command.empty() ? Words{options.binary} : lab::words(command);
  options.settle = Duration(static_cast<int64_t>(settle_s * 1e9));
  auto code = lab::show_matrix(options, files);
  return code ? *code : fail(code.error());
}

/// What is set up throws, and this is the end of it.
std::function<int()> guarded(std::function<int()> command) {
  return [command = std::move(command)] {
    try {
      return command();
    } catch (const lab::LabError& error) {
      return fail({error.code, error.what()});
    }
  };
}

/// Everything that the options of all its commands are read into; the callbacks hold it.
struct State {
  lab::LabUp up;
  lab::PlanFlags plan;
  lab::DemoOptions demo;
  lab::MatrixOptions matrix;
  lab::MatrixFiles files;
  double settle_s = 4;
  std::string name = lab::kDefaultLab, host, command;
  Words words, cut_off;
  bool json = false, verbose = false;
};

class Commands {
 public:
  Commands(CLI::App& lab, const Words& cut_off, std::function<int()>& chosen) : lab_(lab), chosen_(chosen) {
    s_->cut_off = cut_off;
    s_->up.binary = s_->demo.binary = s_->matrix.binary = lab::own_binary();
  }

  void add_those_that_stay() {
    auto s = s_;
    auto* up = add("up", "Build a network, from a file or from flags, and leave it there",
                   [s] { return s->up.name = s->name, bring_up(s->up, s->plan, s->json); });
    up->add_option("file", s->plan.file, "What is where (lab/README.md); without one, two homes and a server")->type_name("FILE");
    add_plan_flags(up, s->plan);
    up->add_flag("--json", s->json, "One JSON object instead of text");
    auto* down = add("down", "End it", [s] { return done(lab::take_down(s->name)); });
    auto* list = add("list", "Which labs are up, and what is in them", [s] { return cli::list(s->json); });
    list->add_flag("--json", s->json, "One JSON object a line instead of text");
    auto* event = add("event", "Let something happen in it", [s] { return change(s->name, s->words); });
    event->add_option("what", s->words, std::string(lab::change_forms()))->type_name("EVENT...");
    for (auto* command : {up, down, event}) add_name(command, s->name);
  }

  void add_visits() {
    auto s = s_;
    auto* exec = add("exec", "Run a program in one of its machines", [s] {
      if (s->words.size() >= 2) return visit(s->name, s->words[0], {s->words.begin() + 1, s->words.end()});
      return fail({Errc::usage, "Write a host and a command, as in: ginnel lab exec alice ping server"});
    });
    exec->prefix_command();
    exec->footer("... HOST COMMAND...   Behind HOST everything belongs to the command.");
    auto* shell = add("shell", "A shell in one of its machines", [s] {
      const char* shell = std::getenv("SHELL");
      return visit(s->name, s->host, {shell ? shell : "/bin/sh"});
    });
    shell->add_option("host", s->host, "Which one")->required()->type_name("HOST");
    for (auto* command : {exec, shell}) add_name(command, s->name);
  }

  void add_those_that_end() {
    auto s = s_;
    auto* run = add("run", "Build a network, run one command in it while its script goes on, take it down",
                    [s] { return cli::run(s->plan, s->cut_off, s->verbose); });
    run->add_option("file", s->plan.file, "What is where (lab/README.md)")->type_name("FILE");
    add_plan_flags(run, s->plan);
    run->add_flag("-v,--verbose", s->verbose, "Tell of each event on stderr");
    run->footer("... -- [HOST:] COMMAND...   Behind -- everything belongs to the command. Without HOST: in the first host.");
    auto* demo = add("demo", "A download between two homes behind NATs: relayed at once, direct a moment later",
                     [s] { return lab::run_demo(s->demo); });
    demo->add_option("--size", s->demo.file_mib, "Size of the file in MiB (256)")->check(CLI::Range(1, 100'000));
    demo->add_flag("--json", s->demo.json, "Steps as JSON lines");
  }

  void add_matrix() {
    auto s = s_;
    auto* matrix = add("matrix", "Which kinds of NAT connect how: every pair of them, with the real program",
                       [s] { return cli::matrix(s->matrix, s->command, s->settle_s, s->files); });
    matrix->add_option("--kinds", s->matrix.kinds, "NATs (" + joined(s->matrix.kinds) + ")")->delimiter(',')->type_name("KIND,...");
    matrix->add_option("--line", s->matrix.line, "Each site's line (" + s->matrix.line + ")")->type_name("SPEC");
    matrix->add_option("--settle", s->settle_s, "Seconds that a relayed pair may still go direct (4)")->check(CLI::Range(0.0, 60.0));
    matrix->add_option("--parallel", s->matrix.parallel, "Pairs at a time (4)")->check(CLI::Range(1, 24));
    matrix->add_option("--json", s->files.json, "Write it as JSON, too")->type_name("FILE");
    matrix->add_option("--svg", s->files.svg, "Write it as a picture, too")->type_name("FILE");
    matrix->add_option("--command", s->command, "Another ginnel to run, with options if it wants some")->type_name("COMMAND");
  }

 private:
  CLI::App* add(const char* name, const char* text, std::function<int()> run) {
    auto* command = lab_.add_subcommand(name, text);
    command->callback([state = s_, command, &chosen = chosen_, run = guarded(std::move(run))] {
      if (command->get_prefix_command()) state->words = command->remaining();
      chosen = run;
    });
    return command;
  }
  static std::string joined(const Words& words) {
    std::string out;
    for (const auto& word : words) out += (out.empty() ? "" : ",") + word;
    return out;
  }

  CLI::App& lab_;
  std::function<int()>& chosen_;
  std::shared_ptr<State> s_ = std::make_shared<State>();
};

}  // namespace

Words cut_off_command(int& argc, char** argv) {
  if (argc < 3 || std::string(argv[1]) != "lab" || std::string(argv[2]) != "run") return {};
  char** end = argv + argc;
  char** dashes = std::find_if(argv + 3, end, [](const char* word) { return std::string(word) == "--"; });
  if (dashes == end) return {};
  argc = static_cast<int>(dashes - argv);
  return {dashes + 1, end};
}

void add_lab_commands(CLI::App& cli, const Words& cut_off, std::function<int()>& chosen) {
  auto* lab = cli.add_subcommand("lab", "A laboratory of NATs in network namespaces");
  lab->require_subcommand(1);
  Commands commands(*lab, cut_off, chosen);
  commands.add_those_that_end();
  commands.add_those_that_stay();
  commands.add_visits();
  commands.add_matrix();
  add_conformance_command(*lab, chosen);
}

}  // namespace ginnel::cli
