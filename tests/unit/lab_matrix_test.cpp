// The matrix written down: a table, JSON and a picture, each compared with a file beside this one. GINNEL_GOLDEN=write
// makes the files anew; look at the difference before you believe it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "lab/matrix_report.hpp"

namespace ginnel::lab {
namespace {

Matrix example() {
  Matrix m{.kinds = {"none", "home", "ginnel:symmetric"}, .line = "delay=5ms", .seconds = 12.34};
  m.cells = {
      {"ipv6", "udp", 41.2, 61.9, 20.1, ""},
      {"udp-punch", "udp", 43, 64.4, 20.3, ""},
      {"reversal", "udp", 44, 66, 20.2, ""},
      {"udp-punch", "udp", 43, 70, 20.4, ""},
      {"udp-punch", "udp", 45.5, 68.25, 20.2, ""},
      {"relay", "udp", 47, -1, 40.6, ""},
      {"tcp-punch", "tcp", 47, 210, 20.9, ""},
      {"quantum-tunnel", "udp", 48, 99, 3.1, ""},
      {"", "", -1, -1, -1, "connect ended: The server at <203.0.113.10> & its \"port\" did not answer."},
  };
  return m;
}

std::string path_of(const char* name) { return std::string(GINNEL_SOURCE_DIR) + "/tests/unit/golden/" + name; }

std::string golden(const char* name, const std::string& now) {
  const char* wish = std::getenv("GINNEL_GOLDEN");
  if (wish && std::string_view(wish) == "write") std::ofstream(path_of(name), std::ios::binary) << now;
  std::ifstream file(path_of(name), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(LabMatrix, Table) {
  const std::string now = matrix_table(example());
  EXPECT_EQ(now, golden("matrix.txt", now));
}

TEST(LabMatrix, Json) {
  const std::string now = matrix_json(example());
  EXPECT_EQ(now, golden("matrix.json", now));
}

TEST(LabMatrix, Picture) {
  const std::string now = matrix_svg(example());
  EXPECT_EQ(now, golden("matrix.svg", now));
}

TEST(LabMatrix, PictureSurvivesAnyText) {
  Matrix m{.kinds = {"<kind>"}, .line = "&"};
  m.cells = {{"<script>", "udp", 1, 2, 3, ""}};
  const std::string svg = matrix_svg(m);
  EXPECT_EQ(svg.find("<script>"), std::string::npos);
  EXPECT_EQ(svg.find("<kind>"), std::string::npos);
}

TEST(LabMatrix, Summary) {
  EXPECT_EQ(matrix_summary(example()),
            "9 pairs: 7 direct (3 udp-punch, 1 ipv6, 1 quantum-tunnel, 1 reversal, 1 tcp-punch), 1 relayed, 1 not "
            "connected; 12 s.");
  Matrix one{.kinds = {"home"}, .cells = {{"relay", "tcp", 10, -1, 5, ""}}, .seconds = 1};
  EXPECT_EQ(matrix_summary(one), "1 pair: 0 direct, 1 relayed, 0 not connected; 1 s.");
}

TEST(LabMatrix, WhatACellIs) {
  EXPECT_TRUE((MatrixCell{"udp-punch", "udp", 1, 2, 3, ""}).is_direct());
  EXPECT_FALSE((MatrixCell{"relay", "udp", 1, -1, 3, ""}).is_direct());
  EXPECT_FALSE((MatrixCell{"udp-punch", "udp", -1, 2, 3, ""}).is_direct()) << "a path that carried no byte";
}

}  // namespace
}  // namespace ginnel::lab
