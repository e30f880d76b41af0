#include "lab/plan_file.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

namespace ginnel::lab {
namespace {

/// The first sentence that is wrong ends it; the two functions of the header alone catch.
struct Wrong {
  std::string sentence;
};

constexpr const char* kUsual = R"(
[nat.home-a]
[nat.home-b]
[host.server]
[host.alice]
behind = "home-a"
[host.bob]
behind = "home-b"
)";

/// One table of the file: its keys are asked for one after the other, and what nobody asked for is an error.
class Section {
 public:
  Section(const std::string& file, std::string title, const toml::table& table)
      : file_(file), title_(std::move(title)), table_(table) {}

  /// "lab.toml:12"
  std::string where() const { return at(table_); }

  [[noreturn]] void fail(const std::string& key, const std::string& sentence) const {
    const toml::node* node = table_.get(key);
    throw Wrong{at(node ? *node : static_cast<const toml::node&>(table_)) + ": " + title_ + " " + key + ": " +
                sentence};
  }

  std::string text(const std::string& key) {
    const toml::node* node = find(key);
    if (!node) return {};
    if (const auto* value = node->as_string()) return value->get();
    fail(key, "This is a text in quotes.");
  }
  bool flag(const std::string& key, bool otherwise) {
    const toml::node* node = find(key);
    if (!node) return otherwise;
    if (const auto* value = node->as_boolean()) return value->get();
    fail(key, "This is true or false.");
  }
  /// A text, or a list of them.
  std::vector<std::string> texts(const std::string& key) {
    const toml::node* node = find(key);
    if (!node) return {};
    if (const auto* value = node->as_string()) return {value->get()};
    std::vector<std::string> out;
    if (const toml::array* list = node->as_array()) {
      for (const toml::node& each : *list) {
        if (!each.is_string()) fail(key, "Each of the list is a text in quotes.");
        out.push_back(each.as_string()->get());
      }
    }
    if (out.empty()) fail(key, "This is a text in quotes, or a list of them.");
    return out;
  }
  Link link() {
    Link out;
    out.up = out.down = spec("link");
    if (table_.contains("link_up")) out.up = spec("link_up");
    if (table_.contains("link_down")) out.down = spec("link_down");
    return out;
  }
  template <typename T>
  T good(const std::string& key, const Result<T>& result) const {
    if (!result) fail(key, result.error().text);
    return *result;
  }
  void done() const {
    for (const auto& [key, value] : table_) {
      const std::string name(key.str());
      if (!asked_.contains(name)) fail(name, "There is no such key; there is " + known() + ".");
    }
  }

 private:
  std::string at(const toml::node& node) const { return file_ + ":" + std::to_string(node.source().begin.line); }
  const toml::node* find(const std::string& key) {
    asked_.insert(key);
    return table_.get(key);
  }
  link::Spec spec(const std::string& key) { return good(key, link::parse_spec(text(key))); }
  std::string known() const {
    std::string out;
    for (const auto& key : asked_) out += (out.empty() ? "" : ", ") + key;
    return out;
  }

  const std::string& file_;
  std::string title_;
  const toml::table& table_;
  std::set<std::string> asked_;
};

class PlanReader {
 public:
  PlanReader(std::string file, const toml::table& root) : file_(std::move(file)), root_(root) {}

  Plan read() {
    for (const auto& [key, value] : root_) {
      const std::string name(key.str());
      if (name == "host" || name == "nat") {
        read_nodes(name, value);
      } else if (name == "event") {
        read_events(value);
      } else if (name == "seed") {
        read_seed(value);
      } else {
        fail(value, name + ": There is no such key; there is host, nat, event and seed.");
      }
    }
    return std::move(plan_);
  }

 private:
  [[noreturn]] void fail(const toml::node& node, const std::string& sentence) const {
    throw Wrong{file_ + ":" + std::to_string(node.source().begin.line) + ": " + sentence};
  }

  /// In the order in which they stand in the file: addresses are given in it.
  void read_nodes(const std::string& what, const toml::node& value) {
    const toml::table* nodes = value.as_table();
    if (!nodes) fail(value, what + ": Write [" + what + ".NAME] and its keys below.");
    std::vector<std::pair<std::string, const toml::node*>> sorted;
    for (const auto& [key, node] : *nodes) sorted.emplace_back(key.str(), &node);
    std::sort(sorted.begin(), sorted.end(),
              [](auto& a, auto& b) { return a.second->source().begin.line < b.second->source().begin.line; });
    for (const auto& [name, node] : sorted) {
      if (!node->is_table()) fail(*node, what + "." + name + ": Write [" + what + ".NAME] and its keys below.");
      Section section(file_, "[" + what + "." + name + "]", *node->as_table());
      what == "nat" ? read_nat(name, section) : read_host(name, section);
      section.done();
    }
  }

  void read_host(const std::string& name, Section& section) {
    HostPlan host{.name = name, .where = section.where()};
    host.behind = section.text("behind");
    host.addresses = section.texts("address");
    host.ipv6 = section.flag("ipv6", false);
    host.link = section.link();
    plan_.hosts.push_back(std::move(host));
  }

  void read_nat(const std::string& name, Section& section) {
    NatPlan nat{.name = name, .where = section.where()};
    const std::string kind = section.text("kind"), ipv6 = section.text("ipv6");
    nat.kind = section.good("kind", parse_nat_kind(kind.empty() ? "home" : kind));
    if (!ipv6.empty()) nat.kind.ipv6 = section.good("ipv6", parse_ipv6(ipv6));
    nat.behind = section.text("behind");
    nat.address = section.text("address");
    nat.inside = section.text("inside");
    nat.ipv4 = section.flag("ipv4", true);
    nat.link = section.link();
    plan_.nats.push_back(std::move(nat));
  }

  void read_events(const toml::node& value) {
    const toml::array* list = value.as_array();
    if (!list) fail(value, "event: Write [[event]] and its keys below.");
    for (const toml::node& each : *list) {
      if (!each.is_table()) fail(each, "event: Write [[event]] and its keys below.");
      Section section(file_, "[[event]]", *each.as_table());
      const std::string at = section.text("at"), what = section.text("do");
      plan_.changes.push_back(
          {section.good("at", parse_moment(at)), section.good("do", parse_change(what)), section.where()});
      section.done();
    }
  }

  void read_seed(const toml::node& value) {
    const auto* seed = value.as_integer();
    if (!seed || seed->get() < 0) fail(value, "seed: This is a number from 0 up.");
    plan_.seed = static_cast<uint64_t>(seed->get());
  }

  std::string file_;
  const toml::table& root_;
  Plan plan_;
};

Plan read(const std::string& text, const std::string& name) {
  try {
    return PlanReader(name, toml::parse(text)).read();
  } catch (const toml::parse_error& error) {
    throw Wrong{name + ":" + std::to_string(error.source().begin.line) + ": " + std::string(error.description()) + "."};
  }
}

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw Wrong{path + " cannot be read: is it there, and yours?"};
  return {std::istreambuf_iterator<char>(file), {}};
}

template <typename T>
T good(const std::string& flag, const Result<T>& result) {
  if (!result) throw Wrong{flag + ": " + result.error().text};
  return *result;
}

/// "a=b@c" -> a, b, c; what is missing is empty.
struct Parts {
  std::string name, value, behind;
};
Parts parts_of(std::string text) {
  Parts out;
  if (const size_t at = text.rfind('@'); at != std::string::npos) {
    out.behind = text.substr(at + 1);
    text.resize(at);
  }
  const size_t equals = text.find('=');
  out.name = text.substr(0, equals);
  if (equals != std::string::npos) out.value = text.substr(equals + 1);
  return out;
}

void add_link(Plan& plan, const std::string& flag) {
  const size_t equals = flag.find('=');
  const std::string name = flag.substr(0, equals);
  const auto spec =
      good("--link " + flag, link::parse_spec(equals == std::string::npos ? "" : flag.substr(equals + 1)));
  for (auto& nat : plan.nats) {
    if (nat.name == name) return void(nat.link = {spec, spec});
  }
  for (auto& host : plan.hosts) {
    if (host.name == name) return void(host.link = {spec, spec});
  }
  throw Wrong{"--link " + flag + ": There is no node \"" + name + "\"."};
}

void add_event(Plan& plan, const std::string& flag) {
  const size_t space = flag.find(' ');
  if (space == std::string::npos)
    throw Wrong{"--event " + flag + ": Write a time and an event, such as \"2s cut home\"."};
  const std::string name = "--event";
  plan.changes.push_back(
      {good(name, parse_moment(flag.substr(0, space))), good(name, parse_change(flag.substr(space + 1))), name});
}

Plan read(const PlanFlags& flags) {
  if (flags.nats.empty() && flags.hosts.empty() && flags.file.empty()) {
    Plan plan = read(kUsual, "the usual lab");
    for (const auto& link : flags.links) add_link(plan, link);
    for (const auto& event : flags.events) add_event(plan, event);
    return plan;
  }
  Plan plan = flags.file.empty() ? Plan{} : read(content_of(flags.file), flags.file);
  for (const auto& flag : flags.nats) {
    const Parts parts = parts_of(flag);
    NatPlan nat{.name = parts.name, .where = "--nat " + flag, .behind = parts.behind};
    nat.kind = good(nat.where, parse_nat_kind(parts.value.empty() ? "home" : parts.value));
    plan.nats.push_back(std::move(nat));
  }
  for (const auto& flag : flags.hosts) {
    const Parts parts = parts_of(flag);
    HostPlan host{.name = parts.name, .where = "--host " + flag, .behind = parts.behind};
    if (!parts.value.empty()) host.addresses.push_back(parts.value);
    plan.hosts.push_back(std::move(host));
  }
  for (const auto& link : flags.links) add_link(plan, link);
  for (const auto& event : flags.events) add_event(plan, event);
  return plan;
}

template <typename Read>
Result<Plan> completed(Read read) {
  try {
    return complete_plan(read());
  } catch (const Wrong& wrong) {
    return Error{Errc::usage, wrong.sentence};
  }
}

}  // namespace

Result<Plan> parse_plan(const std::string& text, const std::string& name) {
  return completed([&] { return read(text, name); });
}

Result<Plan> plan_of(const PlanFlags& flags) {
  return completed([&] { return read(flags); });
}

}  // namespace ginnel::lab
