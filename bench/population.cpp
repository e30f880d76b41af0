// The population: pairs of peers drawn from the networks of sim/population/model.toml meet, and what came of them is
// counted. docs/population.md tells what the numbers mean. Every outcome follows from the seed; only the time that it
// took does not.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "bench/population_json.hpp"
#include "sim/population/crowd.hpp"
#include "sim/population/picture.hpp"
#include "sim/population/report.hpp"

using namespace ginnel;
using namespace ginnel::sim::population;

namespace {

struct Options {
  size_t pairs = 2'000;
  uint64_t seed = 1;
  std::vector<std::string> variants = {"base"}, levels = {"e"};
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  std::string model = GINNEL_POPULATION_MODEL;
  std::string json, svg;
  int64_t trace = -1;
};

/// One variant with one level.
struct Run {
  const Variant* variant;
  const Level* level;
  std::string name() const { return variant->name + " (" + std::string(level->letter) + ") " + std::string(level->text); }
};

std::vector<Run> runs_of(const Options& options, const Model& model) {
  std::vector<Run> out;
  for (const std::string& name : options.variants)
    for (const std::string& letter : options.levels) {
      auto level = std::find_if(levels.begin(), levels.end(), [&](auto& l) { return l.letter == letter; });
      if (!model.variant(name)) throw CLI::ValidationError("--variant", "The model has no variant \"" + name + "\".");
      if (level == levels.end()) throw CLI::ValidationError("--level", "There is no level \"" + letter + "\": a to e.");
      out.push_back({model.variant(name), &*level});
    }
  return out;
}

void write(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  if (!(out << text)) throw CLI::FileError(path + ": This file cannot be written.");
}

void print_trace(const Options& options, const Model& model, const Run& run) {
  PairDraw pair = draw_pair(model, *run.variant, options.seed, static_cast<uint64_t>(options.trace));
  std::string trace;
  Outcome outcome = meet(model, pair, run.level->with, &trace);
  std::cout << trace << model.classes[pair.dialler.kind].name << " dials " << model.classes[pair.acceptor.kind].name
            << ": " << technique_of(outcome) << "\n";
}

void run_all(const Options& options, const Model& model) {
  std::vector<Run> runs = runs_of(options, model);
  if (options.trace >= 0) return print_trace(options, model, runs.front());
  std::deque<Tally> tallies;
  std::vector<Bar> bars;
  std::string json;
  for (const Run& run : runs) {
    auto begin = std::chrono::steady_clock::now();
    Tally& tally = tallies.emplace_back(
        model, meet_all(model, *run.variant, {options.seed, options.pairs, options.threads, run.level->with}));
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::cout << report_counts(run.name(), tally) << report_costs(tally) << std::endl;
    std::fprintf(stderr, "%s: %zu pairs of seed %llu in %.1f s on %u threads\n", run.name().c_str(), options.pairs,
                 static_cast<unsigned long long>(options.seed), seconds, options.threads);
    bars.push_back({run.name(), &tally});
    json += to_json(run.variant->name, std::string(run.level->letter), options.seed, tally) + "\n";
  }
  if (!options.json.empty()) write(options.json, json);
  if (!options.svg.empty()) write(options.svg, picture(bars));
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Brings pairs of peers together that are drawn from a population of networks, in virtual time.");
  app.add_option("--pairs", options.pairs, "How many pairs")->check(CLI::Range(1, 10'000'000));
  app.add_option("--seed", options.seed, "What everything follows from");
  app.add_option("--variant", options.variants, "base, pessimistic or optimistic; may be repeated");
  app.add_option("--level", options.levels, "a to e: the techniques that may be used; may be repeated");
  app.add_option("--threads", options.threads, "How many; changes nothing but the time")->check(CLI::Range(1, 256));
  app.add_option("--model", options.model, "The file of the population");
  app.add_option("--json", options.json, "Write the numbers there, an object a line for each run");
  app.add_option("--svg", options.svg, "Draw them there; the curves are of the last run");
  app.add_option("--trace", options.trace, "Print what happens to the pair of that number, and nothing else");
  CLI11_PARSE(app, argc, argv);
  auto model = load_model(options.model);
  if (!model) {
    std::cerr << model.error().text << "\n";
    return static_cast<int>(model.error().code);
  }
  try {
    run_all(options, *model);
  } catch (const CLI::Error& error) {
    std::cerr << error.what() << "\n";
    return static_cast<int>(Errc::usage);
  }
  return 0;
}
