#include "lab/matrix_command.hpp"

#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "lab/error.hpp"
#include "lab/matrix_report.hpp"
#include "lab/sandbox.hpp"

namespace ginnel::lab {
namespace {

void write_file(const std::string& path, const std::string& text) {
  if (path.empty()) return;
  std::ofstream file(path, std::ios::trunc);
  file << text;
  if (!file.flush()) throw LabError(path + " cannot be written: is its folder there, and yours?", Errc::permission);
}

void tell_progress(size_t done, size_t all) {
  static const bool terminal = ::isatty(STDERR_FILENO);
  if (terminal) std::fprintf(stderr, done == all ? "\r\033[K" : "\r%zu of %zu pairs", done, all);
}

int play(const MatrixOptions& options, const MatrixFiles& files) {
  for (const auto& path : {files.json, files.svg}) write_file(path, "");  // before minutes are spent
  const auto matrix = run_matrix(options, tell_progress);
  if (!matrix) throw LabError(matrix.error().text, matrix.error().code);
  std::printf("%s\n%s\n", matrix_table(*matrix).c_str(), matrix_summary(*matrix).c_str());
  for (size_t i = 0; i < matrix->cells.size(); ++i) {
    const size_t n = matrix->kinds.size();
    const std::string& problem = matrix->cells[i].problem;
    if (problem.empty()) continue;
    std::printf("  %s, %s: %s\n", matrix->kinds[i / n].c_str(), matrix->kinds[i % n].c_str(), problem.c_str());
  }
  write_file(files.json, matrix_json(*matrix));
  write_file(files.svg, matrix_svg(*matrix));
  return matrix->count([](const MatrixCell& cell) { return !cell.connected(); }) == 0 ? 0 : 1;
}

}  // namespace

Result<int> show_matrix(const MatrixOptions& options, const MatrixFiles& files) {
  std::string why;
  const int code = run_in_sandbox([&] { return play(options, files); }, &why);
  if (!why.empty()) return Error{Errc::permission, why};
  return code;
}

}  // namespace ginnel::lab
