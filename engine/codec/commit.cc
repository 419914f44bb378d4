// Commits. Keys and the signed bytes: engine/FORMAT.md "Commits".
#include "engine/codec/record_raw.h"

namespace khipu::codec {

using raw::Scan;

static constexpr size_t kSignatureSize = sizeof(CommitRecord::signature);

static uint8_t* put_commit(uint8_t* at, const CommitRecord& commit) {
  at = raw::put_head(at, raw::kMap, 7);
  *at++ = 0;
  at = raw::put_unsigned(at, static_cast<uint64_t>(RecordKind::kCommit));
  *at++ = 2;
  at = raw::put_integer(at, commit.time);
  *at++ = 4;
  at = raw::put_unsigned(at, commit.number.value);
  *at++ = 5;
  at = raw::put_bytes(at, commit.previous);
  *at++ = 6;
  at = raw::put_head(at, raw::kArray, kTableCount);
  for (const TableState& table : commit.tables) {
    at = raw::put_head(at, raw::kArray, 2);
    at = raw::put_unsigned(at, table.size);
    at = raw::put_bytes(at, table.root);
  }
  *at++ = 7;
  at = raw::put_bytes(at, commit.key_id);
  *at++ = 8;
  return raw::put_bytes(at, commit.signature);
}

void encode_commit(Buffer& to, const CommitRecord& commit) {
  KHIPU_ASSERT(commit.number.value > 0);
  constexpr size_t kSizeMax = 64 + 34 + kTableCount * (1 + raw::kHeadSizeMax + 34) + 8 + kSignatureSize;
  raw::append_with(to, kSizeMax, [&](uint8_t* at) { return put_commit(at, commit); });
}

Result<CommitRecord> decode_commit(Bytes payload) {
  Scan in(payload);
  CommitRecord commit;
  raw::read_kind(in, RecordKind::kCommit);
  in.need_key(2, "expected key 2, the time");
  commit.time = in.integer();
  in.need_key(4, "expected key 4, the number");
  const size_t number_from = in.offset();
  commit.number = {in.unsigned_integer()};
  if (commit.number.value == 0) in.fail_at(number_from, "commit number 0");
  in.need_key(5, "expected key 5, the hash of the commit before");
  in.fixed(commit.previous);
  in.need_key(6, "expected key 6, the tables");
  const size_t tables_from = in.offset();
  if (in.array() != kTableCount) in.fail_at(tables_from, "expected four tables");
  for (TableState& table : commit.tables) {
    const size_t table_from = in.offset();
    if (in.array() != 2) in.fail_at(table_from, "expected size and root");
    table.size = in.unsigned_integer();
    in.fixed(table.root);
  }
  in.need_key(7, "expected key 7, the key id");
  in.fixed(commit.key_id);
  in.need_key(8, "expected key 8, the signature");
  in.fixed(commit.signature);
  in.close_map();
  KHIPU_TRY(in.finish("commit"));
  return commit;
}

Buffer commit_signed_bytes(const RootId& root_id, Bytes commit_payload) {
  KHIPU_ASSERT(commit_payload.size() > kSignatureSize);
  Buffer bytes;
  append(bytes, as_bytes("khipu-commit-v1\n"));
  append(bytes, root_id);
  append(bytes, commit_payload.first(commit_payload.size() - kSignatureSize));
  return bytes;
}

}  // namespace khipu::codec
