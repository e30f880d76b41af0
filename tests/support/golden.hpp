// Files that hold what a test expects, kept in the repository. Knows how to compare and, told so by GINNEL_UPDATE=1,
// how to write them anew; refuses to do that unasked. No RFC.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace ginnel::test {

inline std::string source_file(const std::string& path) {
  std::ifstream in(std::string(GINNEL_SOURCE_DIR) + "/" + path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The file of the repository holds exactly `text`; if not, the first line that differs is told.
inline void expect_same_text(const std::string& path, const std::string& text) {
  if (std::getenv("GINNEL_UPDATE")) {
    std::ofstream(std::string(GINNEL_SOURCE_DIR) + "/" + path, std::ios::binary) << text;
    return;
  }
  std::string kept = source_file(path);
  if (kept == text) return;
  std::istringstream had(kept), has(text);
  std::string was, is;
  size_t line = 0;
  do {
    ++line;
    was.clear(), is.clear();
    std::getline(had, was), std::getline(has, is);
  } while (was == is && (had || has));
  ADD_FAILURE() << path << ":" << line << " says\n  " << was << "\nand now it is\n  " << is
                << "\nIf that is right: GINNEL_UPDATE=1 and this test write it anew.";
}

}  // namespace ginnel::test
