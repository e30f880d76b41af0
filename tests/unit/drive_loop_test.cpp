#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <optional>

#include "drive/fd.hpp"
#include "drive/loop.hpp"
#include "drive/timer_queue.hpp"

namespace ginnel {
namespace {

/// Runs until stop(); false if that does not come within 10 s.
bool run(Loop& loop) {
  bool late = false;
  Loop::Timer limit(loop, [&] {
    late = true;
    loop.stop();
  });
  limit.set(loop.now() + 10s);
  loop.run();
  return !late;
}

struct Pair {
  Fd a, b;
  Pair() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    a.reset(fds[0]);
    b.reset(fds[1]);
  }
};

void put(const Fd& fd, char c) { EXPECT_EQ(::write(fd.get(), &c, 1), 1); }
char get(const Fd& fd) {
  char c = 0;
  return ::read(fd.get(), &c, 1) == 1 ? c : '\0';
}

TEST(Loop, postComesFromRunOnly) {
  Loop loop;
  bool came = false;
  loop.post([&] {
    came = true;
    loop.stop();
  });
  EXPECT_FALSE(came);
  EXPECT_TRUE(run(loop));
  EXPECT_TRUE(came);
}

TEST(LoopTimer, firesInOrderOfInstants) {
  Loop loop;
  std::string order;
  auto add = [&](char c) { return [&order, c] { order += c; }; };
  Loop::Timer a(loop, add('a')), b(loop, add('b')), past(loop, add('p')), never(loop, add('n'));
  Loop::Timer same(loop, add('s'));
  Loop::Timer end(loop, [&] { loop.stop(); });
  Instant now = loop.now();
  end.set(now + 4ms);
  b.set(now + 2ms);
  same.set(now + 2ms);
  a.set(now + 1ms);
  never.set(now + 1ms);
  never.cancel();
  past.set(now - 1s);
  EXPECT_TRUE(a.is_set());
  EXPECT_FALSE(never.is_set());
  EXPECT_TRUE(run(loop));
  EXPECT_EQ(order, "pabs");
  EXPECT_FALSE(a.is_set());
  EXPECT_GE(loop.now(), now + 4ms);
}

TEST(LoopTimer, moveLaterAndEarlier) {
  Loop loop;
  Instant start = loop.now(), fired{};
  Loop::Timer timer(loop, [&] {
    fired = loop.now();
    loop.stop();
  });
  timer.set(start + 1ms);
  timer.set(start + 9s);
  timer.set(start + 5ms);
  EXPECT_TRUE(run(loop));
  EXPECT_GE(fired, start + 5ms);
  EXPECT_LT(fired, start + 1s);
}

TEST(LoopTimer, alwaysDueDoesNotStarveDescriptors) {
  Loop loop;
  Pair pair;
  std::optional<Loop::Timer> greedy;
  greedy.emplace(loop, [&] { greedy->set(loop.now()); });
  greedy->set(loop.now());
  Loop::Watch watch(loop, pair.a.get(), [&] { loop.stop(); });
  watch.want_read(true);
  put(pair.b, 'x');
  EXPECT_TRUE(run(loop));
}

TEST(LoopTimer, destroysItselfInItsCallback) {
  Loop loop;
  auto held = std::make_shared<int>(7);
  std::optional<Loop::Timer> timer;
  timer.emplace(loop, [&, held] {
    timer.reset();
    EXPECT_EQ(*held, 7);  // what the callback holds lives as long as it runs
    loop.stop();
  });
  timer->set(loop.now());
  EXPECT_TRUE(run(loop));
  EXPECT_EQ(held.use_count(), 1);
}

TEST(LoopWatch, repeatsWhileReadyAndWanted) {
  Loop loop;
  Pair pair;
  std::string seen;
  Loop::Watch watch(loop, pair.a.get(), [&] {
    seen += get(pair.a);
    if (seen.size() == 3) loop.stop();
  });
  put(pair.b, '1');
  put(pair.b, '2');
  put(pair.b, '3');
  watch.want_read(true);
  EXPECT_TRUE(run(loop));
  EXPECT_EQ(seen, "123");
}

TEST(LoopWatch, sayNothingWhileNotWanted) {
  Loop loop;
  Pair pair;
  int calls = 0;
  Loop::Watch watch(loop, pair.a.get(), [&] {
    calls++;
    watch.want_read(false);
    loop.post([&] { loop.stop(); });
  });
  put(pair.b, 'x');
  watch.want_read(true);
  EXPECT_TRUE(run(loop));
  Loop::Timer end(loop, [&] { loop.stop(); });
  end.set(loop.now() + 5ms);
  EXPECT_TRUE(run(loop));
  EXPECT_EQ(calls, 1);
  watch.want_read(true);  // level: the byte is still there
  EXPECT_TRUE(run(loop));
  EXPECT_EQ(calls, 2);
}

TEST(LoopWatch, readAndWriteAreSeparate) {
  Loop loop;
  Pair pair;
  int writable = 0;
  Loop::Watch watch(
      loop, pair.a.get(), [] { FAIL() << "nothing to read"; },
      [&] {
        if (++writable == 3) loop.stop();
      });
  watch.want_read(true);
  watch.want_write(true);
  EXPECT_TRUE(run(loop));
  EXPECT_EQ(writable, 3);
}

TEST(LoopWatch, destroyedInItsOwnCallback) {
  Loop loop;
  Pair pair;
  auto held = std::make_shared<int>(7);
  std::optional<Loop::Watch> watch;
  int calls = 0;
  watch.emplace(
      loop, pair.a.get(),
      [&, held] {
        calls++;
        watch.reset();
        pair.a.reset();
        EXPECT_EQ(*held, 7);
        loop.post([&] { loop.stop(); });
      },
      [&] {
        calls++;
        watch.reset();
        loop.post([&] { loop.stop(); });
      });
  put(pair.b, 'x');
  watch->want_read(true);
  watch->want_write(true);
  EXPECT_TRUE(run(loop));
  EXPECT_EQ(calls, 1) << "both sides were ready; the first destroyed the watch";
  EXPECT_EQ(held.use_count(), 1);
}

TEST(LoopWatch, oneCallbackDestroysAnother) {
  Loop loop;
  Pair one, two;
  Loop::Watch first, second;
  int calls = 0;
  auto only = [&] {
    calls++;
    first.reset();
    second.reset();
    one.a.reset();
    two.a.reset();
    loop.post([&] { loop.stop(); });
  };
  first = Loop::Watch(loop, one.a.get(), only);
  second = Loop::Watch(loop, two.a.get(), only);
  first.want_read(true);
  second.want_read(true);
  put(one.b, 'x');
  put(two.b, 'x');
  EXPECT_TRUE(run(loop));
  EXPECT_EQ(calls, 1);
}

TEST(LoopWatch, aDescriptorNumberUsedAgainIsAnotherDescriptor) {
  Loop loop;
  Pair old;
  int number = old.a.get();
  Loop::Watch stale(loop, number, [] { FAIL() << "destroyed"; });
  stale.want_read(true);
  put(old.b, 'x');
  stale.reset();
  old.a.reset();
  Fd again(::fcntl(old.b.get(), F_DUPFD_CLOEXEC, number));
  ASSERT_EQ(again.get(), number);
  Loop::Watch fresh(loop, number, [&] { loop.stop(); });
  fresh.want_read(true);  // its other end is closed: readable
  EXPECT_TRUE(run(loop));
}

TEST(LoopWatch, regularFileIsAlwaysReady) {
  Loop loop;
  Fd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  int calls = 0;
  Loop::Watch watch(loop, file.get(), [&] {
    if (++calls == 2) loop.stop();
  });
  watch.want_read(true);
  EXPECT_TRUE(run(loop));
  EXPECT_EQ(calls, 2);
}

TEST(Loop, signalsKeepComing) {
  Loop loop;
  int count = 0;
  loop.on_signal({SIGUSR1, SIGUSR2}, [&](int number) {
    EXPECT_EQ(number, count == 0 ? SIGUSR1 : SIGUSR2);
    if (++count == 2) loop.stop();
    if (count == 1) ::raise(SIGUSR2);
  });
  ::raise(SIGUSR1);
  EXPECT_TRUE(run(loop));
  EXPECT_EQ(count, 2);
}

TEST(LoopResolve, literalsAndNames) {
  Loop loop;
  std::vector<std::vector<Address>> answers;
  auto note = [&](std::vector<Address> found) {
    answers.push_back(std::move(found));
    if (answers.size() == 3) loop.stop();
  };
  auto v4 = loop.resolve("192.0.2.7", 80, note);
  auto v6 = loop.resolve("[2001:db8::7]", 81, note);
  EXPECT_TRUE(answers.empty()) << "never from inside resolve()";
  auto bare = loop.resolve("2001:db8::8", 82, note);
  EXPECT_TRUE(run(loop));
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0], std::vector{Address::v4(192, 0, 2, 7, 80)});
  EXPECT_EQ(answers[1], std::vector{*Address::parse("[2001:db8::7]:81")});
  EXPECT_EQ(answers[2], std::vector{*Address::parse("[2001:db8::8]:82")});
}

TEST(LoopResolve, localhostNeedsNoNetwork) {
  Loop loop;
  std::vector<Address> answer;
  auto lookup = loop.resolve("localhost", 22, [&](std::vector<Address> found) {
    answer = std::move(found);
    loop.stop();
  });
  EXPECT_TRUE(run(loop));
  ASSERT_FALSE(answer.empty());
  for (const auto& address : answer) {
    EXPECT_TRUE(address.is_loopback()) << address.to_string();
    EXPECT_EQ(address.port, 22);
  }
}

TEST(LoopResolve, droppedHandleCancels) {
  Loop loop;
  auto held = std::make_shared<int>(0);
  {
    auto lookup = loop.resolve("127.0.0.1", 1, [held](std::vector<Address>) { FAIL() << "cancelled"; });
    auto thread = loop.resolve("localhost", 1, [held](std::vector<Address>) { FAIL() << "cancelled"; });
  }
  EXPECT_EQ(held.use_count(), 1);
  Loop::Timer end(loop, [&] { loop.stop(); });
  end.set(loop.now() + 20ms);
  EXPECT_TRUE(run(loop));
}

TEST(TimerQueue, orderIsInstantThenFirstSet) {
  TimerQueue<int> queue;
  TimerQueue<int>::Slot a, b, c;
  Instant t{};
  queue.insert(a, t + 2ms, 1);
  queue.insert(b, t + 1ms, 2);
  queue.insert(c, t + 1ms, 3);
  EXPECT_EQ(queue.front(), 2);
  queue.insert(b, t + 3ms, 2);
  EXPECT_EQ(queue.front(), 3);
  queue.remove(c);
  queue.remove(c);
  EXPECT_EQ(queue.front(), 1);
  queue.insert(c, t, 3);
  EXPECT_EQ(queue.earliest(), t);
  queue.remove(a);
  queue.remove(b);
  queue.remove(c);
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace ginnel
