#include "engine/verify/table_trail.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "engine/segment/format.h"
#include "engine/tree/tree.h"
#include "engine/verify/signed_tree.h"
#include "engine/verify/spare_rows.h"

namespace khipu::verify {
namespace {
constexpr size_t kLevelRun = 4096;  // hashes compared at once
}

Result<bool> TableTrail::resume(uint64_t size, const Hash& root) {
  if (table_ == nullptr) return size == 0;
  const auto load = [&]() -> Result<Frontier> {
    KHIPU_TRY_ASSIGN(segment::LevelFiles levels, segment::LevelFiles::open(*table_, false));
    LevelSource source(levels);
    return Frontier::load(size, source);
  };
  Result<Frontier> frontier = load();
  if (!frontier.ok() && !tree_ruined(*table_, frontier.error())) return std::move(frontier).error();
  if (!frontier.ok() || frontier->root() != root) return false;
  frontier_ = std::move(frontier).value();
  rows_end_ = size;
  return true;
}

std::optional<Hash> TableTrail::root_at(uint64_t size) const {
  const auto found = wanted_.find(size);
  return found == wanted_.end() ? std::nullopt : found->second;
}

const SegmentFacts& TableTrail::push(SegmentFacts facts) {
  if (facts.first_row.value != rows_end_) {
    Finding found;
    found.code = code::kRowGap;
    found.table = id_;
    found.segment = facts.number;
    found.file = segment_path(id_, facts.number);
    found.row = Row{std::min(rows_end_, facts.first_row.value)};
    if (facts.first_row.value > rows_end_) found.row_end = facts.first_row;
    found.expected = fmt::format("first row {}", rows_end_);
    found.actual = fmt::format("first row {}", facts.first_row.value);
    found.detail = "the segment does not begin where the one before it ends";
    if (rows_end_ > 0) found.last_good = {Row{rows_end_ - 1}, std::nullopt};
    findings_.add(std::move(found));
    broken_ = true;
  }
  rows_end_ = std::max(rows_end_, facts.first_row.value + facts.leaves.size());
  while (!chunks_.empty() && chunks_.front().first_row.value + chunks_.front().leaves.size() <= frontier_.size()) {
    spare_.leave(std::move(chunks_.front()));
    chunks_.pop_front();
  }
  return chunks_.emplace_back(std::move(facts));
}

void TableTrail::push_unreadable(Row first_row, uint64_t rows) {
  rows_end_ = std::max(rows_end_, first_row.value + rows);
  broken_ = true;
}

const SegmentFacts* TableTrail::chunk_of(uint64_t row) const {
  for (auto chunk = chunks_.rbegin(); chunk != chunks_.rend(); ++chunk) {
    if (row >= chunk->first_row.value && row < chunk->first_row.value + chunk->leaves.size()) return &*chunk;
  }
  return nullptr;
}

void TableTrail::append_rows(Attempt& attempt, uint64_t to, bool prefer_stored) const {
  const auto completed = [&](size_t level, uint64_t index, const Hash& root) {
    attempt.completed.push_back({level, index, root});
  };
  for (;;) {
    const uint64_t row = attempt.frontier.size();
    auto wanted = wanted_.lower_bound(row);
    if (wanted != wanted_.end() && wanted->first == row) {
      attempt.wanted.emplace_back(row, attempt.frontier.root());
      ++wanted;
    }
    if (row >= to) return;
    const SegmentFacts* chunk = chunk_of(row);
    if (chunk == nullptr) {
      attempt.fit = Attempt::Fit::kRowsMissing;
      return;
    }
    uint64_t end = std::min(to, chunk->first_row.value + chunk->leaves.size());
    if (wanted != wanted_.end()) end = std::min(end, wanted->first);
    for (uint64_t at = row; at < end;) {
      const uint64_t number = at / tree::kTileWidth;
      const bool whole = number >= chunk->tiles_from && number - chunk->tiles_from < chunk->tiles.size();
      const SegmentFacts::Tile* const tile = whole ? &chunk->tiles[number - chunk->tiles_from] : nullptr;
      if (tile != nullptr && tile->root && at % tree::kTileWidth == 0 && at + tree::kTileWidth <= end) {
        attempt.frontier.append(*tile->root, tree::kTileHeight, completed);
        at += tree::kTileWidth;
        continue;
      }
      const uint64_t index = at - chunk->first_row.value;
      if (tile != nullptr && !tile->root) {  // the largest subtree that begins here and is within
        const uint64_t place = at % tree::kTileWidth;
        const auto fits = static_cast<unsigned>(std::bit_width(std::min(end - at, tree::kTileWidth)) - 1);
        const unsigned height = std::min(static_cast<unsigned>(std::countr_zero(place | tree::kTileWidth)), fits);
        const uint64_t in_cut = tile->cut * (tree::kTileWidth >> height) + (place >> height);
        const Hash& subtree = height == 0 ? chunk->leaves[index] : chunk->cut_tiles[height][in_cut];
        attempt.frontier.append(subtree, height, completed);
        at += uint64_t{1} << height;
        continue;
      }
      if (!prefer_stored || chunk->states.empty()) {
        const uint64_t count = std::min(end, (number + 1) * tree::kTileWidth) - at;
        attempt.frontier.append_run(std::span(chunk->leaves).subspan(index, count), completed);
        at += count;
        continue;
      }
      const bool stored = prefer_stored && !chunk->states.empty() && chunk->states[index] == RowState::kDiffers;
      attempt.frontier.append(stored ? chunk->stored[index] : chunk->leaves[index], 0, completed);
      ++at;
    }
  }
}

bool TableTrail::differs_between(uint64_t from, uint64_t to) const {
  for (const SegmentFacts& chunk : chunks_) {
    for (uint64_t i = 0; i < chunk.states.size(); ++i) {
      const uint64_t row = chunk.first_row.value + i;
      if (row >= from && row < to && chunk.states[i] == RowState::kDiffers) return true;
    }
  }
  return false;
}

TableTrail::Attempt TableTrail::attempt(const codec::TableState& state) const {
  Attempt attempt;
  attempt.size = state.size;
  attempt.frontier = frontier_;
  if (state.size < frontier_.size()) {
    attempt.fit = Attempt::Fit::kShrinks;
    return attempt;
  }
  if (state.size > rows_end_) {
    attempt.fit = Attempt::Fit::kRowsMissing;
    return attempt;
  }
  append_rows(attempt, state.size, false);
  if (attempt.fit != Attempt::Fit::kFits || attempt.frontier.root() == state.root) return attempt;
  attempt.fit = Attempt::Fit::kDiffers;
  if (!differs_between(frontier_.size(), state.size)) return attempt;
  Attempt stored;
  stored.size = state.size;
  stored.frontier = frontier_;
  append_rows(stored, state.size, true);
  if (stored.frontier.root() != state.root) return attempt;
  stored.fit = Attempt::Fit::kFitsStored;
  return stored;
}

void TableTrail::report_row(const SegmentFacts& chunk, uint64_t row, std::string_view code, std::string detail,
                            CommitNumber commit) {
  const uint64_t index = row - chunk.first_row.value;
  Finding found;
  found.code = code;
  found.table = id_;
  found.row = Row{row};
  found.commit = commit;
  found.detail = std::move(detail);
  found.segment = chunk.number;
  const bool in_tree = code == code::kTileMismatch;
  found.file = in_tree ? std::string(table_name(id_)) + "/tree/0" : segment_path(id_, chunk.number);
  found.offset = in_tree ? row * sizeof(Hash) : chunk.offsets[index];
  if (index < chunk.stored.size()) {
    found.expected = short_hash(in_tree ? chunk.leaves[index] : chunk.stored[index]);
    found.actual = short_hash(in_tree ? chunk.stored[index] : chunk.leaves[index]);
  }
  if (!in_tree) found.likely = "rewriting";  // its checksum is right: whoever wrote it knew the format
  if (in_tree && row >= tree_synced_) {
    found.information = true;
    found.detail += "; above tree_synced, where the writer builds it again from the records";
  }
  uint64_t good = index;
  while (good > 0 && chunk.states[good - 1] != RowState::kGood) --good;
  if (good > 0) {
    found.last_good = {Row{chunk.first_row.value + good - 1},
                       table_ == nullptr ? std::nullopt : recorded_at(*table_, chunk.number, chunk.offsets[good - 1])};
  } else if (chunk.first_row.value > 0) {
    found.last_good = {Row{chunk.first_row.value - 1}, std::nullopt};
  }
  uint64_t next = index + 1;
  while (next < chunk.states.size() && chunk.states[next] != RowState::kGood) ++next;
  if (next < chunk.leaves.size()) found.next_good = Row{chunk.first_row.value + next};
  findings_.add(std::move(found));
}

void TableTrail::report_rows(uint64_t from, const Attempt& attempt, CommitNumber commit, const Hash& root) {
  bool any = false;
  for (const SegmentFacts& chunk : chunks_) {
    const uint64_t first = chunk.first_row.value;
    if (first >= attempt.size || first + chunk.leaves.size() <= from) continue;
    const uint64_t end = std::min(attempt.size, first + chunk.leaves.size());
    if (first + chunk.stored_rows < end && !tree_end_reported_) {
      tree_end_reported_ = true;
      Finding found;
      found.code = code::kTileMismatch;
      found.table = id_;
      found.row = Row{std::max(first + chunk.stored_rows, uint64_t{0})};
      found.file = std::string(table_name(id_)) + "/tree/0";
      found.offset = found.row->value * sizeof(Hash);
      found.detail = "the tree file ends before the rows it stands for";
      found.commit = commit;
      found.information = found.row->value >= tree_synced_;
      findings_.add(std::move(found));
    }
    for (uint64_t i = std::max(from, first) - first; i < end - first && i < chunk.states.size(); ++i) {
      if (chunk.states[i] != RowState::kDiffers) continue;
      if (attempt.fit == Attempt::Fit::kFits) {
        report_row(chunk, first + i, code::kTileMismatch,
                   "the hash in tree/0 is not that of the record, which the signed root confirms", commit);
      } else {
        any = true;
        report_row(chunk, first + i, code::kLeafMismatch,
                   attempt.fit == Attempt::Fit::kFitsStored
                       ? "the record is not the one that the signed root stands for"
                       : "neither this record nor its hash in tree/0 leads to the "
                         "signed root",
                   commit);
      }
    }
  }
  if (any || attempt.fit != Attempt::Fit::kDiffers) return;
  const SegmentFacts* chunk = chunk_of(from);
  Finding found;
  found.code = code::kLeafMismatch;
  found.table = id_;
  found.row = Row{from};
  if (attempt.size > from + 1) found.row_end = Row{attempt.size};
  if (chunk != nullptr && chunk->let_go) {
    found.code = code::kTileMismatch;
    found.file = std::string(table_name(id_)) + "/tree/0";
    found.offset = from * sizeof(Hash);
  } else if (chunk != nullptr) {
    found.segment = chunk->number;
    found.file = segment_path(id_, chunk->number);
    if (const uint64_t index = from - chunk->first_row.value; chunk->offsets[index] != kNoOffset) {
      found.offset = chunk->offsets[index];
    }
  }
  found.expected = short_hash(root);
  found.actual = short_hash(attempt.frontier.root());
  found.commit = commit;
  found.likely = "rewriting";
  found.detail = from == attempt.size ? "the signed root is not that of the rows it covers"
                                      : "at least one of these records is not the one that the signed root stands for; "
                                        "tree/0 agrees with the records";
  if (from > 0) found.last_good = {Row{from - 1}, std::nullopt};
  findings_.add(std::move(found));
}

Result<void> TableTrail::accept(Attempt attempt, const codec::TableState& state, CommitNumber commit) {
  if (table_ == nullptr) broken_ = true;  // its folder is gone, which is a finding of its own
  if (broken_) {                          // said once; what follows from it says nothing new
    if (attempt.size > frontier_.size() && attempt.fit != Attempt::Fit::kRowsMissing) frontier_ = attempt.frontier;
    return {};
  }
  if (attempt.fit == Attempt::Fit::kShrinks || attempt.fit == Attempt::Fit::kRowsMissing) {
    Finding found;
    found.code = attempt.fit == Attempt::Fit::kShrinks ? code::kCommitBroken : code::kRowGap;
    found.table = id_;
    found.row = Row{std::min(rows_end_, attempt.size)};
    if (attempt.size > rows_end_ + 1) found.row_end = Row{attempt.size};
    if (!chunks_.empty()) {
      found.segment = chunks_.back().number;
      found.file = segment_path(id_, chunks_.back().number);
      found.offset = chunks_.back().end_offset;
    }
    found.expected = fmt::format("{} rows", attempt.size);
    found.actual = fmt::format("{} rows", attempt.fit == Attempt::Fit::kShrinks ? frontier_.size() : rows_end_);
    found.commit = commit;
    found.detail = attempt.fit == Attempt::Fit::kShrinks ? "a commit with fewer rows than the one before it"
                                                         : "a signed commit names rows that are not there";
    if (found.row->value > 0) found.last_good = {Row{found.row->value - 1}, std::nullopt};
    findings_.add(std::move(found));
    broken_ = true;
    return {};
  }
  report_rows(frontier_.size(), attempt, commit, state.root);
  if (attempt.fit == Attempt::Fit::kDiffers) broken_ = true;
  frontier_ = attempt.frontier;
  if (broken_) return {};
  for (const auto& [size, root] : attempt.wanted) wanted_[size] = root;
  for (const Attempt::Completed& completed : attempt.completed) {
    LevelRun& run = levels_[completed.level];
    if (run.hashes.empty()) run.from = completed.index;
    run.hashes.push_back(completed.hash);
    if (run.hashes.size() < kLevelRun) continue;
    if (Result<void> compared = compare_levels(completed.level); !compared.ok()) {
      run.hashes.clear();
      if (!unread_) unread_ = std::move(compared).error();
    }
  }
  return {};
}

Result<void> TableTrail::compare_levels(size_t level) {
  LevelRun& run = levels_[level];
  if (run.hashes.empty() || table_ == nullptr) return {};
  std::vector<Hash> stored(run.hashes.size());
  size_t got = 0;
  auto file = open_level(*table_, level);
  if (!file.ok() && file.error().code != Code::kNotFound) return std::move(file).error();
  if (file.ok()) {
    KHIPU_TRY_ASSIGN(const size_t bytes,
                     file.value()->read_at(run.from * sizeof(Hash),
                                           {reinterpret_cast<uint8_t*>(stored.data()), stored.size() * sizeof(Hash)}));
    got = bytes / sizeof(Hash);
  }
  for (size_t i = 0; i < run.hashes.size(); ++i) {
    if (i < got && stored[i] == run.hashes[i]) continue;
    const uint64_t index = run.from + i;
    Finding found;
    found.code = code::kTileMismatch;
    found.table = id_;
    found.row = Row{index << (tree::kTileHeight * level)};
    found.row_end = Row{(index + 1) << (tree::kTileHeight * level)};
    found.file = fmt::format("{}/tree/{}", table_name(id_), level);
    found.offset = index * sizeof(Hash);
    found.expected = short_hash(run.hashes[i]);
    found.actual = i < got ? short_hash(stored[i]) : "the file ends before it";
    found.detail = "a hash of the tree files is not that of the records below it";
    found.information = found.row_end->value > tree_synced_;
    findings_.add(std::move(found));
  }
  run.hashes.clear();
  return {};
}

Result<void> TableTrail::finish() {
  for (size_t level = 0; level < levels_.size(); ++level) KHIPU_TRY(compare_levels(level));
  if (unread_) return *unread_;
  return {};
}

}  // namespace khipu::verify
