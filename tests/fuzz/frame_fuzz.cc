// Frames: what parses seals to the same bytes; the two ways to a CRC agree.
#include "engine/codec/frame.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;
using namespace khipu::codec;

KHIPU_FUZZ(input) {
  KHIPU_ASSERT(crc32c(input) == crc32c_portable(input));
  Bytes rest = input;
  while (!rest.empty()) {
    const ParsedFrame parsed = parse_frame(rest);
    if (parsed.fault != FrameFault::kNone) break;
    KHIPU_ASSERT(parsed.frame.size() <= rest.size());
    Buffer again;
    append_frame(again, parsed.frame.kind, parsed.frame.time_us, parsed.frame.payload);
    KHIPU_ASSERT(std::equal(again.begin(), again.end(), rest.begin()));
    rest = rest.subspan(parsed.frame.size());
  }
}
