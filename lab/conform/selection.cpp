#include "lab/conform/selection.hpp"

#include <algorithm>
#include <cctype>

namespace ginnel::lab {
namespace {

/// Without blanks and dashes, "RFC", "REQ" and "section": "RFC 5382 REQ-2a" and "5382-2a" are the same.
std::string core_of(std::string_view text) {
  std::string out;
  for (char c : text)
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '.')
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (std::string_view word : {"rfc", "req", "section"})
    if (size_t at = out.find(word); at != std::string::npos) out.erase(at, word.size());
  return out;
}

}  // namespace

Result<Selection> Selection::parse(const std::vector<std::string>& words) {
  Selection out;
  if (words.empty())
    for (const auto* each : conform::requirements()) out.ids_.insert(each->id());
  for (const std::string& word : words) {
    const std::string wanted = core_of(word);
    bool known = false;
    for (const auto* each : conform::requirements()) {
      if (core_of(each->id()) != wanted && core_of(each->rfc) != wanted) continue;
      known = true;
      out.ids_.insert(each->id());
    }
    if (!known)
      return Error{Errc::usage, "There is no requirement \"" + word + "\"; write one like 4787, 5382-2a or 7857-2.3."};
  }
  return out;
}

std::function<bool(const conform::Requirement&)> Selection::filter() const {
  return [ids = ids_](const conform::Requirement& each) { return ids.contains(each.id()); };
}

}  // namespace ginnel::lab
