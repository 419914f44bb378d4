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

Result<void> check(os::Directory& logs, const segment::ManifestEntry& entry, const codec::IndexStatement& statement,
                   const std::vector<uint32_t>& columns, Findings& findings) {
  KHIPU_TRY_ASSIGN(const std::optional<index::Builder::File> built, rebuild(logs, entry, columns));
  if (!built) return {};
  if (built->root != statement.root || built->bytes.size() != statement.size ||
      statement.first_row != entry.footer.first_row || statement.rows != entry.footer.rows) {
    Finding found = about(code::kIndexMismatch, entry, statement);
    found.expected = hex(built->root);
    found.actual = hex(statement.root);
    found.detail = "the INDEX statement is not about the index these rows make";
    found.likely = "rewriting";
    findings.add(std::move(found));
    return {};
  }
  auto file = logs.open_file(statement.file, os::Mode::kRead);
  if (!file.ok() && file.error().code == Code::kNotFound) {
    Finding found = about(code::kIndexMissing, entry, statement);
    found.information = true;
    found.detail = "the segment's index is not there: readers scan, the writer's next start builds it again";
    findings.add(std::move(found));
    return {};
  }
  if (!file.ok()) return std::move(file).error();
  KHIPU_TRY_ASSIGN(const Buffer have, file.value()->read_all(kIndexSizeBytesMax));
  if (have == built->bytes) return {};
  Finding found = about(code::kIndexMismatch, entry, statement);
  found.offset = first_difference(have, built->bytes);
  found.expected = fmt::format("{} bytes that make {}", built->bytes.size(), hex(built->root));
  found.actual = fmt::format("{} bytes", have.size());
  found.detail = "the index differs from the one its segment's rows make";
  findings.add(std::move(found));
  return {};
}

}  // namespace

Result<void> check_indexes(const TablePlan& logs, const std::vector<codec::StatementRecord>& statements,
                           Findings& findings, const Control& control) {
  std::map<uint64_t, const codec::IndexStatement*> newest;
  std::vector<uint32_t> columns;
  for (const codec::StatementRecord& statement : statements) {
    if (const auto* index = std::get_if<codec::IndexStatement>(&statement.body)) {
      const std::optional<SegmentNumber> number = index::parse_index_name(index->file);
      if (number && index->table == TableId::kLogs) newest[number->value] = index;
    } else if (const auto* column = std::get_if<codec::ColumnStatement>(&statement.body)) {
      const uint32_t id = column->column.id;
      if (column->column.indexed && std::find(columns.begin(), columns.end(), id) == columns.end()) {
        columns.push_back(id);
      }
    }
  }
  std::sort(columns.begin(), columns.end());
  if (!logs.directory) return {};
  for (const segment::ManifestEntry& entry : logs.manifest) {
    const auto stated = newest.find(entry.number.value);
    if (stated == newest.end() || control.stopped()) continue;
    KHIPU_TRY(check(*logs.directory, entry, *stated->second, columns, findings));
  }
  return {};
}

}  // namespace khipu::verify
