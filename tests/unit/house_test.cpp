// Words that must not be written in certain rooms, each with its reason, and the shape of files. Comments and string
// literals do not count: one may talk about a clock, not read it.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 about its own std::regex, with sanitizers
#endif
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

constexpr size_t lines_max = 600;

struct Ban {
  Strings folders;
  std::string pattern;  ///< ECMAScript
  std::string reason;
  Strings except = {};  ///< files, each saying at the place why it may
};

const Strings pure = {"src/core/", "src/wire/", "sim/"};

const std::vector<Ban>& bans() {
  static const std::vector<Ban> all = {
      {pure, R"(\b(steady_clock|system_clock|high_resolution_clock)\b)", "time is an argument (base/instant.hpp)"},
      {pure, R"(::now\s*\()", "time is an argument (base/instant.hpp)"},
      {pure, R"(\b(time\s*\(\s*(nullptr|NULL|0|&)|(clock_gettime|gettimeofday)\s*\())", "time is an argument"},
      {pure, R"(\b(secure_)?getenv\s*\()", "a decision depends on its arguments only"},
      {pure, R"(\b(rand|random|[dlm]rand48)\s*\(\s*\)|\b(srand|srandom|rand_r|getrandom|arc4random\w*)\s*\()",
       "randomness is an argument (base/rng.hpp)"},
      {pure, R"(\brandom_device\b)", "randomness is an argument (base/rng.hpp)"},
      {pure, R"(\b([un]|nano)?sleep(_for|_until)?\b)", "waiting is a deadline (base/deadline.hpp)"},
      {{"src/core/", "src/wire/"}, R"(\bthrow\b)", "hostile or malformed input is a value, our own mistake an assertion",
       {"src/core/crypto/identity.cpp"}},
      {{"tests/"}, R"(\b(sleep_for|sleep_until)\b|\b([un]|nano)?sleep\s*\()", "wait for an event with a limit, or use virtual time"},
      // transport parameters overflow a stack buffer of ngtcp2 before 1.22.1 when qlog is on (CVE-2026-40170)
      {{"src/"}, R"(\bqlog_write\b|\bqlog\s*[.=])", "qlog stays off as long as ngtcp2 older than 1.22.1 is supported"},
  };
  return all;
}

/// The source with comments and the insides of string and character literals blanked; lines stay where they are.
std::string code_only(std::string_view in) {
  std::string out(in);
  size_t i = 0;
  auto blank_until = [&](size_t end) {
    for (end = std::min(end, in.size()); i < end; ++i)
      if (out[i] != '\n') out[i] = ' ';
  };
  auto after = [&](std::string_view what, size_t from) {
    size_t at = in.find(what, from);
    return at == std::string_view::npos ? in.size() : at + what.size();
  };
  auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  while (i < in.size()) {
    if (in.substr(i, 2) == "//") {
      blank_until(after("\n", i));
    } else if (in.substr(i, 2) == "/*") {
      blank_until(after("*/", i + 2));
    } else if (in.substr(i, 2) == "R\"" && (i == 0 || !is_word(in[i - 1]))) {
      size_t open = in.find('(', i);
      if (open == std::string_view::npos) return out;
      blank_until(after(")" + std::string(in.substr(i + 2, open - i - 2)) + "\"", open));
    } else if (in[i] == '"' || (in[i] == '\'' && (i == 0 || !is_word(in[i - 1])))) {  // 1'000 is no literal
      size_t end = i + 1;
      while (end < in.size() && in[end] != in[i] && in[end] != '\n') end += in[end] == '\\' ? 2 : 1;
      blank_until(end + 1);
    } else {
      ++i;
    }
  }
  return out;
}

std::string location(const std::string& path, std::string_view text, size_t offset) {
  auto begin = text.begin();
  return path + ":" + std::to_string(1 + std::count(begin, begin + static_cast<std::ptrdiff_t>(offset), '\n')) + ": ";
}

Strings banned_words(const std::string& path, std::string_view source) {
  Strings out;
  std::string code = code_only(source);
  for (const auto& ban : bans()) {
    if (std::none_of(ban.folders.begin(), ban.folders.end(), [&](auto& f) { return path.starts_with(f); })) continue;
    if (std::find(ban.except.begin(), ban.except.end(), path) != ban.except.end()) continue;
    std::regex pattern(ban.pattern);
    for (std::sregex_iterator it(code.begin(), code.end(), pattern), end; it != end; ++it)
      out.push_back(location(path, code, static_cast<size_t>(it->position())) + it->str() + " — " + ban.reason);
  }
  return out;
}

Strings wrong_shape(const std::string& path, std::string_view source) {
  Strings out;
  auto lines = static_cast<size_t>(std::count(source.begin(), source.end(), '\n'));
  if (lines > lines_max)
    out.push_back(path + ": " + std::to_string(lines) + " lines; one file holds one idea in at most " + std::to_string(lines_max));
  bool comment = source.starts_with("//");
  if (path.ends_with(".hpp") && !comment)
    out.push_back(path + ":1: a header begins with its sentence: a // comment that says what it knows");
  if (path.ends_with(".cpp") && !comment && !source.starts_with("#include") && !source.starts_with("#pragma"))
    out.push_back(path + ":1: a source begins with a // comment or its #include lines");
  if (path.ends_with(".hpp") && source.find("#pragma once") == std::string_view::npos)
    out.push_back(path + ":1: #pragma once is missing");
  return out;
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

Strings files_below(std::initializer_list<const char*> folders) {
  fs::path root = GINNEL_SOURCE_DIR;
  Strings out;
  for (const char* folder : folders) {
    if (!fs::exists(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder))
      if (entry.path().extension() == ".hpp" || entry.path().extension() == ".cpp")
        out.push_back(fs::relative(entry.path(), root).generic_string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

TEST(House, noBannedWords) {
  Strings files = files_below({"src", "sim", "tests"});
  EXPECT_GE(files.size(), 10u) << "the search found too little to mean anything";
  for (const auto& file : files)
    for (const auto& problem : banned_words(file, read(fs::path(GINNEL_SOURCE_DIR) / file))) ADD_FAILURE() << problem;
}

TEST(House, filesHaveTheirShape) {
  for (const auto& file : files_below({"src", "sim", "lab"}))
    for (const auto& problem : wrong_shape(file, read(fs::path(GINNEL_SOURCE_DIR) / file))) ADD_FAILURE() << problem;
}

// ---- the checker, checked.

TEST(HouseChecker, refusesBannedWords) {
  struct { const char *path, *source; } cases[] = {
      {"src/core/a.cpp", "auto t = std::chrono::steady_clock{};"},
      {"src/core/a.cpp", "auto t = Clock::now();"},
      {"src/wire/a.cpp", "auto t = time(nullptr);"},
      {"src/wire/a.cpp", "auto t = std::time(&x);"},
      {"sim/a.cpp", "int x = rand();"},
      {"sim/a.cpp", "srand(1);"},
      {"sim/a.cpp", "std::random_device d;"},
      {"src/core/a.cpp", "getenv(\"HOME\");"},
      {"src/core/a.cpp", "std::this_thread::sleep_for(1s);"},
      {"src/core/a.cpp", "usleep(10);"},
      {"src/core/a.cpp", "throw 1;"},
      {"src/core/a.cpp", "settings.qlog_write = write;"},
      {"tests/unit/a_test.cpp", "sleep(1);"},
      {"tests/lab/a_test.cpp", "int n = 1'000; std::this_thread::sleep_for(1s);"},
      {"src/core/a.cpp", "char c = '\"'; usleep(10); char d = '\"';"},
  };
  for (const auto& c : cases) EXPECT_EQ(banned_words(c.path, c.source).size(), 1u) << c.source;
  EXPECT_EQ(banned_words("src/wire/a.cpp", "int a;\n\n  throw a;\n"),
            Strings{"src/wire/a.cpp:3: throw — hostile or malformed input is a value, our own mistake an assertion"});
}

TEST(HouseChecker, acceptsTalkAboutThem) {
  struct { const char *path, *source; } cases[] = {
      {"src/core/a.cpp", "// never Clock::now(), never sleep\nint x;"},
      {"src/core/a.cpp", "/* rand()\n throw */ const char* s = \"time(0) \\\" throw\";"},
      {"src/core/a.cpp", "auto r = R\"x(sleep \" throw)x\"; int asleep = 1, operand(int);"},
      {"src/core/a.cpp", "Instant time() const; handle_timeout(now); runtime(0); strand(x);"},
      {"src/core/a.cpp", "static void rand(uint8_t* out, size_t size);"},  // the name of ngtcp2's callback
      {"src/core/crypto/identity.cpp", "throw 1;"},
      {"src/drive/a.cpp", "auto t = std::chrono::steady_clock::now(); throw 1;"},
      {"tests/unit/a_test.cpp", "int sleepers = 0; // sleep(1)"},
  };
  for (const auto& c : cases) EXPECT_EQ(banned_words(c.path, c.source), Strings{}) << c.source;
}

TEST(HouseChecker, refusesWrongShapes) {
  EXPECT_EQ(wrong_shape("src/a.hpp", "// What it is.\n#pragma once\n"), Strings{});
  EXPECT_EQ(wrong_shape("src/a.cpp", "#include \"a.hpp\"\n"), Strings{});
  EXPECT_EQ(wrong_shape("src/a.hpp", "#pragma once\n").size(), 1u);
  EXPECT_EQ(wrong_shape("src/a.hpp", "// What it is.\n").size(), 1u);
  EXPECT_EQ(wrong_shape("src/a.cpp", "\nint x;\n").size(), 1u);
  EXPECT_EQ(wrong_shape("src/a.cpp", "// x\n" + std::string(lines_max, '\n')).size(), 1u);
}

}  // namespace
