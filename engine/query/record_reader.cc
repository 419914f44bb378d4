#include "engine/query/record_reader.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <unordered_set>

#include "engine/base/system_error.h"
#include "engine/codec/cbor.h"
#include "engine/protect/value.h"
#include "engine/query/entities.h"

namespace khipu::query {
namespace {

constexpr size_t kFindingsMax = 100;
constexpr size_t kVersionsMax = 65536;  // then the cache starts anew
constexpr size_t kFetchedAtOnce = 4;    // whose tiles are hashed together
constexpr size_t kFetchedSizeMax = 16 << 10;
constexpr size_t kFetchedMax = 1024;  // versions, together no more memory than a few large records

std::string row_text(TableId table, Row row) {
  return std::string(table_name(table)) + " row " + std::to_string(row.value);
}

}  // namespace

void Findings::add(Finding finding) {
  const bool shredded = finding.code == kFieldShredded;  // must not take the places of what is wrong
  ++total_;
  shredded_ += shredded;
  if (list_.size() < (shredded ? kFindingsMax / 2 : kFindingsMax)) list_.push_back(std::move(finding));
}

// What several threads fetch together.
struct RecordReader::Fetching {
  std::mutex mutex;  // guards the members below
  Records events, versions;
  std::unordered_set<uint64_t> pinned;  // versions that somebody fetches
};

std::optional<snapshot::CheckedRecord> RecordReader::fetch(TableId table, Row row) const {
  Result<snapshot::CheckedRecord> record = snapshot_.record(table, row);
  if (!record.ok() || !record->intact || record->payload.size() > kFetchedSizeMax) return std::nullopt;
  return std::move(record).value();
}

void RecordReader::fetch(std::span<const Row> seqs, Fetching& into) const {
  snapshot_.expect(TableId::kLogs, seqs);
  std::vector<Row> pins;
  codec::EventRecord event;
  for (const Row seq : seqs) {
    std::optional<snapshot::CheckedRecord> record = fetch(TableId::kLogs, seq);
    if (!record) continue;
    const bool sound = codec::decode_event(record->payload, event).ok();
    const std::lock_guard hold(into.mutex);
    const auto pin = [&](const codec::Pin& one) {
      const uint64_t row = one.version.value;
      if (row >= registry_size_ || versions_.contains(row) || into.pinned.size() == kFetchedMax) return;
      if (into.pinned.insert(row).second) pins.push_back(one.version);
    };
    if (sound) {
      pin(event.actor);
      for (const codec::Pin& target : event.targets) pin(target);
      if (event.on_behalf_of) pin(*event.on_behalf_of);
    }
    into.events.emplace(seq.value, *std::move(record));
  }
  snapshot_.expect(TableId::kRegistry, pins);
  for (const Row row : pins) {
    std::optional<snapshot::CheckedRecord> record = fetch(TableId::kRegistry, row);
    if (!record) continue;
    const std::lock_guard hold(into.mutex);
    into.versions.emplace(row.value, *std::move(record));
  }
}

void RecordReader::expect(std::span<const Row> seqs) {
  fetched_events_.clear();
  fetched_versions_.clear();
  if (seqs.size() <= kFetchedAtOnce) return;  // read as they are asked for
  Fetching fetching;
  std::atomic<size_t> next{0};
  snapshot_.share([&] {
    for (size_t from = next.fetch_add(kFetchedAtOnce); from < seqs.size(); from = next.fetch_add(kFetchedAtOnce)) {
      fetch(seqs.subspan(from, std::min(kFetchedAtOnce, seqs.size() - from)), fetching);
    }
  });
  fetched_events_ = std::move(fetching.events);
  fetched_versions_ = std::move(fetching.versions);
}

Result<snapshot::CheckedRecord> RecordReader::record(TableId table, Row row) {
  Records& fetched = table == TableId::kLogs ? fetched_events_ : fetched_versions_;
  const auto found = fetched.find(row.value);
  if (found == fetched.end()) return snapshot_.record(table, row);
  snapshot::CheckedRecord record = std::move(found->second);
  fetched.erase(found);
  return record;
}

std::optional<CheckedVersion> RecordReader::version(Row row) {
  const auto fail = [&](std::string code, std::string where) {
    findings_.add({std::move(code), TableId::kRegistry, row, 1, std::move(where)});
    return std::optional<CheckedVersion>();
  };
  auto record = this->record(TableId::kRegistry, row);
  if (!record.ok() && of_system(record.error())) {
    if (!failed_) failed_ = record.error();
    return std::nullopt;
  }
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
  if (const codec::NamedValue* shown_by = display_field(decoded)) {
    view.name = shown_by->value.text;
    view.name_field = shown_by->name;
  }
  view.version = decoded.version;
  view.deleted = decoded.deleted;
  for (const codec::NamedValue& field : decoded.fields) {
    if (!field.value.is_protected()) {
      view.fields.push_back({std::string(field.name), OwnedValue(field.value)});
      continue;
    }
    const codec::FieldSchema* schema = snapshot_.schema().field(decoded.type, field.name);
    const auto value = codec::decode_protected(as_bytes(field.value.text));
    const Result<Uid> uid = opens_ != nullptr && value.ok() ? uid_of_value(snapshot_, decoded, *value) : decoded.uid;
    if (!uid.ok()) findings_.add({"field-moved", TableId::kRegistry, row, 1, uid.error().message});
    const protect::FieldPlace place{snapshot_.genesis().root_id,
                                    {decoded.type, field.name},
                                    decoded.id,
                                    schema != nullptr ? schema->kind : codec::ValueKind::kText,
                                    uid.ok() ? *uid : Uid{}};
    view.fields.push_back({std::string(field.name),
                           uid.ok() ? shown(field.value, place, TableId::kRegistry, row) : OwnedValue(field.value)});
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

// nullopt: no key of ours, or it does not open; a finding says so when that is not as it should be.
std::optional<protect::Plaintext> RecordReader::opened(const protect::FieldPlace& place, Bytes value, TableId table,
                                                       Row row) {
  if (opens_ == nullptr || !opens_->can_open()) return std::nullopt;
  Result<protect::Plaintext> plaintext = opens_->open(snapshot_, place, value);
  if (plaintext.ok()) return std::move(plaintext).value();
  const Code code = plaintext.error().code;
  if (code != Code::kForbidden) {  // sealed to others: not for us, and nothing is wrong
    findings_.add({code == Code::kPurged ? std::string(kFieldShredded) : "field-undecryptable", table, row, 1,
                   row_text(table, row) + ": " + plaintext.error().message});
  }
  return std::nullopt;
}

OwnedValue RecordReader::shown(const codec::Value& value, const protect::FieldPlace& place, TableId table, Row row) {
  if (!value.is_protected()) return OwnedValue(value);
  const auto decoded = codec::decode_protected(as_bytes(value.text));
  const bool wanted = table == TableId::kRegistry ? parts_.fields : parts_.columns;
  if (!wanted || !decoded.ok() || decoded->kind != codec::Protection::kSealed) return OwnedValue(value);
  const std::optional<protect::Plaintext> plaintext = opened(place, decoded->value, table, row);
  if (!plaintext) return OwnedValue(value);
  const auto clear = codec::value_of_plaintext(place.kind, plaintext->text());
  return OwnedValue(clear.ok() ? *clear : value);
}

void RecordReader::show_content(const codec::EventRecord& event, EventRow& row) {
  row.sealed_members = event.sealed.members;
  const auto sealed = protect::parse_sealed(event.sealed.value);
  if (sealed.ok()) row.sealed_size_class = sealed->size_class();
  const protect::FieldPlace place{
      snapshot_.genesis().root_id, {protect::kEventType, "content"}, {}, codec::ValueKind::kText, event.uid};
  if (!parts_.content) return;
  const auto plaintext = opened(place, event.sealed.value, TableId::kLogs, row.seq);
  if (!plaintext) return;
  codec::CborReader in(plaintext->bytes());
  const auto read = [&]() -> Result<void> {
    KHIPU_TRY_ASSIGN(codec::CborIntMap map, codec::CborIntMap::open(in));
    for (;;) {
      KHIPU_TRY_ASSIGN(const std::optional<uint64_t> key, map.next());
      if (!key) return in.expect_end();
      if (*key == 11) {
        KHIPU_TRY_ASSIGN(const std::string_view address, in.text());
        row.source_ip = address;
      } else {
        KHIPU_TRY_ASSIGN(const Bytes content, in.bytes());
        row.content = as_text(content);
        row.content_kind = *key == 16 ? codec::ContentKind::kJson : codec::ContentKind::kText;
      }
    }
  };
  if (read().ok()) {
    row.sealed_members = 0;
  } else {
    findings_.add({"field-undecryptable", TableId::kLogs, row.seq, 1, row_text(TableId::kLogs, row.seq)});
  }
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
  KHIPU_TRY_ASSIGN(const snapshot::CheckedRecord record, this->record(TableId::kLogs, seq));
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
    const std::string name = column == nullptr ? "column:" + std::to_string(value.column) : column->name;
    const protect::FieldPlace place{snapshot_.genesis().root_id,
                                    {protect::kColumnType, name},
                                    {},
                                    column == nullptr ? codec::ValueKind::kText : column->kind,
                                    decoded.uid};
    row.custom.push_back({name, shown(value.value, place, TableId::kLogs, seq)});
  }
  if (decoded.sealed.members != 0) show_content(decoded, row);
  KHIPU_TRY(failed());
  return std::optional<EventRow>(std::move(row));
}

}  // namespace khipu::query
