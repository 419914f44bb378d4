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
  Result<void> check(Row row, const codec::Frame& frame) {
    KHIPU_TRY_ASSIGN(const bool same, checker_.check(row.value, tree::leaf_hash(frame.payload), *source_));
    if (!same) return Error{Code::kCorrupt, fmt::format("row {} does not match its leaf", row.value)};
    return {};
  }

 private:
  CommittedRows(std::unique_ptr<tree::HashSource> source, tree::Checker checker)
      : source_(std::move(source)), checker_(std::move(checker)) {}
  std::unique_ptr<tree::HashSource> source_;
  tree::Checker checker_;
};

Result<index::Builder::File> build(const os::File& file, const segment::ManifestEntry& entry,
                                   const registry::Schema& schema, CommittedRows& committed) {
  std::vector<uint32_t> columns;
  for (const codec::ColumnSchema& column : schema.columns()) {
    if (column.indexed) columns.push_back(column.id);
  }
  index::Builder builder(entry.number, entry.footer.first_row, std::move(columns));
  segment::Reader reader(file, segment::kHeaderSize, entry.footer_offset);
  codec::EventRecord event;
  uint64_t rows = 0;
  while (true) {
    KHIPU_TRY_ASSIGN(const segment::Step step, reader.next());
    if (step.kind == segment::Step::Kind::kEnd) break;
    if (step.kind == segment::Step::Kind::kFault) {
      return Error{Code::kCorrupt, fmt::format("frame at {}: {}", step.offset, codec::describe(step.fault))};
    }
    if (!codec::is_row(step.frame.kind)) continue;
    KHIPU_TRY(committed.check({entry.footer.first_row.value + rows}, step.frame));
    KHIPU_TRY(at(fmt::format("frame at {}", step.offset), codec::decode_event(step.frame.payload, event)));
    KHIPU_TRY(builder.add(step.offset, event));
    ++rows;
  }
  if (rows != entry.footer.rows) {
    return Error{Code::kCorrupt, fmt::format("{} rows, the manifest says {}", rows, entry.footer.rows)};
  }
  return builder.finish();
}

}  // namespace

Result<codec::IndexStatement> build_index(os::Directory& logs, const segment::ManifestEntry& entry,
                                          const registry::Schema& schema, const CommittedTree& committed) {
  KHIPU_TRY_ASSIGN(CommittedRows rows, CommittedRows::open(logs, committed));
  const std::string segment = segment::segment_name(entry.number);
  const std::string name = index::index_name(entry.number);
  KHIPU_TRY_ASSIGN(const auto from, logs.open_file(segment, os::Mode::kRead));
  KHIPU_TRY_ASSIGN(const index::Builder::File file, at(segment, build(*from, entry, schema, rows)));
  KHIPU_TRY(logs.replace_file(name, file.bytes));
  codec::IndexStatement statement;
  statement.table = TableId::kLogs;
  statement.file = name;
  statement.first_row = entry.footer.first_row;
  statement.rows = entry.footer.rows;
  statement.size = file.bytes.size();
  statement.root = file.root;
  return statement;
}

Result<bool> index_present(os::Directory& logs, const codec::IndexStatement& statement) {
  KHIPU_TRY_ASSIGN(const std::optional<os::Entry> entry, logs.stat(statement.file));
  return entry.has_value();
}

}  // namespace khipu::writer
