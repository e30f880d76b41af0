// The capture file, byte by byte: magic, version, link type, records, and what happens where it cannot be written.
#include "app/capture.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace ginnel::app {
namespace {

uint32_t word(const std::string& text, size_t at) {
  uint32_t out = 0;
  std::memcpy(&out, text.data() + at, 4);
  return out;
}

TEST(Capture, WritesRecordsThatOthersRead) {
  const auto path = std::filesystem::temp_directory_path() / ("ginnel-capture-" + std::to_string(::getpid()));
  {
    auto capture = Capture::open(path);
    ASSERT_TRUE(capture);
    const uint8_t one[] = {0x45, 1, 2}, two[] = {0x60};
    (*capture)->add(one);
    (*capture)->add(two);
    (*capture)->flush();
    EXPECT_EQ((*capture)->packets(), 2u);
    EXPECT_EQ((*capture)->missed(), 0u);
  }
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  ASSERT_EQ(text.size(), 24u + 16 + 3 + 16 + 1);
  EXPECT_EQ(word(text, 0), 0xa1b2c3d4u);
  EXPECT_EQ(word(text, 16), 65535u);
  EXPECT_EQ(word(text, 20), 101u);
  EXPECT_LT(word(text, 24 + 4), 1'000'000u);  // microseconds
  EXPECT_EQ(word(text, 24 + 8), 3u);
  EXPECT_EQ(word(text, 24 + 12), 3u);
  EXPECT_EQ(text.substr(40, 3), "\x45\x01\x02");
  EXPECT_EQ(text.back(), 0x60);
  std::filesystem::remove(path);
}

TEST(Capture, AFullDiskIsCountedAndEndsTheFile) {
  auto capture = Capture::open("/dev/full");
  ASSERT_TRUE(capture);
  const std::string large(60'000, 'x');
  for (int i = 0; i < 3; ++i) (*capture)->add(as_bytes(large));
  EXPECT_GE((*capture)->missed(), 1u);
}

TEST(Capture, SaysWhereItCannotWrite) {
  auto capture = Capture::open("/no/such/place");
  ASSERT_FALSE(capture);
  EXPECT_EQ(capture.error().code, Errc::usage);
  EXPECT_NE(capture.error().text.find("/no/such/place"), std::string::npos);
}

}  // namespace
}  // namespace ginnel::app
