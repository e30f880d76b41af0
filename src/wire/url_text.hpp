// What tickets and server URLs share as texts that people copy. Knows white space, letter case and schemes of ASCII
// text; refuses to know what the text means, and no locale has a say. RFC 3986 sections 3.1 and 6.2.2.1.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>

namespace ginnel::wire {

inline bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

inline bool has_space(std::string_view text) { return std::any_of(text.begin(), text.end(), is_space); }

/// A line copied from a terminal has its line break on it.
inline std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

inline std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

/// Does `text` begin with `scheme` (given in lower case), in any case? QR codes are denser in upper case.
inline bool has_scheme(std::string_view text, std::string_view scheme) {
  return lower_case(text.substr(0, scheme.size())) == scheme;
}

}  // namespace ginnel::wire
