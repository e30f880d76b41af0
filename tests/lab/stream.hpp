// A byte stream that checks itself: the source makes bytes that depend only on their position, the sink knows them all.
// So a gigabyte needs no file and no hash, the first wrong byte is named, and the longest silence is measured as it
// falls.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "lab/host.hpp"

namespace ginnel::lab {

/// Serves the stream on 127.0.0.1:port: a client sends "COUNT\n" and gets that many bytes and the end.
Process start_source(const Host& host, uint16_t port);

/// Reads everything a client sends up to its half-close, and only then answers "LENGTH HASH\n" and closes.
Process start_counter(const Host& host, uint16_t port);

/// A download from a source, in a process of its own on `host`.
class Transfer {
 public:
  struct Outcome {
    uint64_t bytes = 0;
    double longest_gap_ms = 0;  ///< between two arrivals, and between the last one and the end
    double seconds = 0;         ///< from the connection to the end
    std::string fault;          ///< empty: every byte came, once, in order, and then the end

    double mbit_s() const { return seconds > 0 ? static_cast<double>(bytes) * 8 / 1e6 / seconds : 0; }
  };

  Transfer(const Host& host, uint16_t port, uint64_t bytes);

  bool wait_share(double share, Time deadline);  ///< until this part of it (0..1) has come
  Outcome finish(Time deadline);

 private:
  uint64_t bytes_;
  Process process_;
};

/// Asks for `bytes` and then reads none of them, until its Process is destroyed.
Process start_sluggard(const Host& host, uint16_t port, uint64_t bytes);

/// Sends `bytes` of the stream, half-closes, and gives the answer; `expected_count` is what a counter must say.
std::string send_and_half_close(const Host& host, uint16_t port, uint64_t bytes, Time deadline);
std::string expected_count(uint64_t bytes);

}  // namespace ginnel::lab
