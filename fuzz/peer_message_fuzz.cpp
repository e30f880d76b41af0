// Any bytes as a stream of messages. Promises: what is decoded encodes to the very bytes it came from (so decode,
// encode, decode is identity); a message cut short waits, and is never taken for another or for malformed; and no
// message is larger than the cap. No RFC: the format is ours.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "fuzz/check.hpp"
#include "wire/peer_message.hpp"

using namespace ginnel;
using namespace ginnel::wire;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes rest(data, size);
  while (true) {
    PeerMessageResult result = next_peer_message(rest);
    FUZZ_CHECK(!(result.malformed && result.message));
    FUZZ_CHECK(result.size <= std::min(rest.size(), peer_message_size_max));
    if (result.malformed || result.size == 0) return 0;
    Bytes bytes = rest.first(result.size);
    for (size_t cut = 0; cut < bytes.size(); cut += 1 + cut / 8) {
      PeerMessageResult early = next_peer_message(bytes.first(cut));
      FUZZ_CHECK(early.size == 0 && !early.malformed && !early.message);
    }
    if (result.message) {
      std::vector<uint8_t> again = encode(*result.message);
      FUZZ_CHECK(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
      PeerMessageResult back = next_peer_message(again);
      FUZZ_CHECK(back.message && back.size == again.size() && back.message->index() == result.message->index());
    }
    rest = rest.subspan(result.size);
  }
}
