// Lines of a DLQ file, which anybody who can write into a root may have put there: what parses is what the writer of
// such lines prints, byte for byte. And access control lists of key files.
#include "engine/import/parked_entries.h"
#include "engine/import/parking.h"
#include "engine/os/access_list.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;

KHIPU_FUZZ(input) {
  if (const auto list = os::parse_access_list(input); list.ok()) {
    KHIPU_ASSERT(4 + 8 * list->size() == input.size());
  }
  const auto line = import::parse_parked(as_text(input));
  if (!line.ok()) {
    KHIPU_ASSERT(!line.error().message.empty() && line.error().message.size() < 200);
    return;
  }
  if (const auto* key = std::get_if<import::ParkedKey>(&*line)) {
    KHIPU_ASSERT(import::parked_key_line(key->id, key->wrapped) == as_text(input));
    return;
  }
  const auto& entry = std::get<import::ParkedEntry>(*line);
  import::Parked parked{entry.file, entry.format, entry.line, entry.offset, entry.reason, {}, false};
  if (entry.raw) {
    parked.raw = *entry.raw;
    KHIPU_ASSERT(import::parked_line(parked) == as_text(input));
  } else {
    const std::string place = import::parked_place(parked, entry.size);
    KHIPU_ASSERT(import::sealed_line(place, entry.key_id, entry.sealed) == as_text(input));
  }
}
