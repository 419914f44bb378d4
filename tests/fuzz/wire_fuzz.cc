// A batch from the Unix socket: what decodes must encode to the same bytes.
#include <algorithm>

#include "engine/ingest/wire.h"
#include "tests/fuzz/fuzz.h"

KHIPU_FUZZ(input) {
  const auto batch = khipu::ingest::decode_batch(input, {});
  if (!batch.ok()) return;
  const khipu::Buffer again = khipu::ingest::encode_batch(*batch);
  KHIPU_ASSERT(khipu::Bytes(again).size() == input.size());
  KHIPU_ASSERT(std::equal(again.begin(), again.end(), input.begin()));
}
