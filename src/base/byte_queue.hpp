// A queue of bytes in chunks of 64 KiB: bytes go in once, stay where they are, and leave in order. Pointers to them hold
// until they are popped, which is what QUIC needs of data that may have to be sent again. Chunks come from a pool, so a
// busy session allocates nothing in the steady state.
#pragma once
#include <algorithm>
#include <cassert>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include "base/bytes.hpp"

namespace ginnel {

class ChunkPool {
 public:
  static constexpr size_t chunk_size = 64 * 1024;
  static constexpr size_t spare_max = 32;
  using Chunk = std::unique_ptr<uint8_t[]>;

  Chunk take() {
    if (spare_.empty()) return Chunk(new uint8_t[chunk_size]);
    Chunk chunk = std::move(spare_.back());
    spare_.pop_back();
    return chunk;
  }
  void give(Chunk chunk) {
    if (spare_.size() < spare_max) spare_.push_back(std::move(chunk));
  }

 private:
  std::vector<Chunk> spare_;
};

class ByteQueue {
 public:
  explicit ByteQueue(ChunkPool& pool) : pool_(&pool) {}
  ByteQueue(const ByteQueue&) = delete;
  ~ByteQueue() {
    for (auto& chunk : chunks_) pool_->give(std::move(chunk));
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  /// Room behind the last byte, never empty; what is written there counts once it is committed.
  MutableBytes reserve() {
    size_t end = head_ + size_;
    if (end == chunks_.size() * ChunkPool::chunk_size) chunks_.push_back(pool_->take());
    size_t in_chunk = end - (chunks_.size() - 1) * ChunkPool::chunk_size;
    return {chunks_.back().get() + in_chunk, ChunkPool::chunk_size - in_chunk};
  }
  void commit(size_t n) { size_ += n; }

  void append(Bytes bytes) {
    while (!bytes.empty()) {
      MutableBytes room = reserve();
      size_t n = std::min(room.size(), bytes.size());
      std::memcpy(room.data(), bytes.data(), n);
      commit(n);
      bytes = bytes.subspan(n);
    }
  }

  /// The bytes from `offset` (counted from the front) to the end of their chunk; empty at the end of the queue.
  Bytes at(size_t offset) const {
    if (offset >= size_) return {};
    size_t begin = head_ + offset;
    size_t in_chunk = begin % ChunkPool::chunk_size;
    return {chunks_[begin / ChunkPool::chunk_size].get() + in_chunk,
            std::min(ChunkPool::chunk_size - in_chunk, size_ - offset)};
  }
  Bytes front() const { return at(0); }

  void pop(size_t n) {
    assert(n <= size_);
    head_ += n;
    size_ -= n;
    while (head_ >= ChunkPool::chunk_size) {
      drop_front();
      head_ -= ChunkPool::chunk_size;
    }
    if (size_ == 0) clear();
  }

  void clear() {
    while (!chunks_.empty()) drop_front();
    head_ = size_ = 0;
  }

 private:
  void drop_front() {
    pool_->give(std::move(chunks_.front()));
    chunks_.pop_front();
  }
  ChunkPool* pool_;
  std::deque<ChunkPool::Chunk> chunks_;
  size_t head_ = 0;
  size_t size_ = 0;
};

}  // namespace ginnel
