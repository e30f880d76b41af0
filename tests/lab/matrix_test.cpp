// `ginnel lab matrix` on a few kinds: what it prints, what it writes, and how it ends.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <vector>

#include "lab/agent.hpp"
#include "lab/error.hpp"

namespace ginnel::lab {
namespace {

namespace fs = std::filesystem;

class LabMatrixCommand : public testing::Test {
 protected:
  LabMatrixCommand() {
    std::string pattern = (fs::temp_directory_path() / "ginnel-matrix-test-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw_errno("mkdtemp");
    directory_ = pattern;
  }
  ~LabMatrixCommand() override { fs::remove_all(directory_); }

  int matrix(const std::string& arguments) {
    Process process = spawn({.argv = words(std::string(GINNEL_BINARY) + " lab matrix " + arguments),
                             .directory = directory_.string(),
                             .out = {Stream::pipe},
                             .err = {Stream::pipe}});
    out_ = process.read_all(in(100s));
    errors_ = process.read_errors(in(1s));
    return process.wait(in(1s)).value_or(-1);
  }
  bool skipped(int code) const { return code == static_cast<int>(Errc::permission) && out_.empty(); }
  std::string file(const char* name) const {
    std::ifstream in(directory_ / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  bool printed(const std::string& what) const { return out_.find(what) != std::string::npos; }

  fs::path directory_;
  std::string out_, errors_;
};

TEST_F(LabMatrixCommand, EveryPairConnects) {
  const int code = matrix("--kinds home,symmetric,double,ginnel:restricted --settle 3 --json m.json --svg m.svg");
  if (skipped(code)) GTEST_SKIP() << errors_;
  ASSERT_EQ(code, 0) << out_ << errors_;
  for (const char* technique : {"udp-punch", "birthday", "relay"}) EXPECT_TRUE(printed(technique)) << out_;
  EXPECT_TRUE(printed("16 pairs: ")) << out_;
  EXPECT_TRUE(printed("0 not connected")) << out_;
  const std::string json = file("m.json");
  EXPECT_NE(json.find("{\"expose\":\"home\",\"connect\":\"double\",\"connected\":true,\"technique\":\"udp-punch\""),
            std::string::npos)
      << json;
  EXPECT_NE(
      json.find(
          "{\"expose\":\"ginnel:restricted\",\"connect\":\"home\",\"connected\":true,\"technique\":\"udp-punch\""),
      std::string::npos)
      << json;
  EXPECT_NE(json.find("{\"expose\":\"symmetric\",\"connect\":\"symmetric\",\"connected\":true,\"technique\":\"relay\""),
            std::string::npos)
      << json;
  EXPECT_NE(file("m.svg").find("<svg"), std::string::npos);
}

/// The simulator's cells, by "row column": row dials, column exposes.
std::map<std::string, std::string> simulated() {
  std::map<std::string, std::string> out;
  std::ifstream in(std::string(GINNEL_SOURCE_DIR) + "/tests/golden/matrix.txt");
  std::vector<std::string> columns;
  for (std::string line, word; std::getline(in, line) && !(line.empty() && !columns.empty());) {
    if (line.starts_with("#")) continue;
    std::istringstream row(line);
    std::vector<std::string> read;
    while (row >> word) read.push_back(word);
    if (columns.empty())
      columns = read;
    else
      for (size_t i = 1; i < read.size(); ++i) out[read[0] + " " + columns.at(i - 1)] = read[i];
  }
  return out;
}

/// The lab's kinds, and what the simulator calls the like.
const std::map<std::string, std::string> kSimulated = {
    {"none", "open"},     {"cone", "full-cone"},          {"arcone", "restricted"}, {"home", "port-restricted"},
    {"double", "cgn"},    {"udp-blocked", "udp-blocked"}, {"strict", "443-only"},   {"symmetric", "random"},
    {"ginnel:symmetric-sequential", "sequential"}};

class LabMatrixSample : public LabMatrixCommand, public testing::WithParamInterface<const char*> {};

// The real program, the real kernel and our own gateway end where the real cores end in the simulator.
TEST_P(LabMatrixSample, EqualsTheSimulators) {
  const int code = matrix(std::string("--settle 6 --json m.json --kinds ") + GetParam());
  if (skipped(code)) GTEST_SKIP() << errors_;
  ASSERT_EQ(code, 0) << out_ << errors_;
  const auto expected = simulated();
  ASSERT_EQ(expected.size(), 121u);
  const std::string json = file("m.json");
  const auto value = [&](const char* key, size_t from) {
    const size_t at = json.find('"' + std::string(key) + "\":\"", from) + std::string(key).size() + 4;
    return json.substr(at, json.find('"', at) - at);
  };
  size_t cells = 0;
  for (size_t at = json.find("{\"expose\":"); at != json.npos; at = json.find("{\"expose\":", at + 1), ++cells) {
    const std::string connect = value("connect", at), expose = value("expose", at);
    EXPECT_EQ(value("technique", at), expected.at(kSimulated.at(connect) + " " + kSimulated.at(expose)))
        << connect << " dials " << expose;
  }
  EXPECT_EQ(cells, 25u);
}
INSTANTIATE_TEST_SUITE_P(Kinds, LabMatrixSample,
                         testing::Values("none,cone,home,symmetric,ginnel:symmetric-sequential",
                                         "home,arcone,double,udp-blocked,strict"));

TEST_F(LabMatrixCommand, APairThatDoesNotConnectIsAFailure) {
  const fs::path broken = directory_ / "broken-ginnel";
  std::ofstream(broken) << "#!/bin/sh\n[ $1 = connect ] && { echo 'I will not.' >&2; exit 4; }\nexec " << GINNEL_BINARY
                        << " \"$@\"\n";
  fs::permissions(broken, fs::perms(0755));
  const int code = matrix("--kinds home --command " + broken.string());
  if (skipped(code)) GTEST_SKIP() << errors_;
  EXPECT_EQ(code, 1) << errors_;
  EXPECT_TRUE(printed("1 pair: 0 direct, 0 relayed, 1 not connected")) << out_;
  EXPECT_TRUE(printed("home, home: connect ended: I will not.")) << out_;
}

TEST_F(LabMatrixCommand, BadWords) {
  int code = matrix("--kinds home,hoem");
  if (skipped(code)) GTEST_SKIP() << errors_;
  EXPECT_EQ(code, static_cast<int>(Errc::usage));
  EXPECT_NE(errors_.find("There is no NAT \"hoem\""), std::string::npos) << errors_;
  EXPECT_EQ(matrix("--kinds home --line dealy=5ms"), static_cast<int>(Errc::usage));
  EXPECT_EQ(matrix("--kinds home --svg /nowhere/m.svg"), static_cast<int>(Errc::permission));
  EXPECT_NE(errors_.find("/nowhere/m.svg cannot be written"), std::string::npos) << errors_;
}

}  // namespace
}  // namespace ginnel::lab
