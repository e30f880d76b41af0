// A value or the sentence that says why there is none. Used where a person or a remote can be wrong; our own mistakes
// are assertions. Exceptions exist only inside drive/ and at start-up in app/.
#pragma once
#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace ginnel {

/// What went wrong, as the command line's exit codes tell them apart (docs/exit-codes.md).
enum class Errc : uint8_t {
  internal = 1,     ///< our mistake: report it
  usage = 2,        ///< the command line is wrong: read --help
  bad_ticket = 3,   ///< the ticket or server URL cannot be read: copy it again
  unreachable = 4,  ///< the server or the peer does not answer: check address and network
  wrong_key = 5,    ///< somebody else answers at that address: do not trust it
  refused = 6,      ///< the other side, or its service, said no
  in_use = 7,       ///< the local address is taken: choose another
  permission = 8,   ///< a file or socket may not be used: check owner and mode
  gone = 9,         ///< the session ended while it was used
  not_met = 10,     ///< what was tested does not do what it must
  interrupted = 130,  ///< Ctrl-C; nothing to say
};

struct Error {
  Errc code = Errc::internal;
  std::string text;  ///< one sentence: what happened, where, what to do
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(Error error) : state_(std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() & { return std::get<0>(state_); }
  const T& operator*() const& { return std::get<0>(state_); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

}  // namespace ginnel
