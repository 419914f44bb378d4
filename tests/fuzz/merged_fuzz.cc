// The body of a merged index: nothing in it makes the reader leave it.
#include "engine/index/merged.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;
using namespace khipu::index;

KHIPU_FUZZ(input) {
  const auto reader = MergedReader::open(BlockFile::of(Buffer(input.begin(), input.end())));
  if (!reader.ok()) return;
  KHIPU_ASSERT(is_indexed(reader.value()->table()));
  const uint64_t count = reader.value()->name().count();
  MergedReader::Cursor cursor(*reader.value());
  for (auto more = cursor.next(); more.ok() && *more; more = cursor.next()) {
    for (const Held& held : cursor.held()) KHIPU_ASSERT(held.segment < count && held.rows > 0);
  }
  for (const Term& term : {entity_term(Field::kActor, {1}), name_term("user", "u-1")}) {
    const auto held = reader.value()->find(term);
    if (!held.ok()) continue;
    for (const Held& one : held.value()) KHIPU_ASSERT(one.segment < count);
  }
  (void)reader.value()->part(0).ok();
  KHIPU_ASSERT(!reader.value()->part(static_cast<uint32_t>(count)).ok());
}
