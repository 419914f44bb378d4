#include "engine/writer/indexer.h"

#include <fmt/format.h>

#include <memory>

#include "engine/index/builder.h"
#include "engine/segment/level_files.h"
#include "engine/segment/reader.h"
#include "engine/tree/source_of.h"

namespace khipu::writer {
namespace {

// The records of a table held against its signed tree, one after another.
class CommittedRows {
 public:
  static Result<CommittedRows> open(os::Directory& folder, const CommittedTree& tree) {
    KHIPU_TRY_ASSIGN(segment::LevelFiles levels, segment::LevelFiles::open(folder, false));
    auto source = std::make_unique<tree::SourceOf<segment::LevelFiles>>(std::move(levels));
    KHIPU_TRY_ASSIGN(std::optional<tree::Checker> checker, tree::Checker::open(tree.size, tree.root, *source));
    if (!checker) return Error{Code::kCorrupt, "the tree files do not make the signed root"};
    return CommittedRows(std::move(source), *std::move(checker));
  }
  // Rows come one behind another. Their leaves are made many at once, so a row is held against the tree at the latest
  // by finish(): nothing made of the rows may be used before.
  Result<void> add(Row row, const codec::Frame& frame) {
    if (waiting_->leaves.empty()) first_ = row;
    waiting_->hasher.add(frame.payload);
    return waiting_->leaves.size() < kTogether ? Result<void>() : finish();
  }
  Result<void> finish() {
    waiting_->hasher.finish();
    for (const Hash& leaf : waiting_->leaves) {
      KHIPU_TRY_ASSIGN(const bool same, checker_.check(first_.value, leaf, *source_));
      if (!same) return Error{Code::kCorrupt, fmt::format("row {} does not match its leaf", first_.value)};
      first_ = first_.next();
    }
    waiting_->leaves.clear();
    return {};
  }

 private:
  static constexpr size_t kTogether = 256;
  struct Waiting {
    std::vector<Hash> leaves;
    tree::LeafHasher hasher{leaves};
  };
  CommittedRows(std::unique_ptr<tree::HashSource> source, tree::Checker checker)
      : source_(std::move(source)), checker_(std::move(checker)) {}
  std::unique_ptr<tree::HashSource> source_;
  tree::Checker checker_;
  std::unique_ptr<Waiting> waiting_ = std::make_unique<Waiting>();
  Row first_;  // of those that wait
};

// A row that does not match its leaf is said to be that, also where it makes no record any more.
Result<void> add_row(index::Builder& builder, CommittedRows& committed, Row row, const segment::Step& step) {
  KHIPU_TRY(committed.add(row, step.frame));
  auto added = builder.add(step.offset, step.frame.payload);
  if (added.ok()) return {};
  KHIPU_TRY(committed.finish());
  return std::move(added).error().at(fmt::format("frame at {}", step.offset));
}

index::Builder builder_of(TableId table, SegmentNumber number, Row first_row, const registry::Schema& schema) {
  if (table == TableId::kRegistry) return index::Builder::of_registry(number, first_row);
  std::vector<uint32_t> columns;
  for (const codec::ColumnSchema& column : schema.columns()) {
    if (column.indexed) columns.push_back(column.id);
  }
  return index::Builder(number, first_row, std::move(columns));
}

Result<index::Builder::File> build(const os::File& file, TableId table, const segment::ManifestEntry& entry,
                                   const registry::Schema& schema, CommittedRows& committed) {
  index::Builder builder = builder_of(table, entry.number, entry.footer.first_row, schema);
  segment::Reader reader(file, segment::kHeaderSize, entry.footer_offset);
  uint64_t rows = 0;
  while (true) {
    KHIPU_TRY_ASSIGN(const segment::Step step, reader.next());
    if (step.kind == segment::Step::Kind::kEnd) break;
    if (step.kind == segment::Step::Kind::kFault) {
      return Error{Code::kCorrupt, fmt::format("frame at {}: {}", step.offset, codec::describe(step.fault))};
    }
    if (!codec::is_row(step.frame.kind)) continue;
    KHIPU_TRY(add_row(builder, committed, {entry.footer.first_row.value + rows}, step));
    ++rows;
  }
  KHIPU_TRY(committed.finish());
  if (rows != entry.footer.rows) {
    return Error{Code::kCorrupt, fmt::format("{} rows, the manifest says {}", rows, entry.footer.rows)};
  }
  return builder.finish();
}

}  // namespace

Result<codec::IndexStatement> build_index(os::Directory& folder, TableId table, const segment::ManifestEntry& entry,
                                          const registry::Schema& schema, const CommittedTree& tree) {
  KHIPU_TRY_ASSIGN(CommittedRows committed, CommittedRows::open(folder, tree));
  const std::string segment = segment::segment_name(entry.number);
  const std::string name = index::index_name(entry.number);
  KHIPU_TRY_ASSIGN(const auto from, folder.open_file(segment, os::Mode::kRead));
  KHIPU_TRY_ASSIGN(const index::Builder::File file, at(segment, build(*from, table, entry, schema, committed)));
  KHIPU_TRY(folder.replace_file(name, file.bytes));
  codec::IndexStatement statement;
  statement.table = table;
  statement.file = name;
  statement.first_row = entry.footer.first_row;
  statement.rows = entry.footer.rows;
  statement.size = file.bytes.size();
  statement.root = file.root;
  return statement;
}

Result<BuiltRun> build_run(os::Directory& folder, TableId table, const RunPlace& place, const registry::Schema& schema,
                           const CommittedTree& tree) {
  KHIPU_TRY_ASSIGN(CommittedRows committed, CommittedRows::open(folder, tree));
  const std::string segment = segment::segment_name(place.name.segment);
  KHIPU_TRY_ASSIGN(const auto from, folder.open_file(segment, os::Mode::kRead));
  index::Builder builder = builder_of(table, place.name.segment, place.first_row, schema);
  segment::Reader reader(*from, place.offset > 0 ? place.offset : segment::kHeaderSize, place.end);
  Row row = place.offset > 0 ? place.first_row : place.segment_first_row;
  while (row.value < place.first_row.value + place.rows) {
    KHIPU_TRY_ASSIGN(const segment::Step step, at(segment, reader.next()));
    if (step.kind != segment::Step::Kind::kFrame) {
      return Error{Code::kCorrupt, fmt::format("{}: no sound frame at {}", segment, step.offset)};
    }
    if (!codec::is_row(step.frame.kind)) continue;
    if (row >= place.first_row) KHIPU_TRY(add_row(builder, committed, row, step));
    row = row.next();
  }
  KHIPU_TRY(committed.finish());
  KHIPU_TRY_ASSIGN(const index::Builder::File file, builder.finish());
  BuiltRun run;
  run.end_offset = reader.offset();
  run.statement.table = table;
  run.statement.file = index::run_name(place.name);
  run.statement.first_row = place.first_row;
  run.statement.rows = place.rows;
  run.statement.size = file.bytes.size();
  run.statement.root = file.root;
  KHIPU_TRY(folder.replace_file(run.statement.file, file.bytes));
  return run;
}

Result<bool> index_present(os::Directory& folder, const codec::IndexStatement& statement) {
  KHIPU_TRY_ASSIGN(const std::optional<os::Entry> entry, folder.stat(statement.file));
  return entry.has_value();
}

}  // namespace khipu::writer
