#include "sim/population/model.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>

namespace ginnel::sim::population {
namespace {

/// The first sentence that is wrong ends it; read_model alone catches.
struct Wrong {
  std::string sentence;
};

template <typename T>
using Words = std::map<std::string, T, std::less<>>;

const Words<Mapping> mappings = {{"none", Mapping::none},
                                 {"endpoint-independent", Mapping::independent},
                                 {"endpoint-dependent", Mapping::dependent}};
const Words<nat::Depends> filters = {{"none", nat::Depends::on_nothing},
                                     {"endpoint-independent", nat::Depends::on_nothing},
                                     {"address-dependent", nat::Depends::on_address},
                                     {"address-and-port-dependent", nat::Depends::on_address_and_port}};
const Words<nat::PortChoice> port_choices = {{"preserve", nat::PortChoice::preserve_then_random},
                                             {"sequential", nat::PortChoice::sequential},
                                             {"random", nat::PortChoice::random},
                                             {"block", nat::PortChoice::block}};
const Words<TcpManner> tcp_manners = {{"open", TcpManner::open},
                                      {"silent", TcpManner::silent},
                                      {"reset", TcpManner::reset},
                                      {"symmetric", TcpManner::symmetric}};

/// One table of the file: its keys are asked for one after the other, and what nobody asked for is an error.
class Section {
 public:
  Section(std::string file, std::string title, const toml::table& table)
      : file_(std::move(file)), title_(std::move(title)), table_(table) {}

  [[noreturn]] void fail(const std::string& key, const std::string& sentence) const {
    const toml::node* node = table_.get(key);
    auto line = (node ? node->source() : table_.source()).begin.line;
    throw Wrong{file_ + ":" + std::to_string(line) + ": " + title_ + " " + key + ": " + sentence};
  }
  const toml::node* find(const std::string& key) {
    asked_.insert(key);
    return table_.get(key);
  }
  std::string text(const std::string& key) {
    const toml::node* node = find(key);
    if (!node || !node->is_string() || node->as_string()->get().empty()) fail(key, "This is a text in quotes.");
    return node->as_string()->get();
  }
  bool flag(const std::string& key, bool otherwise) {
    const toml::node* node = find(key);
    if (!node) return otherwise;
    if (!node->is_boolean()) fail(key, "This is true or false.");
    return node->as_boolean()->get();
  }
  double number(const std::string& key, double most, std::optional<double> otherwise = {}) {
    const toml::node* node = find(key);
    if (!node && otherwise) return *otherwise;
    if (!node) fail(key, "This must be given.");
    return good(key, *node, most);
  }
  Range range(const std::string& key, double most) {
    const toml::node* node = find(key);
    const toml::array* list = node ? node->as_array() : nullptr;
    if (!list || list->size() != 2) fail(key, "This is the least and the most, in brackets.");
    Range out{good(key, (*list)[0], most), good(key, (*list)[1], most)};
    if (out.low > out.high) fail(key, "The first is not to be more than the second.");
    return out;
  }
  template <typename T>
  T word(const std::string& key, const Words<T>& words, std::optional<T> otherwise = {}) {
    if (!find(key) && otherwise) return *otherwise;
    auto at = words.find(text(key));
    if (at != words.end()) return at->second;
    std::string all;
    for (auto& [name, value] : words) all += (all.empty() ? "" : ", ") + name;
    fail(key, "This is one of " + all + ".");
  }
  /// Names of keys.
  std::vector<std::string> names(const std::string& key) {
    std::vector<std::string> out;
    const toml::node* node = find(key);
    if (!node) return out;
    const toml::array* list = node->as_array();
    if (!list) fail(key, "This is a list of texts.");
    for (const toml::node& each : *list) {
      if (!each.is_string() || !asked_.contains(each.as_string()->get()))
        fail(key, "Each of the list is the name of another key of the class.");
      out.push_back(each.as_string()->get());
    }
    return out;
  }
  void end() const {
    for (auto&& [key, node] : table_) {
      std::string name(key.str());
      if (!asked_.contains(name)) fail(name, "Nobody knows what that is.");
    }
  }

 private:
  double good(const std::string& key, const toml::node& node, double most) const {
    auto value = node.value<double>();
    if (value && *value >= 0 && *value <= most) return *value;
    char limit[32];
    std::snprintf(limit, sizeof limit, "%g", most);
    fail(key, std::string("This is a number from 0 to ") + limit + ".");
  }

  std::string file_, title_;
  const toml::table& table_;
  std::set<std::string, std::less<>> asked_;
};

Class read_class(Section in) {
  Class c;
  c.name = in.text("name");
  c.share = in.number("share", 1);
  c.mapping = in.word("mapping", mappings);
  c.filtering = in.word("filtering", filters);
  if (c.natted()) c.ports = in.word("ports", port_choices);
  c.tcp = in.word("tcp", tcp_manners);
  if (c.natted() == (c.tcp == TcpManner::open)) in.fail("tcp", "It is open where there is no NAT, and only there.");
  c.udp = in.flag("udp", true);
  c.web_only = in.flag("web_only", false);
  c.port_mapping = in.number("port_mapping", 1, 0);
  c.ipv6 = in.number("ipv6", 1, 0);
  c.hairpin = in.number("hairpin", 1, 0);
  c.stranger_state = in.number("stranger_state", 1, 0);
  c.carrier = in.flag("carrier", false);
  c.mobile = in.flag("mobile", false);
  c.cross_traffic = in.number("cross_traffic", 10'000, 0);
  c.measured = in.names("measured");
  c.source = in.text("source");
  in.end();
  return c;
}

Variant read_variant(Section in) {
  Variant v;
  v.name = in.text("name");
  v.symmetric = in.number("symmetric", 4);
  v.port_mapping = in.number("port_mapping", 1);
  in.end();
  return v;
}

Network read_network(Section in) {
  constexpr double ms_max = 1'000;
  Network n;
  n.square = in.number("square", ms_max);
  n.fixed_line = in.range("fixed_line", ms_max);
  n.mobile_line = in.range("mobile_line", ms_max);
  n.fixed_jitter = in.number("fixed_jitter", ms_max);
  n.mobile_jitter = in.number("mobile_jitter", ms_max);
  n.fixed_loss = in.range("fixed_loss", 0.5);
  n.mobile_loss = in.range("mobile_loss", 0.5);
  n.broken_ipv6 = in.number("broken_ipv6", 1);
  n.answers_443 = in.number("answers_443", 1);
  in.end();
  return n;
}

template <typename Read>
auto read_list(const toml::table& all, const std::string& file, const std::string& key, Read read) {
  const toml::array* list = all[key].as_array();
  if (!list || list->empty()) throw Wrong{file + ": There is no [[" + key + "]]: one at least is needed."};
  std::vector<decltype(read(std::declval<Section>()))> out;
  std::set<std::string> names;
  for (const toml::node& each : *list) {
    if (!each.is_table()) throw Wrong{file + ": " + key + " is a list of tables, [[" + key + "]]."};
    std::string title = key + " " + std::to_string(out.size() + 1);
    out.push_back(read(Section(file, title, *each.as_table())));
    if (!names.insert(out.back().name).second)
      throw Wrong{file + ": There are two of [[" + key + "]] named \"" + out.back().name + "\"."};
  }
  return out;
}

Model read(const std::string& text, const std::string& file) {
  toml::table all = toml::parse(text);
  for (auto&& [key, node] : all)
    if (key != "class" && key != "variant" && key != "network")
      throw Wrong{file + ":" + std::to_string(node.source().begin.line) + ": " + std::string(key.str()) +
                  ": Nobody knows what that is."};
  Model model;
  model.classes = read_list(all, file, "class", read_class);
  model.variants = read_list(all, file, "variant", read_variant);
  const toml::table* network = all["network"].as_table();
  if (!network) throw Wrong{file + ": There is no [network]: it says how far everybody is."};
  model.network = read_network(Section(file, "network", *network));
  double sum = 0;
  for (const Class& c : model.classes) sum += c.share;
  if (std::abs(sum - 1) > 1e-9)
    throw Wrong{file + ": The shares of all classes make " + std::to_string(sum) + ": they must make 1."};
  return model;
}

}  // namespace

std::string_view Class::kind() const {
  if (!natted()) return "open";
  if (!udp) return "no-UDP";
  if (mapping == Mapping::independent) return "EIM";
  return ports == nat::PortChoice::sequential ? "EDM-sequential" : "EDM-random";
}

const Variant* Model::variant(std::string_view name) const {
  auto at = std::find_if(variants.begin(), variants.end(), [&](auto& v) { return v.name == name; });
  return at == variants.end() ? nullptr : &*at;
}

std::vector<double> Model::shares(const Variant& variant) const {
  std::vector<double> out;
  double sum = 0;
  for (const Class& c : classes)
    sum += out.emplace_back(c.share * (c.mapping == Mapping::dependent ? variant.symmetric : 1));
  for (double& share : out) share /= sum;
  return out;
}

Result<Model> read_model(const std::string& text, const std::string& name) {
  try {
    return read(text, name);
  } catch (const Wrong& wrong) {
    return Error{Errc::usage, wrong.sentence};
  } catch (const toml::parse_error& error) {
    return Error{Errc::usage, name + ":" + std::to_string(error.source().begin.line) + ": This is not TOML: " +
                                  std::string(error.description()) + "."};
  }
}

Result<Model> load_model(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Error{Errc::usage, path + ": This file cannot be read."};
  return read_model({std::istreambuf_iterator<char>(in), {}}, path);
}

}  // namespace ginnel::sim::population
