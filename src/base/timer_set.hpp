// The next wake-up of many things, each with a key: set, cancel and take in logarithmic time.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/instant.hpp"

namespace ginnel {

template <typename Key>
class TimerSet {
 public:
  /// Replaces the key's earlier time; nothing cancels it.
  void set(const Key& key, std::optional<Instant> when) {
    auto at = when_.find(key);
    if (at != when_.end()) {
      if (at->second == when) return;
      queue_.erase({at->second, key});
      when_.erase(at);
    }
    if (!when) return;
    when_.emplace(key, *when);
    queue_.insert({*when, key});
  }
  std::optional<Instant> next() const { return queue_.empty() ? std::nullopt : std::optional(queue_.begin()->first); }
  /// One key whose time has come; it is cancelled thereby.
  std::optional<Key> take_due(Instant now) {
    if (queue_.empty() || queue_.begin()->first > now) return {};
    Key key = queue_.begin()->second;
    set(key, {});
    return key;
  }

 private:
  std::map<Key, Instant> when_;
  std::set<std::pair<Instant, Key>> queue_;
};

}  // namespace ginnel
