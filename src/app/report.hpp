// What the roles have to tell: each report is one event for programs and one sentence for people. cli/ prints it.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ginnel::app {

using Value = std::variant<std::string, double, int64_t, bool, std::vector<std::string>>;

struct Report {
  enum class Kind {
    line,    ///< worth a line of its own
    status,  ///< replaces the status line on a terminal; no line elsewhere
    detail,  ///< only with -v
  } kind = Kind::line;
  std::string event;  ///< empty: for people only
  std::vector<std::pair<std::string, Value>> fields;
  std::string text;   ///< empty: for programs only
};

using Reporter = std::function<void(const Report&)>;

}  // namespace ginnel::app
