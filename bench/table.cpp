#include "bench/table.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>

namespace ginnel::bench {
namespace {

std::string fixed(double value, int digits) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string shown(const Samples& samples, const Row& row) {
  return samples.empty() ? "-" : fixed(median(samples), row.digits) + " " + row.unit;
}

/// "0.41 (0.33-0.45)"
std::string shown_ratio(const Row& row) {
  const Samples all = row.ratios();
  if (all.empty()) return "-";
  const auto [low, high] = std::minmax_element(all.begin(), all.end());
  return fixed(median(all), 2) + " (" + fixed(*low, 2) + "-" + fixed(*high, 2) + ")";
}

using Cells = std::array<std::string, 6>;

Cells cells_of(const Row& row) {
  return {row.name,
          shown(row.ginnel, row),
          shown(row.reference, row),
          shown_ratio(row),
          row.target.empty() ? "-" : row.target,
          std::to_string(row.ginnel.size())};
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out + '"';
}

std::string list(const Samples& samples) {
  std::string out;
  for (double sample : samples) out += (out.empty() ? "" : ", ") + fixed(sample, 4);
  return "[" + out + "]";
}

std::string object(const Row& row) {
  const Samples ratios = row.ratios();
  return "{\"name\": " + quoted(row.name) + ", \"unit\": " + quoted(row.unit) +
         ", \"ginnel\": " + fixed(median(row.ginnel), 4) +
         ", \"reference\": " + (row.reference.empty() ? "null" : fixed(median(row.reference), 4)) +
         ", \"ratio\": " + (ratios.empty() ? "null" : fixed(median(ratios), 4)) +
         ", \"target\": " + quoted(row.target) + ", \"n\": " + std::to_string(row.ginnel.size()) +
         ",\n     \"ginnel_samples\": " + list(row.ginnel) + ", \"reference_samples\": " + list(row.reference) + "}";
}

}  // namespace

double median(Samples samples) {
  if (samples.empty()) return 0;
  std::sort(samples.begin(), samples.end());
  const size_t half = samples.size() / 2;
  return samples.size() % 2 ? samples[half] : (samples[half - 1] + samples[half]) / 2;
}

Samples Row::ratios() const {
  Samples out;
  for (size_t i = 0; i < std::min(ginnel.size(), reference.size()); ++i) {
    if (reference[i] > 0) out.push_back(ginnel[i] / reference[i]);
  }
  return out;
}

void print(const Report& report) {
  std::vector<Cells> lines = {{"row", "ginnel", "reference", "ratio (min-max)", "target", "n"}};
  for (const Row& row : report.rows) lines.push_back(cells_of(row));
  std::array<size_t, 6> width{};
  for (const Cells& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) width[i] = std::max(width[i], line[i].size());
  }
  for (size_t n = 0; n < lines.size(); ++n) {
    for (size_t i = 0; i < width.size(); ++i) {
      std::printf("| %-*s ", static_cast<int>(width[i]), lines[n][i].c_str());
    }
    std::printf("|\n");
    if (n > 0) continue;
    for (size_t w : width) std::printf("|%s", std::string(w + 2, '-').c_str());
    std::printf("|\n");
  }
  std::printf("\n");
  std::string facts;
  for (const auto& [name, value] : report.facts) facts += (facts.empty() ? "" : "; ") + name + " " + value;
  std::printf("%s\n", facts.c_str());
  for (const auto& note : report.notes) std::printf("note: %s\n", note.c_str());
  std::fflush(stdout);
}

void write_json(const Report& report, const std::string& path) {
  std::ofstream out(path);
  out << "{\n  \"facts\": {";
  const char* separator = "";
  for (const auto& [name, value] : report.facts) {
    out << separator << quoted(name) << ": " << quoted(value);
    separator = ", ";
  }
  out << "},\n  \"rows\": [";
  separator = "\n    ";
  for (const Row& row : report.rows) {
    out << separator << object(row);
    separator = ",\n    ";
  }
  out << "\n  ],\n  \"notes\": [";
  separator = "";
  for (const auto& note : report.notes) {
    out << separator << quoted(note);
    separator = ", ";
  }
  out << "]\n}\n";
  if (!out.flush()) std::fprintf(stderr, "bench: cannot write %s\n", path.c_str());
}

}  // namespace ginnel::bench
