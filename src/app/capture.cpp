#include "app/capture.hpp"

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace ginnel::app {

namespace {

constexpr uint32_t magic_microseconds = 0xa1b2c3d4;
constexpr uint32_t link_raw_ip = 101;

/// The format has the writer's byte order.
template <size_t N>
bool write_words(std::FILE* file, const std::array<uint32_t, N>& words) {
  return std::fwrite(words.data(), sizeof words, 1, file) == 1;
}

}  // namespace

Result<std::unique_ptr<Capture>> Capture::open(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  if (!file) {
    bool place = errno == ENOENT || errno == ENOTDIR;
    return Error{place ? Errc::usage : Errc::permission,
                 path + " cannot be written: " + std::strerror(errno) + ". Choose another file for the capture."};
  }
  std::unique_ptr<Capture> out(new Capture(file, path));
  constexpr auto version = std::bit_cast<uint32_t>(std::array<uint16_t, 2>{2, 4});
  constexpr uint32_t time_zone = 0, accuracy = 0;
  write_words(file, std::array{magic_microseconds, version, time_zone, accuracy, snap_length, link_raw_ip});
  out->flush();
  return out;
}

void Capture::add(Bytes packet) {
  auto size = static_cast<uint32_t>(packet.size());
  if (bytes_ + size + 16 > bytes_max) {
    ++missed_;
    return;
  }
  auto us = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch());
  auto seconds = static_cast<uint32_t>(us.count() / 1'000'000);
  auto rest = static_cast<uint32_t>(us.count() % 1'000'000);
  bool ok = write_words(file_.get(), std::array<uint32_t, 4>{seconds, rest, size, size}) &&
            std::fwrite(packet.data(), 1, packet.size(), file_.get()) == packet.size();
  if (!ok) {
    missed_ += 1;
    bytes_ = bytes_max;  // a torn record ends the file
    return;
  }
  bytes_ += size + 16;
  ++packets_;
}

}  // namespace ginnel::app
