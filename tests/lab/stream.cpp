#include "tests/lab/stream.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "lab/error.hpp"

namespace ginnel::lab {
namespace {

constexpr size_t kBlock = 256 * 1024;
constexpr int kSteps = 200;  ///< progress lines of a transfer
using Block = std::array<uint64_t, kBlock / 8>;

/// The block that begins at `offset`, a multiple of kBlock. SplitMix64 of the position.
void make_block(uint64_t offset, Block& block) {
  for (size_t i = 0; i < block.size(); ++i) {
    uint64_t z = (offset / 8 + i + 1) * 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    block[i] = z ^ (z >> 31);
  }
}

uint64_t hash(uint64_t seed, const char* bytes, size_t size) {
  for (size_t i = 0; i < size; ++i) seed = (seed ^ static_cast<unsigned char>(bytes[i])) * 0x100000001b3ull;
  return seed;
}
constexpr uint64_t kHashStart = 0xcbf29ce484222325ull;

std::string count_line(uint64_t bytes, uint64_t digest) { return std::to_string(bytes) + " " + std::to_string(digest); }

sockaddr_in loopback(uint16_t port) {
  return {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
}

bool send_all(int fd, const char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t n = ::send(fd, bytes, size, MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

bool send_stream(int fd, uint64_t bytes) {
  Block block;
  for (uint64_t at = 0; at < bytes; at += kBlock) {
    make_block(at, block);
    const size_t size = std::min<uint64_t>(kBlock, bytes - at);
    if (!send_all(fd, reinterpret_cast<const char*>(block.data()), size)) return false;
  }
  return true;
}

int connect_here(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in to = loopback(port);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) throw_errno("connect");
  return fd;
}

/// Listens and serves each connection in a thread.
Process serve(const Host& host, uint16_t port, void (*answer)(int fd)) {
  Process server = host.start([port, answer]() -> int {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const sockaddr_in at = loopback(port);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 || ::listen(fd, 256) != 0)
      throw_errno("listen");
    if (::write(STDOUT_FILENO, "ready\n", 6) != 6) return 1;
    while (true) {
      const int connection = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) return 1;
      std::thread([connection, answer] {
        answer(connection);
        ::close(connection);
      }).detach();
    }
  });
  if (server.read_line(in(5s)) != "ready") throw LabError("a test server did not start on " + host.name());
  return server;
}

void answer_with_stream(int fd) {
  char request[32] = {};
  for (size_t i = 0; i < sizeof request - 1; ++i) {
    if (::recv(fd, request + i, 1, 0) != 1) return;
    if (request[i] == '\n') break;
  }
  send_stream(fd, std::strtoull(request, nullptr, 10));
}

void answer_with_count(int fd) {
  uint64_t total = 0, digest = kHashStart;
  char chunk[65536];
  ssize_t n;
  while ((n = ::recv(fd, chunk, sizeof chunk, 0)) > 0) {
    digest = hash(digest, chunk, static_cast<size_t>(n));
    total += static_cast<size_t>(n);
  }
  const std::string line = (n < 0 ? "broken" : count_line(total, digest)) + "\n";
  send_all(fd, line.data(), line.size());
}

int request(uint16_t port, uint64_t bytes) {
  const int fd = connect_here(port);
  const std::string line = std::to_string(bytes) + "\n";
  if (!send_all(fd, line.data(), line.size())) throw_errno("send");
  return fd;
}

/// The sink: compares as it reads, prints "at BYTES" now and then, and one "end ..." line.
int receive_stream(uint16_t port, uint64_t bytes) {
  const Time start = now();
  const int fd = request(port, bytes);
  std::string fault;
  std::vector<char> chunk(kBlock);
  Block block;
  uint64_t total = 0, told = 0;
  double longest = 0;
  Time last{};
  while (true) {
    const size_t room = kBlock - total % kBlock;
    const ssize_t n = ::recv(fd, chunk.data(), room, 0);
    if (total > 0) longest = std::max(longest, ms_since(last));
    last = now();
    if (n < 0) fault = std::string("reset: ") + std::strerror(errno);
    if (n <= 0) break;
    if (total % kBlock == 0) make_block(total, block);
    const auto size = static_cast<size_t>(n);
    if (std::memcmp(chunk.data(), reinterpret_cast<const char*>(block.data()) + total % kBlock, size) != 0 &&
        fault.empty()) {
      fault = "a wrong byte after " + std::to_string(total);
    }
    total += size;
    if (total * kSteps / bytes > told) {
      told = total * kSteps / bytes;
      std::printf("at %llu\n", static_cast<unsigned long long>(total));
      std::fflush(stdout);
    }
  }
  if (fault.empty() && total != bytes) fault = "the end came after " + std::to_string(total);
  std::printf("end %llu %.1f %.3f %s\n", static_cast<unsigned long long>(total), longest, ms_since(start) / 1000,
              fault.c_str());
  return 0;
}

}  // namespace

Process start_source(const Host& host, uint16_t port) { return serve(host, port, answer_with_stream); }
Process start_counter(const Host& host, uint16_t port) { return serve(host, port, answer_with_count); }

Transfer::Transfer(const Host& host, uint16_t port, uint64_t bytes)
    : bytes_(bytes), process_(host.start([port, bytes] { return receive_stream(port, bytes); })) {}

bool Transfer::wait_share(double share, Time deadline) {
  while (auto line = process_.read_line(deadline)) {
    if (!line->starts_with("at ")) return false;
    if (std::stod(line->substr(3)) >= share * static_cast<double>(bytes_)) return true;
  }
  return false;
}

Transfer::Outcome Transfer::finish(Time deadline) {
  while (auto line = process_.read_line(deadline)) {
    if (!line->starts_with("end ")) continue;
    Outcome out;
    char fault[128] = "";
    unsigned long long bytes = 0;
    std::sscanf(line->c_str(), "end %llu %lf %lf %127[^\n]", &bytes, &out.longest_gap_ms, &out.seconds, fault);
    out.bytes = bytes;
    out.fault = fault;
    return out;
  }
  process_.stop();
  return {.fault = "the transfer did not end in time"};
}

Process start_sluggard(const Host& host, uint16_t port, uint64_t bytes) {
  return host.start([port, bytes] {
    request(port, bytes);
    std::puts("asked");
    std::fflush(stdout);
    return ::pause();
  });
}

std::string send_and_half_close(const Host& host, uint16_t port, uint64_t bytes, Time deadline) {
  Process client = host.start([port, bytes] {
    const int fd = connect_here(port);
    if (!send_stream(fd, bytes)) throw_errno("send");
    ::shutdown(fd, SHUT_WR);
    char answer[128];
    ssize_t n;
    while ((n = ::recv(fd, answer, sizeof answer, 0)) > 0) {
      if (::write(STDOUT_FILENO, answer, static_cast<size_t>(n)) != n) return 1;
    }
    return n == 0 ? 0 : 1;
  });
  return client.read_line(deadline).value_or("no answer");
}

std::string expected_count(uint64_t bytes) {
  uint64_t digest = kHashStart;
  Block block;
  for (uint64_t at = 0; at < bytes; at += kBlock) {
    make_block(at, block);
    digest = hash(digest, reinterpret_cast<const char*>(block.data()), std::min<uint64_t>(kBlock, bytes - at));
  }
  return count_line(bytes, digest);
}

}  // namespace ginnel::lab
