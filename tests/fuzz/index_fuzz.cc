// The body of an index file: nothing in it makes the reader leave it.
#include "engine/index/attributes.h"
#include "engine/index/reader.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;
using namespace khipu::index;

KHIPU_FUZZ(input) {
  const auto reader = Reader::open(BlockFile::of(Buffer(input.begin(), input.end())));
  if (!reader.ok() || reader.value()->rows() > 1U << 20) return;
  RowSet rows(reader.value()->rows());
  (void)reader.value()
      ->each({},
             [&](Bytes term, const List& list) {
               for (size_t i = 0; i < term.size(); ++i) {
                 if (const auto text = attribute_text(term.subspan(i)); text.ok()) {
                   KHIPU_ASSERT(text->size() < term.size());
                 }
               }
               (void)reader.value()->add(list, rows).ok();
               if (const auto last = reader.value()->last(list); last.ok()) {
                 KHIPU_ASSERT(last.value() < rows.rows());
               }
               return true;
             })
      .ok();
  (void)reader.value()->find(entity_term(Field::kActor, {1})).ok();
  (void)reader.value()->find(deleted_term()).ok();
  KHIPU_ASSERT(rows.count() <= rows.rows());
  for (const auto& column : {reader.value()->times(), reader.value()->offsets(), reader.value()->recorded()}) {
    if (!column.ok() || rows.rows() == 0) continue;
    (void)column.value()[0];
    (void)column.value()[rows.rows() - 1];
    (void)column.value().lower_bound(0);
  }
  if (const auto entities = reader.value()->entities(); entities.ok() && rows.rows() > 0) {
    if (reader.value()->header().table == TableId::kRegistry) (void)entities.value()[rows.rows() - 1];
  }
  (void)reader.value()->by_time().ok();
}
