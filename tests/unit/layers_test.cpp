// src/layers.txt is the architecture; this test holds every #include of src/, sim/ and lab/ to it. It knows how to read
// that file and which headers are whose, not which rooms there are. A violation prints the room's own sentence.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Words = std::set<std::string, std::less<>>;
using Strings = std::vector<std::string>;

/// Which folder of an outside library's headers "+name" opens.
const std::map<std::string, std::string, std::less<>> library_of_folder = {
    {"ngtcp2", "+ngtcp2"}, {"gnutls", "+gnutls"}, {"boost", "+boost"},
    {"openssl", "+openssl"}, {"CLI", "+CLI"},     {"spdlog", "+spdlog"}, {"fmt", "+spdlog"},  {"expat.h", "+expat"},
    {"toml++", "+toml"},
};

/// The hands, and nobody else, talk to the kernel.
const Words kernel_rooms = {"drive", "lab"};
/// ... but for names of types and byte order: an address as text, and ngtcp2, whose interface speaks sockaddr.
const std::map<std::string, Words, std::less<>> kernel_headers_of_room = {
    {"base", {"arpa/inet.h"}},
    {"core/quic", {"netinet/in.h"}},
};

const Words standard_headers = {
    "algorithm", "any", "array", "atomic", "barrier", "bit", "bitset", "cassert", "cctype", "cerrno", "cfenv", "cfloat",
    "charconv", "chrono", "cinttypes", "climits", "clocale", "cmath", "codecvt", "compare", "complex", "concepts",
    "condition_variable", "coroutine", "csetjmp", "csignal", "cstdarg", "cstddef", "cstdint", "cstdio", "cstdlib",
    "cstring", "ctime", "cuchar", "cwchar", "cwctype", "deque", "exception", "execution", "filesystem", "format",
    "forward_list", "fstream", "functional", "future", "initializer_list", "iomanip", "ios", "iosfwd", "iostream",
    "istream", "iterator", "latch", "limits", "list", "locale", "map", "memory", "memory_resource", "mutex", "new",
    "numbers", "numeric", "optional", "ostream", "queue", "random", "ranges", "ratio", "regex", "scoped_allocator",
    "semaphore", "set", "shared_mutex", "source_location", "span", "sstream", "stack", "stdexcept", "stop_token",
    "streambuf", "string", "string_view", "syncstream", "system_error", "thread", "tuple", "type_traits", "typeindex",
    "typeinfo", "unordered_map", "unordered_set", "utility", "valarray", "variant", "vector", "version",
};

/// What a decision must not be able to touch: threads, files, terminals, clocks of the world, its own randomness.
const Words impure_headers = {
    "barrier", "condition_variable", "coroutine", "csetjmp", "csignal", "ctime", "filesystem", "fstream", "future",
    "iostream", "latch", "mutex", "random", "semaphore", "shared_mutex", "stop_token", "syncstream", "thread",
};

bool is_pure(std::string_view room) {
  return room == "base" || room == "wire" || room == "sim" || room.starts_with("core/");
}

struct Room {
  Words may;           ///< rooms and "+libraries"
  std::string reason;  ///< what stands behind the dash
};

class Layers {
 public:
  explicit Layers(std::string_view text) {
    std::istringstream in{std::string(text)};
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      if (!line.empty() && line[0] != '#') read_line(line, number);
    }
    for (const auto& [name, room] : rooms_)
      for (const auto& word : room.may)
        if (word[0] != '+' && !rooms_.contains(word) && word != "core")
          problems_.push_back("src/layers.txt: " + name + " names the unknown room " + word);
  }

  const Strings& problems() const { return problems_; }
  const std::map<std::string, Room, std::less<>>& rooms() const { return rooms_; }

  /// "src/core/stun/x.cpp" -> "core/stun"; nothing if layers.txt has no line for it.
  std::optional<std::string> room_of_file(std::string_view path) const {
    if (path.starts_with("src/")) path.remove_prefix(4);
    return room_of_header(path);
  }

  /// What is wrong with the includes of one file, a sentence each.
  Strings check(const std::string& path, std::string_view source) const {
    auto room = room_of_file(path);
    if (!room) return {path + ":1: this folder has no line in src/layers.txt"};
    Strings out;
    std::istringstream in{std::string(source)};
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      auto header = included(line);
      if (!header) continue;
      std::string why = header->quoted ? refuse_ours(*room, header->name) : refuse_outside(*room, header->name);
      if (!why.empty()) out.push_back(path + ":" + std::to_string(number) + ": " + why + " — " + rooms_.at(*room).reason);
    }
    return out;
  }

  /// A room that can reach itself through others, or nothing.
  std::optional<std::string> cycle() const {
    for (const auto& [name, room] : rooms_) {
      Words seen;
      Strings next = neighbours(name);
      while (!next.empty()) {
        std::string at = next.back();
        next.pop_back();
        if (at == name) return name;
        if (!seen.insert(at).second) continue;
        for (auto& more : neighbours(at)) next.push_back(more);
      }
    }
    return {};
  }

 private:
  struct Header {
    std::string name;
    bool quoted;
  };

  void read_line(const std::string& line, int number) {
    static constexpr std::string_view dash = " — ";
    size_t colon = line.find(':'), reason = line.find(dash);
    if (colon == std::string::npos || reason == std::string::npos || reason < colon || colon == 0) {
      problems_.push_back("src/layers.txt:" + std::to_string(number) + ": not of the form \"room: may include — reason\"");
      return;
    }
    Room room;
    room.reason = line.substr(reason + dash.size());
    std::istringstream words(line.substr(colon + 1, reason - colon - 1));
    for (std::string word; words >> word;) room.may.insert(word);
    if (!rooms_.emplace(line.substr(0, colon), std::move(room)).second)
      problems_.push_back("src/layers.txt:" + std::to_string(number) + ": a room has one line");
  }

  static std::optional<Header> included(std::string_view line) {
    auto skip = [&] { line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size())); };
    skip();
    if (!line.starts_with('#')) return {};
    line.remove_prefix(1);
    skip();
    if (!line.starts_with("include")) return {};
    line.remove_prefix(7);
    skip();
    if (line.empty() || (line[0] != '"' && line[0] != '<')) return {};
    bool quoted = line[0] == '"';
    line.remove_prefix(1);
    return Header{std::string(line.substr(0, line.find(quoted ? '"' : '>'))), quoted};
  }

  /// "core/quic/session.hpp" -> "core/quic", "drive/x/y.hpp" -> "drive": the longest room that begins it.
  std::optional<std::string> room_of_header(std::string_view path) const {
    for (size_t slash = path.rfind('/'); slash != std::string_view::npos && slash > 0; slash = path.rfind('/', slash - 1))
      if (rooms_.contains(path.substr(0, slash))) return std::string(path.substr(0, slash));
    return {};
  }

  bool may(const std::string& room, const std::string& other) const {
    const Words& words = rooms_.at(room).may;
    return room == other || words.contains(other) || (other.starts_with("core/") && words.contains("core"));
  }

  std::string refuse_ours(const std::string& room, const std::string& header) const {
    auto other = room_of_header(header);
    if (!other) return "\"" + header + "\" begins with no room; write it from the root, as in \"base/bytes.hpp\"";
    return may(room, *other) ? "" : room + " may not include " + header;
  }

  std::string refuse_outside(const std::string& room, const std::string& header) const {
    if (auto library = library_of_folder.find(header.substr(0, header.find('/'))); library != library_of_folder.end())
      return rooms_.at(room).may.contains(library->second) ? "" : room + " may not include <" + header + ">";
    if (standard_headers.contains(header))
      return is_pure(room) && impure_headers.contains(header) ? room + " may not include <" + header + ">" : "";
    if (kernel_rooms.contains(room)) return "";
    if (auto granted = kernel_headers_of_room.find(room); granted != kernel_headers_of_room.end())
      if (granted->second.contains(header)) return "";
    return room + " may not include <" + header + ">, which is not standard C++ (of C, take the <c...> form)";
  }

  Strings neighbours(const std::string& name) const {
    Strings out;
    for (const auto& [other, room] : rooms_)
      if (other != name && may(name, other)) out.push_back(other);
    return out;
  }

  std::map<std::string, Room, std::less<>> rooms_;
  Strings problems_;
};

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

Strings source_files() {
  fs::path root = GINNEL_SOURCE_DIR;
  Strings out;
  for (const char* folder : {"src", "sim", "lab"}) {
    if (!fs::exists(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder))
      if (entry.path().extension() == ".hpp" || entry.path().extension() == ".cpp")
        out.push_back(fs::relative(entry.path(), root).generic_string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

Layers the_house() { return Layers(read(fs::path(GINNEL_SOURCE_DIR) / "src/layers.txt")); }

TEST(Layers, fileIsWellFormedAndHasNoCycle) {
  Layers layers = the_house();
  for (const auto& problem : layers.problems()) ADD_FAILURE() << problem;
  EXPECT_GE(layers.rooms().size(), 10u);
  EXPECT_EQ(layers.cycle().value_or("none"), "none");
}

TEST(Layers, everyIncludeIsGranted) {
  Layers layers = the_house();
  Strings files = source_files();
  EXPECT_GE(files.size(), 10u) << "the search found too little to mean anything";
  for (const auto& file : files)
    for (const auto& violation : layers.check(file, read(fs::path(GINNEL_SOURCE_DIR) / file))) ADD_FAILURE() << violation;
}

// ---- the checker, checked: what must be refused is refused.

constexpr std::string_view small_house =
    "# a comment\n"
    "base: — words only\n"
    "wire: base +expat — bytes know no time\n"
    "core/stun: base wire — asks\n"
    "core/quic: base +ngtcp2 — the only door\n"
    "drive: base +boost — hands do not read letters\n"
    "app: base core drive — composition\n"
    "cli: app +CLI +spdlog — argv and output\n"
    "sim: base wire core — virtual time\n"
    "lab: base drive — a process, never linked\n";

Strings refused(const char* path, const char* source) { return Layers(small_house).check(path, source); }

TEST(LayersChecker, refusesWhatIsNotGranted) {
  EXPECT_EQ(refused("src/wire/x.cpp", "// comment\n#include \"core/stun/agent.hpp\"\n"),
            Strings{"src/wire/x.cpp:2: wire may not include core/stun/agent.hpp — bytes know no time"});
  struct { const char *path, *source; } cases[] = {
      {"src/drive/x.hpp", "#include \"wire/stun.hpp\""},       {"src/core/stun/x.cpp", "#include \"drive/udp.hpp\""},
      {"src/core/stun/x.cpp", "#include \"core/quic/s.hpp\""}, {"src/core/stun/x.cpp", "#include <ngtcp2/ngtcp2.h>"},
      {"src/core/quic/x.cpp", "#include <gnutls/gnutls.h>"},   {"src/core/quic/x.cpp", "#include <boost/asio.hpp>"},
      {"src/core/stun/x.cpp", "#include <thread>"},            {"src/core/stun/x.cpp", "  #  include <netinet/in.h>"},
      {"src/wire/x.cpp", "#include <arpa/inet.h>"},            {"src/base/x.cpp", "#include <unistd.h>"},
      {"src/base/x.cpp", "#include <string.h>"},               {"sim/world.cpp", "#include <random>"},
      {"sim/world.cpp", "#include \"drive/udp.hpp\""},         {"lab/x.cpp", "#include \"core/stun/agent.hpp\""},
      {"src/app/x.cpp", "#include <sys/stat.h>"},              {"src/cli/x.cpp", "#include <boost/json.hpp>"},
      {"src/cli/x.cpp", "#include \"core/stun/agent.hpp\""},   {"src/base/x.cpp", "#include \"bytes.hpp\""},
      {"src/base/x.cpp", "#include \"../wire/stun.hpp\""},     {"src/attic/x.cpp", "int x;"},
      {"src/core/attic/x.cpp", "int x;"},                     {"src/core/stun/x.cpp", "#include <expat.h>"},
  };
  for (const auto& c : cases) EXPECT_EQ(refused(c.path, c.source).size(), 1u) << c.path << ": " << c.source;
}

TEST(LayersChecker, acceptsWhatIsGranted) {
  struct { const char *path, *source; } cases[] = {
      {"src/wire/x.cpp", "#include \"wire/y.hpp\"\n#include \"base/bytes.hpp\"\n#include <vector>"},
      {"src/wire/x.cpp", "#include <expat.h>"},
      {"src/base/x.cpp", "#include <arpa/inet.h>\n#include <cstring>"},
      {"src/core/quic/x.cpp", "#include <ngtcp2/ngtcp2.h>\n#include <netinet/in.h>\n// #include <thread>\nint include;"},
      {"src/drive/x.cpp", "#include <sys/socket.h>\n#include <boost/asio.hpp>\n#include <thread>"},
      {"src/app/deep/x.cpp", "#include \"core/quic/session.hpp\"\n#include <fstream>"},
      {"src/cli/x.cpp", "#include <CLI/CLI.hpp>\n#include <fmt/core.h>\n#include <iostream>"},
      {"lab/x.cpp", "#include <sched.h>\n#include \"drive/udp.hpp\"\n#include \"lab/y.hpp\""},
  };
  for (const auto& c : cases) EXPECT_EQ(refused(c.path, c.source), Strings{}) << c.path;
}

TEST(LayersChecker, refusesBrokenFiles) {
  EXPECT_EQ(Layers(small_house).problems(), Strings{});
  EXPECT_EQ(Layers("base — no colon\n").problems().size(), 1u);
  EXPECT_EQ(Layers("base: no reason\n").problems().size(), 1u);
  EXPECT_EQ(Layers("base: — once\nbase: — twice\n").problems().size(), 1u);
  EXPECT_EQ(Layers("base: attic — names nobody\n").problems().size(), 1u);
  EXPECT_FALSE(Layers(small_house).cycle());
  EXPECT_TRUE(Layers("a: b — x\nb: c — x\nc: a — x\n").cycle());
}

}  // namespace
