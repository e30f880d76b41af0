// Which requirements are asked about: all, or those that words on the command line name. Knows how people write them.
#pragma once
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "core/conform/suite.hpp"

namespace ginnel::lab {

class Selection {
 public:
  /// "4787" is a whole document, "5382-2a" and "RFC 5382 REQ-2a" one requirement, "7857-2.3" a section. None: all.
  static Result<Selection> parse(const std::vector<std::string>& words);

  size_t size() const { return ids_.size(); }
  std::function<bool(const conform::Requirement&)> filter() const;

 private:
  std::set<std::string> ids_;
};

}  // namespace ginnel::lab
