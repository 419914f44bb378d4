#include "engine/writer/committer.h"

#include <algorithm>
#include <utility>

#include "engine/codec/frame.h"
#include "engine/crypto/hash.h"
#include "engine/writer/integrity.h"

namespace khipu::writer {

Result<std::unique_ptr<Committer>> Committer::open(os::Directory& root, const Keys& keys, const RootId& root_id,
                                                   const Recovered& recovered, uint64_t segment_size_bytes) {
  std::unique_ptr<Committer> committer(new Committer(keys, root_id));
  for (const TableId table : kTables) {
    KHIPU_TRY_ASSIGN(committer->tables_[index_of(table)],
                     at(table_name(table),
                        Table::open(root, table, root_id, recovered.tables[index_of(table)], segment_size_bytes)));
  }
  committer->commit_ = recovered.commit;
  committer->behind_ = {recovered.head.commit, recovered.head.commit_hash, recovered.head.commit_offset};
  committer->epoch_ = recovered.head.epoch;
  return committer;
}

Result<void> Committer::write_rows(Pending& pending, Table::Write logs) {
  for (const TableId table : kTables) {
    const size_t i = index_of(table);
    if (pending.rows[i].starts.empty()) continue;
    dirty_tables_ |= 1U << i;
    const Table::Write write = table == TableId::kLogs ? logs : Table::Write::kNow;
    KHIPU_TRY(at(table_name(table), tables_[i]->append(pending.rows[i], write)));
  }
  return {};
}

void Committer::sign(TimeUs now) {
  signed_ = {};
  signed_.number = commit_.number.next();
  signed_.time = std::max(now, commit_.time);  // the wall clock may have been set back
  signed_.previous = behind_.hash;
  signed_.tables = states();
  signed_.key_id = keys_.key_id;
  signed_frame_.clear();
  if (!integrity) return;
  Buffer payload;
  codec::encode_commit(payload, signed_);
  signed_.signature = keys_.signing.sign(codec::commit_signed_bytes(root_id_, payload));
  payload.clear();
  codec::encode_commit(payload, signed_);
  signed_hash_ = crypto::sha256(payload);
  codec::append_frame(signed_frame_, static_cast<uint8_t>(codec::RecordKind::kCommit), now, payload);
}

Result<Job> Committer::place_frame() {
  Table& logs = *tables_[index_of(TableId::kLogs)];
  Job job;
  uint64_t offset = 0;
  job.head.commit_frame_size = static_cast<uint32_t>(signed_frame_.size());
  KHIPU_TRY_ASSIGN(job.frame, at("logs", logs.place_frame(std::exchange(signed_frame_, {}), offset)));
  commit_ = signed_;
  behind_ = {commit_.number, signed_hash_, offset};
  job.commit = commit_;
  job.head.commit = commit_.number;
  job.head.commit_hash = signed_hash_;
  job.head.commit_time = commit_.time;
  job.head.commit_offset = offset;
  job.head.epoch = epoch_;
  job.head.root_id = root_id_;
  for (size_t i = 0; i < kTableCount; ++i) job.head.tables[i] = tables_[i]->head();
  job.head.commit_segment = job.head.tables[index_of(TableId::kLogs)].segment;
  dirty_tables_ |= 1U << index_of(TableId::kLogs);
  for (size_t i = 0; i < kTableCount; ++i) {
    if (dirty_tables_ >> i & 1) job.dirty.push_back(tables_[i]->file());
  }
  dirty_tables_ = 0;
  return job;
}

bool Committer::wants_seal() const {
  for (const auto& table : tables_) {
    if (table->wants_seal()) return true;
  }
  return false;
}

std::array<codec::TableState, kTableCount> Committer::states() const {
  std::array<codec::TableState, kTableCount> states;
  for (size_t i = 0; i < kTableCount; ++i) states[i] = {tables_[i]->size(), tables_[i]->root()};
  return states;
}

Result<std::vector<Committer::Sealed>> Committer::seal() {
  KHIPU_ASSERT(!uncommitted());
  std::vector<Sealed> sealed;
  for (const TableId table : kTables) {
    Table& sealing = *tables_[index_of(table)];
    if (!sealing.wants_seal()) continue;
    KHIPU_TRY_ASSIGN(const segment::ManifestEntry entry,
                     at(std::string("sealing ") + table_name(table), sealing.seal(behind_)));
    sealed.push_back({table, entry});
  }
  return sealed;
}

void Committer::tree_synced(TableId table, uint64_t rows) { tables_[index_of(table)]->note_tree_synced(rows); }

}  // namespace khipu::writer
