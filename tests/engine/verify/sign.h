// A second writer for tests: puts statements into a log on a fake disk with its own signing key, so that verify can be
// shown statements that the real writer would never sign.
#pragma once

#include "engine/codec/statement.h"
#include "engine/segment/format.h"
#include "tests/engine/verify/forge.h"

namespace khipu::tests {

// A row as somebody with the key would write it, whatever it says.
struct SignedRow {
  TableId table = TableId::kMeta;
  uint8_t kind = 0;
  TimeUs time = 0;
  Buffer payload;
};
SignedRow signed_row(const codec::StatementRecord& record);
SignedRow signed_row(const codec::VersionRecord& record);
SignedRow signed_row(const codec::EventRecord& record);
// One commit with these rows behind the newest commit, and HEAD that names it. `change` lies about the commit, before
// it is signed. The log must be closed cleanly.
void sign_rows(CrashRig& rig, const std::vector<SignedRow>& rows,
               const std::function<void(codec::CommitRecord&)>& change = {}, int64_t header_time_wrong = 0);
// One commit with these rows of meta/, signed, behind the newest commit; HEAD names it. The log must be closed cleanly.
void sign_statements(CrashRig& rig, const std::vector<codec::Statement>& statements);
// Both slots of HEAD.
void put_head(FakeDisk& disk, const segment::Head& head);
// A publication: notes of these tables as the newest commit has them, meta's at the end, in checkpoints.log and
// `checkpoint`.
void publish(CrashRig& rig, const std::vector<TableId>& tables);
std::string signed_note(CrashRig& rig, TableId table, uint64_t size, const Hash& root);
// TABLE_HEAD of a table as it is now, and a RETENTION of its oldest segments up to `last`, both true.
codec::TableHead head_of(CrashRig& rig, TableId table);
codec::Retention retention_of(CrashRig& rig, TableId table, uint64_t first, uint64_t last);

}  // namespace khipu::tests
