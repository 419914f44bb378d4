#include "engine/verify/spot.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "engine/verify/row_walk.h"
#include "engine/verify/signed_tree.h"

namespace khipu::verify {
namespace {

Finding row_finding(std::string_view code, TableId table, const WalkedRow& at, std::string detail) {
  Finding found;
  found.code = code;
  found.table = table;
  found.row = at.row;
  found.segment = at.segment;
  found.file = segment_path(table, at.segment);
  if (at.offset != 0) found.offset = at.offset;
  found.detail = std::move(detail);
  return found;
}

class Spot {
 public:
  Spot(CommitNumber commit, TableId table, SignedTree& tree, Findings& findings)
      : commit_(commit), table_(table), tree_(tree), findings_(findings) {}

  void visit(const WalkedRow& at) {
    if (failed_) return;
    if (!at.frame) {
      check_waiting();
      findings_.add(row_finding(code::kFrameCorrupt, table_, at, "no whole frame of this row can be found"));
      return;
    }
    ++seen_;
    const Result<codec::FrameFacts> facts = codec::frame_facts(at.frame->payload);
    if (amiss(!facts.ok() || facts->kind != at.frame->kind || facts->time_us != at.frame->time_us)) {
      check_waiting();
      findings_.add(
          row_finding(code::kFrameCorrupt, table_, at, "kind or time in the frame header is not the payload's"));
    }
    hasher_.add(at.frame->payload);
    waiting_.push_back({at.row, at.segment, at.offset, std::nullopt});
    if (waiting_.size() == tree::kTileWidth) check_waiting();
  }
  // Of the rows visited so far.
  void check_waiting() {
    hasher_.finish();
    for (size_t i = 0; i < waiting_.size() && !failed_; ++i) {
      const Result<bool> good = tree_.check(waiting_[i].row.value, leaves_[i]);
      if (!good.ok()) {
        failed_ = good.error();
      } else if (!*good) {
        Finding found = row_finding(code::kLeafMismatch, table_, waiting_[i],
                                    "the record, or a tree file above it, is not what the signed root stands for");
        found.commit = commit_;
        findings_.add(std::move(found));
      }
    }
    waiting_.clear();
    leaves_.clear();
  }
  uint64_t seen() const { return seen_; }
  const std::optional<Error>& failed() const { return failed_; }

 private:
  CommitNumber commit_;
  TableId table_;
  SignedTree& tree_;
  Findings& findings_;
  uint64_t seen_ = 0;
  std::optional<Error> failed_;
  std::vector<WalkedRow> waiting_;  // without their frames; each with its place in leaves_
  std::vector<Hash> leaves_;
  tree::LeafHasher hasher_{leaves_};
};

}  // namespace

Result<uint64_t> check_rows(Run& run, const TablePlan& plan, const SignedRoot& root, const std::vector<uint64_t>& rows,
                            Findings& findings, const PlaceOf& place_of,
                            const std::function<void(const WalkedRow&)>& visit) {
  if (rows.empty() || !plan.directory) return uint64_t{0};
  KHIPU_TRY_ASSIGN(std::optional<SignedTree> tree, SignedTree::open(*plan.directory, root.state));
  if (!tree) {
    findings.add(not_adding_up(plan.id, Row{rows.front()}, root.state));
    return uint64_t{0};
  }
  Spot spot(root.commit, plan.id, *tree, findings);
  KHIPU_TRY(walk_rows(plan, rows, run.control, place_of, [&](const WalkedRow& at) {
    spot.visit(at);
    if (visit && at.frame) visit(at);
  }));
  spot.check_waiting();
  if (spot.failed()) return *spot.failed();
  return spot.seen();
}

std::vector<uint64_t> draw(uint64_t count, uint64_t population, uint64_t seed) {
  std::set<uint64_t> chosen;
  // splitmix64: a published mixer, so that a seed in a report gives the same rows anywhere.
  const auto next = [&seed] {
    uint64_t z = seed += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  };
  // Floyd: each of the last `count` bounds adds exactly one.
  for (uint64_t bound = population - std::min(count, population); bound < population; ++bound) {
    if (!chosen.insert(next() % (bound + 1)).second) chosen.insert(bound);
  }
  return {chosen.begin(), chosen.end()};
}

static bool has_value(const VersionFacts& facts, Row row, const VersionFacts::Value& wanted) {
  return std::any_of(facts.values.begin(), facts.values.end(), [&](const VersionFacts::Value& value) {
    return value.hash == wanted.hash && value.origin.value_or(row) == *wanted.origin;
  });
}

NeededRows needed_rows(const std::vector<Entities::Need>& needs) {
  NeededRows rows;
  rows.reserve(needs.size());
  for (size_t i = 0; i < needs.size(); ++i) rows.emplace_back(needs[i].row, i);
  return rows;
}

Result<void> look_up(Run& run, const TablePlan& registry, const std::vector<Entities::Need>& needs, NeededRows by_row,
                     Findings& findings, const PlaceOf& place_of) {
  if (by_row.empty() || !registry.directory) return {};
  std::sort(by_row.begin(), by_row.end());
  std::vector<uint64_t> rows;
  for (const auto& [row, i] : by_row) {
    if (rows.empty() || rows.back() != row) rows.push_back(row);
  }
  constexpr size_t kNeedsAhead = 8;
  size_t next = 0;
  codec::VersionRecord version;
  return walk_rows(registry, rows, run.control, place_of, [&](const WalkedRow& at) {
    const bool decoded = at.frame && codec::decode_version(at.frame->payload, version).ok();
    for (; next < by_row.size() && by_row[next].first == at.row.value; ++next) {
      // They lie in the order of the events: nearly each is a cache line of its own.
      __builtin_prefetch(&needs[by_row[std::min(next + kNeedsAhead, by_row.size() - 1)].second]);
      const Entities::Need& need = needs[by_row[next].second];
      std::string wrong;
      bool moved = false;
      if (!decoded) {
        wrong = "a registry row that cannot be read";
      } else if (amiss(version.entity.value_or(at.row).value != need.entity)) {
        wrong = need.row == need.entity ? "an entity row that is no first version" : "a version of another entity";
      } else if (amiss(need.number && version.version != *need.number)) {
        wrong = "a version with another number than the one before it has";
      } else if (amiss(need.name && facts_of(version).name != *need.name)) {
        wrong = "an entity of another type or id";
      } else if (amiss(need.value && !has_value(facts_of(version), at.row, *need.value))) {
        wrong = "a version that has not the protected value it repeats";
        moved = true;
      } else {
        continue;
      }
      Finding found;
      found.code = moved ? code::kFieldMoved : code::kReferenceMissing;
      found.table = need.by;
      found.row = Row{need.by_row};
      found.expected = fmt::format("registry row {}, of the entity of row {}", need.row, need.entity);
      found.detail = "the row refers to " + wrong;
      found.likely = "rewriting";
      findings.add(std::move(found));
    }
  });
}

Result<void> check_pinned(Run& run, const codec::TableState& registry,
                          const std::vector<std::pair<codec::Pin, uint64_t>>& pins) {
  std::set<uint64_t> wanted;
  std::vector<Entities::Need> needs;
  for (const auto& [pin, seq] : pins) {
    wanted.insert(pin.version.value);
    needs.push_back({pin.version.value, pin.entity.value, {}, {}, {}, TableId::kLogs, seq});
  }
  if (wanted.empty()) return {};
  KHIPU_TRY_ASSIGN(const TablePlan plan, plan_table(run.root, TableId::kRegistry, run.head, run.findings));
  const std::vector<uint64_t> rows(wanted.begin(), wanted.lower_bound(registry.size));
  codec::VersionRecord version;
  const auto take = [&](const WalkedRow& at) {
    if (!codec::decode_version(at.frame->payload, version).ok()) return;
    for (VersionFacts::Value& value : facts_of(version).values) {
      if (!value.origin) continue;
      const uint64_t entity = version.entity.value_or(at.row).value;
      // One without a version before it repeats nothing: row 0 of another entity then has not got it.
      const Row before = version.previous.value_or(*value.origin);
      for (const Row row : {before, *value.origin}) {
        needs.push_back({row.value, entity, {}, {}, value, TableId::kRegistry, at.row.value});
      }
    }
  };
  KHIPU_TRY(check_rows(run, plan, {registry, run.report.commit}, rows, run.findings, {}, take));
  return look_up(run, plan, needs, needed_rows(needs), run.findings);
}

}  // namespace khipu::verify
