#include "engine/verify/index_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "engine/index/builder.h"
#include "engine/segment/reader.h"

namespace khipu::verify {
namespace {

constexpr uint64_t kIndexSizeBytesMax = 1ULL << 32;

// nullopt: the segment itself is damaged, and other findings say so.
Result<std::optional<index::Builder::File>> rebuild(os::Directory& logs, const segment::ManifestEntry& entry,
                                                    const std::vector<uint32_t>& columns) {
  std::optional<index::Builder::File> none;
  auto file = logs.open_file(segment::segment_name(entry.number), os::Mode::kRead);
  if (!file.ok()) {
    if (file.error().code == Code::kNotFound) return none;
    return std::move(file).error();
  }
  index::Builder builder(entry.number, entry.footer.first_row, columns);
  segment::Reader reader(**file, segment::kHeaderSize, entry.footer_offset);
  codec::EventRecord event;
  while (true) {
    KHIPU_TRY_ASSIGN(const segment::Step step, reader.next());
    if (step.kind == segment::Step::Kind::kEnd) break;
    if (step.kind == segment::Step::Kind::kFault) return none;
    if (!codec::is_row(step.frame.kind)) continue;
    if (!codec::decode_event(step.frame.payload, event).ok()) return none;
    KHIPU_TRY(builder.add(step.offset, event));
  }
  KHIPU_TRY_ASSIGN(index::Builder::File built, builder.finish());
  return std::optional(std::move(built));
}

Finding about(std::string_view code, const segment::ManifestEntry& entry, const codec::IndexStatement& statement) {
  Finding found;
  found.code = code;
  found.rank = Rank::kFiles;
  found.table = TableId::kLogs;
  found.row = entry.footer.first_row;
  if (entry.footer.rows > 1) found.row_end = Row{entry.footer.first_row.value + entry.footer.rows};
  found.segment = entry.number;
  found.file = "logs/" + statement.file;
  return found;
}

// Where two runs of bytes part.
uint64_t first_difference(Bytes a, Bytes b) {
  const size_t size = std::min(a.size(), b.size());
  return static_cast<uint64_t>(std::mismatch(a.begin(), a.begin() + static_cast<ptrdiff_t>(size), b.begin()).first -
                               a.begin());
}

// What is wrong with the file itself, before what it ought to be is known.
Result<std::optional<Finding>> check_file(const segment::ManifestEntry& entry, const codec::IndexStatement& statement,
                                          const os::File* file) {
  std::optional<Finding> found;
  if (file == nullptr) {
    found = about(code::kIndexMissing, entry, statement);
    found->information = true;
    found->detail = "the segment's index is not there: readers scan, the writer's next start builds it again";
    return found;
  }
  KHIPU_TRY_ASSIGN(const uint64_t size, file->size());
  if (size == statement.size) return found;
  found = about(code::kIndexMismatch, entry, statement);
  found->offset = std::min(size, statement.size);
  found->expected = fmt::format("{} bytes", statement.size);
  found->actual = fmt::format("{} bytes", size);
  found->detail = "the index has another size than its INDEX statement says";
  return found;
}

Result<Findings> check(os::Directory& logs, const segment::ManifestEntry& entry, const codec::IndexStatement& statement,
                       const std::vector<uint32_t>& columns, bool anew) {
  Findings findings;
  std::unique_ptr<os::File> file;
  if (auto opened = logs.open_file(statement.file, os::Mode::kRead); opened.ok()) {
    file = std::move(opened).value();
  } else if (opened.error().code != Code::kNotFound) {
    return std::move(opened).error();
  }
  KHIPU_TRY_ASSIGN(std::optional<Finding> wrong, check_file(entry, statement, file.get()));
  if (!anew) {
    KHIPU_TRY_ASSIGN(const std::optional<os::Entry> segment, logs.stat(segment::segment_name(entry.number)));
    if (wrong && segment) findings.add(*std::move(wrong));
    return findings;
  }
  KHIPU_TRY_ASSIGN(const std::optional<index::Builder::File> built, rebuild(logs, entry, columns));
  if (!built) return findings;
  if (built->root != statement.root || built->bytes.size() != statement.size ||
      statement.first_row != entry.footer.first_row || statement.rows != entry.footer.rows) {
    Finding found = about(code::kIndexMismatch, entry, statement);
    found.expected = hex(built->root);
    found.actual = hex(statement.root);
    found.detail = "the INDEX statement is not about the index these rows make";
    found.likely = "rewriting";
    findings.add(std::move(found));
    return findings;
  }
  if (wrong) {
    findings.add(*std::move(wrong));
    return findings;
  }
  KHIPU_TRY_ASSIGN(const Buffer have, file->read_all(kIndexSizeBytesMax));
  if (have == built->bytes) return findings;
  Finding found = about(code::kIndexMismatch, entry, statement);
  found.offset = first_difference(have, built->bytes);
  found.expected = fmt::format("{} bytes that make {}", built->bytes.size(), hex(built->root));
  found.actual = fmt::format("{} bytes", have.size());
  found.detail = "the index differs from the one its segment's rows make";
  findings.add(std::move(found));
  return findings;
}

}  // namespace

Result<void> check_indexes(const TablePlan& logs, const std::vector<codec::StatementRecord>& statements,
                           const IndexScope& scope, Findings& findings, const Control& control) {
  struct Stated {
    uint64_t row = 0;  // in meta/
    const codec::IndexStatement* statement = nullptr;
  };
  std::map<uint64_t, Stated> newest;
  std::vector<uint32_t> columns;
  for (uint64_t row = 0; row < statements.size(); ++row) {
    if (const auto* index = std::get_if<codec::IndexStatement>(&statements[row].body)) {
      const std::optional<SegmentNumber> number = index::parse_index_name(index->file);
      if (number && index->table == TableId::kLogs) newest[number->value] = {row, index};
    } else if (const auto* column = std::get_if<codec::ColumnStatement>(&statements[row].body)) {
      if (column->column.indexed) columns.push_back(column->column.id);
    }
  }
  std::sort(columns.begin(), columns.end());
  columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
  if (!logs.directory) return {};
  std::vector<const segment::ManifestEntry*> entries;
  for (const segment::ManifestEntry& entry : logs.manifest) {
    if (newest.contains(entry.number.value)) entries.push_back(&entry);
  }
  Result<void> failed;
  in_order<Result<Findings>>(
      scope.threads, entries.size(),
      [&](size_t i) -> Result<Findings> {
        if (control.stopped()) return Findings();
        const Stated& stated = newest.at(entries[i]->number.value);
        const bool anew = entries[i]->number >= scope.anew || stated.row >= scope.stated_from;
        return check(*logs.directory, *entries[i], *stated.statement, columns, anew);
      },
      [&](size_t, Result<Findings> one) {
        if (!one.ok()) {
          failed = std::move(one).error();
          return false;
        }
        findings.merge(std::move(one).value());
        return true;
      });
  return failed;
}

}  // namespace khipu::verify
