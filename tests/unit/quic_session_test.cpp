// One QUIC session against another, without sockets, in virtual time.
#include <gtest/gtest.h>

#include "tests/support/session_pair.hpp"

namespace ginnel::test {
namespace {

using namespace quic;

std::string pattern(size_t n) {
  std::string out(n, '\0');
  uint32_t x = 1;
  for (char& c : out) c = static_cast<char>((x = x * 1664525 + 1013904223) >> 24);
  return out;
}

// Writes all of `text`, as StreamWritable allows.
void write_all(SessionPair& pair, SessionEnd& end, StreamId id, std::string_view text, Duration limit = 60s) {
  for (Instant until = pair.now + limit; !text.empty() && pair.now < until;) {
    for (MutableBytes room; !text.empty() && !(room = end.session->reserve(id)).empty();) {
      size_t n = std::min(room.size(), text.size());
      std::memcpy(room.data(), text.data(), n);
      end.session->commit(id, n);
      text.remove_prefix(n);
    }
    pair.step(until);
  }
  EXPECT_TRUE(text.empty());
}

TEST(QuicSession, HandshakeProvesBothKeys) {
  SessionPair pair;
  pair.run(100ms);
  ASSERT_TRUE(pair.dialler.session->connected());
  ASSERT_TRUE(pair.acceptor.session->connected());
  EXPECT_EQ(pair.dialler.find<Connected>()->peer, pair.acceptor_key.public_key());
  EXPECT_EQ(pair.acceptor.find<Connected>()->peer, pair.dialler_key.public_key());
}

TEST(QuicSession, DiallerMaySendAfterOneRoundTrip) {
  SessionPair pair;
  Instant begin = pair.now;
  while (!pair.dialler.session->connected()) pair.step(begin + 1s);
  EXPECT_EQ(pair.now - begin, 2 * pair.one_way);
  auto id = pair.dialler.session->open_stream();
  ASSERT_TRUE(id);
  pair.dialler.session->send(*id, as_bytes("hello"));
  pair.run(pair.one_way);
  EXPECT_EQ(pair.acceptor.text[*id], "hello");
  EXPECT_EQ(pair.now - begin, 3 * pair.one_way);
}

TEST(QuicSession, WrongKeyIsTurnedAwayAndSaidSo) {
  SeededRng other(99);
  SessionPair pair({.alpn = "test", .expected_peer = crypto::Identity::generate(other).public_key()});
  pair.run(1s);
  ASSERT_TRUE(pair.dialler.find<Closed>());
  EXPECT_EQ(pair.dialler.find<Closed>()->why, Closed::Why::wrong_key);
  EXPECT_FALSE(pair.dialler.session->connected());
  ASSERT_TRUE(pair.acceptor.find<Closed>());
  EXPECT_EQ(pair.acceptor.find<Closed>()->why, Closed::Why::wrong_key);
}

TEST(QuicSession, AcceptorTurnsAwayAnUnexpectedKey) {
  SessionPair pair;
  SeededRng other(99);
  pair.acceptor_config.expected_peer = crypto::Identity::generate(other).public_key();
  pair.run(1s);
  ASSERT_TRUE(pair.dialler.find<Closed>());
  EXPECT_EQ(pair.dialler.find<Closed>()->why, Closed::Why::wrong_key);
}

TEST(QuicSession, OtherProtocolIsRefused) {
  SessionPair pair({.alpn = "other"});
  pair.run(1s);
  EXPECT_TRUE(pair.dialler.find<Closed>());
  EXPECT_FALSE(pair.dialler.session->connected());
}

TEST(QuicSession, MegabytesArriveWholeInBothPacketSizes) {
  SessionPair pair;
  pair.run(100ms);
  std::string text = pattern(8'000'000);
  StreamId id = *pair.dialler.session->open_stream();
  write_all(pair, pair.dialler, id, std::string_view(text).substr(0, 3'000'000));
  pair.packet_size = 16000;  // the carrier changed below
  write_all(pair, pair.dialler, id, std::string_view(text).substr(3'000'000, 3'000'000));
  pair.packet_size = 1452;
  write_all(pair, pair.dialler, id, std::string_view(text).substr(6'000'000));
  pair.dialler.session->finish(id);
  pair.run(2s);
  EXPECT_EQ(pair.acceptor.text[id].size(), text.size());
  EXPECT_TRUE(pair.acceptor.text[id] == text);
  EXPECT_TRUE(pair.acceptor.session->finished_by_peer(id));
}

TEST(QuicSession, HalfCloseLeavesTheOtherDirectionOpen) {
  SessionPair pair;
  pair.run(100ms);
  StreamId id = *pair.dialler.session->open_stream();
  pair.dialler.session->send(id, as_bytes("question"));
  pair.dialler.session->finish(id);
  pair.run(100ms);
  EXPECT_TRUE(pair.acceptor.session->finished_by_peer(id));
  pair.acceptor.session->send(id, as_bytes("answer"));
  pair.run(100ms);
  EXPECT_EQ(pair.dialler.text[id], "answer");
  EXPECT_FALSE(pair.dialler.find<StreamClosed>());
  pair.acceptor.session->finish(id);
  pair.run(100ms);
  EXPECT_TRUE(pair.dialler.find<StreamClosed>());
  EXPECT_TRUE(pair.acceptor.find<StreamClosed>());
  EXPECT_EQ(pair.dialler.session->stream_count(), 0u);
  EXPECT_EQ(pair.acceptor.session->stream_count(), 0u);
}

TEST(QuicSession, BytesThatAreReadLateSurviveTheStreamsEnd) {
  SessionPair pair;
  pair.run(100ms);
  pair.acceptor.read = false;
  StreamId id = *pair.dialler.session->open_stream();
  pair.dialler.session->send(id, as_bytes("late"));
  pair.dialler.session->finish(id);
  pair.run(50ms);
  pair.acceptor.session->finish(id);
  pair.run(100ms);
  EXPECT_FALSE(pair.acceptor.find<StreamClosed>());
  pair.acceptor.take(id);
  EXPECT_EQ(pair.acceptor.text[id], "late");
  pair.run(50ms);
  EXPECT_TRUE(pair.acceptor.find<StreamClosed>());
  EXPECT_EQ(pair.acceptor.session->buffered(), 0u);
}

TEST(QuicSession, ResetCarriesItsReason) {
  SessionPair pair;
  pair.run(100ms);
  StreamId id = *pair.dialler.session->open_stream();
  pair.dialler.session->send(id, as_bytes("x"));
  pair.run(50ms);
  pair.acceptor.session->reset(id, Code::refused);
  pair.run(100ms);
  EXPECT_EQ(pair.dialler.resets[id], Code::refused);
  EXPECT_TRUE(pair.dialler.find<StreamClosed>());
}

TEST(QuicSession, ResetReachesOneWhoHasAlreadyFinished) {
  SessionPair pair;
  pair.run(100ms);
  StreamId id = *pair.dialler.session->open_stream();
  pair.dialler.session->finish(id);
  pair.run(100ms);
  pair.acceptor.session->reset(id, Code::refused);
  pair.run(100ms);
  EXPECT_EQ(pair.dialler.resets[id], Code::refused);
  EXPECT_TRUE(pair.dialler.find<StreamClosed>());
}

TEST(QuicSession, SlowReaderHoldsBackOnlyItsOwnStream) {
  SessionPair pair;
  pair.run(100ms);
  pair.acceptor.read = false;
  StreamId slow = *pair.dialler.session->open_stream();
  std::string text = pattern(4'000'000);
  size_t given = 0;
  for (int i = 0; i < 200; ++i) {
    MutableBytes room = pair.dialler.session->reserve(slow);
    std::copy_n(text.begin(), room.size(), room.begin());  // which may be empty
    pair.dialler.session->commit(slow, room.size());
    given += room.size();
    pair.run(20ms);
  }
  EXPECT_LE(given, 600'000u);  // bounded on both ends: the window there, the unsent bytes here
  EXPECT_LE(pair.acceptor.session->buffered(), 128'000u);
  pair.acceptor.read = true;
  StreamId quick = *pair.dialler.session->open_stream();
  write_all(pair, pair.dialler, quick, text);
  pair.run(1s);
  EXPECT_TRUE(pair.acceptor.text[quick] == text);
}

TEST(QuicSession, WakeCutsTheProbeTimeoutAfterAnOutage) {
  SessionPair pair;
  pair.run(100ms);
  StreamId id = *pair.dialler.session->open_stream();
  pair.cut = true;
  pair.dialler.session->send(id, as_bytes("lost at first"));
  pair.run(20s);
  pair.cut = false;
  Instant back = pair.now;
  pair.dialler.session->wake(pair.now);
  while (pair.acceptor.text[id].empty() && pair.now < back + 10s) pair.step(back + 10s);
  EXPECT_LE(pair.now - back, 100ms);
  pair.run(1s);
  EXPECT_EQ(pair.dialler.session->unacknowledged(id), 0u);
}

TEST(QuicSession, CloseSaysWhy) {
  SessionPair pair;
  pair.run(100ms);
  pair.acceptor.session->close(Code::forbidden, "not for you");
  pair.run(100ms);
  auto* closed = pair.dialler.find<Closed>();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->why, Closed::Why::peer);
  EXPECT_EQ(closed->code, Code::forbidden);
  EXPECT_EQ(closed->text, "not for you");
}

TEST(QuicSession, PacketsOfAFormerLifeAreAnsweredByAReset) {
  SessionPair pair;
  pair.run(100ms);
  StreamId id = *pair.dialler.session->open_stream();
  pair.dialler.session->send(id, as_bytes("are you there?"));
  std::vector<uint8_t> packet(1200);
  Train train = pair.dialler.session->write(pair.now, packet, 1200, 0);
  packet.resize(train.size);
  Door door(pair.acceptor_key);  // another process with the same key
  std::vector<uint8_t> room(1200);
  auto reset = door.reset(packet, pair.rng, room);
  ASSERT_TRUE(reset);
  EXPECT_LT(reset->size(), packet.size());
  pair.dialler.session->handle_packet(pair.now, MutableBytes(room).first(reset->size()));
  pair.dialler.drain();
  ASSERT_TRUE(pair.dialler.find<Closed>());
  EXPECT_EQ(pair.dialler.find<Closed>()->why, Closed::Why::reset);
}

TEST(QuicSession, RetryProvesTheAddressWithoutState) {
  SessionPair pair;
  std::vector<uint8_t> room(65507), answer(1200);
  Address from = Address::v4(192, 0, 2, 1, 5000), other = Address::v4(192, 0, 2, 2, 5000);
  Door door(pair.acceptor_key);
  Train first = pair.dialler.session->write(pair.now, room, 1200, 0);
  EXPECT_FALSE(door.check_token(pair.now, Bytes(room).first(first.size), from));
  auto retry = door.retry(pair.now, Bytes(room).first(first.size), from, pair.rng, answer);
  ASSERT_TRUE(retry);
  pair.dialler.session->handle_packet(pair.now, MutableBytes(answer).first(retry->size()));
  Train second = pair.dialler.session->write(pair.now, room, 1200, 0);
  ASSERT_GT(second.size, 0u);
  Bytes again = Bytes(room).first(second.size);
  EXPECT_FALSE(door.check_token(pair.now, again, other));
  EXPECT_FALSE(door.check_token(pair.now + 1min, again, from));
  auto proven = door.check_token(pair.now, again, from);
  ASSERT_TRUE(proven);
  pair.acceptor.session = Session::accept(pair.now, pair.acceptor_key, pair.acceptor_config, 2, pair.rng, again, proven);
  ASSERT_TRUE(pair.acceptor.session);
  pair.acceptor.session->handle_packet(pair.now, MutableBytes(room).first(second.size));
  pair.run(200ms);
  EXPECT_TRUE(pair.dialler.session->connected());
  EXPECT_TRUE(pair.acceptor.session->connected());
}

TEST(QuicSession, ASilentStreamIsOpenedAllTheSame) {
  SessionPair pair;
  pair.run(100ms);
  StreamId id = *pair.dialler.session->open_stream();
  pair.run(50ms);
  ASSERT_TRUE(pair.acceptor.find<StreamOpened>());  // a service may speak first
  pair.acceptor.session->send(id, as_bytes("banner"));
  pair.run(50ms);
  EXPECT_EQ(pair.dialler.text[id], "banner");
}

TEST(QuicSession, HundredStreamsShareFairly) {
  SessionPair pair;
  pair.run(100ms);
  std::vector<StreamId> ids;
  std::string text = pattern(100'000);
  for (int i = 0; i < 100; ++i) {
    ids.push_back(*pair.dialler.session->open_stream());
    pair.dialler.session->send(ids.back(), as_bytes(text));
    pair.dialler.session->finish(ids.back());
  }
  pair.run(3s);
  for (StreamId id : ids) EXPECT_TRUE(pair.acceptor.text[id] == text) << id;
}

}  // namespace
}  // namespace ginnel::test
