// The queue of chunks against a plain string.
#include "base/byte_queue.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/support/seeded_rng.hpp"

namespace ginnel {
namespace {

constexpr size_t chunk = ChunkPool::chunk_size;

std::string random_text(Rng& rng, size_t n) {
  std::string out(n, '\0');
  rng.fill({reinterpret_cast<uint8_t*>(out.data()), n});
  return out;
}

std::string all(const ByteQueue& queue, size_t from = 0) {
  std::string out;
  for (Bytes piece; !(piece = queue.at(from + out.size())).empty();) out += as_text(piece);
  return out;
}

TEST(ByteQueue, EmptyHasRoomAndNoBytes) {
  ChunkPool pool;
  ByteQueue queue(pool);
  EXPECT_TRUE(queue.empty());
  EXPECT_TRUE(queue.front().empty());
  EXPECT_TRUE(queue.at(5).empty());
  EXPECT_FALSE(queue.reserve().empty());
  EXPECT_EQ(queue.size(), 0u) << "room is not bytes";
  queue.pop(0);
  queue.clear();
  EXPECT_TRUE(queue.empty());
}

TEST(ByteQueue, WhatIsReservedCountsOnceItIsCommitted) {
  ChunkPool pool;
  ByteQueue queue(pool);
  std::memcpy(queue.reserve().data(), "hello", 5);
  queue.commit(3);
  EXPECT_EQ(all(queue), "hel");
  std::memcpy(queue.reserve().data(), "p!", 2);
  queue.commit(2);
  EXPECT_EQ(all(queue), "help!");
}

TEST(ByteQueue, RoomIsNeverEmptyAtAChunksEnd) {
  ChunkPool pool;
  ByteQueue queue(pool);
  for (int i = 0; i < 4; ++i) {
    MutableBytes room = queue.reserve();
    ASSERT_EQ(room.size(), chunk);
    std::memset(room.data(), 'a' + i, room.size());
    queue.commit(room.size());
  }
  EXPECT_EQ(queue.size(), 4 * chunk);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(queue.at(i * chunk + 7).size(), chunk - 7);
    EXPECT_EQ(queue.at(i * chunk + 7).front(), 'a' + static_cast<int>(i));
  }
}

TEST(ByteQueue, BytesStayWhereTheyAreUntilTheyArePopped) {
  ChunkPool pool;
  ByteQueue queue(pool);
  test::SeededRng rng;
  queue.append(as_bytes(random_text(rng, chunk)));
  queue.append(as_bytes("precious"));
  const uint8_t* where = queue.at(chunk).data();
  for (int i = 0; i < 20; ++i) queue.append(as_bytes(random_text(rng, 50'000)));
  queue.pop(chunk);
  EXPECT_EQ(queue.front().data(), where);
  EXPECT_EQ(as_text(queue.front().first(8)), "precious");
}

TEST(ByteQueue, BehavesLikeAStringUnderARandomScript) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    test::SeededRng rng(seed);
    ChunkPool pool;
    ByteQueue queue(pool);
    std::string model;
    for (int step = 0; step < 1'000; ++step) {
      size_t n = rng.below(3) == 0 ? rng.below(2 * chunk) : rng.below(300);
      switch (rng.below(5)) {
        case 0:
        case 1: {
          std::string text = random_text(rng, n);
          queue.append(as_bytes(text));
          model += text;
          break;
        }
        case 2: {
          MutableBytes room = queue.reserve();
          n = std::min(n, room.size());
          std::string text = random_text(rng, n);
          std::memcpy(room.data(), text.data(), n);
          queue.commit(n);
          model += text;
          break;
        }
        case 3:
          n = std::min(n, model.size());
          queue.pop(n);
          model.erase(0, n);
          break;
        default:
          if (rng.below(50) == 0) {
            queue.clear();
            model.clear();
          }
      }
      ASSERT_EQ(queue.size(), model.size()) << "seed " << seed << " step " << step;
      size_t from = model.empty() ? 0 : rng.below(model.size());
      Bytes piece = queue.at(from);
      ASSERT_EQ(piece.empty(), model.empty());
      ASSERT_TRUE(as_text(piece) == model.substr(from, piece.size())) << "seed " << seed << " step " << step;
      if (step % 50 == 0) {
        ASSERT_TRUE(all(queue, from) == model.substr(from)) << "seed " << seed << " step " << step;
      }
    }
  }
}

TEST(ByteQueue, ABusyQueueUsesTheSameChunksAgain) {
  ChunkPool pool;
  ByteQueue queue(pool);
  std::set<const uint8_t*> seen;
  std::string text(chunk, 'x');
  for (int i = 0; i < 100; ++i) {
    queue.append(as_bytes(text));
    seen.insert(queue.front().data());
    queue.pop(queue.size());
  }
  EXPECT_LE(seen.size(), 2u);
}

TEST(ByteQueue, AQueueThatEndsGivesItsChunksBack) {
  ChunkPool pool;
  const uint8_t* where;
  {
    ByteQueue queue(pool);
    queue.append(as_bytes("x"));
    where = queue.front().data();
  }
  EXPECT_EQ(pool.take().get(), where);
}

TEST(ByteQueue, ThePoolKeepsABoundedNumberOfChunks) {
  ChunkPool pool;
  std::set<uint8_t*> given;
  for (size_t i = 0; i < ChunkPool::spare_max; ++i) {
    ChunkPool::Chunk chunk_of_mine(new uint8_t[chunk]);
    given.insert(chunk_of_mine.get());
    pool.give(std::move(chunk_of_mine));
  }
  ChunkPool::Chunk one_more(new uint8_t[chunk]);
  uint8_t* dropped = one_more.get();
  pool.give(std::move(one_more));
  std::vector<ChunkPool::Chunk> taken;
  for (size_t i = 0; i < ChunkPool::spare_max; ++i) {
    taken.push_back(pool.take());
    EXPECT_TRUE(given.contains(taken.back().get()));
    EXPECT_NE(taken.back().get(), dropped);
  }
}

}  // namespace
}  // namespace ginnel
