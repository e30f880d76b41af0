// Which way carries the data: one row, one situation.
#include "core/path/choose.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ginnel::path {
namespace {

const Carrier relay = Carrier::relay();
const Carrier a = Carrier::udp(Address::v4(192, 0, 2, 1, 1000));
const Carrier b = Carrier::udp(Address::v4(192, 0, 2, 2, 1000));
const Carrier c = Carrier::udp(Address::v4(192, 0, 2, 3, 1000));
const Carrier tcp = Carrier::tcp(1, Address::v4(192, 0, 2, 1, 2000));
constexpr std::optional<Duration> unknown;
constexpr std::optional<Instant> never;
const Instant now(1h);

struct Row {
  std::string situation;
  std::vector<Way> ways;
  std::optional<Carrier> current;
  std::optional<Instant> changed;
  std::optional<Carrier> expected;  ///< nothing: keep
  std::string_view why = "";
};

TEST(Choose, Table) {
  const Row rows[] = {
      {"nothing lives, nothing was used", {}, {}, never, {}},
      {"nothing lives, the last one stays named", {}, a, never, {}},
      {"only the relay", {{relay, unknown}}, {}, never, relay, "first path"},
      {"a direct one before the relay", {{relay, 20ms}, {a, 20ms}}, {}, never, a, "first path"},
      {"the fastest first", {{a, 30ms}, {b, 10ms}, {c, 20ms}}, {}, never, b, "first path"},
      {"measured before unmeasured", {{a, unknown}, {b, 900ms}}, {}, never, b, "first path"},

      {"the relay gives way to a direct path", {{relay, 20ms}, {a, 20ms}}, relay, never, a, "a direct path answers"},
      {"also to one a little slower: 30 ms against 20 * 1.25 + 5",
       {{relay, 20ms}, {a, 29ms}},
       relay,
       never,
       a,
       "a direct path answers"},
      {"not to one clearly slower", {{relay, 20ms}, {a, 31ms}}, relay, never, {}},
      {"a relay much faster than any direct path stays", {{relay, 20ms}, {a, 250ms}}, relay, never, {}},
      {"a relay not measured yet gives way", {{relay, unknown}, {a, 400ms}}, relay, never, a, "a direct path answers"},

      {"death of the path in use", {{relay, 20ms}, {b, 50ms}}, a, never, relay, "the path in use stopped answering"},
      {"death does not wait for the dwell time",
       {{relay, 20ms}},
       a,
       now - 1ms,
       relay,
       "the path in use stopped answering"},
      {"after a death the best of the others",
       {{relay, 60ms}, {b, 50ms}},
       a,
       now,
       b,
       "the path in use stopped answering"},

      {"the path in use is the best", {{a, 10ms}, {b, 20ms}, {relay, 30ms}}, a, never, {}},
      {"a faster one takes over", {{a, 50ms}, {b, 20ms}}, a, never, b, "this path is faster"},
      {"but not within the dwell time", {{a, 50ms}, {b, 20ms}}, a, now - 4999ms, {}},
      {"and again after it", {{a, 50ms}, {b, 20ms}}, a, now - 5s, b, "this path is faster"},
      {"the dwell time binds the relay too", {{relay, 50ms}, {a, 20ms}}, relay, now - 1s, {}},
      {"less than a fifth faster is not worth it", {{a, 50ms}, {b, 41ms}}, a, never, {}},
      {"a fifth is", {{a, 50ms}, {b, 40ms}}, a, never, b, "this path is faster"},
      {"less than 2 ms is not worth it on a LAN", {{a, 2ms}, {b, 100us}}, a, never, {}},
      {"2 ms is", {{a, 3ms}, {b, 1ms}}, a, never, b, "this path is faster"},

      {"back to the relay only if it is clearly faster", {{relay, 100ms}, {a, 120ms}}, a, never, {}},
      {"a relay that is clearly faster", {{relay, 30ms}, {a, 250ms}}, a, never, relay, "the relay is faster"},

      {"a tenth lost is chance", {{a, 20ms, 0.1}, {b, 25ms}}, a, never, {}},
      {"two tenths are not: they cost 400 ms", {{a, 20ms, 0.2}, {b, 300ms}}, a, never, b, "this path is faster"},
      {"nor on the relay", {{relay, 20ms, 0.3}, {a, 500ms}}, relay, never, a, "a direct path answers"},
      {"a lossy direct path loses to the relay", {{relay, 60ms}, {a, 20ms, 0.3}}, a, never, relay, "the relay is faster"},
      {"everything lost is worse than a second", {{a, 1ms, 1.0}, {b, unknown}}, a, never, b, "this path is faster"},
      {"TCP costs a tenth and a millisecond", {{tcp, 20ms}, {a, 23ms}}, {}, never, tcp, "first path"},
      {"and no less", {{tcp, 20ms}, {a, 22ms}}, {}, never, a, "first path"},
      {"a direct TCP connection before the relay", {{relay, 20ms}, {tcp, 25ms}}, relay, never, tcp, "a direct path answers"},
      {"TCP gives way to UDP that is as good", {{tcp, 20ms}, {a, 20ms}}, tcp, never, a, "a direct path by UDP answers"},
      {"and stays if it is worse", {{tcp, 20ms}, {a, 24ms}}, tcp, never, {}},
      {"UDP gives way to TCP that is a fifth better", {{tcp, 20ms}, {a, 30ms}}, a, never, tcp, "this path is faster"},
      {"and not to less", {{tcp, 20ms}, {a, 25ms}}, a, never, {}},
      {"what carries too little gives way to anything", {{a, 10ms, 0, true}, {relay, 900ms}}, a, never, relay,
       "the path in use carries too little"},
      {"but not within the dwell time", {{a, 10ms, 0, true}, {relay, 900ms}}, a, now - 1s, {}},

      {"equal paths: the one in use stays, listed first", {{a, 20ms}, {b, 20ms}}, a, never, {}},
      {"equal paths: the one in use stays, listed last", {{a, 20ms}, {b, 20ms}}, b, never, {}},
      {"equal cost: 20 ms relayed is 30 ms direct, the relay stays", {{relay, 20ms}, {a, 30ms}}, relay, never, {}},
      {"all unmeasured: the one in use stays", {{a, unknown}, {b, unknown}}, b, never, {}},
  };
  for (const Row& row : rows) {
    auto choice = choose(row.ways, row.current, now, row.changed);
    EXPECT_EQ(choice ? std::optional(choice->carrier) : std::nullopt, row.expected) << row.situation;
    if (choice) {
      EXPECT_EQ(choice->why, row.why) << row.situation;
    }
  }
}

TEST(Choose, DoesNotFlapBetweenPathsWhoseTimesCross) {
  std::optional<Carrier> current = a;
  std::optional<Instant> changed;
  int changes = 0;
  for (int i = 0; i < 600; ++i) {  // a minute: each tenth of a second the other one is 30 % faster
    Instant t = now + i * 100ms;
    Way ways[] = {{a, i % 2 ? 20ms : 30ms}, {b, i % 2 ? 30ms : 20ms}};
    if (auto choice = choose(ways, current, t, changed)) {
      current = choice->carrier;
      if (changed) {
        EXPECT_GE(t - *changed, dwell);
      }
      changed = t;
      ++changes;
    }
  }
  EXPECT_LE(changes, 12);
  EXPECT_GE(changes, 1);
}

}  // namespace
}  // namespace ginnel::path
