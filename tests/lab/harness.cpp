#include "tests/lab/harness.hpp"

namespace ginnel::lab {

void in_sandbox(const std::function<void()>& body) {
  std::string why;
  const int code = run_in_sandbox(
      [&body] {
        body();
        if (testing::Test::HasFailure()) return 1;
        return testing::Test::IsSkipped() ? exit_no_sandbox : 0;
      },
      &why);
  if (code == exit_no_sandbox) GTEST_SKIP() << (why.empty() ? "see above" : why);
  EXPECT_EQ(code, 0) << "it failed inside the sandbox: see above";
}

}  // namespace ginnel::lab
