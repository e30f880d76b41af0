#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <vector>

#include "drive/entropy.hpp"
#include "drive/files.hpp"
#include "drive/interface_monitor.hpp"
#include "drive/interfaces.hpp"

namespace ginnel {
namespace {

namespace fs = std::filesystem;

class Files : public testing::Test {
 protected:
  Files() {
    std::string name = (fs::temp_directory_path() / "ginnel-test-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    directory = name;
  }
  ~Files() override { fs::remove_all(directory); }

  std::string in(const std::string& name) const { return directory + "/" + name; }
  static mode_t mode(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0);
    return info.st_mode & 07777;
  }
  size_t entries() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
  }

  std::string directory;
};

TEST_F(Files, writeReadReplace) {
  std::string path = in("f");
  EXPECT_FALSE(file_exists(path));
  mode_t old = ::umask(0077);
  EXPECT_FALSE(write_file(path, "one", 0644));
  ::umask(old);
  EXPECT_EQ(mode(path), 0644u) << "whatever the umask";
  EXPECT_EQ(*read_file(path), "one");
  std::string large(100'000, 'x');
  EXPECT_FALSE(write_file(path, large, 0600));
  EXPECT_EQ(*read_file(path), large);
  EXPECT_EQ(mode(path), 0600u);
  EXPECT_EQ(entries(), 1u) << "no temporary file stays";
}

TEST_F(Files, keepLetsTheFirstWriterWin) {
  std::string path = in("key");
  EXPECT_FALSE(write_file(path, "first", 0600, Existing::keep));
  EXPECT_FALSE(write_file(path, "second", 0600, Existing::keep));
  EXPECT_EQ(*read_file(path), "first");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Files, errorsAreSentences) {
  auto missing = read_file(in("none"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::usage);
  EXPECT_EQ(missing.error().text, in("none") + " does not exist.");
  auto nowhere = write_file(in("no/where"), "x", 0600);
  ASSERT_TRUE(nowhere);
  EXPECT_EQ(nowhere->code, Errc::usage);
  EXPECT_EQ(read_file(directory).error().code, Errc::usage);
}

TEST_F(Files, secretsMustBePrivate) {
  std::string path = in("key");
  ASSERT_FALSE(write_file(path, "secret", 0644));
  auto open = read_secret_file(path);
  ASSERT_FALSE(open);
  EXPECT_EQ(open.error().code, Errc::permission);
  EXPECT_EQ(open.error().text, "The key file " + path + " can be read by others (mode 0644). Run: chmod 600 " + path);
  ::chmod(path.c_str(), 0600);
  EXPECT_EQ(*read_secret_file(path), "secret");
  ::chmod(path.c_str(), 0400);
  EXPECT_EQ(*read_secret_file(path), "secret");
  EXPECT_EQ(read_secret_file(directory).error().code, Errc::permission);
}

TEST_F(Files, privateDirectories) {
  EXPECT_FALSE(ensure_private_directory(in("a/b/c")));
  EXPECT_EQ(mode(in("a")), 0700u);
  EXPECT_EQ(mode(in("a/b/c")), 0700u);
  EXPECT_FALSE(ensure_private_directory(in("a/b/c/"))) << "a second time";
  ::chmod(in("a/b").c_str(), 0777);
  auto open = ensure_private_directory(in("a/b"));
  ASSERT_TRUE(open);
  EXPECT_EQ(open->code, Errc::permission);
  ASSERT_FALSE(write_file(in("file"), "", 0600));
  EXPECT_EQ(ensure_private_directory(in("file"))->code, Errc::usage);
}

TEST(Entropy, doesNotRepeat) {
  Entropy entropy;
  std::set<std::array<uint8_t, 16>> seen;
  for (int i = 0; i < 1000; i++) seen.insert(entropy.array<16>());  // passes the pool's end several times
  EXPECT_EQ(seen.size(), 1000u);
  std::vector<uint8_t> large(10'000);
  entropy.fill(large);
  EXPECT_GT(std::count_if(large.begin(), large.end(), [](uint8_t b) { return b != 0; }), 9'000);
}

TEST(Interfaces, areUsableAndUnique) {
  auto addresses = interface_addresses();
  for (const auto& address : addresses) {
    EXPECT_FALSE(address.is_loopback() || address.is_unspecified()) << address.to_string();
    EXPECT_FALSE(address.v6 && address.is_link_local()) << address.to_string();
    EXPECT_EQ(address.port, 0);
    EXPECT_EQ(std::count(addresses.begin(), addresses.end(), address), 1) << address.to_string();
  }
  auto all = interface_addresses(true);
  EXPECT_NE(std::find(all.begin(), all.end(), Address::v4(127, 0, 0, 1, 0)), all.end());
}

TEST(InterfaceMonitor, isSilentWhileNothingChanges) {
  Loop loop;
  InterfaceMonitor monitor(loop, [] {});  // other programs may change the network while this runs: only no crash
  Loop::Timer end(loop, [&] { loop.stop(); });
  end.set(loop.now() + 5ms);
  loop.run();
  SUCCEED();
}

}  // namespace
}  // namespace ginnel
