#include "engine/query/registry_look_up.h"

#include "engine/codec/record.h"

namespace khipu::query {
namespace {

Result<std::optional<Row>> in_index(const index::Reader& reader, const index::Term& name) {
  std::optional<Row> entity;
  KHIPU_TRY_ASSIGN(const std::optional<index::List> list, reader.find(name));
  if (!list) return entity;
  KHIPU_TRY_ASSIGN(const uint32_t row, reader.last(*list));
  KHIPU_TRY_ASSIGN(const index::Column entities, reader.entities());
  entity = Row{static_cast<uint64_t>(entities[row])};
  return entity;
}

// Its versions among rows that no index knows.
template <typename Visit>
Result<void> each_in_rows(const snapshot::Snapshot& snapshot, const snapshot::Part& part, std::string_view type,
                          std::string_view id, Visit visit) {
  Result<void> sound;
  codec::VersionRecord version;
  const auto look = [&](const snapshot::ScannedRow& row) {
    if (row.fault != codec::FrameFault::kNone || !codec::decode_version(row.frame.payload, version).ok()) {
      sound = Error{Code::kCorrupt, "a registry row that cannot be read"};
      return false;
    }
    if (version.type == type && version.id == id) visit(row.row, version);
    return true;
  };
  KHIPU_TRY(snapshot.scan(TableId::kRegistry, part.first_row, {part.first_row.value + part.rows},
                          snapshot::Order::kAscending, look));
  return sound;
}

Result<std::optional<Row>> in_rows(const snapshot::Snapshot& snapshot, const snapshot::Part& part,
                                   std::string_view type, std::string_view id) {
  std::optional<Row> entity;
  KHIPU_TRY(each_in_rows(snapshot, part, type, id,
                         [&](Row row, const codec::VersionRecord& version) { entity = version.entity.value_or(row); }));
  return entity;
}

}  // namespace

Result<std::optional<Row>> look_up_entity(const snapshot::Snapshot& snapshot, std::string_view type,
                                          std::string_view id, const snapshot::Snapshot::MergedFailed& failed) {
  const index::Term name = index::name_term(type, id);
  std::optional<Row> entity;
  const auto look = [&](const snapshot::SegmentInfo& segment) -> Result<bool> {
    KHIPU_TRY_ASSIGN(const std::vector<snapshot::Part> parts, snapshot.parts(TableId::kRegistry, segment));
    for (auto part = parts.rbegin(); part != parts.rend() && !entity; ++part) {
      if (part->index) {
        KHIPU_TRY_ASSIGN(entity, in_index(*part->index, name));
      } else {
        KHIPU_TRY_ASSIGN(entity, in_rows(snapshot, *part, type, id));
      }
    }
    return !entity;
  };
  KHIPU_TRY(snapshot.each_holding(TableId::kRegistry, name, snapshot::Order::kDescending, failed, look));
  return entity;
}

Result<std::vector<Row>> look_up_versions(const snapshot::Snapshot& snapshot, std::string_view type,
                                          std::string_view id, const snapshot::Snapshot::MergedFailed& failed) {
  const index::Term name = index::name_term(type, id);
  std::vector<Row> rows;
  const auto look = [&](const snapshot::SegmentInfo& segment) -> Result<bool> {
    KHIPU_TRY_ASSIGN(const std::vector<snapshot::Part> parts, snapshot.parts(TableId::kRegistry, segment));
    for (const snapshot::Part& part : parts) {
      if (!part.index) {
        KHIPU_TRY(
            each_in_rows(snapshot, part, type, id, [&](Row row, const codec::VersionRecord&) { rows.push_back(row); }));
        continue;
      }
      KHIPU_TRY_ASSIGN(const std::optional<index::List> list, part.index->find(name));
      if (!list) continue;
      KHIPU_TRY(part.index->each_row(*list, [&](uint32_t row) { rows.push_back({part.first_row.value + row}); }));
    }
    return true;
  };
  KHIPU_TRY(snapshot.each_holding(TableId::kRegistry, name, snapshot::Order::kAscending, failed, look));
  return rows;
}

}  // namespace khipu::query
