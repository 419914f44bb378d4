#include "engine/verify/index_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "engine/index/builder.h"
#include "engine/segment/reader.h"
#include "engine/verify/merged_check.h"

namespace khipu::verify {
namespace {

constexpr uint64_t kCompareSize = 256 << 10;
using Subject = IndexSubject;

Finding about(std::string_view code, const Subject& subject, const codec::IndexStatement& statement) {
  Finding found;
  found.code = code;
  found.rank = Rank::kFiles;
  found.table = subject.table;
  found.row = subject.first_row;
  if (subject.rows > 1) found.row_end = Row{subject.first_row.value + subject.rows};
  found.segment = subject.segment;
  found.file = std::string(table_name(subject.table)) + "/" + statement.file;
  return found;
}

// The file in its subject: null when there is none.
struct InPlace {
  std::unique_ptr<os::File> file;
  std::optional<uint64_t> size;
};
Result<InPlace> open_index(os::Directory& folder, const codec::IndexStatement& statement) {
  InPlace there;
  auto opened = folder.open_file(statement.file, os::Mode::kRead);
  if (opened.ok()) {
    there.file = std::move(opened).value();
    KHIPU_TRY_ASSIGN(there.size, there.file->size());
  } else if (opened.error().code != Code::kNotFound) {
    return std::move(opened).error();
  }
  return there;
}

Result<BuiltIndex> compare(index::Builder& builder, const codec::IndexStatement& statement, const InPlace& there) {
  KHIPU_TRY_ASSIGN(const index::Builder::File built, builder.finish(statement.root));
  BuiltIndex index;
  index.root = built.root;
  index.size = built.bytes.size();
  index.there = there.size;
  if (there.file) {
    KHIPU_TRY_ASSIGN(index.difference, first_difference(*there.file, built.bytes));
  }
  return index;
}

index::Builder builder_of(const Subject& subject, const std::vector<uint32_t>& columns) {
  if (subject.table == TableId::kRegistry) return index::Builder::of_registry(subject.segment, subject.first_row);
  return index::Builder(subject.segment, subject.first_row, columns);
}

// The rows of one segment, front to back.
class Rows {
 public:
  // nullptr: the segment is not there.
  static Result<std::unique_ptr<Rows>> open(os::Directory& folder, SegmentNumber number, Row first_row,
                                            std::optional<uint64_t> end) {
    auto file = folder.open_file(segment::segment_name(number), os::Mode::kRead);
    if (!file.ok()) {
      if (file.error().code == Code::kNotFound) return std::unique_ptr<Rows>();
      return std::move(file).error();
    }
    if (!end) {
      KHIPU_TRY_ASSIGN(end, file.value()->size());
    }
    return std::unique_ptr<Rows>(new Rows(std::move(file).value(), first_row, *end));
  }
  Row next() const { return next_; }
  // Gives rows up to `to` to the builder. False: they cannot be read to there, and other findings say so.
  Result<bool> take(Row to, index::Builder& builder) {
    while (next_ < to) {
      KHIPU_TRY_ASSIGN(const segment::Step step, reader_.next());
      if (step.kind != segment::Step::Kind::kFrame) return false;
      if (!codec::is_row(step.frame.kind)) continue;
      next_ = next_.next();
      if (const Result<void> added = builder.add(step.offset, step.frame.payload); !added.ok()) {
        if (added.error().code == Code::kCorrupt) return false;
        return added.error();
      }
    }
    return true;
  }
  // The same for rows that nobody wants: an earlier run of verify read them, and their lengths lead behind them, or
  // that of the last of them where its place is known.
  Result<bool> pass_over(SegmentNumber segment, Row to, const PlaceOf& place_of) {
    if (next_ == to) return true;
    uint64_t from = 0, have = 0, offset = reader_.offset();
    if (const auto last = place_of ? place_of(segment, to.value - 1) : std::nullopt) {
      offset = *last;
      next_ = Row{to.value - 1};
    }
    Buffer bytes(kCompareSize);
    while (next_ < to) {
      if (offset < from || offset + codec::kFrameHeaderSize > from + have) {
        from = offset;
        KHIPU_TRY_ASSIGN(have, file_->read_at(from, bytes));
        if (have < codec::kFrameHeaderSize) return false;
      }
      const uint8_t* const header = bytes.data() + (offset - from);
      if (codec::is_row(header[16])) next_ = next_.next();
      offset += codec::kFrameHeaderSize + uint64_t{load_le<uint32_t>(header)};
    }
    reader_.skip_to(offset);
    return true;
  }

 private:
  Rows(std::unique_ptr<os::File> file, Row first_row, uint64_t end)
      : file_(std::move(file)), reader_(*file_, segment::kHeaderSize, end), next_(first_row) {}
  std::unique_ptr<os::File> file_;
  segment::Reader reader_;
  Row next_;
};

Result<Findings> check(os::Directory& folder, TableId table, const segment::ManifestEntry& entry,
                       const codec::IndexStatement& statement, const std::vector<uint32_t>& columns, bool anew,
                       const BuiltIndex* scanned) {
  Findings findings;
  const Subject subject{table, entry.number, entry.footer.first_row, entry.footer.rows};
  // What another statement than this one was built for may be of another version.
  if (anew && scanned != nullptr && (table == TableId::kLogs || scanned->root == statement.root)) {
    judge_index(subject, statement, *scanned, findings);
    return findings;
  }
  KHIPU_TRY_ASSIGN(const InPlace there, open_index(folder, statement));
  if (!anew) {
    KHIPU_TRY_ASSIGN(const std::optional<os::Entry> segment, folder.stat(segment::segment_name(entry.number)));
    std::optional<Finding> wrong = check_index_file(subject, statement, there.size);
    if (wrong && segment) findings.add(*std::move(wrong));
    return findings;
  }
  KHIPU_TRY_ASSIGN(const auto rows, Rows::open(folder, entry.number, entry.footer.first_row, entry.footer_offset));
  if (!rows) return findings;
  index::Builder builder = builder_of(subject, columns);
  KHIPU_TRY_ASSIGN(const bool read, rows->take({subject.first_row.value + subject.rows}, builder));
  if (!read) return findings;
  KHIPU_TRY_ASSIGN(const BuiltIndex built, compare(builder, statement, there));
  judge_index(subject, statement, built, findings);
  return findings;
}

std::vector<uint32_t> indexed_columns(const std::vector<codec::StatementRecord>& statements) {
  std::vector<uint32_t> columns;
  for (const codec::StatementRecord& statement : statements) {
    const auto* column = std::get_if<codec::ColumnStatement>(&statement.body);
    if (column != nullptr && column->column.indexed) columns.push_back(column->column.id);
  }
  std::sort(columns.begin(), columns.end());
  columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
  return columns;
}

}  // namespace

// What is wrong with the file itself, before what it ought to be is known.
std::optional<Finding> check_index_file(const Subject& subject, const codec::IndexStatement& statement,
                                        std::optional<uint64_t> size) {
  std::optional<Finding> found;
  if (!size) {
    found = about(code::kIndexMissing, subject, statement);
    found->information = true;
    found->detail = "the segment's index is not there: readers scan, the writer's next start builds it again";
    return found;
  }
  if (*size == statement.size) return found;
  found = about(code::kIndexMismatch, subject, statement);
  found->offset = std::min(*size, statement.size);
  found->expected = fmt::format("{} bytes", statement.size);
  found->actual = fmt::format("{} bytes", *size);
  found->detail = "the index has another size than its INDEX statement says";
  return found;
}

// What the comparison says of the statement and of the file.
void judge_index(const Subject& subject, const codec::IndexStatement& statement, const BuiltIndex& index,
                 Findings& findings) {
  if (index.root != statement.root || index.size != statement.size || statement.first_row != subject.first_row ||
      statement.rows != subject.rows) {
    Finding found = about(code::kIndexMismatch, subject, statement);
    found.expected = base64(index.root);
    found.actual = base64(statement.root);
    found.detail = "the INDEX statement is not about the index these rows make";
    found.likely = "rewriting";
    findings.add(std::move(found));
    return;
  }
  if (std::optional<Finding> wrong = check_index_file(subject, statement, index.there)) {
    findings.add(*std::move(wrong));
    return;
  }
  if (!index.difference) return;
  Finding found = about(code::kIndexMismatch, subject, statement);
  found.offset = index.difference;
  found.expected = fmt::format("{} bytes that make {}", index.size, base64(index.root));
  found.actual = fmt::format("{} bytes", *index.there);
  found.detail = "the index differs from the one its segment's rows make";
  findings.add(std::move(found));
}

Result<std::optional<Buffer>> index_body(os::Directory& folder, TableId table, const segment::ManifestEntry& entry,
                                         const std::vector<codec::StatementRecord>& statements) {
  std::optional<Buffer> none;
  const Subject subject{table, entry.number, entry.footer.first_row, entry.footer.rows};
  KHIPU_TRY_ASSIGN(const auto rows, Rows::open(folder, entry.number, entry.footer.first_row, entry.footer_offset));
  if (!rows) return none;
  index::Builder builder = builder_of(subject, indexed_columns(statements));
  KHIPU_TRY_ASSIGN(const bool read, rows->take({subject.first_row.value + subject.rows}, builder));
  if (!read) return none;
  KHIPU_TRY_ASSIGN(Buffer body, builder.body());
  return std::optional(std::move(body));
}

IndexPlan plan_indexes(const std::vector<codec::StatementRecord>& statements) {
  IndexPlan plan;
  plan.columns = indexed_columns(statements);
  for (const codec::StatementRecord& statement : statements) {
    const auto* const index = std::get_if<codec::IndexStatement>(&statement.body);
    if (index == nullptr) continue;
    const std::optional<SegmentNumber> number = index::parse_index_name(index->file);
    if (number && index::is_indexed(index->table)) plan.segments[{index->table, *number}] = index->root;
  }
  return plan;
}

StatedIndexes stated_indexes(TableId table, const std::vector<codec::StatementRecord>& statements, uint64_t stated_to) {
  StatedIndexes stated;
  stated.columns = indexed_columns(statements);
  for (uint64_t row = 0; row < std::min<uint64_t>(statements.size(), stated_to); ++row) {
    const auto* const index = std::get_if<codec::IndexStatement>(&statements[row].body);
    if (index == nullptr || index->table != table) continue;
    if (const auto number = index::parse_index_name(index->file)) stated.whole[number->value] = {row, index};
    if (const auto run = index::parse_run_name(index->file)) stated.runs[run->segment.value][run->run] = {row, index};
  }
  return stated;
}

std::vector<RunsTask> runs_to_check(const TablePlan& table, const StatedIndexes& stated) {
  std::vector<RunsTask> tasks;
  if (!table.directory) return tasks;
  const auto has_only_runs = [&](uint64_t number) {
    return stated.runs.contains(number) && !stated.whole.contains(number);
  };
  Row next;
  for (const segment::ManifestEntry& entry : table.manifest) {
    next = Row{entry.footer.first_row.value + entry.footer.rows};
    if (has_only_runs(entry.number.value)) {
      tasks.push_back({entry.number, entry.footer.first_row, entry.footer_offset});
    }
  }
  const SegmentNumber active{table.manifest.size()};
  if (stated.runs.contains(active.value)) tasks.push_back({active, next, std::nullopt});
  return tasks;
}

// One run goes on where the one before it ends.
Result<Findings> check_runs(const TablePlan& plan, const StatedIndexes& all, const RunsTask& task, uint64_t stated_from,
                            const PlaceOf& place_of) {
  Findings findings;
  os::Directory& folder = *plan.directory;
  const TableId table = plan.id;
  const SegmentNumber number = task.number;
  KHIPU_TRY_ASSIGN(const auto rows, Rows::open(folder, number, task.first_row, task.end));
  if (!rows) return findings;
  uint64_t run = 0;
  Row next = task.first_row;
  for (const auto& [k, stated] : all.runs.at(number.value)) {
    const codec::IndexStatement& statement = *stated.statement;
    const Subject subject{table, number, next, statement.rows};
    if (k != run++ || statement.first_row != next || statement.rows == 0) {
      Finding found = about(code::kIndexMismatch, {table, number, statement.first_row, statement.rows}, statement);
      found.detail = "its INDEX statement does not go on where the run before it ends";
      found.likely = "rewriting";
      findings.add(std::move(found));
      break;
    }
    next = Row{next.value + statement.rows};
    KHIPU_TRY_ASSIGN(const InPlace there, open_index(folder, statement));
    if (stated.row < stated_from) {  // built and compared by an earlier run of verify
      if (std::optional<Finding> wrong = check_index_file(subject, statement, there.size))
        findings.add(*std::move(wrong));
      continue;
    }
    KHIPU_TRY_ASSIGN(const bool passed, rows->pass_over(number, subject.first_row, place_of));
    if (!passed) break;
    index::Builder builder = builder_of(subject, all.columns);
    KHIPU_TRY_ASSIGN(const bool read, rows->take({subject.first_row.value + subject.rows}, builder));
    if (!read) break;
    KHIPU_TRY_ASSIGN(const BuiltIndex built, compare(builder, statement, there));
    judge_index(subject, statement, built, findings);
  }
  return findings;
}

Result<std::optional<uint64_t>> first_difference(const os::File& file, Bytes bytes) {
  KHIPU_TRY_ASSIGN(const uint64_t size, file.size());
  Buffer block(std::min<uint64_t>(bytes.size(), kCompareSize));
  for (uint64_t at = 0; at < bytes.size(); at += kCompareSize) {
    const Bytes want = bytes.subspan(at, std::min(kCompareSize, bytes.size() - at));
    KHIPU_TRY_ASSIGN(const size_t got, file.read_at(at, std::span(block).first(want.size())));
    const Bytes have = Bytes(block).first(got);
    if (std::memcmp(have.data(), want.data(), got) == 0 && got == want.size()) continue;
    return std::optional<uint64_t>(
        at + static_cast<uint64_t>(std::mismatch(have.begin(), have.end(), want.begin()).first - have.begin()));
  }
  return size > bytes.size() ? std::optional<uint64_t>(bytes.size()) : std::nullopt;
}

Result<void> check_indexes(const TablePlan& table, const std::vector<codec::StatementRecord>& statements,
                           IndexScope& scope, Findings& findings, const Control& control) {
  if (!table.directory) return {};
  const StatedIndexes stated = stated_indexes(table.id, statements);
  struct Task {
    const segment::ManifestEntry* whole = nullptr;
    RunsTask runs;  // without it
  };
  std::vector<Task> tasks;
  for (const segment::ManifestEntry& entry : table.manifest) {
    if (stated.whole.contains(entry.number.value)) tasks.push_back({&entry, {}});
  }
  for (const RunsTask& runs : runs_to_check(table, stated)) tasks.push_back({nullptr, runs});
  Result<void> failed;
  in_order<Result<Findings>>(
      scope.crew, tasks.size(),
      [&](size_t i) -> Result<Findings> {
        if (control.stopped()) return Findings();
        if (const segment::ManifestEntry* const entry = tasks[i].whole; entry != nullptr) {
          const StatedIndex& one = stated.whole.at(entry->number.value);
          const auto built = scope.built.find({table.id, entry->number});
          const bool usable =
              built != scope.built.end() && (table.id == TableId::kRegistry || built->second.columns == stated.columns);
          return check(*table.directory, table.id, *entry, *one.statement, stated.columns,
                       entry->number >= scope.anew || one.row >= scope.stated_from, usable ? &built->second : nullptr);
        }
        const auto known = scope.runs.find({table.id, tasks[i].runs.number});
        if (known != scope.runs.end()) return std::move(known->second);
        return check_runs(table, stated, tasks[i].runs, scope.stated_from);
      },
      [&](size_t, Result<Findings> one) {
        if (!one.ok()) {
          failed = std::move(one).error();
          return false;
        }
        findings.merge(std::move(one).value());
        return true;
      });
  KHIPU_TRY(std::move(failed));
  return check_merged(table, statements, scope, findings, control);
}

}  // namespace khipu::verify
