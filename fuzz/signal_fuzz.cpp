// Any bytes as a stream of messages. Promises: what is decoded encodes to the very bytes it came from (so decode,
// encode, decode is identity); a message cut short waits, and is never taken for another or for malformed; and no
// message is larger than the cap. No RFC: the format is ours.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "fuzz/check.hpp"
#include "wire/signal.hpp"

using namespace ginnel;
using namespace ginnel::wire;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes rest(data, size);
  while (true) {
    SignalResult result = next_signal(rest);
    FUZZ_CHECK(!(result.malformed && result.signal));
    FUZZ_CHECK(result.size <= std::min(rest.size(), signal_size_max));
    if (result.malformed || result.size == 0) return 0;
    Bytes bytes = rest.first(result.size);
    for (size_t cut = 0; cut < bytes.size(); cut += 1 + cut / 8) {
      SignalResult early = next_signal(bytes.first(cut));
      FUZZ_CHECK(early.size == 0 && !early.malformed && !early.signal);
    }
    if (result.signal) {
      std::vector<uint8_t> again = encode(*result.signal);
      FUZZ_CHECK(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
      SignalResult back = next_signal(again);
      FUZZ_CHECK(back.signal && back.size == again.size() && back.signal->index() == result.signal->index());
    }
    rest = rest.subspan(result.size);
  }
}
