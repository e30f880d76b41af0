// What `ginnel check` foretells is what the simulator's matrix shows.
#include "core/reach/predict.hpp"

#include <gtest/gtest.h>

#include <map>
#include <sstream>
#include <vector>

#include "tests/support/golden.hpp"

namespace ginnel::reach {
namespace {

const std::map<std::string, Kind> names = {{"open", Kind::open},
                                           {"full-cone", Kind::full_cone},
                                           {"restricted", Kind::restricted},
                                           {"port-restricted", Kind::port_restricted},
                                           {"sequential", Kind::symmetric_sequential},
                                           {"random", Kind::symmetric_random},
                                           {"udp-blocked", Kind::udp_blocked},
                                           {"443-only", Kind::only_443}};

TEST(ReachPredict, EqualsTheMatrix) {
  std::istringstream file(test::source_file("tests/golden/matrix.txt"));
  std::vector<std::string> columns;
  size_t compared = 0;
  for (std::string line, word; std::getline(file, line) && !(line.empty() && !columns.empty());) {
    if (line.starts_with("#")) continue;
    std::istringstream in(line);
    std::vector<std::string> row;
    while (in >> word) row.push_back(word);
    if (columns.empty()) {
      columns = row;
      continue;
    }
    auto dialler = names.find(row[0]);
    for (size_t i = 1; i < row.size() && dialler != names.end(); ++i) {
      auto target = names.find(columns.at(i - 1));
      if (target == names.end()) continue;
      EXPECT_EQ(predict(target->second, dialler->second), row[i]) << row[0] << " dials " << target->first;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 64u);
}

}  // namespace
}  // namespace ginnel::reach
