// A mapping file: read or refused with a message.
#include "engine/import/mapper.h"
#include "tests/fuzz/fuzz.h"

KHIPU_FUZZ(input) {
  const auto mapper = khipu::import::make_jsonl_mapper(khipu::as_text(input));
  KHIPU_ASSERT(mapper.ok() || !mapper.error().message.empty());
}
