// `ginnel lab matrix` on a few kinds: what it prints, what it writes, and how it ends.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

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
