// How a lab test runs: its body lives in a sandbox of its own (a forked child), prints its failed expectations as they
// happen, and only "passed, failed, skipped" comes back. Where no sandbox can be made the test is skipped with the
// reason.
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "lab/sandbox.hpp"

namespace ginnel::lab {

/// For TEST bodies: `in_sandbox([] { Lab lab; ... EXPECT_... });`
void in_sandbox(const std::function<void()>& body);

}  // namespace ginnel::lab
