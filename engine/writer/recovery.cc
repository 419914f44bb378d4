#include "engine/writer/recovery.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/codec/frame.h"
#include "engine/crypto/hash.h"
#include "engine/writer/quarantine.h"
#include "engine/writer/recovery_scan.h"

namespace khipu::writer {
namespace {

constexpr size_t kLogs = index_of(TableId::kLogs);
constexpr uint64_t kTailSizeMax = 1ULL << 32;  // bytes behind a starting point that are read at once

struct Line {
  codec::CommitRecord commit;  // number 0: nothing committed
  Hash hash{};
  SegmentNumber segment;  // where its frame stands in logs/
  uint64_t offset = segment::kHeaderSize;
  uint32_t frame_size = 0;
  std::array<TableMark, kTableCount> marks;
};

class Recovery {
 public:
  Recovery(os::Directory& root, const Keys& keys, const SignedState& state, bool accept_rollback)
      : root_(root), keys_(keys), state_(state), accept_rollback_(accept_rollback) {}

  Result<Recovered> run() {
    KHIPU_TRY(read());
    KHIPU_TRY(choose_base());
    KHIPU_TRY(follow());
    KHIPU_TRY(refuse_on_evidence());
    KHIPU_TRY(make_durable());
    KHIPU_TRY(set_aside());
    KHIPU_TRY(rebuild_trees());
    tree_synced_ = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    KHIPU_TRY(judge_state());  // again, now that every old root can be had from the tree files
    KHIPU_TRY(write_head());
    return std::move(out_);
  }

 private:
  Result<void> read() {
    for (const TableId table : kTables) {
      KHIPU_TRY_ASSIGN(scans_[index_of(table)], TableScan::open(root_, table, state_.root_id));
    }
    KHIPU_TRY_ASSIGN(slots_, segment::read_head(root_));
    for (const auto& slot : slots_) {
      if (slot && slot->root_id != state_.root_id) return evidence("HEAD belongs to another root");
    }
    head_ = segment::newest(slots_);
    return {};
  }

  // The later of the best HEAD slot and the last manifest entry of logs/.
  Result<void> choose_base() {
    const std::vector<segment::ManifestEntry>& sealed = scans_[kLogs]->manifest().entries;
    const bool by_manifest = !sealed.empty() && (!head_ || sealed.back().footer.commit >= head_->commit);
    if (by_manifest) {
      const segment::ManifestEntry& last = sealed.back();
      KHIPU_TRY(read_base(last.number, last.footer.commit_offset, last.footer.commit_hash, "logs/manifest"));
    } else if (head_ && head_->commit.value > 0) {
      KHIPU_TRY(read_base(head_->commit_segment, head_->commit_offset, head_->commit_hash, "HEAD"));
    }
    for (const TableId table : kTables) {
      const size_t i = index_of(table);
      TableScan& scan = *scans_[i];
      uint64_t tree_synced = scan.active_first_row().value;  // sealing synced the tree up to the manifest's end
      if (head_) tree_synced = std::max(tree_synced, head_->tables[i].tree_synced);
      std::optional<uint64_t> known_offset;
      if (!by_manifest && head_ && head_->tables[i].segment == scan.active_number()) {
        known_offset = head_->tables[i].end_offset;
      }
      const codec::TableState& state = line_.commit.tables[i];
      const Hash root = line_.commit.number.value == 0 ? tree::empty_root() : state.root;
      KHIPU_TRY(scan.seek(state.size, tree_synced, known_offset, root));
      tree_synced_[i] = std::min(tree_synced, state.size);
      line_.marks[i] = scan.mark();
    }
    if (line_.commit.number.value > 0 && !by_manifest) line_.marks[kLogs].offset = line_.offset + line_.frame_size;
    base_ = line_;
    return {};
  }

  Result<void> read_base(SegmentNumber number, uint64_t offset, const Hash& hash, std::string_view by) {
    const std::string name = segment::segment_name(number);
    const auto missing = [&] {
      return evidence(fmt::format("{} names a commit at logs/{} byte {} that is not there: the log was cut or changed",
                                  by, name, offset));
    };
    auto file = scans_[kLogs]->directory().open_file(name, os::Mode::kRead);
    if (!file.ok()) return file.error().code == Code::kNotFound ? missing() : std::move(file).error();
    KHIPU_TRY_ASSIGN(const uint64_t size, file.value()->size());
    segment::Reader reader(*file.value(), offset, size);
    KHIPU_TRY_ASSIGN(const segment::Step step, reader.next());
    if (step.kind != segment::Step::Kind::kFrame || crypto::sha256(step.frame.payload) != hash) return missing();
    const std::optional<codec::CommitRecord> commit = signed_commit(step.frame);
    if (!commit) return missing();
    line_.commit = *commit;
    line_.hash = hash;
    line_.segment = number;
    line_.offset = offset;
    line_.frame_size = static_cast<uint32_t>(step.frame.size());
    return {};
  }

  std::optional<codec::CommitRecord> signed_commit(const codec::Frame& frame) const {
    if (frame.kind != static_cast<uint8_t>(codec::RecordKind::kCommit)) return std::nullopt;
    Result<codec::CommitRecord> commit = codec::decode_commit(frame.payload);
    if (!commit.ok()) return std::nullopt;
    if (!crypto::verify(keys_.signing.public_key(), commit->signature,
                        codec::commit_signed_bytes(state_.root_id, frame.payload))) {
      return std::nullopt;
    }
    return commit.value();
  }

  // Follows frames while number, previous hash, rows and roots fit: that is the line.
  Result<void> follow() {
    std::array<TableMark, kTableCount> marks = line_.marks;
    while (true) {
      KHIPU_TRY_ASSIGN(const std::optional<TableScan::Found> found, scans_[kLogs]->next(marks[kLogs]));
      if (!found) break;
      if (found->frame.kind == static_cast<uint8_t>(codec::RecordKind::kEvent)) continue;
      const std::optional<codec::CommitRecord> commit = signed_commit(found->frame);
      if (!commit || commit->number != line_.commit.number.next() || commit->previous != line_.hash) break;
      const Hash hash = crypto::sha256(found->frame.payload);
      const auto frame_size = static_cast<uint32_t>(found->frame.size());
      const uint64_t offset = found->offset;
      const SegmentNumber number = found->segment;
      KHIPU_TRY_ASSIGN(const bool fits, advance(*commit, marks));
      if (!fits) break;
      line_.commit = *commit;
      line_.hash = hash;
      line_.segment = number;
      line_.offset = offset;
      line_.frame_size = frame_size;
      line_.marks = marks;
      if (line_.commit.number == state_.number) state_seen_ = line_.hash;
    }
    for (const TableId table : kTables) leave_sealed(*scans_[index_of(table)], line_.marks[index_of(table)]);
    return {};
  }

  // A line that ends with the last row of a sealed segment ends at the beginning of the next one: the footer behind
  // that row is no tail (I9). It comes to this when the HEAD that was written behind the seal did not reach the disk.
  static void leave_sealed(const TableScan& scan, TableMark& mark) {
    if (mark.segment >= scan.active_number() || mark.builder.size() < scan.active_first_row().value) return;
    mark.segment = scan.active_number();
    mark.segment_first_row = scan.active_first_row();
    mark.offset = segment::kHeaderSize;
    mark.times = {};
  }

  // Are the rows the commit names all there, with its roots? logs' mark has passed them already.
  Result<bool> advance(const codec::CommitRecord& commit, std::array<TableMark, kTableCount>& marks) {
    for (const TableId table : kTables) {
      const size_t i = index_of(table);
      while (i != kLogs && marks[i].builder.size() < commit.tables[i].size) {
        KHIPU_TRY_ASSIGN(const std::optional<TableScan::Found> found, scans_[i]->next(marks[i]));
        if (!found || found->frame.kind != static_cast<uint8_t>(codec::row_kind(table))) return false;
      }
      if (marks[i].builder.size() != commit.tables[i].size || marks[i].builder.root() != commit.tables[i].root) {
        return false;
      }
    }
    return true;
  }

  // A well-signed frame k proves that commits up to k-1 were durable. HEAD, manifests and the key-side state name only
  // synced commits. Whatever they name must be at or below the line.
  Result<void> refuse_on_evidence() {
    const CommitNumber line = line_.commit.number;
    for (const auto& slot : slots_) {
      if (slot && slot->commit > line) {
        return evidence(
            fmt::format("HEAD names commit {}, but the log ends with commit {} at logs/{} byte {}: what "
                        "was acknowledged behind it is damaged or gone",
                        slot->commit.value, line.value, segment::segment_name(line_.marks[kLogs].segment),
                        line_.marks[kLogs].offset));
      }
    }
    for (const TableId table : kTables) {
      const std::vector<segment::ManifestEntry>& sealed = scans_[index_of(table)]->manifest().entries;
      if (!sealed.empty() && sealed.back().footer.commit > line) {
        return evidence(fmt::format("{}/manifest names commit {}, but the log ends with commit {}", table_name(table),
                                    sealed.back().footer.commit.value, line.value));
      }
    }
    KHIPU_TRY_ASSIGN(const Buffer above, bytes_above(TableId::kLogs));
    for (const SignedFrame& frame : find_signed_frames(above, keys_, state_.root_id)) {
      if (frame.number.value < line.value + 2) continue;
      return evidence(
          fmt::format("a signed frame of commit {} stands at logs/{} byte {}, so commit {} was durable, "
                      "but the log can be followed only to commit {}: damage between",
                      frame.number.value, segment::segment_name(line_.marks[kLogs].segment),
                      line_.marks[kLogs].offset + frame.offset, frame.number.value - 1, line.value));
    }
    return judge_state();
  }

  Result<void> judge_state() {
    Result<void> extends = extends_state();
    if (extends.ok() || extends.error().code != Code::kCorrupt) return extends;
    if (!accept_rollback_) return evidence(extends.error().message + std::string(kHowToAcceptRollback));
    out_.contradicts_state = true;
    return {};
  }

  // Is what was last signed part of this log?
  Result<void> extends_state() {
    if (state_.number > line_.commit.number) {
      return evidence(
          fmt::format("the last signed state is commit {}, but the log ends with commit {}: an older copy "
                      "was put back, or the log was cut",
                      state_.number.value, line_.commit.number.value));
    }
    if (state_seen_ && *state_seen_ != state_.hash) {
      return evidence(fmt::format("commit {} is not the one that was signed as such: a fork", state_.number.value));
    }
    for (const TableId table : kTables) {
      const codec::TableState& was = state_.tables[index_of(table)];
      if (state_.number.value == 0 || was.size == 0) continue;
      const tree::Builder& builder = line_.marks[index_of(table)].builder;
      if (builder.size() < was.size) {
        return evidence(
            fmt::format("{} has {} rows, fewer than the {} last signed", table_name(table), builder.size(), was.size));
      }
      if (was.size > tree_synced_[index_of(table)]) continue;  // once the trees are rebuilt
      LevelSource source(scans_[index_of(table)]->levels());
      KHIPU_TRY_ASSIGN(const Hash root, tree::root_at(was.size, source));
      if (root != was.root) {
        return evidence(fmt::format("{}: its first {} rows are not the ones that were signed: a fork",
                                    table_name(table), was.size));
      }
    }
    return {};
  }

  // Everything behind the line in the table's active segment.
  Result<Buffer> bytes_above(TableId table) {
    TableScan& scan = *scans_[index_of(table)];
    const TableMark& mark = line_.marks[index_of(table)];
    Buffer bytes;
    auto file = scan.directory().open_file(segment::segment_name(mark.segment), os::Mode::kRead);
    if (!file.ok()) {
      if (file.error().code == Code::kNotFound) return bytes;
      return std::move(file).error();
    }
    KHIPU_TRY_ASSIGN(const uint64_t size, file.value()->size());
    if (size <= mark.offset) return bytes;
    if (size - mark.offset > kTailSizeMax) {
      return Error{Code::kLimit, fmt::format("{} has {} bytes behind the line, which no writer leaves: move them away",
                                             segment::segment_name(mark.segment), size - mark.offset)};
    }
    bytes.resize(size - mark.offset);
    KHIPU_TRY(file.value()->read_exactly(mark.offset, bytes));
    return bytes;
  }

  // A failed fsync leaves clean pages that never reached the disk, so the bytes from the base to the line are written
  // again, unchanged, and synced; likewise the last manifest entry.
  Result<void> make_durable() {
    for (const TableId table : kTables) {
      const size_t i = index_of(table);
      TableScan& scan = *scans_[i];
      if (!scan.manifest().entries.empty()) {
        KHIPU_TRY_ASSIGN(auto manifest, scan.directory().open_file(segment::kManifestName, os::Mode::kReadWrite));
        const uint64_t index = scan.manifest().entries.size() - 1;
        KHIPU_TRY(manifest->write_at(index * segment::kManifestEntrySize,
                                     segment::encode_manifest_entry(scan.manifest().entries.back())));
        KHIPU_TRY(manifest->sync());
      }
      const TableMark& mark = line_.marks[i];
      if (mark.offset == segment::kHeaderSize) continue;  // Table::open makes the empty segment anew
      const std::string name = segment::segment_name(mark.segment);
      uint64_t from = mark.segment == base_.marks[i].segment ? base_.marks[i].offset : 0;
      if (from == segment::kHeaderSize) from = 0;
      KHIPU_TRY_ASSIGN(auto file, scan.directory().open_file(name, os::Mode::kReadWrite));
      if (mark.offset > from) {
        Buffer bytes(mark.offset - from);
        KHIPU_TRY(file->read_exactly(from, bytes));
        KHIPU_TRY(file->write_at(from, bytes));
        out_.report.rewritten_bytes += bytes.size();
      }
      KHIPU_TRY(at(name, file->sync()));
      KHIPU_TRY(scan.directory().sync());
    }
    return {};
  }

  // P10: copied, synced, then cut.
  Result<void> set_aside() {
    Quarantine quarantine(root_);
    KHIPU_TRY(quarantine.open());
    for (const TableId table : kTables) {
      TableScan& scan = *scans_[index_of(table)];
      const TableMark& mark = line_.marks[index_of(table)];
      KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, scan.directory().list());
      for (const os::Entry& entry : entries) {
        const std::optional<SegmentNumber> number = segment::parse_segment_name(entry.name);
        if (!number || *number < mark.segment) continue;
        // An active segment with no row and no commit may have a torn header: all of it goes aside, it is made anew.
        const bool whole =
            *number > mark.segment || (mark.offset == segment::kHeaderSize && !scan_has_header(scan, entry.name));
        KHIPU_TRY(quarantine.take(scan.directory(), table_name(table), entry.name, whole ? 0 : mark.offset));
      }
      if (scan.manifest().tail_size > 0) {
        KHIPU_TRY(quarantine.take(scan.directory(), table_name(table), std::string(segment::kManifestName),
                                  scan.manifest().entries.size() * segment::kManifestEntrySize));
      }
    }
    out_.report.quarantined = quarantine.names();
    return {};
  }

  static bool scan_has_header(TableScan& scan, const std::string& name) {
    auto file = scan.directory().open_file(name, os::Mode::kRead);
    if (!file.ok()) return false;
    std::array<uint8_t, segment::kHeaderSize> bytes{};
    const Result<size_t> got = file.value()->read_at(0, bytes);
    return got.ok() && segment::parse_header(Bytes(bytes).first(got.value())).ok();
  }

  // Tree files above tree_synced are written anew from the records.
  Result<void> rebuild_trees() {
    for (const TableId table : kTables) {
      const size_t i = index_of(table);
      TableScan& scan = *scans_[i];
      const TableMark& mark = line_.marks[i];
      segment::HeadTable head;
      head.size = mark.builder.size();
      head.root = mark.builder.root();
      head.segment = mark.segment;
      head.segment_first_row = mark.segment_first_row;
      head.end_offset = mark.offset;
      head.manifest_entries = scan.manifest().entries.size();
      LevelSource source(scan.levels());
      KHIPU_TRY_ASSIGN(tree::Builder builder, tree::Builder::load(tree_synced_[i], source));
      std::array<std::vector<Hash>, tree::kLevelCount> levels;
      std::vector<Hash> leaves;
      tree::LeafHasher hasher(leaves);
      const uint64_t start = builder.size();
      KHIPU_TRY(for_each_row(root_, table, scan.manifest(), head, {start}, [&](Row, const codec::Frame& frame) {
        hasher.add(frame.payload);
        return Result<void>();
      }));
      hasher.finish();
      builder.append(leaves, levels);
      if (builder.root() != head.root) {
        return evidence(fmt::format("{}: tree files and records do not make the signed root", table_name(table)));
      }
      for (size_t level = 0; level < tree::kLevelCount; ++level) {
        KHIPU_TRY(scan.levels().write(level, tree::Builder::complete(start, level), levels[level]));
      }
      KHIPU_TRY(scan.levels().sync());
      head.tree_synced = head.size;
      out_.tables[i] = {head, mark.builder, mark.times};
      out_.manifests[i] = scan.manifest();
    }
    return {};
  }

  Result<void> write_head() {
    segment::Head& head = out_.head;
    head.sequence = head_ ? head_->sequence + 1 : 1;
    head.commit = line_.commit.number;
    head.commit_hash = line_.hash;
    head.commit_time = line_.commit.time;
    head.commit_segment = line_.segment;
    head.commit_offset = line_.offset;
    head.commit_frame_size = line_.frame_size;
    head.epoch = head_ ? head_->epoch : Epoch{0};
    head.root_id = state_.root_id;
    for (size_t i = 0; i < kTableCount; ++i) head.tables[i] = out_.tables[i].head;
    // The older slot is replaced: a crash while it is written leaves the other.
    out_.head_slot = slots_[0] && (!slots_[1] || segment::newer(*slots_[0], *slots_[1])) ? 1 : 0;
    out_.commit = line_.commit;
    out_.report.line = line_.commit.number;
    if (line_.commit.number.value == 0) return {};  // a root under `init`: nothing is visible yet
    KHIPU_TRY_ASSIGN(auto file, root_.open_file(segment::kHeadName, os::Mode::kCreate, 0644));
    KHIPU_TRY(file->write_at(out_.head_slot * segment::kHeadSlotStride, segment::encode_head(head)));
    KHIPU_TRY(file->sync());
    return root_.sync();
  }

  os::Directory& root_;
  const Keys& keys_;
  const SignedState& state_;
  bool accept_rollback_;
  std::array<std::unique_ptr<TableScan>, kTableCount> scans_;
  std::array<std::optional<segment::Head>, 2> slots_;
  std::optional<segment::Head> head_;
  std::array<uint64_t, kTableCount> tree_synced_{};
  Line line_, base_;
  std::optional<Hash> state_seen_;
  Recovered out_;
};

}  // namespace

Result<Recovered> recover(os::Directory& root, const Keys& keys, const SignedState& state, bool accept_rollback) {
  return at("recovery", Recovery(root, keys, state, accept_rollback).run());
}

std::vector<SignedFrame> find_signed_frames(Bytes bytes, const Keys& keys, const RootId& root_id) {
  constexpr size_t kCommitSizeMax = 4096;  // a commit frame is about 350 bytes
  std::vector<SignedFrame> found;
  for (size_t offset = 0; offset + codec::kFrameHeaderSize <= bytes.size(); ++offset) {
    if (bytes[offset + 16] != static_cast<uint8_t>(codec::RecordKind::kCommit)) continue;
    if (load_le<uint32_t>(bytes.data() + offset) > kCommitSizeMax) continue;
    const codec::ParsedFrame parsed = codec::parse_frame(bytes.subspan(offset));
    if (parsed.fault != codec::FrameFault::kNone) continue;
    const Result<codec::CommitRecord> commit = codec::decode_commit(parsed.frame.payload);
    if (!commit.ok() || !crypto::verify(keys.signing.public_key(), commit->signature,
                                        codec::commit_signed_bytes(root_id, parsed.frame.payload))) {
      continue;
    }
    found.push_back({offset, commit->number, crypto::sha256(parsed.frame.payload)});
  }
  return found;
}

Result<std::vector<codec::RecoveryStatement>> unnamed_quarantine(os::Directory& root, const Keys& keys,
                                                                 const RootId& root_id,
                                                                 const std::vector<codec::RecoveryStatement>& named) {
  std::vector<codec::RecoveryStatement> statements;
  KHIPU_TRY_ASSIGN(auto directory, root.open_directory(segment::kQuarantineName));
  KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, directory->list());
  for (const os::Entry& entry : entries) {
    if (entry.kind != os::EntryKind::kFile || !entry.name.ends_with(kQuarantineSuffix)) continue;
    if (std::any_of(named.begin(), named.end(), [&](const auto& known) { return known.file == entry.name; })) continue;
    KHIPU_TRY_ASSIGN(auto file, directory->open_file(entry.name, os::Mode::kRead));
    KHIPU_TRY_ASSIGN(const Buffer bytes, file->read_all(1ULL << 32));
    codec::RecoveryStatement statement;
    statement.file = entry.name;
    statement.size = bytes.size();
    statement.sha256 = crypto::sha256(bytes);
    statement.reason = "above the last valid commit when the writer started";
    for (const SignedFrame& frame : find_signed_frames(bytes, keys, root_id)) statement.disowned.push_back(frame.hash);
    statements.push_back(std::move(statement));
  }
  return statements;
}

std::vector<SegmentRows> segments_of(const segment::Manifest& manifest, const segment::HeadTable& head) {
  std::vector<SegmentRows> segments;
  for (uint64_t i = 0; i < head.manifest_entries; ++i) {
    const segment::ManifestEntry& entry = manifest.entries[i];
    segments.push_back({entry.number, entry.footer.first_row, entry.footer.rows, entry.footer_offset});
  }
  segments.push_back({head.segment, head.segment_first_row, head.size - head.segment_first_row.value, head.end_offset});
  return segments;
}

Result<void> for_each_row_of(os::Directory& root, TableId table, const SegmentRows& segment, Row from,
                             const VisitRow& visit) {
  if (segment.rows == 0 || segment.first.value + segment.rows <= from.value) return {};
  KHIPU_TRY_ASSIGN(auto directory, root.open_directory(table_name(table)));
  const std::string name = segment::segment_name(segment.number);
  KHIPU_TRY_ASSIGN(auto file, directory->open_file(name, os::Mode::kRead));
  segment::Reader reader(*file, segment::kHeaderSize, segment.end);
  for (Row row = segment.first; row.value < segment.first.value + segment.rows;) {
    KHIPU_TRY_ASSIGN(const segment::Step step, reader.next());
    if (step.kind != segment::Step::Kind::kFrame) {
      return evidence(fmt::format("{}/{}: no sound frame at byte {}, where row {} should stand", table_name(table),
                                  name, step.offset, row.value));
    }
    if (!codec::is_row(step.frame.kind)) continue;
    if (row >= from) {
      KHIPU_TRY(at(fmt::format("{} row {}", table_name(table), row.value), visit(row, step.frame)));
    }
    row = row.next();
  }
  return {};
}

Result<void> for_each_row(os::Directory& root, TableId table, const segment::Manifest& manifest,
                          const segment::HeadTable& head, Row from, const VisitRow& visit) {
  for (const SegmentRows& segment : segments_of(manifest, head)) {
    KHIPU_TRY(for_each_row_of(root, table, segment, from, visit));
  }
  return {};
}

}  // namespace khipu::writer
