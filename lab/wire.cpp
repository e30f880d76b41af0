#include "lab/wire.hpp"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <memory>

#include "core/link/lane.hpp"
#include "core/link/transit.hpp"
#include "lab/error.hpp"
#include "lab/seeded_rng.hpp"

namespace ginnel::lab {
namespace {

// Each frame is preceded by the note of its offloads (struct virtio_net_hdr, in a header that is no C++), which goes
// along unread.
constexpr size_t kNote = 10;
constexpr size_t kFrameMax = kNote + 68 * 1024;
constexpr size_t kBatch = 32;
constexpr int kTurns = 8;  ///< batches from one side before the other side and the clock are looked at
constexpr size_t kBytesInFlight = 32u << 20;
constexpr size_t kFramesInFlight = 32 * 1024;

int open_packet_socket(const std::string& interface) {
  const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) throw_errno("cannot open a packet socket");
  const int on = 1;
  const int buffer = 16 << 20;
  if (::setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0) throw_errno("PACKET_IGNORE_OUTGOING");
  if (::setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) != 0) throw_errno("PACKET_VNET_HDR");
  ::setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
  if (::setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0) throw_errno("SO_TIMESTAMPNS");
  for (int option : {SO_RCVBUF, SO_SNDBUF, SO_RCVBUFFORCE, SO_SNDBUFFORCE}) {  // the last two only for the real root
    ::setsockopt(fd, SOL_SOCKET, option, &buffer, sizeof buffer);
  }
  sockaddr_ll at{.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
  at.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) throw_errno("cannot bind to " + interface);
  return fd;
}

/// When a frame came, by the kernel's note: this process may have waited for a CPU since then, and the line must not be
/// the worse for it. `now` if there is no note, or if the wall clock was set meanwhile.
Instant arrival(msghdr& message, Instant now, timespec now_by_wall) {
  const cmsghdr* note = CMSG_FIRSTHDR(&message);
  if (!note || note->cmsg_type != SCM_TIMESTAMPNS) return now;
  timespec then;
  std::memcpy(&then, CMSG_DATA(note), sizeof then);
  const Duration ago =
      std::chrono::seconds(now_by_wall.tv_sec - then.tv_sec) + Duration(now_by_wall.tv_nsec - then.tv_nsec);
  return ago < Duration(0) || ago > Duration(1s) ? now : now - ago;
}

Instant moment() { return Instant(std::chrono::duration_cast<Duration>(now().time_since_epoch())); }

/// Where a batch is read into, before it is known what becomes of it. One for both directions.
struct Scratch {
  std::unique_ptr<uint8_t[]> bytes = std::make_unique_for_overwrite<uint8_t[]>(kBatch * kFrameMax);
  std::array<std::array<char, 64>, kBatch> notes;
  std::unique_ptr<uint8_t[]> piece = std::make_unique_for_overwrite<uint8_t[]>(kFrameMax);

  MutableBytes frame(size_t i) { return {bytes.get() + i * kFrameMax, kFrameMax}; }
};

/// One direction.
class Direction {
 public:
  Direction(int from, int to, const RouterAddresses& router, uint64_t seed, Scratch& scratch)
      : from_(from), to_(to), router_(router), scratch_(scratch), rng_(seed) {}

  void set(const link::Spec& spec) { lane_.set_spec(spec); }
  void block_udp(bool blocked) { udp_blocked_ = blocked; }

  void take_in() {
    std::array<mmsghdr, kBatch> messages{};
    std::array<iovec, kBatch> vectors;
    int got = kBatch;
    for (int turn = 0; turn < kTurns && got == static_cast<int>(kBatch); ++turn) {
      for (size_t i = 0; i < kBatch; ++i) {
        vectors[i] = {scratch_.frame(i).data(), kFrameMax};
        messages[i].msg_hdr = {.msg_iov = &vectors[i],
                               .msg_iovlen = 1,
                               .msg_control = scratch_.notes[i].data(),
                               .msg_controllen = scratch_.notes[i].size()};
      }
      got = ::recvmmsg(from_, messages.data(), kBatch, MSG_DONTWAIT, nullptr);
      const Instant now = moment();
      timespec wall{};
      ::clock_gettime(CLOCK_REALTIME, &wall);
      for (int i = 0; i < got; ++i) {
        const auto n = static_cast<size_t>(i);
        if (messages[n].msg_len <= kNote) continue;
        take(arrival(messages[n].msg_hdr, now, wall), scratch_.frame(n).first(messages[n].msg_len));
      }
    }
  }

  void send_due() {
    const Instant now = moment();
    while (!transit_.empty() && transit_.due(0) <= now) {
      std::array<mmsghdr, kBatch> messages{};
      std::array<iovec, kBatch> vectors;
      unsigned count = 0;
      for (; count < kBatch && count < transit_.size() && transit_.due(count) <= now; ++count) {
        const Bytes frame = transit_.frame(count);
        vectors[count] = {const_cast<uint8_t*>(frame.data()), frame.size()};
        messages[count].msg_hdr = {.msg_iov = &vectors[count], .msg_iovlen = 1};
      }
      const int sent = ::sendmmsg(to_, messages.data(), count, MSG_DONTWAIT);
      // a frame the far end refuses is lost, as on any wire
      for (int gone = std::max(sent, 1); gone > 0; --gone) transit_.pop();
    }
  }

  bool empty() const { return transit_.empty(); }
  Instant next_due() const { return transit_.due(0); }
  int source() const { return from_; }

 private:
  void take(Instant now, MutableBytes noted) {
    const Bytes packet = packet_in(noted.subspan(kNote));
    if (packet.empty()) {
      transit_.push(now, noted);
      return;
    }
    if (udp_blocked_ && is_udp(packet)) return;
    const link::Fate fate = lane_.offer(now, packet.size());
    if (fate.kind == link::Fate::Kind::too_big) return take_too_big(now, noted.subspan(kNote));
    for (size_t i = fate.copies; i-- > 0;) {  // the first one last: it may get its wrong bit in place
      if (i == 0 && fate.wrong_bit) flip_bit(noted.subspan(kNote), *fate.wrong_bit);
      transit_.push(fate.due[i], noted);
    }
  }

  void take_too_big(Instant now, Bytes frame) {
    const uint32_t mtu = lane_.spec().mtu;
    const MutableBytes room{scratch_.piece.get(), kFrameMax};
    std::memset(room.data(), 0, kNote);
    if (may_be_fragmented(frame)) {
      fragment(frame, mtu, room.subspan(kNote), [&](Bytes piece) { take(now, room.first(kNote + piece.size())); });
    } else if (lane_.spec().icmp) {
      const size_t size = put_too_big(frame, mtu, router_, room.data() + kNote);
      if (size > 0 && ::send(from_, room.data(), kNote + size, MSG_DONTWAIT) < 0) return;  // lost, as on any wire
    }
  }

  int from_, to_;
  RouterAddresses router_;
  Scratch& scratch_;
  SeededRng rng_;
  link::Lane lane_{rng_};
  link::Transit transit_{kBytesInFlight, kFramesInFlight};
  bool udp_blocked_ = false;
};

/// "up SPEC", "down SPEC", "udp on", "udp off".
bool obey(const std::string& line, Direction& up, Direction& down) {
  const size_t space = line.find(' ');
  const std::string verb = line.substr(0, space), rest = line.substr(space + 1);
  if (verb == "udp") {
    for (Direction* direction : {&up, &down}) direction->block_udp(rest == "off");
    return true;
  }
  const auto spec = link::parse_spec(rest);
  if (spec) (verb == "up" ? up : down).set(*spec);
  return static_cast<bool>(spec);
}

/// Each line from stdin is obeyed and answered; false: nobody is there any more.
bool read_commands(std::string& buffered, Direction& up, Direction& down) {
  char chunk[1024];
  const ssize_t n = ::read(STDIN_FILENO, chunk, sizeof chunk);
  if (n <= 0) return false;
  buffered.append(chunk, static_cast<size_t>(n));
  for (size_t end; (end = buffered.find('\n')) != std::string::npos; buffered.erase(0, end + 1)) {
    const std::string answer = obey(buffered.substr(0, end), up, down) ? "ok\n" : "what?\n";
    if (::write(STDOUT_FILENO, answer.data(), answer.size()) < 0) return false;
  }
  return true;
}

int forward_until_told(Direction& up, Direction& down) {
  std::string buffered;
  while (true) {
    Instant due = Instant::max();
    for (const Direction* direction : {&up, &down}) {
      if (!direction->empty()) due = std::min(due, direction->next_due());
    }
    const auto left = std::max(due == Instant::max() ? Duration(1h) : due - moment(), Duration(0));
    const timespec patience{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
    std::array<pollfd, 3> sources{pollfd{up.source(), POLLIN, 0}, pollfd{down.source(), POLLIN, 0},
                                  pollfd{STDIN_FILENO, POLLIN, 0}};
    ::ppoll(sources.data(), sources.size(), &patience, nullptr);
    for (Direction* direction : {&up, &down}) {
      direction->take_in();
      direction->send_due();
    }
    if (sources[2].revents != 0 && !read_commands(buffered, up, down)) return 0;
  }
}

}  // namespace

Wire::Wire(const Host& middle, const std::string& a, const std::string& b, const RouterAddresses& router,
           uint64_t seed) {
  const auto body = [=]() -> int {
    ::prctl(PR_SET_TIMERSLACK, 1000UL);
    ::setpriority(PRIO_PROCESS, 0, -15);  // a wire does not wait for the CPU; without privilege it has to
    const int left = open_packet_socket(a);
    const int right = open_packet_socket(b);
    Scratch scratch;
    Direction up(left, right, router, seed, scratch);
    Direction down(right, left, router, ~seed, scratch);
    if (::write(STDOUT_FILENO, "ready\n", 6) != 6) return 1;
    return forward_until_told(up, down);
  };
  process_ = middle.start(Command{.in = {Stream::pipe}, .body = body});
  if (process_.read_line(in(10s)) != "ready") throw LabError("the wire between " + a + " and " + b + " did not start");
}

void Wire::set(const LineState& state) {
  tell("up " + link::to_text(state.up));
  tell("down " + link::to_text(state.down));
  tell(state.udp_blocked ? "udp off" : "udp on");
}

void Wire::tell(const std::string& line) {
  if (!process_.write(line + "\n") || process_.read_line(in(10s)) != "ok")
    throw LabError("a wire did not obey " + line);
}

bool wires_take_trains() {
  utsname system{};
  int major = 0, minor = 0;
  ::uname(&system);
  std::sscanf(system.release, "%d.%d", &major, &minor);
  return major > 6 || (major == 6 && minor >= 2);
}

}  // namespace ginnel::lab
