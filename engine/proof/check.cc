#include "engine/proof/check.h"

#include <algorithm>

#include "engine/codec/statement.h"
#include "engine/tree/compact_range.h"
#include "engine/tree/tlog_proof.h"
#include "engine/tree/tree.h"

namespace khipu::proof {

namespace {

// What a ProvenRecord says once it is believed.
struct Placed {
  uint64_t row = 0;
  tree::Checkpoint checkpoint;
};

// The reason, empty when the record is in its table.
std::string place(const ProvenRecord& proven, const tree::VerifierKey& key, Placed& placed) {
  const Result<tree::TlogProof> proof = tree::parse_tlog_proof(proven.proof);
  if (!proof.ok()) return proof.error().message;
  const tree::VerifiedProof verified =
      tree::verify_tlog_proof(*proof, tree::leaf_hash(proven.record), tree::Policy::of(key));
  placed = {proof->index, verified.checkpoint};
  return verified.why;
}

// That a TABLE_HEAD row of meta/ names exactly this checkpoint of the table.
std::string bind(const ProvenRecord& head, TableId table, const tree::Checkpoint& checkpoint,
                 const tree::VerifierKey& key, tree::Checkpoint& meta) {
  Placed placed;
  if (std::string why = place(head, key, placed); !why.empty()) return "TABLE_HEAD: " + why;
  const Result<codec::StatementRecord> statement = codec::decode_statement(head.record);
  const auto* said = statement.ok() ? std::get_if<codec::TableHead>(&statement->body) : nullptr;
  if (said == nullptr) return "TABLE_HEAD: the record is another statement or none";
  if (said->table != table || said->size != checkpoint.size || said->root != checkpoint.root) {
    return "TABLE_HEAD: it names another table, size or root than the checkpoint";
  }
  meta = placed.checkpoint;
  return "";
}

std::vector<uint64_t> pinned_rows(const codec::EventRecord& event) {
  std::vector<uint64_t> rows = {event.actor.version.value};
  for (const codec::Pin& target : event.targets) rows.push_back(target.version.value);
  if (event.on_behalf_of) rows.push_back(event.on_behalf_of->version.value);
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return rows;
}

std::string check_pinned(const EventBundle& bundle, const tree::VerifierKey& key, CheckedEvent& checked) {
  const std::vector<uint64_t> rows = pinned_rows(checked.event);
  if (rows.size() != bundle.pinned.size()) return "pinned: not the versions that the event pins";
  tree::Checkpoint registry;
  for (size_t i = 0; i < rows.size(); ++i) {
    Placed placed;
    if (std::string why = place(bundle.pinned[i], table_key(key, TableId::kRegistry), placed); !why.empty()) {
      return "pinned: " + why;
    }
    if (placed.row != rows[i]) return "pinned: not the versions that the event pins, ascending";
    if (i > 0 && placed.checkpoint != registry) return "pinned: proven against different checkpoints";
    registry = placed.checkpoint;
    codec::VersionRecord version;
    if (!codec::decode_version(bundle.pinned[i].record, version).ok()) return "pinned: not an entity's version";
    checked.pinned.emplace_back(Row{rows[i]}, std::move(version));
  }
  tree::Checkpoint meta;
  if (std::string why = bind(bundle.registry_head, TableId::kRegistry, registry, key, meta); !why.empty()) {
    return "registry " + why;
  }
  return meta == checked.meta ? "" : "registry TABLE_HEAD: proven against another checkpoint than the event's";
}

std::string find_fault(const EventBundle& bundle, const tree::VerifierKey& key, CheckedEvent& checked) {
  Placed placed;
  if (std::string why = place(bundle.event, table_key(key, TableId::kLogs), placed); !why.empty()) return why;
  if (placed.row != bundle.seq.value) return "the path is of another row than seq";
  checked.table = placed.checkpoint;
  if (!codec::decode_event(bundle.event.record, checked.event).ok()) return "the record is not an event";
  if (std::string why = bind(bundle.table_head, TableId::kLogs, checked.table, key, checked.meta); !why.empty()) {
    return why;
  }
  return check_pinned(bundle, key, checked);
}

// A checkpoint that this key signed for its name.
std::string open(const std::string& text, const tree::VerifierKey& key, tree::Checkpoint& checkpoint) {
  const Result<tree::Note> note = tree::parse_note(text);
  if (!note.ok()) return "the checkpoint is not a signed note";
  Result<tree::Checkpoint> parsed = tree::parse_checkpoint(note->text);
  if (!parsed.ok()) return "the note is not a checkpoint";
  if (!tree::Policy::of(key).accepts(*note, parsed->origin)) return "the checkpoint is not signed by this key";
  checkpoint = std::move(parsed).value();
  return "";
}

std::string find_fault(const ConsistencyBundle& bundle, const tree::VerifierKey& key, CheckedConsistency& checked) {
  if (std::string why = open(bundle.old_checkpoint, key, checked.old_checkpoint); !why.empty()) return "old: " + why;
  if (std::string why = open(bundle.new_checkpoint, key, checked.new_checkpoint); !why.empty()) return "new: " + why;
  const tree::Checkpoint& old = checked.old_checkpoint;
  const tree::Checkpoint& now = checked.new_checkpoint;
  // From the empty tree everything follows; its proof is empty (c2sp.org/tlog-witness).
  const bool right = old.size == 0 ? bundle.path.empty() && old.root == tree::empty_root()
                                   : tree::verify_consistency(old.size, now.size, bundle.path, old.root, now.root);
  return right ? "" : "the new checkpoint does not extend the old one";
}

std::string find_fault(const RangeBundle& bundle, const tree::VerifierKey& key, CheckedRange& checked) {
  if (std::string why = open(bundle.checkpoint, table_key(key, TableId::kLogs), checked.table); !why.empty()) {
    return why;
  }
  const uint64_t from = bundle.from.value;
  const uint64_t count = bundle.records.size();
  if (count == 0 || from > checked.table.size || count > checked.table.size - from) {
    return "these rows are not in the checkpoint";
  }
  std::vector<Hash> leaves;
  leaves.reserve(count);
  for (const Buffer& record : bundle.records) {
    leaves.push_back(tree::leaf_hash(record));
    if (!codec::decode_event(record, checked.events.emplace_back()).ok()) return "a record is not an event";
  }
  const std::optional<Hash> root = tree::root_with_range(checked.table.size, from, leaves, bundle.left, bundle.right);
  if (root != checked.table.root) return "the records and the hashes around them do not make the signed root";
  return bind(bundle.table_head, TableId::kLogs, checked.table, key, checked.meta);
}

template <typename Checked, typename Bundle>
Checked checked_with(const Bundle& bundle, const tree::VerifierKey& key) {
  Checked checked;
  checked.why = find_fault(bundle, key, checked);
  checked.right = checked.why.empty();
  return checked;
}

}  // namespace

tree::VerifierKey table_key(const tree::VerifierKey& key, TableId table) {
  tree::VerifierKey named = key;
  if (table != TableId::kMeta) named.name += std::string("/") + table_name(table);
  return named;
}

CheckedEvent check(const EventBundle& bundle, const tree::VerifierKey& key) {
  return checked_with<CheckedEvent>(bundle, key);
}
CheckedConsistency check(const ConsistencyBundle& bundle, const tree::VerifierKey& key) {
  // Of whichever table: the origin says which, and the key of that name must have signed both.
  const Result<tree::Note> note = tree::parse_note(bundle.old_checkpoint);
  const Result<tree::Checkpoint> old = note.ok() ? tree::parse_checkpoint(note->text) : Error{Code::kCorrupt, ""};
  tree::VerifierKey named = key;
  for (const TableId table : kTables) {
    if (old.ok() && old->origin == table_key(key, table).name) named = table_key(key, table);
  }
  return checked_with<CheckedConsistency>(bundle, named);
}
CheckedRange check(const RangeBundle& bundle, const tree::VerifierKey& key) {
  return checked_with<CheckedRange>(bundle, key);
}

}  // namespace khipu::proof
