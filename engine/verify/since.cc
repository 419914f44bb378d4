#include "engine/verify/since.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "engine/crypto/hash.h"
#include "engine/index/format.h"
#include "engine/tree/tree.h"
#include "engine/verify/spot.h"

namespace khipu::verify {
namespace {

// Registry rows that are looked up are cut into parts with about as many needs each, so that threads share the walk:
// where each begins, and an end. As a sample of them lies, which needs less sorting. A part begins where a row's place
// is known: elsewhere it would have to follow the frames in front of it, which the part before it follows as well.
std::vector<uint64_t> cut(const NeededRows& needed, const TablePlan& registry, const PlaceOf& place_of) {
  constexpr size_t kPartsMax = 4, kNeedsAPart = 512, kSampled = 32;
  std::vector<uint64_t> sample, cuts{0};
  for (size_t i = 0; i < needed.size(); i += kSampled) sample.push_back(needed[i].first);
  std::sort(sample.begin(), sample.end());
  const size_t parts = std::min(kPartsMax, needed.size() / kNeedsAPart);
  const auto known = [&](uint64_t row) {
    const auto behind =
        std::upper_bound(registry.jobs.begin(), registry.jobs.end(), row,
                         [](uint64_t one, const SegmentJob& job) { return one < job.first_row.value_or(Row{}).value; });
    return behind != registry.jobs.begin() && place_of && place_of(std::prev(behind)->number, row);
  };
  for (size_t i = 1; i < parts; ++i) {
    const uint64_t from = sample[i * sample.size() / parts];
    if (from > cuts.back() && known(from)) cuts.push_back(from);
  }
  cuts.push_back(UINT64_MAX);
  return cuts;
}

Finding file_finding(std::string_view code, TableId table, const SegmentJob& job, std::string detail) {
  Finding found;
  found.code = code;
  found.table = table;
  found.segment = job.number;
  found.file = segment_path(table, job.number);
  found.row = job.first_row;
  found.detail = std::move(detail);
  return found;
}

// Old sealed files are not read, but they must be there in their full length.
void check_sizes(Run& run, const TablePlan& plan, uint64_t before) {
  for (const SegmentJob& job : plan.jobs) {
    if (job.number.value >= before || !job.entry || !job.file_size) continue;  // a missing file is reported already
    const uint64_t want = job.entry->file_size, size = *job.file_size;
    if (size == want) continue;
    Finding found = file_finding(size < want ? code::kSegmentTruncated : code::kManifestMismatch, plan.id, job,
                                 size < want ? "the sealed file is shorter than its manifest entry says"
                                             : "the sealed file is longer than its manifest entry says");
    found.offset = std::min(size, want);
    found.expected = fmt::format("{} bytes", want);
    found.actual = fmt::format("{} bytes", size);
    run.findings.add(std::move(found));
  }
}

}  // namespace

Hash manifest_digest(const TablePlan& plan, uint64_t entries) {
  crypto::Sha256 hasher;
  for (uint64_t i = 0; i < std::min<uint64_t>(entries, plan.manifest.size()); ++i) {
    hasher.update(segment::encode_manifest_entry(plan.manifest[i]));
  }
  return hasher.finish();
}

bool same_log(Run& run, const State& state) {
  std::string_view wrong;
  if (amiss(state.root_id != run.genesis->root_id)) wrong = "root id";
  if (amiss(state.key != run.genesis->verifier)) wrong = "key";
  if (amiss(state.origin != run.genesis->origin)) wrong = "origin";
  if (wrong.empty()) return true;
  Finding found;
  found.code = code::kGenesisMismatch;
  found.rank = Rank::kGenesis;
  found.table = TableId::kMeta;
  found.row = Row{};
  found.expected = clean(state.origin) + " " + hex(Bytes(state.key).first(8)) + "...";
  found.actual = clean(run.genesis->origin) + " " + hex(Bytes(run.genesis->verifier).first(8)) + "...";
  found.detail = fmt::format("the state you keep is of another log: another {}", wrong);
  run.findings.add(std::move(found));
  return false;
}

Result<bool> resume(Run& run, const State& state, Plans& plans, Trails& trails) {
  if (amiss(run.head.newest && run.head.newest->commit < state.commit)) return false;
  for (const TableId id : kTables) {
    const TablePosition& at = state.tables[index_of(id)];
    TablePlan& plan = plans[index_of(id)];
    if (id == TableId::kMeta) continue;
    if (!plan.directory || amiss(plan.manifest.size() < at.manifest_entries)) return false;
    for (const SegmentJob& job : plan.jobs) {
      if (job.number != at.segment) continue;
      if (amiss(job.first_row != at.segment_first_row)) return false;
      if (amiss(at.offset > segment::kHeaderSize && job.file_size.value_or(0) < at.offset)) return false;
    }
    KHIPU_TRY_ASSIGN(const bool there, trails[index_of(id)]->resume(at.size, at.root));
    if (!there) return false;
  }
  for (const TableId id : kTables) {
    const TablePosition& at = state.tables[index_of(id)];
    TablePlan& plan = plans[index_of(id)];
    if (manifest_digest(plan, at.manifest_entries) != at.manifest_sha256) {
      Finding found;
      found.code = code::kManifestMismatch;
      found.table = id;
      found.row = Row{};
      found.file = std::string(table_name(id)) + "/" + std::string(segment::kManifestName);
      found.detail = "manifest entries have changed since they were checked";
      run.findings.add(std::move(found));
    }
    if (id == TableId::kMeta) continue;
    check_sizes(run, plan, at.segment.value);
  }
  return true;
}

Result<Reread> reread(Run& run, const State& state, const Plans& plans, const Places& places) {
  std::array<uint64_t, kTableCount> blocks{};
  uint64_t all = 0;
  for (const TableId id : kTables) {
    if (id == TableId::kMeta) continue;
    blocks[index_of(id)] = (state.tables[index_of(id)].size + tree::kTileWidth - 1) / tree::kTileWidth;
    all += blocks[index_of(id)];
  }
  std::array<std::vector<uint64_t>, kTableCount> rows;
  for (uint64_t block : draw(run.options.reread_blocks, all, *run.report.seed)) {
    size_t table = 0;
    while (block >= blocks[table]) block -= blocks[table++];
    const uint64_t end = std::min(state.tables[table].size, (block + 1) * tree::kTileWidth);
    for (uint64_t row = block * tree::kTileWidth; row < end; ++row) rows[table].push_back(row);
  }
  Reread again;
  for (const TableId id : kTables) {
    const size_t table = index_of(id);
    const SignedRoot root{{state.tables[table].size, state.tables[table].root}, state.commit};
    KHIPU_TRY_ASSIGN(const uint64_t there,
                     check_rows(run, plans[table], root, rows[table], again.findings, places[table]));
    again.rows += there;
  }
  return again;
}

// How they are cut does not depend on the number of threads, as what is found behind damage may depend on where the
// walk began.
Result<void> look_up_all(Run& run, const TablePlan& registry, const std::vector<Entities::Need>& needs,
                         const PlaceOf& place_of) {
  const NeededRows needed = needed_rows(needs);
  const std::vector<uint64_t> cuts = cut(needed, registry, place_of);
  const size_t parts = cuts.size() - 1;
  Result<void> failed;
  in_order<Result<Findings>>(
      run.crew, parts,
      [&](size_t i) -> Result<Findings> {
        NeededRows rows;
        std::copy_if(needed.begin(), needed.end(), std::back_inserter(rows), [&](const auto& one) {
          return one.first >= cuts[i] && (i + 1 == parts || one.first < cuts[i + 1]);
        });
        Findings findings;
        KHIPU_TRY(look_up(run, registry, needs, std::move(rows), findings, place_of));
        return findings;
      },
      [&](size_t, Result<Findings> findings) {
        if (!findings.ok()) {
          failed = std::move(findings).error();
          return false;
        }
        run.findings.merge(std::move(findings).value());
        return true;
      });
  return failed;
}

Positions::Positions(const State* before) {
  for (TablePosition& at : at_) at.offset = segment::kHeaderSize;
  if (before == nullptr) return;
  for (const TableId id : kTables) {
    if (id == TableId::kMeta) continue;
    at_[index_of(id)] = before->tables[index_of(id)];
    rows_[index_of(id)] = at_[index_of(id)].size - at_[index_of(id)].segment_first_row.value;
  }
}

void Positions::see(TableId id, const SegmentFacts& facts, const SegmentJob& job) {
  if (!facts.there) return;
  TablePosition& at = at_[index_of(id)];
  uint64_t& rows = rows_[index_of(id)];
  if (facts.number != at.segment || job.resume == nullptr) {
    const TimeUs recorded = at.recorded_last;
    at = {};
    at.segment = facts.number;
    at.segment_first_row = facts.segment_first_row;
    at.recorded_last = recorded;
    rows = 0;
  }
  if (!facts.leaves.empty()) {
    at.time_min = rows == 0 ? facts.time_min : std::min(at.time_min, facts.time_min);
    at.time_max = rows == 0 ? facts.time_max : std::max(at.time_max, facts.time_max);
    if (rows == 0) at.recorded_first = facts.recorded_first.value_or(0);
    at.recorded_last = facts.recorded_last.value_or(at.recorded_last);
  }
  rows += facts.leaves.size();
  at.offset = facts.end_offset;
  if (!facts.commits.empty()) at.commit_offset = facts.commits.back().offset;
  if (!facts.sealed) return;
  const Row next{facts.segment_first_row.value + rows};
  const TimeUs recorded = at.recorded_last;
  at = {};
  at.segment = facts.number.next();
  at.segment_first_row = next;
  at.offset = segment::kHeaderSize;
  at.recorded_last = recorded;
  rows = 0;
}

std::optional<State> Positions::at_line(const Run& run, const Plans& plans, const Trails& trails,
                                        const codec::CommitRecord& line, const Hash& line_hash,
                                        uint64_t line_offset) const {
  State state;
  state.origin = run.genesis->origin;
  state.key = run.genesis->verifier;
  state.root_id = run.genesis->root_id;
  state.commit = line.number;
  state.commit_hash = line_hash;
  state.commit_time = line.time;
  state.tables = at_;
  for (const TableId id : kTables) {
    TablePosition& at = state.tables[index_of(id)];
    at.size = line.tables[index_of(id)].size;
    at.root = line.tables[index_of(id)].root;
    at.manifest_entries = std::min<uint64_t>(plans[index_of(id)].manifest.size(), at.segment.value);
    at.manifest_sha256 = manifest_digest(plans[index_of(id)], at.manifest_entries);
    const bool whole =
        trails[index_of(id)]->rows_end() == at.size && at.segment_first_row.value + rows_[index_of(id)] == at.size;
    const bool here = id != TableId::kLogs || at.offset <= segment::kHeaderSize || at.offset == line_offset;
    if (!whole || !here) return std::nullopt;  // bytes behind the line
  }
  return state;
}

}  // namespace khipu::verify
