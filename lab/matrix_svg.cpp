// The picture of a matrix: a tile for each pair in the colour of its technique, the times in it, the rest in its
// tooltip, and a legend that counts. Tiles have colours of their own behind their words, and what stands beside them is
// of a grey that can be read on white and on black.
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lab/matrix_report.hpp"
#include "lab/narrator.hpp"

namespace ginnel::lab {
namespace {

constexpr int kMargin = 24, kGap = 4, kTileHeight = 54, kTop = 118, kLegendHeight = 30;
constexpr double kCharacter = 6.6;  ///< about the width of one, at 12 pixels

struct Paint {
  std::string tile, ink;
};

constexpr std::string_view kFailed = "not connected";

// Relayed is warm, direct is cool; what needs nobody's help is the greenest.
constexpr std::array<std::array<std::string_view, 3>, 13> kPaints{{
    {"public", "#2b8a66", "#ffffff"},
    {"lan", "#2f9e77", "#ffffff"},
    {"ipv6", "#3bb08f", "#ffffff"},
    {"port-forward", "#5aa83c", "#ffffff"},
    {"port-mapping", "#7cae2f", "#ffffff"},
    {"reversal", "#2a9db5", "#ffffff"},
    {"udp-punch", "#3f8fd2", "#ffffff"},
    {"tcp-punch", "#5b76d6", "#ffffff"},
    {"hairpin", "#7e6bd0", "#ffffff"},
    {"prediction", "#9a5fc4", "#ffffff"},
    {"birthday", "#b557ac", "#ffffff"},
    {"relay", "#f2c14e", "#4a3708"},
    {kFailed, "#d9534f", "#ffffff"},
}};

Paint paint_of(const std::string& technique) {
  for (const auto& [name, tile, ink] : kPaints) {
    if (name == technique) return {std::string(tile), std::string(ink)};
  }
  uint32_t hash = 2166136261u;  // a technique that is newer than this picture: always the same, whichever it is
  for (const char c : technique) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u;
  return {"hsl(" + std::to_string(170 + hash % 150) + ",45%,48%)", "#ffffff"};
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

std::string name_of(const MatrixCell& cell) { return cell.connected() ? cell.technique : std::string(kFailed); }
std::string whole(double value) { return Narrator::number(value, 0); }

std::string text_at(int x, int y, const std::string& style, const std::string& text, const std::string& ink = {}) {
  return "<text x=\"" + std::to_string(x) + "\" y=\"" + std::to_string(y) + "\" class=\"" + style + "\"" +
         (ink.empty() ? "" : " style=\"fill:" + ink + "\"") + ">" + escaped(text) + "</text>\n";
}

class Picture {
 public:
  explicit Picture(const Matrix& matrix) : matrix_(matrix) {
    size_t longest = 0;
    for (const auto& kind : matrix.kinds) longest = std::max(longest, kind.size());
    for (const auto& cell : matrix.cells) longest = std::max(longest, name_of(cell).size());
    tile_width_ = std::max(92, static_cast<int>(static_cast<double>(longest) * kCharacter) + 18);
    left_ = kMargin + tile_width_ + 10;
    const int n = static_cast<int>(matrix.kinds.size());
    width_ = std::max(left_ + n * (tile_width_ + kGap) - kGap + kMargin, 520);
    legend_top_ = kTop + n * (kTileHeight + kGap) + 14;
    lay_out_legend();
    height_ = legend_top_ + legend_rows_ * kLegendHeight + kMargin;
  }

  std::string draw() const {
    std::string out = head();
    for (size_t i = 0; i < matrix_.kinds.size(); ++i) out += labels(i);
    for (size_t row = 0; row < matrix_.kinds.size(); ++row)
      for (size_t column = 0; column < matrix_.kinds.size(); ++column) out += tile(row, column);
    return out + legend() + "</svg>\n";
  }

 private:
  struct Entry {
    std::string name;
    size_t count;
    int x, row;
  };

  std::string head() const {
    const std::string size = std::to_string(width_) + "\" height=\"" + std::to_string(height_);
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + size + "\" viewBox=\"0 0 " + std::to_string(width_) +
           " " + std::to_string(height_) + "\" role=\"img\">\n<title>Who connects how</title>\n" + R"(<style>
text { font-family: ui-sans-serif, system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #7d8590; }
.title { font-size: 20px; font-weight: 600; }
.note { font-size: 12px; }
.kind { font-size: 12px; font-weight: 600; }
.row { text-anchor: end; }
.column, .technique, .times { text-anchor: middle; }
.technique { font-size: 12px; font-weight: 600; }
.times { font-size: 11px; opacity: .88; }
</style>
)" + text_at(kMargin, 44, "title", "Who connects how") +
           text_at(kMargin, 66, "note",
                   "Rows: where `ginnel expose` runs. Columns: where `ginnel connect` runs. "
                   "First byte back → path direct, in ms.") +
           text_at(kMargin, 84, "note",
                   matrix_summary(matrix_) + (matrix_.line.empty() ? "" : " Lines: " + matrix_.line + "."));
  }

  int x_of(size_t column) const { return left_ + static_cast<int>(column) * (tile_width_ + kGap); }
  static int y_of(size_t row) { return kTop + static_cast<int>(row) * (kTileHeight + kGap); }

  std::string labels(size_t i) const {
    return text_at(x_of(i) + tile_width_ / 2, kTop - 10, "kind column", matrix_.kinds[i]) +
           text_at(left_ - 10, y_of(i) + kTileHeight / 2 + 4, "kind row", matrix_.kinds[i]);
  }

  std::string tile(size_t row, size_t column) const {
    const MatrixCell& cell = matrix_.cell(row, column);
    const Paint paint = paint_of(name_of(cell));
    const int x = x_of(column), y = y_of(row), middle = x + tile_width_ / 2;
    std::string out = "<g>\n<title>" + escaped(tooltip(row, column)) + "</title>\n<rect x=\"" + std::to_string(x) +
                      "\" y=\"" + std::to_string(y) + "\" width=\"" + std::to_string(tile_width_) + "\" height=\"" +
                      std::to_string(kTileHeight) + "\" rx=\"7\" fill=\"" + paint.tile + "\"/>\n";
    if (!cell.connected()) {
      return out + text_at(middle, y + kTileHeight / 2 + 4, "technique", "none", paint.ink) + "</g>\n";
    }
    const std::string times = whole(cell.echo_ms) + (cell.is_direct() ? " → " + whole(cell.direct_ms) : "");
    return out + text_at(middle, y + 24, "technique", cell.technique, paint.ink) +
           text_at(middle, y + 41, "times", times, paint.ink) + "</g>\n";
  }

  std::string tooltip(size_t row, size_t column) const {
    const MatrixCell& cell = matrix_.cell(row, column);
    std::string out = "expose behind " + matrix_.kinds[row] + ", connect behind " + matrix_.kinds[column] + ": ";
    if (!cell.connected()) return out + "not connected" + (cell.problem.empty() ? "" : " (" + cell.problem + ")");
    out += cell.technique + " over " + cell.transport + "; first byte back after " + whole(cell.echo_ms) + " ms";
    if (cell.is_direct()) out += ", direct after " + whole(cell.direct_ms) + " ms";
    if (cell.rtt_ms >= 0) out += ", round trip " + Narrator::number(cell.rtt_ms, 1) + " ms";
    return out;
  }

  /// Every technique that occurs, in the order of kPaints, unknown ones behind; as many in a line as there is room for.
  void lay_out_legend() {
    std::vector<std::string> names;
    for (const auto& paint : kPaints) names.emplace_back(paint[0]);
    for (const auto& cell : matrix_.cells) {
      if (std::find(names.begin(), names.end(), name_of(cell)) == names.end()) names.push_back(name_of(cell));
    }
    int x = kMargin;
    for (const auto& name : names) {
      const size_t count = matrix_.count([&](auto& cell) { return name_of(cell) == name; });
      if (count == 0) continue;
      const int width = 24 + static_cast<int>(static_cast<double>(name.size() + 5) * kCharacter) + 14;
      if (x > kMargin && x + width > width_ - kMargin) x = kMargin, ++legend_rows_;
      entries_.push_back({name, count, x, legend_rows_ - 1});
      x += width;
    }
  }

  std::string legend() const {
    std::string out;
    for (const auto& entry : entries_) {
      const int y = legend_top_ + entry.row * kLegendHeight;
      out += "<rect x=\"" + std::to_string(entry.x) + "\" y=\"" + std::to_string(y) +
             "\" width=\"16\" height=\"16\" rx=\"4\" fill=\"" + paint_of(entry.name).tile + "\"/>\n" +
             text_at(entry.x + 23, y + 12, "note", entry.name + "  " + std::to_string(entry.count));
    }
    return out;
  }

  const Matrix& matrix_;
  int tile_width_ = 0, left_ = 0, width_ = 0, height_ = 0, legend_top_ = 0, legend_rows_ = 1;
  std::vector<Entry> entries_;
};

}  // namespace

std::string matrix_svg(const Matrix& matrix) { return Picture(matrix).draw(); }

}  // namespace ginnel::lab
