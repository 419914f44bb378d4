#include "engine/writer/table.h"

#include <fmt/format.h>

#include "engine/codec/frame.h"
#include "engine/codec/record.h"
#include "engine/writer/integrity.h"

namespace khipu::writer {
namespace {
// Blocks are asked for in steps of this much, ahead of the end: fewer extents, an early ENOSPC, an honest file length.
constexpr uint64_t kReserveStep = 8 << 20;
}  // namespace

Result<std::unique_ptr<Table>> Table::open(os::Directory& root, TableId id, const RootId& root_id, TableStart start,
                                           uint64_t segment_size_bytes) {
  std::unique_ptr<Table> table(new Table(id, root_id, segment_size_bytes));
  KHIPU_TRY_ASSIGN(table->directory_, root.open_directory(table_name(id)));
  KHIPU_TRY_ASSIGN(table->levels_, segment::LevelFiles::open(*table->directory_, true));
  table->builder_ = std::move(start.builder);
  table->root_ = table->builder_.root();
  table->segment_ = start.head.segment;
  table->segment_first_row_ = start.head.segment_first_row;
  table->end_offset_ = start.head.end_offset;
  table->tree_synced_ = start.head.tree_synced;
  table->manifest_entries_ = start.head.manifest_entries;
  table->times_ = start.times;
  KHIPU_TRY_ASSIGN(table->manifest_, table->directory_->open_file(segment::kManifestName, os::Mode::kCreate));
  KHIPU_TRY(table->open_segment(table->end_offset_ == segment::kHeaderSize));
  return table;
}

// An active segment without rows may be missing or torn after a crash: its header is written (again).
Result<void> Table::open_segment(bool create) {
  const std::string name = segment::segment_name(segment_);
  KHIPU_TRY_ASSIGN(file_, directory_->open_file(name, create ? os::Mode::kCreate : os::Mode::kReadWrite));
  reserved_end_ = 0;
  if (!create) return {};
  KHIPU_TRY(at(name, file_->write_at(0, segment::encode_header({id_, root_id_, segment_, segment_first_row_}))));
  KHIPU_TRY(reserve(segment::kHeaderSize, 0));
  KHIPU_TRY(at(name, file_->sync()));
  return directory_->sync();
}

Result<void> Table::reserve(uint64_t offset, uint64_t size) {
  if (offset + size <= reserved_end_) return {};
  const uint64_t step = std::min(kReserveStep, std::max<uint64_t>(segment_size_bytes_, 1 << 16));
  const uint64_t from = std::max(reserved_end_, offset);
  KHIPU_TRY(at(segment::segment_name(segment_), file_->preallocate(from, offset + size - from + step)));
  reserved_end_ = offset + size + step;
  return {};
}

Result<void> Table::append(Rows& rows, Write write) {
  if (rows.starts.empty()) return {};
  KHIPU_ASSERT(held_.empty());
  if (integrity) KHIPU_TRY(append_to_tree(rows));
  const uint64_t offset = end_offset_;
  end_offset_ += rows.frames.size();
  if (write == Write::kWithFrame) {
    held_.swap(rows.frames);
  } else {
    KHIPU_TRY(write_bytes(offset, rows.frames));
  }
  if (times_.rows == 0) {
    times_.time_min = rows.time_min;
    times_.time_max = rows.time_max;
    times_.recorded_first = rows.recorded_first;
  }
  times_.rows += rows.starts.size();
  times_.time_min = std::min(times_.time_min, rows.time_min);
  times_.time_max = std::max(times_.time_max, rows.time_max);
  times_.recorded_last = rows.recorded_last;
  return {};
}

// The leaves of the rows, and the hashes above them that became complete.
Result<void> Table::append_to_tree(const Rows& rows) {
  leaves_.clear();
  for (size_t i = 0; i < rows.starts.size(); ++i) {
    const size_t end = i + 1 < rows.starts.size() ? rows.starts[i + 1] : rows.frames.size();
    const size_t payload = rows.starts[i] + codec::kFrameHeaderSize;
    hasher_.add(Bytes(rows.frames).subspan(payload, end - payload));
  }
  hasher_.finish();
  const uint64_t before = builder_.size();
  for (auto& level : scratch_) level.clear();
  builder_.append(leaves_, scratch_);
  root_ = builder_.root();
  for (size_t level = 0; level < tree::kLevelCount && !scratch_[level].empty(); ++level) {
    KHIPU_TRY(levels_->write(level, tree::Builder::complete(before, level), scratch_[level]));
  }
  return {};
}

Result<Table::Unwritten> Table::place_frame(Buffer frame, uint64_t& frame_offset) {
  Unwritten unwritten{file_, end_offset_ - held_.size(), {}};
  frame_offset = end_offset_;
  end_offset_ += frame.size();
  if (held_.empty()) {
    unwritten.bytes = std::move(frame);
  } else {
    khipu::append(held_, frame);
    unwritten.bytes = std::exchange(held_, {});
  }
  KHIPU_TRY(reserve(unwritten.offset, unwritten.bytes.size()));
  return unwritten;
}

Result<void> Table::write_bytes(uint64_t offset, Bytes bytes) {
  KHIPU_TRY(reserve(offset, bytes.size()));
  return at(segment::segment_name(segment_), file_->write_at(offset, bytes));
}

Result<segment::ManifestEntry> Table::seal(const Behind& commit) {
  segment::ManifestEntry entry;
  entry.number = segment_;
  entry.footer_offset = end_offset_;
  entry.footer = times_;
  entry.footer.first_row = segment_first_row_;
  entry.footer.commit = commit.number;
  entry.footer.commit_hash = commit.hash;
  entry.footer.commit_offset = id_ == TableId::kLogs ? commit.offset : 0;
  entry.footer.root = root_;
  Buffer payload, frame;
  segment::encode_footer(payload, entry.footer);
  codec::append_frame(frame, static_cast<uint8_t>(codec::RecordKind::kFooter), entry.footer.recorded_last, payload);
  entry.file_size = end_offset_ + frame.size();
  KHIPU_TRY(write_bytes(end_offset_, frame));
  // Blocks reserved beyond the end go back, so a sealed file is exactly what its manifest entry says.
  KHIPU_TRY(file_->truncate(entry.file_size));
  KHIPU_TRY(sync_tree(builder_.size()));
  KHIPU_TRY(at(segment::segment_name(segment_), file_->sync()));
  KHIPU_TRY(directory_->sync());
  KHIPU_TRY(
      manifest_->write_at(manifest_entries_ * segment::kManifestEntrySize, segment::encode_manifest_entry(entry)));
  KHIPU_TRY(manifest_->sync());
  ++manifest_entries_;
  segment_ = segment_.next();
  segment_first_row_ = {builder_.size()};
  end_offset_ = segment::kHeaderSize;
  times_ = {};
  KHIPU_TRY(open_segment(true));
  return entry;
}

Result<void> Table::sync_tree(uint64_t committed) {
  KHIPU_TRY(levels_->sync());
  note_tree_synced(committed);
  return {};
}

segment::HeadTable Table::head() const {
  segment::HeadTable head;
  head.size = builder_.size();
  head.root = root_;
  head.segment = segment_;
  head.segment_first_row = segment_first_row_;
  head.end_offset = end_offset_;
  head.tree_synced = tree_synced_;
  head.manifest_entries = manifest_entries_;
  return head;
}

}  // namespace khipu::writer
