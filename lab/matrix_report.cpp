#include "lab/matrix_report.hpp"

#include <algorithm>
#include <cstdio>
#include <map>

#include "lab/narrator.hpp"

namespace ginnel::lab {
namespace {

std::string padded(const std::string& text, size_t width) {
  return text.size() < width ? text + std::string(width - text.size(), ' ') : text;
}

std::string number(double value) { return Narrator::number(value, 0); }

std::string upper_line(const MatrixCell& cell) { return cell.connected() ? cell.technique : "-"; }

std::string lower_line(const MatrixCell& cell) {
  if (!cell.connected()) return "";
  return number(cell.echo_ms) + (cell.is_direct() ? " > " + number(cell.direct_ms) : "") + " ms";
}

std::string without_end_spaces(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string json_number(double value) { return value < 0 ? "null" : Narrator::number(value, 1); }

}  // namespace

std::string matrix_table(const Matrix& matrix) {
  const size_t n = matrix.kinds.size();
  const std::string corner = "expose \\ connect";
  size_t first = corner.size();
  for (const auto& kind : matrix.kinds) first = std::max(first, kind.size());
  std::vector<size_t> widths;
  for (size_t column = 0; column < n; ++column) {
    size_t width = matrix.kinds[column].size();
    for (size_t row = 0; row < n; ++row) {
      const MatrixCell& cell = matrix.cell(row, column);
      width = std::max({width, upper_line(cell).size(), lower_line(cell).size()});
    }
    widths.push_back(width);
  }
  std::string line = padded(corner, first);
  for (size_t column = 0; column < n; ++column) line += "  " + padded(matrix.kinds[column], widths[column]);
  std::string out = without_end_spaces(line);
  for (size_t row = 0; row < n; ++row) {
    std::string upper = padded(matrix.kinds[row], first), lower = padded("", first);
    for (size_t column = 0; column < n; ++column) {
      const MatrixCell& cell = matrix.cell(row, column);
      upper += "  " + padded(upper_line(cell), widths[column]);
      lower += "  " + padded(lower_line(cell), widths[column]);
    }
    out += without_end_spaces(upper) + without_end_spaces(lower);
  }
  return out;
}

std::string matrix_summary(const Matrix& matrix) {
  std::map<std::string, size_t> direct;
  for (const auto& cell : matrix.cells) {
    if (cell.is_direct()) ++direct[cell.technique];
  }
  std::vector<std::pair<std::string, size_t>> sorted(direct.begin(), direct.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](auto& a, auto& b) { return a.second > b.second; });
  std::string techniques;
  size_t all_direct = 0;
  for (const auto& [technique, count] : sorted) {
    techniques += (techniques.empty() ? "" : ", ") + std::to_string(count) + " " + technique;
    all_direct += count;
  }
  const size_t connected = matrix.count([](auto& cell) { return cell.connected(); });
  return std::to_string(matrix.cells.size()) + (matrix.cells.size() == 1 ? " pair: " : " pairs: ") +
         std::to_string(all_direct) + " direct" + (techniques.empty() ? "" : " (" + techniques + ")") + ", " +
         std::to_string(connected - all_direct) + " relayed, " + std::to_string(matrix.cells.size() - connected) +
         " not connected; " + number(matrix.seconds) + " s.";
}

std::string matrix_json(const Matrix& matrix) {
  std::string kinds, cells;
  for (const auto& kind : matrix.kinds) kinds += (kinds.empty() ? "" : ",") + Narrator::quoted(kind);
  for (size_t i = 0; i < matrix.cells.size(); ++i) {
    const MatrixCell& cell = matrix.cells[i];
    const auto& expose = matrix.kinds[i / matrix.kinds.size()];
    const auto& connect = matrix.kinds[i % matrix.kinds.size()];
    cells += (i == 0 ? "" : ",") + std::string("\n  {\"expose\":") + Narrator::quoted(expose) +
             ",\"connect\":" + Narrator::quoted(connect) + ",\"connected\":" + (cell.connected() ? "true" : "false") +
             ",\"technique\":" + Narrator::quoted(cell.technique) +
             ",\"transport\":" + Narrator::quoted(cell.transport) + ",\"echo_ms\":" + json_number(cell.echo_ms) +
             ",\"direct_ms\":" + json_number(cell.direct_ms) + ",\"rtt_ms\":" + json_number(cell.rtt_ms) +
             (cell.problem.empty() ? "" : ",\"problem\":" + Narrator::quoted(cell.problem)) + "}";
  }
  return "{\"kinds\":[" + kinds + "],\"line\":" + Narrator::quoted(matrix.line) +
         ",\"seconds\":" + Narrator::number(matrix.seconds, 1) + ",\"cells\":[" + cells + "\n]}\n";
}

}  // namespace ginnel::lab
