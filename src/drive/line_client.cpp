#include "drive/line_client.hpp"

#include <poll.h>

#include <vector>

#include "drive/stream_socket.hpp"

namespace ginnel {

Result<LineClient> LineClient::open(const std::string& path) {
  auto fd = stream_socket::connect_unix(path);
  if (!fd) return fd.error();
  return LineClient(std::move(*fd), path);  // a unix-domain socket is connected at once or not at all
}

bool LineClient::wait_for(short events) {
  pollfd poll{fd_.get(), events, 0};
  return ::poll(&poll, 1, patience_ms) > 0;
}

Error LineClient::silent() const {
  return {Errc::unreachable, path_ + " does not answer. Is the program that has it still running?"};
}

Result<std::string> LineClient::ask(const std::string& line) {
  std::string out = line + "\n";
  while (!out.empty()) {
    auto sent = stream_socket::write(fd_.get(), as_bytes(out));
    if (sent.n == 0 && (!sent.blocked || !wait_for(POLLOUT))) return silent();
    out.erase(0, sent.n);
  }
  std::vector<uint8_t> room(64 * 1024);
  for (;;) {
    if (size_t end = in_.find('\n'); end != std::string::npos) {
      std::string answer = in_.substr(0, end);
      in_.erase(0, end + 1);
      return answer;
    }
    auto got = stream_socket::read(fd_.get(), room);
    if (got.n == 0 && (!got.blocked || !wait_for(POLLIN))) return silent();
    if (in_.size() + got.n > line_max) return silent();
    in_.append(as_text(Bytes(room.data(), got.n)));
  }
}

}  // namespace ginnel
