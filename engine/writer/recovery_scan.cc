#include "engine/writer/recovery_scan.h"

#include <fmt/format.h>

#include "engine/codec/record.h"

namespace khipu::writer {

Result<std::unique_ptr<TableScan>> TableScan::open(os::Directory& root, TableId id, const RootId& root_id) {
  std::unique_ptr<TableScan> scan(new TableScan());
  scan->id_ = id;
  scan->root_id_ = root_id;
  KHIPU_TRY_ASSIGN(scan->directory_, root.open_directory(table_name(id)));
  KHIPU_TRY_ASSIGN(scan->levels_, segment::LevelFiles::open(*scan->directory_, true));
  KHIPU_TRY_ASSIGN(scan->manifest_, segment::read_manifest(*scan->directory_));
  if (scan->manifest_.damaged_at) {
    return evidence(fmt::format("{}/manifest: the entry at byte {} is damaged and whole entries follow it",
                                table_name(id), *scan->manifest_.damaged_at));
  }
  uint64_t row = 0;
  for (size_t i = 0; i < scan->manifest_.entries.size(); ++i) {
    const segment::ManifestEntry& entry = scan->manifest_.entries[i];
    if (entry.number.value != i || entry.footer.first_row.value != row) {
      return evidence(fmt::format("{}/manifest: entry {} does not continue the one before it", table_name(id), i));
    }
    row += entry.footer.rows;
  }
  return scan;
}

Row TableScan::active_first_row() const {
  if (manifest_.entries.empty()) return {0};
  const segment::Footer& last = manifest_.entries.back().footer;
  return {last.first_row.value + last.rows};
}

// Opens a segment and puts the reader behind its header. A missing or torn active segment reads as empty.
Result<void> TableScan::enter(SegmentNumber number) {
  reader_.reset();
  file_.reset();
  file_number_ = number;
  const bool sealed = number < active_number();
  const std::string name = segment::segment_name(number);
  const std::string place = fmt::format("{}/{}", table_name(id_), name);
  auto file = directory_->open_file(name, os::Mode::kReadWrite);
  if (!file.ok()) {
    if (!sealed && file.error().code == Code::kNotFound) return {};
    return std::move(file).error().at(place);
  }
  std::array<uint8_t, segment::kHeaderSize> bytes{};
  KHIPU_TRY_ASSIGN(const size_t got, file.value()->read_at(0, bytes));
  const Result<segment::Header> header = segment::parse_header(Bytes(bytes).first(got));
  if (!header.ok()) {
    if (!sealed && header.error().code == Code::kCorrupt) return {};
    Error error = header.error();
    return std::move(error).at(place);
  }
  const Row first = sealed ? manifest_.entries[number.value].footer.first_row : active_first_row();
  if (header->table != id_ || header->root_id != root_id_ || header->number != number || header->first_row != first) {
    return evidence(fmt::format("{}: its header belongs to another segment, table or root", place));
  }
  KHIPU_TRY_ASSIGN(const uint64_t size, file.value()->size());
  file_ = std::move(file).value();
  reader_.emplace(*file_, segment::kHeaderSize, sealed ? manifest_.entries[number.value].footer_offset : size);
  return {};
}

void TableScan::add_row(TableMark& mark, const codec::Frame& frame) const {
  const Result<codec::FrameFacts> facts = codec::frame_facts(frame.payload);
  const TimeUs recorded = facts.ok() ? facts->recorded_at : frame.time_us;
  if (mark.times.rows == 0) {
    mark.times.time_min = mark.times.time_max = frame.time_us;
    mark.times.recorded_first = recorded;
  }
  ++mark.times.rows;
  mark.times.time_min = std::min(mark.times.time_min, frame.time_us);
  mark.times.time_max = std::max(mark.times.time_max, frame.time_us);
  mark.times.recorded_last = recorded;
}

Result<void> TableScan::seek(uint64_t size, uint64_t tree_synced, std::optional<uint64_t> known_offset,
                             const Hash& root) {
  // The segment in which row `size` would stand.
  mark_ = {};
  mark_.segment = active_number();
  mark_.segment_first_row = active_first_row();
  for (const segment::ManifestEntry& entry : manifest_.entries) {
    if (size >= entry.footer.first_row.value + entry.footer.rows) continue;
    mark_.segment = entry.number;
    mark_.segment_first_row = entry.footer.first_row;
    break;
  }
  const uint64_t from_tree = std::min(tree_synced, size);
  LevelSource source(*levels_);
  KHIPU_TRY_ASSIGN(mark_.builder, at(fmt::format("{}/tree", table_name(id_)), tree::Builder::load(from_tree, source)));
  KHIPU_TRY(enter(mark_.segment));
  uint64_t row = mark_.segment_first_row.value;
  while (row < size || (known_offset && mark_.offset < *known_offset)) {
    segment::Step step;
    step.offset = mark_.offset;
    if (reader_) {
      KHIPU_TRY_ASSIGN(step, reader_->next());
    }
    if (step.kind != segment::Step::Kind::kFrame) {
      // Rows the tree files cover may be damaged here: they are old, and verify's to report.
      if (known_offset && from_tree == size) {
        mark_.offset = *known_offset;
        if (reader_) reader_->skip_to(mark_.offset);
        break;
      }
      return evidence(fmt::format("{}/{}: no sound frame at byte {} (row {}), but a synced commit holds {} rows",
                                  table_name(id_), segment::segment_name(mark_.segment), step.offset, row, size));
    }
    if (codec::is_row(step.frame.kind)) {
      if (row == size) break;  // beyond: HEAD's offset ends before this row, so it is not reached
      if (row >= mark_.builder.size()) mark_.builder.append(tree::leaf_hash(step.frame.payload));
      add_row(mark_, step.frame);
      ++row;
    }
    mark_.offset = step.offset + step.frame.size();
  }
  if (mark_.builder.size() != size || mark_.builder.root() != root) {
    return evidence(
        fmt::format("{}: the tree of its first {} rows is not what the signed commit says: rows above "
                    "{} or tree files were changed",
                    table_name(id_), size, from_tree));
  }
  return {};
}

Result<std::optional<TableScan::Found>> TableScan::next(TableMark& at) {
  if (!file_number_ || *file_number_ != at.segment) KHIPU_TRY(enter(at.segment));
  while (reader_) {
    if (reader_->offset() != at.offset) reader_->skip_to(at.offset);
    KHIPU_TRY_ASSIGN(const segment::Step step, reader_->next());
    if (step.kind == segment::Step::Kind::kFault) return std::optional<Found>();
    if (step.kind == segment::Step::Kind::kEnd) {
      if (at.segment >= active_number()) return std::optional<Found>();
      at.segment = at.segment.next();
      at.segment_first_row = {at.builder.size()};
      at.offset = segment::kHeaderSize;
      at.times = {};
      KHIPU_TRY(enter(at.segment));
      continue;
    }
    Found found{step.frame, step.offset, at.segment};
    if (codec::is_row(step.frame.kind)) {
      at.builder.append(tree::leaf_hash(step.frame.payload));
      add_row(at, step.frame);
    }
    at.offset = step.offset + step.frame.size();
    return std::optional<Found>(found);
  }
  return std::optional<Found>();
}

}  // namespace khipu::writer
