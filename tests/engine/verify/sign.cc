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

namespace {
template <typename Record>
SignedRow made(TableId table, const Record& record, TimeUs time, void (*encode)(Buffer&, const Record&)) {
  SignedRow row{table, static_cast<uint8_t>(codec::row_kind(table)), time, {}};
  encode(row.payload, record);
  return row;
}
}  // namespace

SignedRow signed_row(const codec::StatementRecord& record) {
  return made(TableId::kMeta, record, record.recorded_at, codec::encode_statement);
}
SignedRow signed_row(const codec::VersionRecord& record) {
  return made(TableId::kRegistry, record, record.time, codec::encode_version);
}
SignedRow signed_row(const codec::EventRecord& record) {
  return made(TableId::kLogs, record, record.occurred_at, codec::encode_event);
}

void sign_rows(CrashRig& rig, const std::vector<SignedRow>& rows,
               const std::function<void(codec::CommitRecord&)>& change, int64_t header_time_wrong) {
  const verify::State state = *passed(rig).state;
  FakeDisk& disk = rig.disk();
  const auto root = disk.directory("root");
  segment::Head head = *segment::newest(segment::read_head(*root).value());
  codec::CommitRecord commit;
  commit.number = state.commit.next();
  commit.time = state.commit_time + 1;
  commit.previous = state.commit_hash;
  Buffer logs;
  for (const TableId id : kTables) {
    const verify::TablePosition& at = state.tables[index_of(id)];
    const std::string tree_path = std::string("root/") + table_name(id) + "/tree/";
    Buffer frames, tree;
    if (disk.exists(tree_path + "0")) tree = disk.read(tree_path + "0");
    tree.resize(at.size * sizeof(Hash));
    for (const SignedRow& row : rows) {
      if (row.table != id) continue;
      codec::append_frame(frames, row.kind, row.time, row.payload);
      append(tree, tree::leaf_hash(row.payload));
    }
    std::vector<Hash> leaves(tree.size() / sizeof(Hash));
    if (!tree.empty()) std::memcpy(leaves.data(), tree.data(), tree.size());
    tree::Builder builder;
    std::array<std::vector<Hash>, tree::kLevelCount> levels;
    builder.append(leaves, levels);
    commit.tables[index_of(id)] = {builder.size(), builder.root()};
    if (id == TableId::kLogs) logs = frames;
    if (frames.empty()) continue;
    append_at(disk, segment_file(id, at.segment.value), at.offset, frames);
    for (size_t level = 0; level < levels.size() && !levels[level].empty(); ++level) {
      Buffer hashes;
      for (const Hash& hash : levels[level]) append(hashes, hash);
      disk.put(tree_path + std::to_string(level), hashes);
    }
    head.tables[index_of(id)].end_offset = at.offset + frames.size();
  }
  if (change) change(commit);
  const crypto::Key key = key_of(rig);
  const crypto::SigningKey signer = crypto::signing_key(key).value();
  commit.key_id = tree::key_id(key.name, tree::KeyType::kEd25519, signer.public_key());
  Buffer payload;
  codec::encode_commit(payload, commit);
  commit.signature = signer.sign(codec::commit_signed_bytes(state.root_id, payload));
  payload.clear();
  codec::encode_commit(payload, commit);
  Buffer frame;
  codec::append_frame(frame, static_cast<uint8_t>(codec::RecordKind::kCommit), commit.time + header_time_wrong,
                      payload);
  const verify::TablePosition& at = state.tables[index_of(TableId::kLogs)];
  append_at(disk, segment_file(TableId::kLogs, at.segment.value), at.offset + logs.size(), frame);

  head.sequence += 1;
  head.commit = commit.number;
  head.commit_hash = crypto::sha256(payload);
  head.commit_time = commit.time;
  head.commit_segment = at.segment;
  head.commit_offset = at.offset + logs.size();
  head.commit_frame_size = static_cast<uint32_t>(frame.size());
  for (const TableId id : kTables) {
    segment::HeadTable& table = head.tables[index_of(id)];
    table.size = commit.tables[index_of(id)].size;
    table.root = commit.tables[index_of(id)].root;
    table.tree_synced = table.size;
  }
  head.tables[index_of(TableId::kLogs)].end_offset = head.commit_offset + frame.size();
  put_head(disk, head);
}

void sign_statements(CrashRig& rig, const std::vector<codec::Statement>& statements) {
  const TimeUs last = passed(rig).state->tables[index_of(TableId::kMeta)].recorded_last;
  std::vector<SignedRow> rows;
  for (const codec::Statement& body : statements) {
    codec::StatementRecord record;
    record.uid[0] = static_cast<uint8_t>(rows.size());
    record.recorded_at = last + 1;
    record.body = body;
    rows.push_back(signed_row(record));
  }
  sign_rows(rig, rows);
}

void put_head(FakeDisk& disk, const segment::Head& head) {
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
