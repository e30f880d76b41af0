// The population: pairs of peers drawn from the networks of sim/population/model.toml meet, and what came of them is
// counted. docs/population.md tells what the numbers mean. Every outcome follows from the seed; only the time that it
// took does not.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "sim/population/crowd.hpp"
#include "sim/population/report.hpp"

using namespace ginnel;
using namespace ginnel::sim::population;

namespace {

/// What nat.md of the facts calls levels: each adds a technique to those before it.
struct Level {
  const char* letter;
  const char* text;
  Techniques with;
};
const std::vector<Level> levels = {
    {"a", "UDP punching and reversal", {false, false, false, false}},
    {"b", "and TCP", {true, false, false, false}},
    {"c", "and port mapping", {true, true, false, false}},
    {"d", "and searches", {true, true, true, false}},
    {"e", "and IPv6", {true, true, true, true}},
};

struct Options {
  size_t pairs = 2'000;
  uint64_t seed = 1;
  std::vector<std::string> variants = {"base"}, levels = {"e"};
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  std::string model = GINNEL_POPULATION_MODEL;
  long long trace = -1;
};

void run(const Options& options, const Model& model, const Variant& variant, const Level& level) {
  auto begin = std::chrono::steady_clock::now();
  auto outcomes = meet_all(model, variant, {options.seed, options.pairs, options.threads, level.with});
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  Tally tally(model, outcomes);
  std::string title = variant.name + " (" + level.letter + ") " + level.text + ", " + std::to_string(options.pairs) +
                      " pairs, seed " + std::to_string(options.seed);
  std::cout << report(title, tally) << std::flush;
  std::fprintf(stderr, "%.1f s\n", seconds);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Brings pairs of peers together that are drawn from a population of networks, in virtual time.");
  app.add_option("--pairs", options.pairs, "How many");
  app.add_option("--seed", options.seed, "What everything follows from");
  app.add_option("--variant", options.variants, "Of the model; may be repeated");
  app.add_option("--level", options.levels, "a to e: which techniques may be used; may be repeated");
  app.add_option("--threads", options.threads, "How many");
  app.add_option("--model", options.model, "The file of the population");
  app.add_option("--trace", options.trace, "Print what happens to that pair instead");
  CLI11_PARSE(app, argc, argv);
  auto model = load_model(options.model);
  if (!model) {
    std::cerr << model.error().text << "\n";
    return 2;
  }
  for (const std::string& name : options.variants)
    for (const Level& level : levels)
      for (const std::string& wanted : options.levels) {
        const Variant* variant = model->variant(name);
        if (!variant || wanted != level.letter) continue;
        if (options.trace < 0) {
          run(options, *model, *variant, level);
          continue;
        }
        PairDraw pair = draw_pair(*model, *variant, options.seed, static_cast<uint64_t>(options.trace));
        std::string trace;
        Outcome o = meet(*model, pair, level.with, &trace);
        std::cout << model->classes[pair.dialler.kind].name << " x " << model->classes[pair.acceptor.kind].name << "\n" << trace;
      }
}
