// Packets into a file that tcpdump and Wireshark read. Knows the classic pcap format (draft-ietf-opsawg-pcap, raw IP)
// and a bound; a capture that is forgotten fills no disk.
#pragma once
#include <cstdio>
#include <memory>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace ginnel::app {

class Capture {
 public:
  static constexpr uint64_t bytes_max = 256 * 1024 * 1024;
  static constexpr uint32_t snap_length = 65535;

  /// Replaces the file. Errc::permission, usage (no such directory).
  static Result<std::unique_ptr<Capture>> open(const std::string& path);

  /// Packets beyond the bound, or that the disk does not take, are only counted.
  void add(Bytes packet);
  /// What was added can be read by others now. The destructor does it too.
  void flush() { std::fflush(file_.get()); }

  const std::string& path() const { return path_; }
  uint64_t packets() const { return packets_; }
  uint64_t missed() const { return missed_; }

 private:
  Capture(std::FILE* file, std::string path) : file_(file, &std::fclose), path_(std::move(path)) {}

  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
  std::string path_;
  uint64_t bytes_ = 0, packets_ = 0, missed_ = 0;
};

}  // namespace ginnel::app
