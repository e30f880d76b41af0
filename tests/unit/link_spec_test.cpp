// The text of a line's impairments: what is understood, how it is written back, and the sentence for each mistake.
#include "core/link/spec.hpp"

#include <gtest/gtest.h>

namespace ginnel::link {
namespace {

Spec parsed(std::string_view text) {
  auto spec = parse_spec(text);
  EXPECT_TRUE(spec) << text << ": " << spec.error().text;
  return spec ? *spec : Spec{};
}

TEST(LinkSpec, ReadsEveryKey) {
  Spec s = parsed(
      "delay=20ms,jitter=2ms,rate=100mbit,queue=50ms,loss=1%,burst=5,reorder=1%:5ms,duplicate=0.1%,corrupt=0.01%,"
      "mtu=1400,icmp=off");
  EXPECT_EQ(s.delay, 20ms);
  EXPECT_EQ(s.jitter, 2ms);
  EXPECT_FALSE(s.jitter_reorders);
  EXPECT_EQ(s.bits_per_second, 100'000'000u);
  EXPECT_EQ(s.queue_time, 50ms);
  EXPECT_DOUBLE_EQ(s.loss, 0.01);
  EXPECT_DOUBLE_EQ(s.burst, 5);
  EXPECT_DOUBLE_EQ(s.reorder, 0.01);
  EXPECT_EQ(s.reorder_by, 5ms);
  EXPECT_DOUBLE_EQ(s.duplicate, 0.001);
  EXPECT_DOUBLE_EQ(s.corrupt, 0.0001);
  EXPECT_EQ(s.mtu, 1400u);
  EXPECT_FALSE(s.icmp);
}

TEST(LinkSpec, NothingDoesNothing) {
  EXPECT_EQ(parsed(""), Spec{});
  EXPECT_EQ(to_text(Spec{}), "");
}

TEST(LinkSpec, WritesWhatItReads) {
  for (const char* text :
       {"delay=20ms", "delay=1500us", "delay=1s", "jitter=2ms:reorder", "rate=9600bit", "rate=1gbit,queue=64kb",
        "rate=1500kbit,queue=1500b", "loss=0.5%", "loss=33.3333%", "loss=0.000001%", "delay=0.5us", "loss=100%", "loss=1%,burst=2.5", "mtu=1280",
        "delay=20ms,jitter=2ms,rate=100mbit,queue=50ms,loss=1%,burst=5,reorder=1%:5ms,duplicate=0.1%,corrupt=0.01%,"
        "mtu=1400,icmp=off"})
    EXPECT_EQ(to_text(parsed(text)), text);
}

TEST(LinkSpec, OrderOfKeysIsFree) { EXPECT_EQ(to_text(parsed("loss=1%,delay=0.02s")), "delay=20ms,loss=1%"); }

TEST(LinkSpec, QueueHasADefault) {
  EXPECT_EQ(parsed("rate=1mbit").queue_limit(), 2500u + 128 * 1024);
  EXPECT_EQ(parsed("rate=1gbit").queue_limit(), 2'500'000u + 128 * 1024);
  EXPECT_EQ(parsed("rate=8mbit,queue=50ms").queue_limit(), 50'000u);
  EXPECT_EQ(parsed("rate=8mbit,queue=7kb").queue_limit(), 7'000u);
}

TEST(LinkSpec, TrainsPassWhereNobodyWouldNotice) {
  for (const char* whole : {"", "delay=20ms", "rate=1gbit", "delay=5ms,rate=100mbit,queue=10ms"})
    EXPECT_TRUE(parsed(whole).takes_trains()) << whole;
  for (const char* apart :
       {"loss=1%", "reorder=1%:5ms", "duplicate=1%", "corrupt=1%", "mtu=1400", "rate=99mbit", "delay=20ms,jitter=1ms"})
    EXPECT_FALSE(parsed(apart).takes_trains()) << apart;
}

TEST(LinkSpec, SaysWhatIsWrong) {
  const struct {
    const char *text, *sentence;
  } rows[] = {
      {"dealy=20ms",
       "A line has no \"dealy\": it has delay, jitter, rate, queue, loss, burst, reorder, duplicate, corrupt, mtu, "
       "icmp."},
      {"delay", "A line's \"delay\" is a time up to 60s, such as 20ms, not \"\"."},
      {"delay=20", "A line's \"delay\" is a time up to 60s, such as 20ms, not \"20\"."},
      {"delay=-1ms", "A line's \"delay\" is a time up to 60s, such as 20ms, not \"-1ms\"."},
      {"delay=61s", "A line's \"delay\" is a time up to 60s, such as 20ms, not \"61s\"."},
      {"delay=20 ms", "A line's \"delay\" is a time up to 60s, such as 20ms, not \"20 ms\"."},
      {"delay=infms", "A line's \"delay\" is a time up to 60s, such as 20ms, not \"infms\"."},
      {"jitter=2ms:maybe",
       "A line's \"jitter\" is a time such as 2ms, or 2ms:reorder if packets may overtake each other, not "
       "\"2ms:maybe\"."},
      {"rate=0mbit", "A line's \"rate\" is bits a second up to 100gbit, such as 100mbit, not \"0mbit\"."},
      {"rate=100", "A line's \"rate\" is bits a second up to 100gbit, such as 100mbit, not \"100\"."},
      {"rate=101gbit", "A line's \"rate\" is bits a second up to 100gbit, such as 100mbit, not \"101gbit\"."},
      {"rate=1mbit,queue=0ms", "A line's \"queue\" is a time such as 50ms, or bytes such as 64kb, not \"0ms\"."},
      {"queue=50ms", "A line has a \"queue\" only with a \"rate\": add one, such as rate=100mbit."},
      {"loss=1", "A line's \"loss\" is a share such as 1%, not \"1\"."},
      {"loss=101%", "A line's \"loss\" is a share such as 1%, not \"101%\"."},
      {"burst=3", "A line has a \"burst\" only with a \"loss\": add one, such as loss=1%."},
      {"loss=1%,burst=0.5", "A line's \"burst\" is the packets lost in a row on average, 1 to 10000, not \"0.5\"."},
      {"reorder=1%", "A line's \"reorder\" is a share and a time, such as 1%:5ms, not \"1%\"."},
      {"mtu=67", "A line's \"mtu\" is bytes, 68 to 65535, not \"67\"."},
      {"mtu=1400b", "A line's \"mtu\" is bytes, 68 to 65535, not \"1400b\"."},
      {"mtu=1400,icmp=maybe", "A line's \"icmp\" is on or off, not \"maybe\"."},
      {"icmp=off", "A line has \"icmp\" only with an \"mtu\": add one, such as mtu=1400."},
  };
  for (const auto& row : rows) {
    auto spec = parse_spec(row.text);
    ASSERT_FALSE(spec) << row.text;
    EXPECT_EQ(spec.error().text, row.sentence);
    EXPECT_EQ(spec.error().code, Errc::usage);
  }
}

}  // namespace
}  // namespace ginnel::link
