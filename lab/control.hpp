// How commands reach a lab that is up: one line asked, an answer read, over a socket in the abstract namespace. Its
// name is the only trace of a lab outside of it and goes with the process that holds it, so there is no state to be
// left behind. Others on the machine are refused by their user id, on both sides.
#pragma once
#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "drive/fd.hpp"

namespace ginnel::lab {

inline constexpr const char* kDefaultLab = "default";

/// Letters, digits, dashes, dots; up to 32.
bool is_lab_name(const std::string& name);

// ---- the lab's side
/// Takes the name. Errc::in_use if there is one.
Result<Fd> claim_name(const std::string& name);
/// From now on asked for; whoever asks learns the pid of the process that calls this.
void open_for_questions(const Fd& socket);
/// Takes one question, if it is its owner's, and sends what `answer` makes of it.
void answer_one(const Fd& socket, const std::function<std::string(const std::string& question)>& answer);

// ---- the other side
struct LabAnswer {
  std::string text;
  pid_t keeper = -1;  ///< the process inside that answers
};
/// Errc::unreachable if no lab of that name is up; what the lab refuses with its own code and sentence.
Result<LabAnswer> ask_lab(const std::string& name, const std::string& question);
/// Names of this user's.
std::vector<std::string> lab_names();

// What an answer begins with.
std::string good_answer(const std::string& text);
std::string bad_answer(Errc code, const std::string& sentence);

}  // namespace ginnel::lab
