#include "drive/loop.hpp"

#include <sys/timerfd.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <cerrno>
#include <ctime>
#include <mutex>
#include <system_error>
#include <thread>

#include "drive/asio_context.hpp"
#include "drive/fd.hpp"
#include "drive/name_lookup.hpp"
#include "drive/timer_queue.hpp"

namespace ginnel {

namespace asio = boost::asio;
using boost::system::error_code;
using Executor = asio::io_context::executor_type;

/// getaddrinfo cannot be interrupted, so a lookup nobody wants any more keeps its thread until the resolver gives up.
constexpr int lookup_threads_max = 16;

/// How a lookup's thread reaches the loop, or learns that there is none any more.
struct Mailbox {
  std::mutex mutex;
  asio::io_context* context = nullptr;
};

namespace {

Instant boot_time() {
  timespec t;
  ::clock_gettime(CLOCK_BOOTTIME, &t);
  return Instant(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
}

}  // namespace

// ------------------------------------------------------------------------------------------------------- the loop

struct Loop::Impl {
  TimerQueue<Timer::State*> timers;  // first: callbacks that the context drops at its end may still hold a Timer
  asio::io_context context{1};
  asio::executor_work_guard<Executor> work{context.get_executor()};
  std::vector<std::unique_ptr<asio::basic_signal_set<Executor>>> signals;
  std::shared_ptr<Mailbox> mailbox = std::make_shared<Mailbox>();

  Fd timer_fd;
  Watch timer_watch;
  Instant armed = Instant::max();  ///< when timer_fd will fire: never later than the earliest timer
  bool due_posted = false;

  void arm();
  void run_due();
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {
  impl_->mailbox->context = &impl_->context;
  // Not Asio's own timers: they run on CLOCK_MONOTONIC, and after ten minutes of sleep would be ten minutes late.
  impl_->timer_fd.reset(::timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!impl_->timer_fd) throw std::system_error(errno, std::system_category(), "timerfd_create");
  impl_->timer_watch = Watch(*this, impl_->timer_fd.get(), [this] {
    uint64_t expirations;
    if (::read(impl_->timer_fd.get(), &expirations, sizeof expirations) < 0) return;
    impl_->armed = Instant::max();
    impl_->run_due();
  });
  impl_->timer_watch.want_read(true);
}

Loop::~Loop() {
  std::lock_guard lock(impl_->mailbox->mutex);
  impl_->mailbox->context = nullptr;
}

void Loop::run() {
  impl_->context.restart();
  impl_->context.run();
}

void Loop::stop() { impl_->context.stop(); }

void Loop::post(std::function<void()> job) { asio::post(impl_->context, std::move(job)); }

Instant Loop::now() const { return boot_time(); }

asio::io_context& asio_context(Loop& loop) { return loop.impl_->context; }

namespace {

void await_signal(asio::basic_signal_set<Executor>& set, std::shared_ptr<std::function<void(int)>> handler) {
  set.async_wait([&set, handler](error_code error, int number) {
    if (error) return;
    await_signal(set, handler);
    (*handler)(number);
  });
}

}  // namespace

void Loop::on_signal(const std::vector<int>& signals, std::function<void(int)> handler) {
  auto& set =
      *impl_->signals.emplace_back(std::make_unique<asio::basic_signal_set<Executor>>(impl_->context.get_executor()));
  for (int signal : signals) set.add(signal);
  await_signal(set, std::make_shared<std::function<void(int)>>(std::move(handler)));
}

// -------------------------------------------------------------------------------------------------------- watches

struct Loop::Watch::State : std::enable_shared_from_this<State> {
  struct Side {
    asio::posix::descriptor_base::wait_type kind;
    std::function<void()> callback;
    bool wanted = false;
    bool waiting = false;  ///< an async_wait is out
  };

  asio::posix::basic_stream_descriptor<Executor> descriptor;
  Side read, write;
  bool alive = true;
  bool calling = false;

  State(Executor executor, std::function<void()> on_readable, std::function<void()> on_writable)
      : descriptor(executor),
        read{asio::posix::descriptor_base::wait_read, std::move(on_readable)},
        write{asio::posix::descriptor_base::wait_write, std::move(on_writable)} {}

  void want(Side& side, bool on) {
    side.wanted = on;
    if (on && !side.waiting) wait(side);
  }

  void wait(Side& side) {
    side.waiting = true;
    descriptor.async_wait(side.kind, [self = shared_from_this(), &side](error_code error) {
      side.waiting = false;
      // Any error but our own release() means that epoll cannot watch this (a regular file): then it is always ready.
      if (self->alive && error != asio::error::operation_aborted) self->ready(side);
      if (!self->alive) self->forget();
    });
  }

  void ready(Side& side) {
    if (!side.wanted) return;
    calling = true;
    side.callback();
    calling = false;
    if (alive && side.wanted && !side.waiting) wait(side);
  }

  void end() {
    alive = false;
    descriptor.release();
    if (!calling) forget();
  }

  /// What the callbacks hold is let go as soon as no callback runs.
  void forget() {
    read.callback = nullptr;
    write.callback = nullptr;
  }
};

Loop::Watch::Watch(Loop& loop, int fd, std::function<void()> on_readable, std::function<void()> on_writable)
    : state_(
          std::make_shared<State>(loop.impl_->context.get_executor(), std::move(on_readable), std::move(on_writable))) {
  state_->descriptor.assign(fd);
}

Loop::Watch& Loop::Watch::operator=(Watch&& other) noexcept {
  if (this != &other) {
    reset();
    state_ = std::move(other.state_);
  }
  return *this;
}

void Loop::Watch::want_read(bool on) { state_->want(state_->read, on); }
void Loop::Watch::want_write(bool on) { state_->want(state_->write, on); }

void Loop::Watch::reset() {
  if (auto state = std::move(state_)) state->end();
}

// --------------------------------------------------------------------------------------------------------- timers

struct Loop::Timer::State : std::enable_shared_from_this<State> {
  Loop& loop;
  std::function<void()> on_time;
  TimerQueue<State*>::Slot slot;
  bool calling = false;

  State(Loop& l, std::function<void()> f) : loop(l), on_time(std::move(f)) {}
};

void Loop::Impl::run_due() {
  Instant now = boot_time();
  // Timers set by these callbacks wait for the next round, so that one that is always due cannot starve the sockets.
  uint64_t next_round = timers.next_order();
  while (!timers.empty() && timers.earliest() <= now && timers.front_order() < next_round) {
    auto timer = timers.front()->shared_from_this();
    timers.remove(timer->slot);
    timer->calling = true;
    timer->on_time();
    timer->calling = false;
  }
  arm();
}

void Loop::Impl::arm() {
  // Firing too early is harmless and rare, so a deadline that only moves away costs no system call.
  if (timers.empty() || timers.earliest() >= armed || due_posted) return;
  if (timers.earliest() <= boot_time()) {
    due_posted = true;
    asio::post(context, [this] {
      due_posted = false;
      run_due();
    });
    return;
  }
  armed = timers.earliest();
  auto since_boot = armed.time_since_epoch();
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  itimerspec setting{};
  setting.it_value.tv_sec = seconds.count();
  setting.it_value.tv_nsec = (since_boot - seconds).count();
  ::timerfd_settime(timer_fd.get(), TFD_TIMER_ABSTIME, &setting, nullptr);
}

Loop::Timer::Timer(Loop& loop, std::function<void()> on_time)
    : state_(std::make_shared<State>(loop, std::move(on_time))) {}

Loop::Timer& Loop::Timer::operator=(Timer&& other) noexcept {
  if (this != &other) {
    reset();
    state_ = std::move(other.state_);
  }
  return *this;
}

void Loop::Timer::set(Instant when) {
  if (state_->slot.set() && state_->slot.when() == when) return;
  Impl& impl = *state_->loop.impl_;
  impl.timers.insert(state_->slot, when, state_.get());
  impl.arm();
}

void Loop::Timer::cancel() {
  if (state_) state_->loop.impl_->timers.remove(state_->slot);
}

void Loop::Timer::reset() {
  cancel();
  // A callback that runs now is still needed by itself; run_due lets go of it right after.
  if (state_ && !state_->calling) state_->on_time = nullptr;
  state_.reset();
}

bool Loop::Timer::is_set() const { return state_ && state_->slot.set(); }

// ---------------------------------------------------------------------------------------------------------- names

struct Loop::Lookup::State {
  std::function<void(std::vector<Address>)> done;

  void finish(std::vector<Address> found) {
    // Moved out first: the handle may be dropped by the callback.
    if (auto callback = std::exchange(done, nullptr)) callback(std::move(found));
  }
};

Loop::Lookup Loop::resolve(std::string host, uint16_t port, std::function<void(std::vector<Address>)> done) {
  static std::atomic<int> threads = 0;
  Lookup lookup;
  lookup.state_ = std::make_shared<Lookup::State>(std::move(done));
  auto answer = [state = lookup.state_](std::vector<Address> found) { state->finish(std::move(found)); };
  if (auto literal = parse_ip(host, port)) {
    post([answer, literal] { answer({*literal}); });
    return lookup;
  }
  // Not Asio's resolver: it has one thread for all names, which the end of the program would have to wait for.
  auto ask = [mailbox = impl_->mailbox, answer, host = std::move(host), port] {
    auto found = look_up_name(host, port);
    threads--;
    std::lock_guard lock(mailbox->mutex);
    if (mailbox->context) asio::post(*mailbox->context, [answer, found] { answer(found); });
  };
  try {
    if (threads++ >= lookup_threads_max) throw std::system_error(EAGAIN, std::system_category());
    std::thread(std::move(ask)).detach();
  } catch (const std::system_error&) {
    threads--;
    post([answer] { answer({}); });
  }
  return lookup;
}

Loop::Lookup& Loop::Lookup::operator=(Lookup&& other) noexcept {
  if (this != &other) {
    reset();
    state_ = std::move(other.state_);
  }
  return *this;
}

void Loop::Lookup::reset() {
  if (state_) state_->done = nullptr;
  state_.reset();
}

}  // namespace ginnel
