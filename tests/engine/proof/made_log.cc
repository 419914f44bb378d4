#include "tests/engine/proof/made_log.h"

#include "engine/tree/compact_range.h"
#include "engine/tree/tlog_proof.h"

namespace khipu::proof::tests {

static std::vector<Hash> leaves_of(const std::vector<Buffer>& rows) {
  std::vector<Hash> leaves;
  for (const Buffer& row : rows) leaves.push_back(tree::leaf_hash(row));
  return leaves;
}

Hash MadeTable::root() const {
  tree::Builder builder;
  for (const Hash& leaf : leaves_of(rows)) builder.append(leaf);
  return builder.root();
}
khipu::tests::MemoryLevels MadeTable::levels() { return khipu::tests::MemoryLevels::of(leaves_of(rows)); }
std::vector<Hash> MadeTable::path(uint64_t row) {
  auto source = levels();
  return tree::prove_inclusion(row, rows.size(), source).value();
}

static Buffer version(const char* type, const char* id, uint8_t uid) {
  codec::VersionRecord record;
  record.uid.fill(uid);
  record.type = type;
  record.id = id;
  Buffer bytes;
  codec::encode_version(bytes, record);
  return bytes;
}

MadeLog::MadeLog(std::string origin) : origin_(std::move(origin)) {
  const char* ids[] = {"u-1", "u-2", "u-3", "u-4", "u-5", "u-6", "u-7"};
  for (uint8_t i = 0; i < 6; ++i) table(TableId::kRegistry).rows.push_back(version("user", ids[i], i));
  table(TableId::kRegistry).rows.push_back(version("account", "a-9", 7));
  for (uint8_t i = 0; i < 11; ++i) {
    codec::EventRecord event;
    event.uid.fill(static_cast<uint8_t>(0x40 + i));
    event.recorded_at = 1781500027000000 + i;
    event.occurred_at = event.recorded_at;
    event.actor = {Row{0}, Row{0}};
    event.action = "PUT";
    if (i == 10) {
      event.targets = {{Row{6}, Row{6}}};
      event.on_behalf_of = codec::Pin{Row{5}, Row{5}};
    }
    codec::encode_event(table(TableId::kLogs).rows.emplace_back(), event);
  }
  std::vector<Buffer>& meta = table(TableId::kMeta).rows;
  codec::encode_statement(meta.emplace_back(), {{}, 1, codec::Genesis{{}, origin_, signing_->public_key(), 1}});
  for (const TableId named : {TableId::kRegistry, TableId::kLogs}) {
    codec::encode_statement(meta.emplace_back(),
                            {{}, 2, codec::TableHead{named, table(named).rows.size(), table(named).root(), {}}});
  }
}

std::string MadeLog::sign(const std::string& origin, uint64_t size, const Hash& root) const {
  tree::Note note{tree::format_checkpoint({origin, size, root, {}}), {}};
  tree::sign_note(note, origin, *signing_);
  return tree::format_note(note);
}
std::string MadeLog::checkpoint(TableId which) {
  return sign(table_key(key(), which).name, table(which).rows.size(), table(which).root());
}
ProvenRecord MadeLog::proven(TableId which, uint64_t row) {
  return {table(which).rows.at(row),
          tree::format_tlog_proof({std::nullopt, row, table(which).path(row), checkpoint(which)})};
}
EventBundle MadeLog::bundle(uint64_t seq) {
  EventBundle bundle{Row{seq}, proven(TableId::kLogs, seq), proven(TableId::kMeta, 2), {}, {}};
  bundle.pinned.push_back(proven(TableId::kRegistry, 0));
  if (seq == 10) bundle.pinned.push_back(proven(TableId::kRegistry, 5));
  if (seq == 10) bundle.pinned.push_back(proven(TableId::kRegistry, 6));
  bundle.registry_head = proven(TableId::kMeta, 1);
  return bundle;
}
RangeBundle MadeLog::range(uint64_t from, uint64_t to) {
  auto source = table(TableId::kLogs).levels();
  RangeBundle range;
  range.from = Row{from};
  for (uint64_t row = from; row < to; ++row) range.records.push_back(table(TableId::kLogs).rows.at(row));
  range.left = tree::compact_range(0, from, source).value();
  range.right = tree::compact_range(to, table(TableId::kLogs).rows.size(), source).value();
  range.checkpoint = checkpoint(TableId::kLogs);
  range.table_head = proven(TableId::kMeta, 2);
  return range;
}

}  // namespace khipu::proof::tests
