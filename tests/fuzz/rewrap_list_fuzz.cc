// A list of a re-wrap that parses is written back as the same text.
#include "engine/protect/rewrap_list.h"

#include "engine/base/bytes.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;

KHIPU_FUZZ(input) {
  const auto list = protect::parse_rewrap_list(as_text(input));
  if (!list.ok()) {
    KHIPU_ASSERT(!list.error().message.empty() && list.error().message.size() < 200);
    return;
  }
  KHIPU_ASSERT(protect::print_rewrap_list(*list) == as_text(input));
}
