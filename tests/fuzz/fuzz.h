// How a fuzz target is written: one file, one KHIPU_FUZZ, one line khipu_fuzz(...) in tests/fuzz/CMakeLists.txt, and at
// least one seed in tests/fuzz/seeds/<name>/. Nothing else defines main or LLVMFuzzerTestOneInput.
//
//   KHIPU_FUZZ(input) {
//     const auto frame = codec::decode_frame(input);
//     if (frame.ok()) KHIPU_ASSERT(codec::encode_frame(*frame) == input);   // properties, not only "does not crash"
//   }
//
// A target is a pure function of its input: no files, no clock, no randomness, no state kept between two calls.
// An input that once broke something becomes a seed, named after what it broke.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

#define KHIPU_FUZZ(input)                                                \
  static void khipu_fuzz_one(::khipu::Bytes input);                      \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t n) { \
    khipu_fuzz_one({data, n});                                           \
    return 0;                                                            \
  }                                                                      \
  static void khipu_fuzz_one([[maybe_unused]] ::khipu::Bytes input)
