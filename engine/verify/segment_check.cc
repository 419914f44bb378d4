#include "engine/verify/segment_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/tree/tree.h"
#include "engine/verify/builders.h"
#include "engine/verify/segment_align.h"
#include "engine/verify/segment_scan.h"
#include "engine/verify/signed_tree.h"

namespace khipu::verify {
namespace {

constexpr uint64_t kStoredAtOnce = 4096;  // hashes of tree/0

std::span<uint8_t> bytes_of(std::span<Hash> hashes) {
  return {reinterpret_cast<uint8_t*>(hashes.data()), hashes.size_bytes()};
}

class Check {
 public:
  Check(const SegmentContext& context, const SegmentJob& job) : context_(context), job_(job) {}
  Result<SegmentFacts> run();

 private:
  Result<uint64_t> header(const os::File& file);
  // tree/0 of the rows from first_row on.
  struct Stored {
    uint64_t rows = 0;
    bool same = false;         // as the leaves of so many rows, which then are at least as many
    std::vector<Hash> hashes;  // unless they are
  };
  Result<std::unique_ptr<os::File>> open_stored(uint64_t& count);
  Result<std::vector<Hash>> read_stored(uint64_t count);
  Result<Stored> hold_against_stored(const Scanned& scanned);
  void check_size(const Scanned& scanned, const std::vector<Hash>& stored);
  uint64_t rows_to_align(const Scanned& scanned, uint64_t stored_rows) const;
  bool enough(const Scanned& scanned, uint64_t stored_rows) const;
  void check_footer(const Scanned& scanned);
  void assemble(Scanned scanned, Stored stored);
  void assemble_damaged(Scanned& scanned, std::vector<Hash> stored, const Alignment& where);
  void report_lost(const Scanned& scanned, const Alignment::Lost& lost, const Alignment& where);
  void report_faults(const Scanned& scanned, const std::vector<uint64_t>& offsets, const Alignment* where);
  void hash_tiles();
  uint64_t rows_expected(const Scanned* scanned) const;
  Finding finding(std::string_view code, std::string detail) const {
    Finding found;
    found.code = code;
    found.table = job_.table;
    found.segment = job_.number;
    found.file = segment_path(job_.table, job_.number);
    found.detail = std::move(detail);
    return found;
  }
  Row row(uint64_t index) const { return {out_.first_row.value + index}; }
  Row last_row() const {
    const uint64_t rows = rows_expected(nullptr);
    return row(rows == 0 ? 0 : rows - 1);
  }
  void good_neighbours(Finding& finding, uint64_t row, uint64_t row_end) const;

  const SegmentContext& context_;
  const SegmentJob& job_;
  SegmentFacts out_;
};

// Row numbers come from the manifest where there is one: the header may be the damaged part. Returns where reading
// ends.
Result<uint64_t> Check::header(const os::File& file) {
  KHIPU_TRY_ASSIGN(const uint64_t size, file.size());
  out_.file_size = size;
  std::array<uint8_t, segment::kHeaderSize> bytes{};
  KHIPU_TRY_ASSIGN(const size_t got, file.read_at(0, bytes));
  const Result<segment::Header> header = segment::parse_header(Bytes(bytes).first(got));
  if (!header.ok() && header.error().code == Code::kUnsupported) return header.error();
  if (header.ok()) out_.segment_first_row = header->first_row;
  if (job_.first_row) out_.segment_first_row = *job_.first_row;
  out_.first_row = Row{out_.segment_first_row.value + job_.rows_read()};
  // An active segment without rows may be torn after a power loss; the writer writes its header again.
  const bool fresh = !job_.sealed && job_.solid_end <= segment::kHeaderSize;
  if (!header.ok() && !fresh) {
    Finding found = finding(code::kFrameCorrupt, header.error().message);
    found.offset = 0;
    found.row = out_.first_row;
    found.likely = "media";
    out_.findings.add(std::move(found));
  } else if (header.ok()) {
    const segment::Header want{job_.table, context_.key.root_id, job_.number, out_.segment_first_row};
    const bool table = amiss(header->table != want.table), number = amiss(header->number != want.number);
    const bool root_id = amiss(header->root_id != want.root_id);
    if (table || number || root_id || amiss(header->first_row != want.first_row)) {
      Finding found = finding(code::kFrameCorrupt, "the segment header is another segment's");
      found.offset = 0;
      found.row = out_.first_row;
      found.expected =
          fmt::format("{} {} first row {}", table_name(want.table), want.number.value, want.first_row.value);
      found.actual = fmt::format("{} {} first row {}{}", table_name(header->table), header->number.value,
                                 header->first_row.value, header->root_id == want.root_id ? "" : ", another root");
      found.likely = "rewriting";
      out_.findings.add(std::move(found));
    }
  }
  return std::min(size, job_.end_max);
}

// nullptr: none of the `count` hashes wanted is there; else it becomes how many are.
Result<std::unique_ptr<os::File>> Check::open_stored(uint64_t& count) {
  auto file = open_level(context_.table, 0);
  if (!file.ok()) {
    if (file.error().code == Code::kNotFound) return std::unique_ptr<os::File>();  // reported with the tree files
    return std::move(file).error();
  }
  // Counts of rows come from the files that are being judged: what is allocated is bounded by what is there.
  KHIPU_TRY_ASSIGN(const uint64_t size, file.value()->size());
  const uint64_t there = size / sizeof(Hash);
  count = there > out_.first_row.value ? std::min(count, there - out_.first_row.value) : 0;
  if (count == 0) return std::unique_ptr<os::File>();
  return std::move(file).value();
}

Result<std::vector<Hash>> Check::read_stored(uint64_t count) {
  std::vector<Hash> stored;
  KHIPU_TRY_ASSIGN(const std::unique_ptr<os::File> file, open_stored(count));
  if (!file) return stored;
  stored.resize(count);
  KHIPU_TRY_ASSIGN(const size_t got, file->read_at(out_.first_row.value * sizeof(Hash), bytes_of(stored)));
  stored.resize(got / sizeof(Hash));
  return stored;
}

// Piece by piece against the leaves; only where they differ all of it is kept.
Result<Check::Stored> Check::hold_against_stored(const Scanned& scanned) {
  const std::vector<Hash>& leaves = scanned.leaves;
  // Sealed: exactly its rows. Active: those found, and a few more that damage may have hidden.
  const uint64_t expected = rows_expected(&scanned);
  uint64_t want = expected;
  if (!job_.sealed) want = std::max<uint64_t>(expected, leaves.size()) + (scanned.holes.empty() ? 0 : 64);
  Stored stored;
  stored.rows = want;
  const bool whole = job_.sealed || out_.file_size >= job_.solid_end;
  if (scanned.holes.empty() && whole) {
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::File> file, open_stored(stored.rows));
    if (!file) stored.rows = 0;
    stored.same = stored.rows <= leaves.size() && enough(scanned, stored.rows);
    std::vector<Hash> piece(std::min<uint64_t>(stored.rows, kStoredAtOnce));
    for (uint64_t at = 0; at < stored.rows && stored.same; at += kStoredAtOnce) {
      const std::span<Hash> now = std::span(piece).first(std::min<uint64_t>(stored.rows - at, kStoredAtOnce));
      KHIPU_TRY_ASSIGN(const size_t got, file->read_at((out_.first_row.value + at) * sizeof(Hash), bytes_of(now)));
      stored.same = got == now.size_bytes() && std::memcmp(now.data(), &leaves[at], got) == 0;
    }
  }
  if (stored.same) return stored;
  KHIPU_TRY_ASSIGN(stored.hashes, read_stored(want));
  stored.rows = stored.hashes.size();
  return stored;
}

uint64_t Check::rows_expected(const Scanned* scanned) const {
  const auto rest = [&](uint64_t rows) { return rows - std::min(rows, job_.rows_read()); };
  if (job_.entry) return rest(job_.entry->footer.rows);
  if (job_.sealed && scanned != nullptr) return scanned->footer ? rest(scanned->footer->rows) : scanned->leaves.size();
  return rest(job_.solid_rows);
}

// With its end in place the file was not cut: something in front of it is missing or too much, and comes first.
void Check::check_size(const Scanned& scanned, const std::vector<Hash>& stored) {
  if (!job_.sealed && job_.solid_end > segment::kHeaderSize && out_.file_size < job_.solid_end) {
    const uint64_t rows = rows_expected(nullptr);
    const bool end_there =
        rows > 0 && stored.size() >= rows && !scanned.leaves.empty() && scanned.leaves.back() == stored[rows - 1];
    Finding found = finding(code::kSegmentTruncated, "the active segment ends before the newest published commit does");
    found.offset = out_.file_size;
    found.expected = fmt::format("{} bytes", job_.solid_end);
    found.actual = fmt::format("{} bytes", out_.file_size);
    found.row = end_there ? last_row() : out_.first_row;
    out_.findings.add(std::move(found));
  }
  if (!job_.sealed || !job_.entry || out_.file_size == job_.entry->file_size) return;
  const bool shorter = out_.file_size < job_.entry->file_size;
  Finding found = finding(shorter ? code::kSegmentTruncated : code::kManifestMismatch,
                          shorter ? "the sealed file is shorter than its manifest entry says"
                                  : "the sealed file is longer than its manifest entry says");
  found.offset = std::min(out_.file_size, job_.entry->file_size);
  found.expected = fmt::format("{} bytes", job_.entry->file_size);
  found.actual = fmt::format("{} bytes", out_.file_size);
  found.row = scanned.footer ? last_row() : out_.first_row;
  out_.findings.add(std::move(found));
}

// The footer against the manifest, and both against what the records say.
void Check::check_footer(const Scanned& scanned) {
  if (!job_.sealed) return;
  const auto report = [&](std::string_view code, std::string detail, uint64_t offset, const Place& where = KHIPU_HERE) {
    Finding found = finding(code, std::move(detail));
    found.offset = offset;
    found.row = row(rows_expected(&scanned) == 0 ? 0 : rows_expected(&scanned) - 1);
    out_.findings.add(std::move(found), where);
  };
  if (!scanned.footer) {
    if (scanned.footer_offset != 0) {
      report(code::kFooterMismatch, "the footer does not decode: " + scanned.footer_fault, scanned.footer_offset);
    } else if (scanned.holes.empty()) {
      report(code::kFooterMismatch, "a sealed segment without a footer", scanned.end_offset);
    }
    return;
  }
  const segment::Footer& footer = *scanned.footer;
  if (job_.entry && !(job_.entry->footer == footer && job_.entry->footer_offset == scanned.footer_offset)) {
    Finding found = finding(code::kManifestMismatch, "the manifest entry and the segment's footer differ");
    found.file = std::string(table_name(job_.table)) + "/" + std::string(segment::kManifestName);
    found.offset = job_.number.value * segment::kManifestEntrySize;
    found.row = job_.entry->footer == footer ? last_row() : out_.first_row;  // only its place: see check_size
    out_.findings.add(std::move(found));
  }
  if (!scanned.holes.empty()) return;  // what is missing explains any difference
  segment::Footer facts = footer;
  facts.first_row = out_.segment_first_row;
  facts.rows = job_.rows_read() + scanned.leaves.size();
  facts.time_min = scanned.time_min;
  facts.time_max = scanned.time_max;
  facts.recorded_first = scanned.recorded_first.value_or(0);
  facts.recorded_last = scanned.recorded_last.value_or(0);
  facts.commit_offset = scanned.commits.empty() ? 0 : scanned.commits.back().offset;
  if (const TablePosition* before = job_.resume; before != nullptr) {
    if (scanned.commits.empty()) facts.commit_offset = before->commit_offset;
    if (job_.rows_read() > 0) {
      const bool more = !scanned.leaves.empty();
      facts.time_min = more ? std::min(before->time_min, scanned.time_min) : before->time_min;
      facts.time_max = more ? std::max(before->time_max, scanned.time_max) : before->time_max;
      facts.recorded_first = before->recorded_first;
      facts.recorded_last = scanned.recorded_last.value_or(before->recorded_last);
    }
  }
  if (facts == footer) return;
  Finding found = finding(code::kFooterMismatch, "the footer's facts are not those of the records");
  found.offset = scanned.footer_offset;
  found.row = row(facts.rows == 0 ? 0 : facts.rows - 1);
  found.expected =
      fmt::format("first row {} rows {} times {}..{} recorded {}..{} commit at {}", facts.first_row.value, facts.rows,
                  facts.time_min, facts.time_max, facts.recorded_first, facts.recorded_last, facts.commit_offset);
  found.actual =
      fmt::format("first row {} rows {} times {}..{} recorded {}..{} commit at {}", footer.first_row.value, footer.rows,
                  footer.time_min, footer.time_max, footer.recorded_first, footer.recorded_last, footer.commit_offset);
  found.likely = "rewriting";
  out_.findings.add(std::move(found));
}

void Check::good_neighbours(Finding& finding, uint64_t row_from, uint64_t row_end) const {
  uint64_t good = row_from;
  while (good > 0 &&
         (out_.offsets[good - 1] == kNoOffset || (!out_.states.empty() && out_.states[good - 1] != RowState::kGood))) {
    --good;
  }
  if (good > 0) {
    finding.last_good = {row(good - 1), recorded_at(context_.table, job_.number, out_.offsets[good - 1])};
  } else if (out_.first_row.value > 0) {
    finding.last_good = {Row{out_.first_row.value - 1}, std::nullopt};
  }
  if (row_end < out_.offsets.size()) finding.next_good = row(row_end);
}

void Check::report_lost(const Scanned& scanned, const Alignment::Lost& lost, const Alignment&) {
  const bool at_end = lost.end == out_.offsets.size() && job_.sealed;
  Finding found = finding(code::kRowGap, "rows the tree knows have no record here");
  if (lost.hole) {
    const Hole& hole = scanned.holes[*lost.hole];
    found.code = code::kFrameCorrupt;
    found.detail = hole.fault == codec::FrameFault::kNone ? "a frame of an unknown kind" : codec::describe(hole.fault);
    found.offset = hole.offset;
    found.likely = hole.fault == codec::FrameFault::kChecksum ? "media" : "";
    found.actual = fmt::format("bytes {} to {} are no whole frame", hole.offset, hole.end);
  } else {
    found.likely = at_end ? "" : "rewriting";
    const uint64_t next = lost.end < out_.offsets.size() ? out_.offsets[lost.end] : scanned.end_offset;
    found.offset = next;
  }
  found.row = row(lost.row);
  if (lost.end > lost.row + 1) found.row_end = row(lost.end);
  found.expected = fmt::format("{} rows", lost.end - lost.row);
  good_neighbours(found, lost.row, lost.end);
  out_.findings.add(std::move(found));
}

void Check::report_faults(const Scanned& scanned, const std::vector<uint64_t>& offsets, const Alignment* where) {
  for (const RecordFault& fault : scanned.faults) {
    const uint64_t index = where == nullptr ? fault.entry : where->row_of_entry[fault.entry];
    if (index == kNoOffset) continue;
    Finding found = finding(fault.code, fault.detail);
    found.row = row(index);
    found.offset = offsets[fault.entry];
    found.expected = fault.expected;
    found.actual = fault.actual;
    found.likely = fault.likely;
    good_neighbours(found, index, index + 1);
    if (job_.sealed) {
      out_.findings.add(std::move(found));
    } else {
      out_.pending.push_back(std::move(found));
    }
  }
}

void Check::assemble_damaged(Scanned& scanned, std::vector<Hash> stored, const Alignment& where) {
  const uint64_t rows = where.entry_of_row.size();
  out_.leaves.resize(rows);
  out_.offsets.assign(rows, kNoOffset);
  out_.states.assign(rows, RowState::kMissing);
  if (job_.table == TableId::kRegistry) out_.versions.assign(rows, {});
  for (uint64_t i = 0; i < rows; ++i) {
    const uint64_t entry = where.entry_of_row[i];
    if (entry == kNoOffset) {
      if (i < stored.size()) out_.leaves[i] = stored[i];
      continue;
    }
    out_.leaves[i] = scanned.leaves[entry];
    out_.offsets[i] = scanned.offsets[entry];
    out_.states[i] = i >= stored.size() || stored[i] == scanned.leaves[entry] ? RowState::kGood : RowState::kDiffers;
    if (job_.table == TableId::kRegistry) out_.versions[i] = scanned.versions[entry];
  }
  out_.stored = std::move(stored);
  // A commit stands behind the rows of the entries in front of it, and behind rows lost at its very place.
  for (CommitAt& commit : scanned.commits) {
    uint64_t end = 0;
    for (uint64_t entry = commit.rows_before; entry-- > 0;) {
      if (where.row_of_entry[entry] == kNoOffset) continue;
      end = where.row_of_entry[entry] + 1;
      break;
    }
    const uint64_t signed_rows = commit.record.tables[index_of(TableId::kLogs)].size;
    if (commit.signature_ok && signed_rows > out_.first_row.value + end && signed_rows <= out_.first_row.value + rows) {
      end = signed_rows - out_.first_row.value;  // rows lost in front of it
    }
    commit.rows_before = end;
    const uint64_t pin_row = commit.pins_end == 0 ? 0 : where.row_of_entry[commit.pins_end_row];
    commit.pins_end_row = pin_row == kNoOffset ? 0 : pin_row;
  }
  for (const Alignment::Lost& lost : where.lost) report_lost(scanned, lost, where);
  for (const size_t index : where.rowless_holes) {
    const Hole& hole = scanned.holes[index];
    Finding found = finding(job_.table == TableId::kLogs ? code::kCommitBroken : code::kFrameCorrupt,
                            "bytes that are no whole frame and no row of the tree");
    found.offset = hole.offset;
    found.actual = codec::describe(hole.fault);
    found.likely = hole.fault == codec::FrameFault::kChecksum ? "media" : "";
    uint64_t next = 0;
    while (next < rows && (out_.offsets[next] == kNoOffset || out_.offsets[next] < hole.offset)) ++next;
    found.row = row(next);
    out_.findings.add(std::move(found));
  }
  for (const auto& [entry, before] : where.extra) {
    Finding found = finding(code::kLeafMismatch, "a record stands here that the tree does not know");
    found.row = row(before);
    found.offset = scanned.offsets[entry];
    found.likely = "rewriting";
    good_neighbours(found, before, before);
    out_.findings.add(std::move(found));
  }
  report_faults(scanned, scanned.offsets, &where);
}

// Rows beyond both the records and the tree are the business of the commits that name them (table_trail.h).
uint64_t Check::rows_to_align(const Scanned& scanned, uint64_t stored_rows) const {
  return std::min(rows_expected(&scanned), std::max<uint64_t>(scanned.leaves.size(), stored_rows));
}

bool Check::enough(const Scanned& scanned, uint64_t stored_rows) const {
  const uint64_t rows = scanned.leaves.size(), expected = rows_to_align(scanned, stored_rows);
  return job_.sealed ? rows == expected : rows >= expected;
}

void Check::assemble(Scanned scanned, Stored stored) {
  const uint64_t common = std::min<uint64_t>(scanned.leaves.size(), stored.rows);
  out_.stored_rows = stored.rows;
  check_size(scanned, stored.hashes);
  check_footer(scanned);
  if (stored.same || (scanned.holes.empty() && enough(scanned, stored.rows) &&
                      std::equal(stored.hashes.begin(), stored.hashes.begin() + static_cast<ptrdiff_t>(common),
                                 scanned.leaves.begin()))) {
    out_.leaves = std::move(scanned.leaves);
    out_.offsets = std::move(scanned.offsets);
    out_.versions = std::move(scanned.versions);
    report_faults(scanned, out_.offsets, nullptr);
  } else {
    const Alignment where = align(scanned, stored.hashes, rows_to_align(scanned, stored.rows), job_.sealed);
    assemble_damaged(scanned, std::move(stored.hashes), where);
  }
  out_.commits = std::move(scanned.commits);
  uint64_t whole = 0;
  while (whole < scanned.statements.size() && scanned.statements[whole].first == whole &&
         (out_.states.empty() || out_.states[whole] != RowState::kMissing)) {
    ++whole;
  }
  out_.statements_end = row(whole);
  for (auto& [entry, statement] : scanned.statements) out_.statements.push_back(std::move(statement));
  out_.footer = scanned.footer;
  out_.footer_offset = scanned.footer_offset;
  out_.end_offset = scanned.end_offset;
  out_.tail_commits = std::move(scanned.tail_commits);
  out_.recorded_first = scanned.recorded_first;
  out_.recorded_last = scanned.recorded_last;
  out_.time_min = scanned.time_min;
  out_.time_max = scanned.time_max;
  out_.references = scanned.references;
  out_.old_pins = std::move(scanned.old_pins);
  out_.stopped = scanned.stopped;
  if (job_.table == TableId::kLogs && out_.states.empty()) hash_tiles();
}

// Here, beside other segments, and together, so that lanes stay full up to a tile's root.
void Check::hash_tiles() {
  const uint64_t first = out_.first_row.value;  // HEAD's word: any number
  const uint64_t cut = (tree::kTileWidth - first % tree::kTileWidth) % tree::kTileWidth;
  if (out_.leaves.size() < cut + tree::kTileWidth) return;
  out_.tiles_from = first / tree::kTileWidth + (cut == 0 ? 0 : 1);
  out_.tiles.resize((out_.leaves.size() - cut) / tree::kTileWidth);
  std::vector<tree::TileView> whole, cut_tiles;
  std::vector<size_t> places;
  size_t commit = 0;
  for (size_t i = 0; i < out_.tiles.size(); ++i) {
    const uint64_t from = (out_.tiles_from + i) * tree::kTileWidth - first, to = from + tree::kTileWidth;
    const tree::TileView tile = std::span(out_.leaves).subspan(from).first<tree::kTileWidth>();
    while (commit < out_.commits.size() && out_.commits[commit].rows_before <= from) ++commit;
    if (commit < out_.commits.size() && out_.commits[commit].rows_before < to) {
      out_.tiles[i].cut = cut_tiles.size();
      cut_tiles.push_back(tile);
    } else {
      whole.push_back(tile);
      places.push_back(i);
    }
  }
  std::vector<Hash> roots(whole.size());
  tree::roots_of_tiles(whole, roots);
  for (size_t i = 0; i < places.size(); ++i) out_.tiles[places[i]].root = roots[i];
  out_.cut_tiles = tree::nodes_of_tiles(cut_tiles);
}

Result<SegmentFacts> Check::run() {
  out_.number = job_.number;
  out_.sealed = job_.sealed;
  out_.segment_first_row = job_.first_row.value_or(Row{});
  out_.first_row = Row{out_.segment_first_row.value + job_.rows_read()};
  auto file = context_.table.open_file(segment::segment_name(job_.number), os::Mode::kRead);
  if (!file.ok()) {
    if (file.error().code != Code::kNotFound) return std::move(file).error();
    out_.there = false;
    out_.let_go = job_.let_go;
    KHIPU_TRY_ASSIGN(std::vector<Hash> stored, read_stored(rows_expected(nullptr)));
    out_.stored_rows = stored.size();
    out_.leaves = stored;
    out_.offsets.assign(out_.leaves.size(), kNoOffset);
    out_.states.assign(out_.leaves.size(), RowState::kMissing);
    out_.stored = std::move(stored);
    if (job_.table == TableId::kRegistry) out_.versions.assign(out_.leaves.size(), {});
    return std::move(out_);
  }
  KHIPU_TRY_ASSIGN(const uint64_t end, header(**file));
  KHIPU_TRY_ASSIGN(Scanned scanned, scan_segment(context_, job_, **file, end));
  if (scanned.stopped) {
    out_.stopped = true;
    return std::move(out_);
  }
  KHIPU_TRY_ASSIGN(Stored stored, hold_against_stored(scanned));
  if (scanned.index) {
    context_.builders->finish(context_.table, job_.table, job_.number, *context_.indexes, std::move(scanned.index));
  }
  assemble(std::move(scanned), std::move(stored));
  return std::move(out_);
}

}  // namespace

Result<SegmentFacts> check_segment(const SegmentContext& context, const SegmentJob& job) {
  return at(segment_path(job.table, job.number), Check(context, job).run());
}

std::optional<TimeUs> recorded_at(os::Directory& table, SegmentNumber number, uint64_t offset) {
  const auto file = table.open_file(segment::segment_name(number), os::Mode::kRead);
  if (!file.ok()) return std::nullopt;
  const Result<uint64_t> size = file.value()->size();
  if (!size.ok()) return std::nullopt;
  segment::Reader reader(**file, offset, *size);
  const Result<segment::Step> step = reader.next();
  if (!step.ok() || step->kind != segment::Step::Kind::kFrame) return std::nullopt;
  const Result<codec::FrameFacts> facts = codec::frame_facts(step->frame.payload);
  return facts.ok() ? std::optional(facts->recorded_at) : std::nullopt;
}

std::string segment_path(TableId table, SegmentNumber number) {
  return std::string(table_name(table)) + "/" + segment::segment_name(number);
}

}  // namespace khipu::verify
