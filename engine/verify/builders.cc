#include "engine/verify/builders.h"

#include "engine/verify/index_check.h"

namespace khipu::verify {

std::unique_ptr<index::Builder> Builders::take(TableId table, SegmentNumber number, Row first_row, size_t rows,
                                               const std::vector<uint32_t>& columns) {
  std::unique_ptr<index::Builder> builder;
  {
    const std::scoped_lock hold(mutex_);
    if (!idle_.empty()) {
      builder = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (builder == nullptr) builder = std::make_unique<index::Builder>(number, first_row, columns);
  if (table == TableId::kRegistry) {
    builder->begin_registry(number, first_row);
  } else {
    builder->begin(number, first_row, columns);
  }
  builder->expect(rows);
  return builder;
}

static std::optional<BuiltIndex> compare(os::Directory& folder, SegmentNumber number, const Hash& stated,
                                         index::Builder& builder) {
  Result<index::Builder::File> built = builder.finish(stated);
  if (!built.ok()) return std::nullopt;
  BuiltIndex index;
  index.root = built->root;
  index.size = built->bytes.size();
  const auto file = folder.open_file(index::index_name(number), os::Mode::kRead);
  if (file.ok()) {
    const Result<uint64_t> size = file.value()->size();
    if (!size.ok()) return std::nullopt;
    index.there = *size;
    const auto difference = first_difference(**file, built->bytes);
    if (!difference.ok()) return std::nullopt;
    index.difference = *difference;
  } else if (file.error().code != Code::kNotFound) {
    return std::nullopt;
  }
  builder.reuse(std::move(built->bytes));
  return index;
}

void Builders::finish(os::Directory& folder, TableId table, SegmentNumber number, const IndexPlan& plan,
                      std::unique_ptr<index::Builder> builder) {
  // A std::function is copied, so what it holds is shared.
  const auto held = std::make_shared<std::unique_ptr<index::Builder>>(std::move(builder));
  leftovers_.leave(
      [this, &folder, table, number, stated = plan.segments.at({table, number}), columns = plan.columns, held] {
        std::optional<BuiltIndex> index = compare(folder, number, stated, **held);
        const std::scoped_lock hold(mutex_);
        idle_.push_back(std::move(*held));
        if (!index) return;
        index->columns = columns;
        built_[{table, number}] = *std::move(index);
      });
}

BuiltIndexes Builders::take_built() {
  const std::scoped_lock hold(mutex_);
  return std::move(built_);
}

}  // namespace khipu::verify
