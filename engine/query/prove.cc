#include "engine/query/prove.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/codec/statement.h"
#include "engine/proof/check.h"
#include "engine/snapshot/checkpoints.h"
#include "engine/tree/compact_range.h"
#include "engine/tree/tlog_proof.h"

namespace khipu::query {

namespace {

using snapshot::CheckpointLogPart;

Error not_proven(const std::string& why) { return {Code::kCorrupt, "nothing was proven: " + why}; }

// What a table's newest note at or before the chosen publication says, and how long meta/ was when it was published.
struct Found {
  tree::PublishedNote note;
  uint64_t meta_size = 0;
};

// Goes through publications in order up to the one that a point names, and keeps each table's newest note on the way.
class Choice {
 public:
  Choice(const ProofPoint& point, TableId table, std::string_view origin)
      : point_(point), table_(table), origin_(origin) {}

  // False: it was that one.
  bool take(uint64_t number, tree::Publication& publication) {
    count_ = number;
    const uint64_t meta_size = publication.meta().checkpoint.size;
    is_there_ = point_.is_newest() || number == point_.checkpoint;
    for (tree::PublishedNote& note : publication.notes) {
      const TableId table = table_of(note);
      if (table == table_) is_there_ = is_there_ || is_of_size(note.checkpoint.size);
      if (table == table_ || table == TableId::kMeta) is_there_ = is_there_ || note.checkpoint == point_.kept;
      newest_[index_of(table)] = Found{std::move(note), meta_size};
    }
    return point_.is_newest() || !is_there_;
  }

  // kNotFound when none of what was taken is the one; kBusy when nothing was.
  Result<void> check() const {
    if (count_ == 0) return Error{Code::kBusy, "no checkpoint is published yet; a writer publishes one"};
    if (is_there_) return {};
    if (point_.checkpoint) {
      return Error{Code::kNotFound, fmt::format("there are checkpoints 1 to {}, not {}", count_, *point_.checkpoint)};
    }
    if (point_.kept) {
      return Error{Code::kNotFound,
                   fmt::format("the checkpoint that was kept is not among those of meta and {} that this log has "
                               "published; `khipu verify --against` says whether the log extends it",
                               table_name(table_))};
    }
    std::string nearest;
    if (below_) nearest = fmt::format("; the nearest is of {}", *below_);
    if (above_) nearest += fmt::format("{} of {}", below_ ? ", and" : "; the nearest is", *above_);
    return Error{Code::kNotFound, fmt::format("no checkpoint of {} of size {} was published{}", table_name(table_),
                                              *point_.size, nearest)};
  }

  const std::optional<Found>& newest(TableId table) const { return newest_[index_of(table)]; }

 private:
  TableId table_of(const tree::PublishedNote& note) const {
    const std::string_view name = note.table(origin_);
    for (const TableId table : kTables) {
      if (name == table_name(table)) return table;
    }
    return TableId::kMeta;
  }
  bool is_of_size(uint64_t size) {
    if (!point_.size) return false;
    if (size < *point_.size) below_ = size;  // the nearest sizes that were published, for who guessed one
    if (size > *point_.size && !above_) above_ = size;
    return size == *point_.size;
  }

  const ProofPoint point_;
  const TableId table_;
  const std::string origin_;
  uint64_t count_ = 0;
  bool is_there_ = false;
  std::optional<uint64_t> below_, above_;
  std::array<std::optional<Found>, kTableCount> newest_;
};

// A snapshot and the notes that were published before it was taken, as of a point.
class Prover {
 public:
  static Result<Prover> open(snapshot::Store& store, const ProofPoint& point, TableId table, CheckpointLogPart part) {
    KHIPU_TRY_ASSIGN(const auto first, store.snapshot());
    const std::string& origin = first->genesis().origin;
    Prover prover(Choice(point, table, origin));
    const auto take = [&](uint64_t number, tree::Publication& publication) {
      return prover.choice_.take(number, publication);
    };
    KHIPU_TRY(snapshot::each_publication(store.root(), origin, part, take));
    KHIPU_TRY(prover.choice_.check());
    KHIPU_TRY_ASSIGN(prover.snapshot_, store.snapshot());
    const std::optional<std::array<uint8_t, 32>>& pinned = store.options().verifier_key;
    prover.key_ = {origin, tree::KeyType::kEd25519, pinned ? *pinned : first->genesis().verifier};
    return prover;
  }

  const snapshot::Snapshot& snapshot() const { return *snapshot_; }
  const tree::VerifierKey& key() const { return key_; }
  const std::optional<Found>& newest(TableId table) const { return choice_.newest(table); }

  Result<Buffer> record(TableId table, uint64_t row) const {
    KHIPU_TRY_ASSIGN(snapshot::CheckedRecord checked, snapshot_->record(table, Row{row}));
    if (!checked.intact) return not_proven(checked.finding + " at " + checked.where);
    return std::move(checked.payload);
  }

  Result<proof::ProvenRecord> proven(TableId table, uint64_t row, Buffer record,
                                     const tree::PublishedNote& note) const {
    KHIPU_TRY_ASSIGN(const auto hashes, snapshot_->hashes(table));
    tree::TlogProof proof;
    proof.index = row;
    KHIPU_TRY_ASSIGN(proof.path, tree::prove_inclusion(row, note.checkpoint.size, *hashes));
    proof.checkpoint = tree::format_note(note.note);
    return proof::ProvenRecord{std::move(record), tree::format_tlog_proof(proof)};
  }

  // The TABLE_HEAD row that says what a table's note says. It came with the publication: the rows of meta/ since the
  // one before it are few.
  Result<proof::ProvenRecord> head(const Found& found, TableId table) const {
    for (uint64_t row = found.meta_size; row-- > 0;) {
      KHIPU_TRY_ASSIGN(Buffer bytes, record(TableId::kMeta, row));
      KHIPU_TRY_ASSIGN(const codec::StatementRecord statement, codec::decode_statement(bytes));
      const auto* said = std::get_if<codec::TableHead>(&statement.body);
      if (said == nullptr || said->table != table || said->size != found.note.checkpoint.size ||
          said->root != found.note.checkpoint.root) {
        continue;
      }
      return proven(TableId::kMeta, row, std::move(bytes), newest(TableId::kMeta)->note);
    }
    return not_proven(fmt::format("no TABLE_HEAD says what the checkpoint of {} of size {} says", table_name(table),
                                  found.note.checkpoint.size));
  }

 private:
  explicit Prover(Choice choice) : choice_(std::move(choice)) {}

  Choice choice_;
  std::shared_ptr<const snapshot::Snapshot> snapshot_;
  tree::VerifierKey key_;
};

// What the newest publications do not hold may be in older ones: asks again with the whole log. Only there do
// checkpoints have numbers.
template <typename Make>
auto with_prover(snapshot::Store& store, const ProofPoint& point, Make make)
    -> decltype(make(std::declval<Prover&>())) {
  const auto with = [&](CheckpointLogPart part) -> decltype(make(std::declval<Prover&>())) {
    KHIPU_TRY_ASSIGN(const Prover prover, Prover::open(store, point, TableId::kLogs, part));
    return make(prover);
  };
  if (point.checkpoint) return with(CheckpointLogPart::kAll);
  auto made = with(CheckpointLogPart::kTail);
  if (made.ok() || made.error().code != Code::kNotFound) return made;
  return with(CheckpointLogPart::kAll);
}

// Before anything is searched for: an event that is not there is in no checkpoint.
Result<void> written(snapshot::Store& store, uint64_t end) {
  KHIPU_TRY_ASSIGN(const auto snapshot, store.snapshot());
  const uint64_t size = snapshot->size(TableId::kLogs);
  if (end <= size && end > 0) return {};
  if (size == 0) return Error{Code::kNotFound, "the log has no events"};
  return Error{Code::kNotFound, fmt::format("the log has events 0 to {}, not {}", size - 1, end - 1)};
}

// The checkpoint of logs/ that rows up to `end` are proven against.
Result<Found> covering(const Prover& prover, uint64_t end, const ProofPoint& point) {
  const std::optional<Found>& found = prover.newest(TableId::kLogs);
  if (!found) return Error{Code::kNotFound, "no checkpoint of logs is published up to there"};
  if (found->note.checkpoint.size >= end) return *found;
  const std::string covers =
      fmt::format("that checkpoint covers {} events, not event {}", found->note.checkpoint.size, end - 1);
  if (!point.is_newest()) return Error{Code::kNotFound, covers};
  return Error{Code::kBusy, covers + "; a running writer publishes the next one within a second"};
}

std::vector<uint64_t> pinned_rows(const codec::EventRecord& event) {
  std::vector<uint64_t> rows = {event.actor.version.value};
  for (const codec::Pin& target : event.targets) rows.push_back(target.version.value);
  if (event.on_behalf_of) rows.push_back(event.on_behalf_of->version.value);
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return rows;
}

template <typename Bundle>
Result<Bundle> self_checked(Bundle bundle, const tree::VerifierKey& key) {
  const auto checked = proof::check(bundle, key);
  if (!checked.right) return not_proven(checked.why);
  return bundle;
}

Result<proof::EventBundle> make_event(const Prover& prover, Row seq, const ProofPoint& point) {
  KHIPU_TRY_ASSIGN(const Found found, covering(prover, seq.value + 1, point));
  proof::EventBundle bundle;
  bundle.seq = seq;
  KHIPU_TRY_ASSIGN(Buffer record, prover.record(TableId::kLogs, seq.value));
  codec::EventRecord event;
  KHIPU_TRY(codec::decode_event(record, event));
  const std::vector<uint64_t> rows = pinned_rows(event);
  KHIPU_TRY_ASSIGN(bundle.event, prover.proven(TableId::kLogs, seq.value, std::move(record), found.note));
  KHIPU_TRY_ASSIGN(bundle.table_head, prover.head(found, TableId::kLogs));
  const std::optional<Found>& registry = prover.newest(TableId::kRegistry);
  if (!registry || registry->note.checkpoint.size <= rows.back()) {
    return Error{Code::kNotFound, "no checkpoint of registry is published up to there"};
  }
  for (const uint64_t row : rows) {
    KHIPU_TRY_ASSIGN(Buffer version, prover.record(TableId::kRegistry, row));
    KHIPU_TRY_ASSIGN(auto proven, prover.proven(TableId::kRegistry, row, std::move(version), registry->note));
    bundle.pinned.push_back(std::move(proven));
  }
  KHIPU_TRY_ASSIGN(bundle.registry_head, prover.head(*registry, TableId::kRegistry));
  return self_checked(std::move(bundle), prover.key());
}

}  // namespace

Result<proof::EventBundle> prove_event(snapshot::Store& store, Row seq, const ProofPoint& point) {
  KHIPU_TRY(written(store, seq.value + 1));
  return with_prover(store, point, [&](const Prover& prover) { return make_event(prover, seq, point); });
}

Result<proof::RangeBundle> prove_range(snapshot::Store& store, Row from, Row to, const ProofPoint& point,
                                       uint64_t bytes_max) {
  if (from >= to) return Error{Code::kInvalid, "an empty range: rows A up to but not including B, A < B"};
  if (to.value - from.value > kProvenRowsMax) {
    return Error{Code::kLimit, fmt::format("at most {} rows are proven together", kProvenRowsMax)};
  }
  KHIPU_TRY(written(store, to.value));
  return with_prover(store, point, [&](const Prover& prover) -> Result<proof::RangeBundle> {
    KHIPU_TRY_ASSIGN(const Found found, covering(prover, to.value, point));
    proof::RangeBundle bundle;
    bundle.from = from;
    uint64_t bytes = 0;
    for (uint64_t row = from.value; row < to.value; ++row) {
      KHIPU_TRY_ASSIGN(Buffer record, prover.record(TableId::kLogs, row));
      bytes += record.size();
      if (bytes > bytes_max) {
        return Error{Code::kLimit,
                     fmt::format("the records have over {} bytes: prove fewer events at once", bytes_max)};
      }
      bundle.records.push_back(std::move(record));
    }
    KHIPU_TRY_ASSIGN(const auto hashes, prover.snapshot().hashes(TableId::kLogs));
    KHIPU_TRY_ASSIGN(bundle.left, tree::compact_range(0, from.value, *hashes));
    KHIPU_TRY_ASSIGN(bundle.right, tree::compact_range(to.value, found.note.checkpoint.size, *hashes));
    bundle.checkpoint = tree::format_note(found.note.note);
    KHIPU_TRY_ASSIGN(bundle.table_head, prover.head(found, TableId::kLogs));
    return self_checked(std::move(bundle), prover.key());
  });
}

Result<proof::ConsistencyBundle> prove_consistency(snapshot::Store& store, TableId table, uint64_t old_size,
                                                   uint64_t new_size) {
  if (old_size > new_size) return Error{Code::kInvalid, "the old size is greater than the new one"};
  const auto as_of = [&](uint64_t size) {
    return Prover::open(store, ProofPoint{.size = size}, table, CheckpointLogPart::kAll);
  };
  KHIPU_TRY_ASSIGN(const Prover before, as_of(old_size));
  KHIPU_TRY_ASSIGN(const Prover prover, as_of(new_size));
  proof::ConsistencyBundle bundle;
  bundle.old_checkpoint = tree::format_note(before.newest(table)->note.note);
  bundle.new_checkpoint = tree::format_note(prover.newest(table)->note.note);
  if (old_size > 0) {
    KHIPU_TRY_ASSIGN(const auto hashes, prover.snapshot().hashes(table));
    KHIPU_TRY_ASSIGN(bundle.path, tree::prove_consistency(old_size, new_size, *hashes));
  }
  return self_checked(std::move(bundle), prover.key());
}

}  // namespace khipu::query
