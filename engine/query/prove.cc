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

// A snapshot and the publications that were there before it was taken.
class Prover {
 public:
  static Result<Prover> open(snapshot::Store& store, CheckpointLogPart part) {
    Prover prover;
    KHIPU_TRY_ASSIGN(const auto first, store.snapshot());
    KHIPU_TRY_ASSIGN(prover.log_, snapshot::read_checkpoints(store.root(), first->genesis().origin, part));
    KHIPU_TRY_ASSIGN(prover.snapshot_, store.snapshot());
    const std::optional<std::array<uint8_t, 32>>& pinned = store.options().verifier_key;
    prover.key_ = {prover.origin(), tree::KeyType::kEd25519, pinned ? *pinned : first->genesis().verifier};
    return prover;
  }

  const snapshot::Snapshot& snapshot() const { return *snapshot_; }
  const tree::VerifierKey& key() const { return key_; }
  const std::string& origin() const { return snapshot_->genesis().origin; }
  size_t publications() const { return log_.publications.size(); }

  // Publication of the point; kNotFound when the part that was read has none.
  Result<size_t> choose(const ProofPoint& point, TableId table) const {
    if (log_.publications.empty()) return Error{Code::kBusy, "no checkpoint is published yet; a writer publishes one"};
    if (point.checkpoint) {
      if (*point.checkpoint == 0 || *point.checkpoint > publications()) {
        return Error{Code::kNotFound,
                     fmt::format("there are checkpoints 1 to {}, not {}", publications(), *point.checkpoint)};
      }
      return *point.checkpoint - 1;
    }
    if (point.kept) return where(*point.kept, table);
    if (!point.size) return publications() - 1;
    std::optional<uint64_t> below, above;  // the nearest sizes that were published, for who guessed one
    for (size_t i = publications(); i-- > 0;) {
      const tree::PublishedNote* note = note_in(i, table);
      if (note == nullptr) continue;
      const uint64_t size = note->checkpoint.size;
      if (size == *point.size) return i;
      if (size < *point.size) below = std::max(size, below.value_or(0));
      if (size > *point.size) above = std::min(size, above.value_or(size));
    }
    std::string nearest;
    if (below) nearest = fmt::format("; the nearest is of {}", *below);
    if (above) nearest += fmt::format("{} of {}", below ? ", and" : "; the nearest is", *above);
    return Error{Code::kNotFound, fmt::format("no checkpoint of {} of size {} was published{}", table_name(table),
                                              *point.size, nearest)};
  }

  // The table's newest note at or before a publication, and where it stands.
  struct Found {
    const tree::PublishedNote* note = nullptr;
    size_t publication = 0;
  };
  std::optional<Found> newest(TableId table, size_t at) const {
    for (size_t i = at + 1; i-- > 0;) {
      if (const tree::PublishedNote* note = note_in(i, table)) return Found{note, i};
    }
    return std::nullopt;
  }

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
  Result<proof::ProvenRecord> head(const Found& found, TableId table, size_t at) const {
    const uint64_t end = log_.publications[found.publication].meta().checkpoint.size;
    for (uint64_t row = end; row-- > 0;) {
      KHIPU_TRY_ASSIGN(Buffer bytes, record(TableId::kMeta, row));
      KHIPU_TRY_ASSIGN(const codec::StatementRecord statement, codec::decode_statement(bytes));
      const auto* said = std::get_if<codec::TableHead>(&statement.body);
      if (said == nullptr || said->table != table || said->size != found.note->checkpoint.size ||
          said->root != found.note->checkpoint.root) {
        continue;
      }
      return proven(TableId::kMeta, row, std::move(bytes), log_.publications[at].meta());
    }
    return not_proven(fmt::format("no TABLE_HEAD says what the checkpoint of {} of size {} says", table_name(table),
                                  found.note->checkpoint.size));
  }

 private:
  Result<size_t> where(const tree::Checkpoint& kept, TableId table) const {
    for (size_t i = publications(); i-- > 0;) {
      for (const TableId of : {table, TableId::kMeta}) {
        const tree::PublishedNote* note = note_in(i, of);
        if (note != nullptr && note->checkpoint == kept) return i;
      }
    }
    return Error{Code::kNotFound,
                 fmt::format("the checkpoint that was kept is not among those of meta and {} that this log has "
                             "published; `khipu verify --against` says whether the log extends it",
                             table_name(table))};
  }
  const tree::PublishedNote* note_in(size_t publication, TableId table) const {
    const std::string_view name = table == TableId::kMeta ? "" : table_name(table);
    for (const tree::PublishedNote& note : log_.publications[publication].notes) {
      if (note.table(origin()) == name) return &note;
    }
    return nullptr;
  }

  tree::CheckpointLog log_;
  std::shared_ptr<const snapshot::Snapshot> snapshot_;
  tree::VerifierKey key_;
};

// What the newest publications do not hold may be in older ones: asks again with the whole log. Only there do
// checkpoints have numbers.
template <typename Make>
auto with_prover(snapshot::Store& store, const ProofPoint& point, Make make)
    -> decltype(make(std::declval<Prover&>())) {
  const bool whole = point.checkpoint.has_value();
  KHIPU_TRY_ASSIGN(Prover prover, Prover::open(store, whole ? CheckpointLogPart::kAll : CheckpointLogPart::kTail));
  auto made = make(prover);
  if (whole || made.ok() || made.error().code != Code::kNotFound) return made;
  KHIPU_TRY_ASSIGN(prover, Prover::open(store, CheckpointLogPart::kAll));
  return make(prover);
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
Result<Prover::Found> covering(const Prover& prover, size_t at, uint64_t end, const ProofPoint& point) {
  const std::optional<Prover::Found> found = prover.newest(TableId::kLogs, at);
  if (!found) return Error{Code::kNotFound, "no checkpoint of logs is published up to there"};
  if (found->note->checkpoint.size >= end) return *found;
  const std::string covers =
      fmt::format("that checkpoint covers {} events, not event {}", found->note->checkpoint.size, end - 1);
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
  KHIPU_TRY_ASSIGN(const size_t at, prover.choose(point, TableId::kLogs));
  KHIPU_TRY_ASSIGN(const Prover::Found found, covering(prover, at, seq.value + 1, point));
  proof::EventBundle bundle;
  bundle.seq = seq;
  KHIPU_TRY_ASSIGN(Buffer record, prover.record(TableId::kLogs, seq.value));
  codec::EventRecord event;
  KHIPU_TRY(codec::decode_event(record, event));
  const std::vector<uint64_t> rows = pinned_rows(event);
  KHIPU_TRY_ASSIGN(bundle.event, prover.proven(TableId::kLogs, seq.value, std::move(record), *found.note));
  KHIPU_TRY_ASSIGN(bundle.table_head, prover.head(found, TableId::kLogs, at));
  const std::optional<Prover::Found> registry = prover.newest(TableId::kRegistry, at);
  if (!registry || registry->note->checkpoint.size <= rows.back()) {
    return Error{Code::kNotFound, "no checkpoint of registry is published up to there"};
  }
  for (const uint64_t row : rows) {
    KHIPU_TRY_ASSIGN(Buffer version, prover.record(TableId::kRegistry, row));
    KHIPU_TRY_ASSIGN(auto proven, prover.proven(TableId::kRegistry, row, std::move(version), *registry->note));
    bundle.pinned.push_back(std::move(proven));
  }
  KHIPU_TRY_ASSIGN(bundle.registry_head, prover.head(*registry, TableId::kRegistry, at));
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
    KHIPU_TRY_ASSIGN(const size_t at, prover.choose(point, TableId::kLogs));
    KHIPU_TRY_ASSIGN(const Prover::Found found, covering(prover, at, to.value, point));
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
    KHIPU_TRY_ASSIGN(bundle.right, tree::compact_range(to.value, found.note->checkpoint.size, *hashes));
    bundle.checkpoint = tree::format_note(found.note->note);
    KHIPU_TRY_ASSIGN(bundle.table_head, prover.head(found, TableId::kLogs, at));
    return self_checked(std::move(bundle), prover.key());
  });
}

Result<proof::ConsistencyBundle> prove_consistency(snapshot::Store& store, TableId table, uint64_t old_size,
                                                   uint64_t new_size) {
  if (old_size > new_size) return Error{Code::kInvalid, "the old size is greater than the new one"};
  KHIPU_TRY_ASSIGN(const Prover prover, Prover::open(store, CheckpointLogPart::kAll));
  const auto note_of = [&](uint64_t size) -> Result<std::string> {
    ProofPoint point;
    point.size = size;
    KHIPU_TRY_ASSIGN(const size_t at, prover.choose(point, table));
    return tree::format_note(prover.newest(table, at)->note->note);
  };
  proof::ConsistencyBundle bundle;
  KHIPU_TRY_ASSIGN(bundle.old_checkpoint, note_of(old_size));
  KHIPU_TRY_ASSIGN(bundle.new_checkpoint, note_of(new_size));
  if (old_size > 0) {
    KHIPU_TRY_ASSIGN(const auto hashes, prover.snapshot().hashes(table));
    KHIPU_TRY_ASSIGN(bundle.path, tree::prove_consistency(old_size, new_size, *hashes));
  }
  return self_checked(std::move(bundle), prover.key());
}

}  // namespace khipu::query
