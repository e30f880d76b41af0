// Any stream as what the other half of a tester says. Promises: reading ends and goes forward, and what was read is
// written as the very same bytes.
#include <algorithm>

#include "core/conform/control.hpp"
#include "fuzz/check.hpp"

using namespace ginnel;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes rest(data, size);
  for (;;) {
    conform::NextControl next = conform::next_control(rest);
    FUZZ_CHECK(!(next.malformed && next.message));
    if (next.malformed || next.size == 0) return 0;
    FUZZ_CHECK(next.message && next.size >= 3 && next.size <= conform::control_size_max && next.size <= rest.size());
    auto again = conform::encode(*next.message);
    FUZZ_CHECK(std::equal(again.begin(), again.end(), rest.begin(), rest.begin() + static_cast<ptrdiff_t>(next.size)));
    rest = rest.subspan(next.size);
  }
}
