#include "lab/wire.hpp"

#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "lab/error.hpp"

namespace ginnel::lab {
namespace {

constexpr size_t kFrame = 2048 - 16;  ///< with its header a slot is 2 KiB; the MTU of the lab is 1500
constexpr size_t kBatch = 64;

struct Slot {
  Time due;
  uint32_t length = 0;
  std::array<std::byte, kFrame> bytes;
};

int open_packet_socket(const std::string& interface) {
  const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) throw_errno("cannot open a packet socket");
  const int on = 1;
  const int buffer = 16 << 20;
  if (::setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0) throw_errno("PACKET_IGNORE_OUTGOING");
  ::setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
  for (int option : {SO_RCVBUF, SO_SNDBUF, SO_RCVBUFFORCE, SO_SNDBUFFORCE}) {  // the last two only for the real root
    ::setsockopt(fd, SOL_SOCKET, option, &buffer, sizeof buffer);
  }
  sockaddr_ll at{.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
  at.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) throw_errno("cannot bind to " + interface);
  return fd;
}

/// One direction: a ring of frames in the order of arrival, which is the order of departure.
class Lane {
 public:
  Lane(int from, int to, const WireOptions& options)
      : from_(from),
        to_(to),
        delay_(options.delay),
        size_(std::max<size_t>(options.queue_bytes / sizeof(Slot), kBatch)) {
    void* memory = ::mmap(nullptr, size_ * sizeof(Slot), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw_errno("cannot get memory for the wire");
    ring_ = static_cast<Slot*>(memory);  // pages that no frame has needed yet cost nothing
  }

  void take_in() {
    std::array<mmsghdr, kBatch> messages{};
    std::array<iovec, kBatch> vectors;
    int got = kBatch;
    while (got == static_cast<int>(kBatch) && size_ - (tail_ - head_) >= kBatch) {
      for (size_t i = 0; i < kBatch; ++i) {
        vectors[i] = {at(tail_ + i).bytes.data(), kFrame};
        messages[i] = {};
        messages[i].msg_hdr.msg_iov = &vectors[i];
        messages[i].msg_hdr.msg_iovlen = 1;
      }
      got = ::recvmmsg(from_, messages.data(), kBatch, MSG_DONTWAIT, nullptr);
      const Time due = now() + delay_;
      for (int i = 0; i < got; ++i, ++tail_) {
        at(tail_).due = due;
        at(tail_).length = messages[static_cast<size_t>(i)].msg_len;
      }
    }
    if (size_ - (tail_ - head_) < kBatch) drop();
  }

  void send_due() {
    const Time moment = now();
    while (head_ != tail_ && at(head_).due <= moment) {
      std::array<mmsghdr, kBatch> messages{};
      std::array<iovec, kBatch> vectors;
      unsigned count = 0;
      for (; count < kBatch && head_ + count != tail_ && at(head_ + count).due <= moment; ++count) {
        Slot& slot = at(head_ + count);
        vectors[count] = {slot.bytes.data(), slot.length};
        messages[count].msg_hdr.msg_iov = &vectors[count];
        messages[count].msg_hdr.msg_iovlen = 1;
      }
      const int sent = ::sendmmsg(to_, messages.data(), count, MSG_DONTWAIT);
      head_ += sent > 0 ? static_cast<size_t>(sent) : 1;  // a frame the far end refuses is lost, as on any wire
    }
  }

  bool empty() const { return head_ == tail_; }
  Time next_due() const { return ring_[head_ % size_].due; }
  int source() const { return from_; }

 private:
  Slot& at(size_t i) { return ring_[i % size_]; }
  void drop() {
    std::array<std::byte, kFrame> nowhere;
    while (::recv(from_, nowhere.data(), nowhere.size(), MSG_DONTWAIT) > 0) continue;
  }

  int from_;
  int to_;
  Duration delay_;
  size_t size_;
  Slot* ring_ = nullptr;
  size_t head_ = 0;
  size_t tail_ = 0;
};

[[noreturn]] void forward_for_ever(Lane& there, Lane& back) {
  while (true) {
    Time due = Time::max();
    for (const Lane* lane : {&there, &back}) {
      if (!lane->empty()) due = std::min(due, lane->next_due());
    }
    const auto left = std::max<Duration>(due == Time::max() ? Duration(1h) : Duration(due - now()), Duration(0));
    const timespec patience{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
    std::array<pollfd, 2> sources{pollfd{there.source(), POLLIN, 0}, pollfd{back.source(), POLLIN, 0}};
    ::ppoll(sources.data(), sources.size(), &patience, nullptr);
    for (Lane* lane : {&there, &back}) {
      lane->take_in();
      lane->send_due();
    }
  }
}

void set_feature(int fd, const std::string& interface, uint32_t command) {
  ethtool_value value{.cmd = command, .data = 0};
  ifreq request{};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&value);
  if (::ioctl(fd, SIOCETHTOOL, &request) != 0) throw_errno("cannot switch an offload of " + interface + " off");
}

}  // namespace

Process start_wire(const Host& middle, const std::string& a, const std::string& b, const WireOptions& options) {
  Process wire = middle.start([a, b, options]() -> int {
    ::prctl(PR_SET_TIMERSLACK, 1000UL);
    ::setpriority(PRIO_PROCESS, 0, -15);  // a wire does not wait for the CPU; without privilege it has to
    const int left = open_packet_socket(a);
    const int right = open_packet_socket(b);
    Lane there(left, right, options);
    Lane back(right, left, options);
    if (::write(STDOUT_FILENO, "ready\n", 6) != 6) return 1;
    forward_for_ever(there, back);
  });
  if (wire.read_line(in(10s)) != "ready") throw LabError("the wire between " + a + " and " + b + " did not start");
  return wire;
}

void plain_frames(const Host& host, const std::string& interface) {
  run({.body =
           [&interface] {
             const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
             for (uint32_t command : {ETHTOOL_SGSO, ETHTOOL_STSO, ETHTOOL_SGRO, ETHTOOL_STXCSUM}) {
               set_feature(fd, interface, command);
             }
             ::close(fd);
             return 0;
           }},
      host.netns());
}

}  // namespace ginnel::lab
