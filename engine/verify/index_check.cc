#include "engine/verify/index_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "engine/index/builder.h"
#include "engine/segment/reader.h"

namespace khipu::verify {
namespace {

constexpr uint64_t kCompareSize = 256 << 10;

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

// What is wrong with the file itself, before what it ought to be is known.
std::optional<Finding> check_file(const segment::ManifestEntry& entry, const codec::IndexStatement& statement,
                                  std::optional<uint64_t> size) {
  std::optional<Finding> found;
  if (!size) {
    found = about(code::kIndexMissing, entry, statement);
    found->information = true;
    found->detail = "the segment's index is not there: readers scan, the writer's next start builds it again";
    return found;
  }
  if (*size == statement.size) return found;
  found = about(code::kIndexMismatch, entry, statement);
  found->offset = std::min(*size, statement.size);
  found->expected = fmt::format("{} bytes", statement.size);
  found->actual = fmt::format("{} bytes", *size);
  found->detail = "the index has another size than its INDEX statement says";
  return found;
}

// Built anew from the segment, where the scan of its rows did not: nullopt when the segment is damaged.
Result<std::optional<BuiltIndex>> build(os::Directory& logs, const segment::ManifestEntry& entry, const os::File* file,
                                        std::optional<uint64_t> size, const std::vector<uint32_t>& columns) {
  std::optional<BuiltIndex> none;
  KHIPU_TRY_ASSIGN(const std::optional<index::Builder::File> built, rebuild(logs, entry, columns));
  if (!built) return none;
  BuiltIndex index;
  index.root = built->root;
  index.size = built->bytes.size();
  index.there = size;
  if (file != nullptr) {
    KHIPU_TRY_ASSIGN(index.difference, first_difference(*file, built->bytes));
  }
  return std::optional(std::move(index));
}

Result<Findings> check(os::Directory& logs, const segment::ManifestEntry& entry, const codec::IndexStatement& statement,
                       const std::vector<uint32_t>& columns, bool anew, const BuiltIndex* scanned) {
  Findings findings;
  std::unique_ptr<os::File> file;
  std::optional<uint64_t> size;
  if (scanned != nullptr) {
    size = scanned->there;
  } else if (auto opened = logs.open_file(statement.file, os::Mode::kRead); opened.ok()) {
    file = std::move(opened).value();
    KHIPU_TRY_ASSIGN(size, file->size());
  } else if (opened.error().code != Code::kNotFound) {
    return std::move(opened).error();
  }
  std::optional<Finding> wrong = check_file(entry, statement, size);
  if (!anew) {
    KHIPU_TRY_ASSIGN(const std::optional<os::Entry> segment, logs.stat(segment::segment_name(entry.number)));
    if (wrong && segment) findings.add(*std::move(wrong));
    return findings;
  }
  std::optional<BuiltIndex> built;
  if (scanned == nullptr) {
    KHIPU_TRY_ASSIGN(built, build(logs, entry, file.get(), size, columns));
    if (!built) return findings;
  }
  const BuiltIndex& index = scanned != nullptr ? *scanned : *built;
  if (index.root != statement.root || index.size != statement.size || statement.first_row != entry.footer.first_row ||
      statement.rows != entry.footer.rows) {
    Finding found = about(code::kIndexMismatch, entry, statement);
    found.expected = hex(index.root);
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
  if (!index.difference) return findings;
  Finding found = about(code::kIndexMismatch, entry, statement);
  found.offset = index.difference;
  found.expected = fmt::format("{} bytes that make {}", index.size, hex(index.root));
  found.actual = fmt::format("{} bytes", *index.there);
  found.detail = "the index differs from the one its segment's rows make";
  findings.add(std::move(found));
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

// The segment of logs/ that a statement is about.
std::optional<SegmentNumber> segment_of(const codec::IndexStatement& statement) {
  return statement.table == TableId::kLogs ? index::parse_index_name(statement.file) : std::nullopt;
}

}  // namespace

IndexPlan plan_indexes(const std::vector<codec::StatementRecord>& statements) {
  IndexPlan plan;
  plan.columns = indexed_columns(statements);
  for (const codec::StatementRecord& statement : statements) {
    const auto* const index = std::get_if<codec::IndexStatement>(&statement.body);
    if (index == nullptr) continue;
    if (const std::optional<SegmentNumber> number = segment_of(*index)) plan.segments.insert(number->value);
  }
  return plan;
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

Result<void> check_indexes(const TablePlan& logs, const std::vector<codec::StatementRecord>& statements,
                           const IndexScope& scope, Findings& findings, const Control& control) {
  struct Stated {
    uint64_t row = 0;  // in meta/
    const codec::IndexStatement* statement = nullptr;
  };
  std::map<uint64_t, Stated> newest;
  const std::vector<uint32_t> columns = indexed_columns(statements);
  for (uint64_t row = 0; row < statements.size(); ++row) {
    const auto* const index = std::get_if<codec::IndexStatement>(&statements[row].body);
    if (index == nullptr) continue;
    if (const std::optional<SegmentNumber> number = segment_of(*index)) newest[number->value] = {row, index};
  }
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
        const auto built = scope.built.find(entries[i]->number.value);
        const bool usable = built != scope.built.end() && built->second.columns == columns;
        return check(*logs.directory, *entries[i], *stated.statement, columns, anew, usable ? &built->second : nullptr);
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
