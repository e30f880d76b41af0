// A thing to do later: any callable without arguments, moved and never copied. A small one lies in the job itself, as
// those of packets do, so that a packet's flight allocates nothing.
#pragma once
#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace ginnel::sim {

class Job {
 public:
  static constexpr size_t room_size = 48;

  Job() = default;
  template <typename F>
  requires(!std::is_same_v<std::decay_t<F>, Job> && std::is_invocable_v<std::decay_t<F>&>) Job(F&& f) {
    using Kept = std::decay_t<F>;
    constexpr bool fits = sizeof(Kept) <= room_size && alignof(Kept) <= alignof(std::max_align_t) &&
                          std::is_nothrow_move_constructible_v<Kept>;
    if constexpr (fits) {
      ::new (room_) Kept(std::forward<F>(f));
      kind_ = &in_place<Kept>;
    } else {
      ::new (room_) std::unique_ptr<Kept>(std::make_unique<Kept>(std::forward<F>(f)));
      kind_ = &elsewhere<Kept>;
    }
  }
  Job(Job&& other) noexcept { take(other); }
  Job& operator=(Job&& other) noexcept {
    if (this == &other) return *this;
    reset();
    take(other);
    return *this;
  }
  ~Job() { reset(); }

  void operator()() { kind_->call(room_); }
  explicit operator bool() const { return kind_ != nullptr; }

 private:
  struct Kind {
    void (*call)(void* room);
    void (*move)(void* from, void* to);  ///< and ends the one at `from`
    void (*end)(void* room);
  };
  template <typename T>
  static T& at(void* room) {
    return *std::launder(static_cast<T*>(room));
  }
  template <typename T>
  static void move_to(void* from, void* to) {
    ::new (to) T(std::move(at<T>(from)));
    at<T>(from).~T();
  }
  template <typename F>
  static constexpr Kind in_place = {[](void* room) { at<F>(room)(); }, &move_to<F>,
                                    [](void* room) { at<F>(room).~F(); }};
  template <typename F>
  static constexpr Kind elsewhere = {[](void* room) { (*at<std::unique_ptr<F>>(room))(); },
                                     &move_to<std::unique_ptr<F>>,
                                     [](void* room) { std::destroy_at(&at<std::unique_ptr<F>>(room)); }};

  void take(Job& other) {
    kind_ = std::exchange(other.kind_, nullptr);
    if (kind_) kind_->move(other.room_, room_);
  }
  void reset() {
    if (kind_) std::exchange(kind_, nullptr)->end(room_);
  }

  const Kind* kind_ = nullptr;
  alignas(std::max_align_t) std::byte room_[room_size];
};

}  // namespace ginnel::sim
