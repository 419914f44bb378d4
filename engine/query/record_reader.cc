#include "engine/query/record_reader.h"

#include "engine/query/entities.h"

namespace khipu::query {
namespace {

constexpr size_t kFindingsMax = 100;
constexpr size_t kVersionsMax = 65536;  // then the cache starts anew

std::string row_text(TableId table, Row row) {
  return std::string(table_name(table)) + " row " + std::to_string(row.value);
}

}  // namespace

void Findings::add(Finding finding) {
  ++total_;
  if (list_.size() < kFindingsMax) list_.push_back(std::move(finding));
}

std::optional<CheckedVersion> RecordReader::version(Row row) {
  const auto fail = [&](std::string code, std::string where) {
    findings_.add({std::move(code), TableId::kRegistry, row, 1, std::move(where)});
    return std::optional<CheckedVersion>();
  };
  auto record = snapshot_.record(TableId::kRegistry, row);
  if (!record.ok()) return fail("reference-missing", row_text(TableId::kRegistry, row) + ": " + record.error().message);
  if (!record->intact) return fail(record->finding, record->where);
  codec::VersionRecord decoded;
  if (const auto ok = codec::decode_version(record->payload, decoded); !ok.ok()) {
    return fail("leaf-mismatch", row_text(TableId::kRegistry, row) + ": " + ok.error().message);
  }
  CheckedVersion version;
  version.time = decoded.time;
  version.recorded_at = decoded.recorded_at;
  version.seq = decoded.seq;
  EntityView& view = version.view;
  view.entity = decoded.entity.value_or(row);
  view.version_row = row;
  view.type = decoded.type;
  view.id = decoded.id;
  view.name = display_name(decoded);
  view.version = decoded.version;
  view.deleted = decoded.deleted;
  for (const codec::NamedValue& field : decoded.fields) {
    view.fields.push_back({std::string(field.name), OwnedValue(field.value)});
  }
  return version;
}

const CheckedVersion* RecordReader::cached(Row row) {
  auto found = versions_.find(row.value);
  if (found == versions_.end()) {
    if (versions_.size() >= kVersionsMax) versions_.clear();
    found = versions_.emplace(row.value, version(row)).first;
  }
  return found->second ? &*found->second : nullptr;
}

EntityView RecordReader::pinned(const codec::Pin& pin) {
  EntityView missing;
  missing.entity = pin.entity;
  missing.version_row = pin.version;
  missing.missing = true;
  if (pin.version.value >= registry_size_) {  // I7
    findings_.add({"reference-missing", TableId::kRegistry, pin.version, 1,
                   row_text(TableId::kRegistry, pin.version) + ": pinned, but not below the committed size"});
    return missing;
  }
  const CheckedVersion* version = cached(pin.version);
  if (version == nullptr) return missing;
  if (version->view.entity != pin.entity) {
    findings_.add({"reference-missing", TableId::kRegistry, pin.version, 1,
                   row_text(TableId::kRegistry, pin.version) + ": pinned as a version of another entity"});
    return missing;
  }
  return version->view;
}

Result<std::optional<EventRow>> RecordReader::event(Row seq) {
  KHIPU_TRY_ASSIGN(const snapshot::CheckedRecord record, snapshot_.record(TableId::kLogs, seq));
  if (!record.intact) {
    findings_.add({record.finding, TableId::kLogs, seq, 1, record.where});
    return std::optional<EventRow>();
  }
  codec::EventRecord decoded;
  if (const auto ok = codec::decode_event(record.payload, decoded); !ok.ok()) {
    findings_.add({"leaf-mismatch", TableId::kLogs, seq, 1, row_text(TableId::kLogs, seq) + ": " + ok.error().message});
    return std::optional<EventRow>();
  }
  EventRow row;
  row.seq = seq;
  row.uid = decoded.uid;
  row.recorded_at = decoded.recorded_at;
  row.occurred_at = decoded.occurred_at;
  row.actor = pinned(decoded.actor);
  row.action = decoded.action;
  row.action_class = decoded.action_class;
  row.outcome = decoded.outcome;
  for (const codec::Pin& target : decoded.targets) row.targets.push_back(pinned(target));
  row.url = decoded.url;
  row.source = decoded.source;
  row.source_ip = decoded.source_ip;
  row.event_id = decoded.event_id;
  row.session = decoded.session;
  if (decoded.on_behalf_of) row.on_behalf_of = pinned(*decoded.on_behalf_of);
  row.content_kind = decoded.content_kind;
  row.content = as_text(decoded.content);
  for (const codec::ColumnValue& value : decoded.custom) {
    const codec::ColumnSchema* column = snapshot_.schema().column(value.column);
    row.custom.push_back(
        {column == nullptr ? "column:" + std::to_string(value.column) : column->name, OwnedValue(value.value)});
  }
  return std::optional<EventRow>(std::move(row));
}

}  // namespace khipu::query
