// What a fuzz target promises, said aloud: a false promise stops the run like a crash. Knows one macro; refuses to be
// compiled out, unlike assert. No RFC.
#pragma once
#include <cstdio>
#include <cstdlib>

#define FUZZ_CHECK(promise)                                                      \
  do {                                                                           \
    if (!(promise)) {                                                            \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #promise); \
      std::abort();                                                              \
    }                                                                            \
  } while (false)
