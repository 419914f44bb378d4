// hex and base64: what decodes, encodes back to the same text; JSON made visible is; the cursor never reads past its
// end.
#include "engine/base/visible.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;

KHIPU_FUZZ(input) {
  const std::string_view text = as_text(input);
  if (const auto bytes = from_base64(text)) KHIPU_ASSERT(base64(*bytes) == text);
  if (const auto bytes = from_hex(text)) KHIPU_ASSERT(from_hex(hex(*bytes)) == bytes);
  KHIPU_ASSERT(from_base64(base64(input)) == Buffer(input.begin(), input.end()));
  std::string shown;
  append_visible_json(shown, text);
  for (std::string_view rest = shown; !rest.empty();) {
    const CodePoint point = first_code_point(rest);
    KHIPU_ASSERT(point.size > 0 && (point.value < 0x20 || is_visible(point.value)));
    rest.remove_prefix(point.size);
  }
  Cursor cursor(input);
  while (!cursor.failed() && !cursor.rest().empty()) {
    const size_t size = cursor.get<uint8_t>();
    const size_t before = cursor.rest().size();
    KHIPU_ASSERT(cursor.take(size).size() == (size <= before ? size : 0));
  }
}
