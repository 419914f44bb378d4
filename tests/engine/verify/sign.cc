#include "tests/engine/verify/sign.h"

#include "engine/crypto/hash.h"
#include "engine/crypto/key_file.h"
#include "engine/segment/reader.h"
#include "engine/tree/checkpoint.h"
#include "engine/tree/note.h"

namespace khipu::tests {
namespace {

crypto::Key key_of(CrashRig& rig) { return crypto::parse_key(rig.disk().read("root.keys/signing.key")).value(); }

verify::Report passed(CrashRig& rig) {
  verify::Report report = rig.verify();
  INFO(describe(report));
  KHIPU_ASSERT(report.state.has_value());
  return report;
}

void append_at(FakeDisk& disk, const std::string& path, uint64_t offset, const Buffer& frame) {
  disk.edit(path, [&](Buffer& bytes) {
    bytes.resize(offset);
    bytes.insert(bytes.end(), frame.begin(), frame.end());
  });
}

segment::ManifestEntry entry_of(CrashRig& rig, TableId table, uint64_t number) {
  const Buffer bytes = rig.disk().read(std::string("root/") + table_name(table) + "/manifest");
  return segment::parse_manifest_entry(
             Bytes(bytes).subspan(number * segment::kManifestEntrySize, segment::kManifestEntrySize))
      .value();
}

}  // namespace

void sign_statements(CrashRig& rig, const std::vector<codec::Statement>& statements) {
  const verify::State state = *passed(rig).state;
  FakeDisk& disk = rig.disk();
  const verify::TablePosition& meta = state.tables[index_of(TableId::kMeta)];
  const verify::TablePosition& logs = state.tables[index_of(TableId::kLogs)];
  const std::string meta_path = segment_file(TableId::kMeta, meta.segment.value);
  Buffer rows;
  Buffer tree = disk.read("root/meta/tree/0");
  tree.resize(meta.size * sizeof(Hash));
  for (const codec::Statement& body : statements) {
    codec::StatementRecord record;
    record.uid[0] = static_cast<uint8_t>(rows.size());
    record.recorded_at = meta.recorded_last + 1;
    record.body = body;
    Buffer payload;
    codec::encode_statement(payload, record);
    codec::append_frame(rows, static_cast<uint8_t>(codec::RecordKind::kStatement), record.recorded_at, payload);
    append(tree, tree::leaf_hash(payload));
  }
  append_at(disk, meta_path, meta.offset, rows);
  disk.put("root/meta/tree/0", tree);
  std::vector<Hash> leaves(tree.size() / sizeof(Hash));
  std::memcpy(leaves.data(), tree.data(), tree.size());
  KHIPU_ASSERT(leaves.size() < tree::kTileWidth);  // no level above to write

  codec::CommitRecord commit;
  commit.number = state.commit.next();
  commit.time = state.commit_time + 1;
  commit.previous = state.commit_hash;
  for (const TableId id : kTables)
    commit.tables[index_of(id)] = {state.tables[index_of(id)].size, state.tables[index_of(id)].root};
  commit.tables[index_of(TableId::kMeta)] = {leaves.size(), tree::root_of(leaves)};
  const crypto::Key key = key_of(rig);
  const crypto::SigningKey signer = crypto::signing_key(key).value();
  commit.key_id = tree::key_id(key.name, tree::KeyType::kEd25519, signer.public_key());
  Buffer payload;
  codec::encode_commit(payload, commit);
  commit.signature = signer.sign(codec::commit_signed_bytes(state.root_id, payload));
  payload.clear();
  codec::encode_commit(payload, commit);
  Buffer frame;
  codec::append_frame(frame, static_cast<uint8_t>(codec::RecordKind::kCommit), commit.time, payload);
  append_at(disk, segment_file(TableId::kLogs, logs.segment.value), logs.offset, frame);

  const auto root = disk.directory("root");
  segment::Head head = *segment::newest(segment::read_head(*root).value());
  head.sequence += 1;
  head.commit = commit.number;
  head.commit_hash = crypto::sha256(payload);
  head.commit_time = commit.time;
  head.commit_segment = logs.segment;
  head.commit_offset = logs.offset;
  head.commit_frame_size = static_cast<uint32_t>(frame.size());
  head.tables[index_of(TableId::kMeta)].size = leaves.size();
  head.tables[index_of(TableId::kMeta)].root = commit.tables[index_of(TableId::kMeta)].root;
  head.tables[index_of(TableId::kMeta)].end_offset = meta.offset + rows.size();
  head.tables[index_of(TableId::kMeta)].tree_synced = leaves.size();
  head.tables[index_of(TableId::kLogs)].end_offset = logs.offset + frame.size();
  const auto slot = segment::encode_head(head);
  disk.edit("root/HEAD", [&](Buffer& bytes) {
    for (const size_t at : {size_t{0}, size_t{segment::kHeadSlotStride}}) {
      std::copy(slot.begin(), slot.end(), bytes.begin() + static_cast<ptrdiff_t>(at));
    }
  });
}

std::string signed_note(CrashRig& rig, TableId table, uint64_t size, const Hash& root) {
  const crypto::Key key = key_of(rig);
  std::string origin = key.name;
  if (table != TableId::kMeta) origin += std::string("/") + table_name(table);
  tree::Note note;
  note.text = tree::format_checkpoint({origin, size, root, {}});
  tree::sign_note(note, origin, crypto::signing_key(key).value());
  return tree::format_note(note);
}

void publish(CrashRig& rig, const std::vector<TableId>& tables) {
  const verify::Report report = rig.verify();
  std::string log;
  if (rig.disk().exists("root/checkpoints.log")) log = std::string(as_text(rig.disk().read("root/checkpoints.log")));
  const auto add = [&](TableId id) {
    const std::string note = signed_note(rig, id, report.sizes[index_of(id)], report.roots[index_of(id)]);
    log += note + "\n";
    return note;
  };
  for (const TableId id : tables) add(id);
  const std::string newest = add(TableId::kMeta);
  rig.disk().put("root/checkpoints.log", as_bytes(log));
  rig.disk().put("root/checkpoint", as_bytes(newest));
}

codec::TableHead head_of(CrashRig& rig, TableId table) {
  const verify::Report report = passed(rig);
  codec::TableHead head;
  head.table = table;
  head.size = report.sizes[index_of(table)];
  head.root = report.roots[index_of(table)];
  uint64_t next = 0;  // behind what TABLE_HEADs have named already
  for (const ForgedFrame& row : rows_of(rig.disk(), segment_file(TableId::kMeta, 0))) {
    const codec::StatementRecord record = codec::decode_statement(row.payload).value();
    const auto* before = std::get_if<codec::TableHead>(&record.body);
    if (before != nullptr && before->table == table) next += before->sealed.size();
  }
  const std::string manifest = std::string("root/") + table_name(table) + "/manifest";
  const uint64_t sealed = rig.disk().read(manifest).size() / segment::kManifestEntrySize;
  for (uint64_t number = next; number < sealed; ++number) {
    const segment::ManifestEntry entry = entry_of(rig, table, number);
    head.sealed.push_back({entry.number, entry.footer.first_row, entry.footer.rows, entry.file_size});
  }
  return head;
}

codec::Retention retention_of(CrashRig& rig, TableId table, uint64_t first, uint64_t last) {
  const segment::Footer from = entry_of(rig, table, first).footer, to = entry_of(rig, table, last).footer;
  codec::Retention retention;
  retention.table = table;
  retention.from = from.first_row;
  retention.to = Row{to.first_row.value + to.rows};
  retention.first_segment = {first};
  retention.last_segment = {last};
  const Buffer tree = rig.disk().read(std::string("root/") + table_name(table) + "/tree/0");
  retention.tree_sha256 =
      crypto::sha256(Bytes(tree).subspan(retention.from.value * 32, (retention.to.value - retention.from.value) * 32));
  retention.recorded_first = from.recorded_first;
  retention.recorded_last = to.recorded_last;
  retention.commit = to.commit;
  retention.commit_hash = to.commit_hash;
  retention.policy = "max-age 1 s";
  retention.by = "tests";
  return retention;
}

}  // namespace khipu::tests
