// Engine::history: versions of one entity, what changed in each, and who changed it.
#include <algorithm>

#include "engine/query/engine.h"
#include "engine/query/record_reader.h"

namespace khipu::query {
namespace {

const OwnedValue* find(const std::vector<NamedOwnedValue>& fields, std::string_view name) {
  for (const NamedOwnedValue& field : fields) {
    if (field.name == name) return &field.value;
  }
  return nullptr;
}

bool asked(const std::vector<std::string>& fields, const std::string& name) {
  return fields.empty() || std::find(fields.begin(), fields.end(), name) != fields.end();
}

// Fields of `before` and `after` that differ, in the order of the newer state, then what was taken away.
std::vector<FieldChange> differences(const std::vector<NamedOwnedValue>& before,
                                     const std::vector<NamedOwnedValue>& after,
                                     const std::vector<std::string>& fields) {
  std::vector<FieldChange> changes;
  for (const NamedOwnedValue& field : after) {
    const OwnedValue* old = find(before, field.name);
    if (!asked(fields, field.name) || (old != nullptr && same_value(*old, field.value))) continue;
    changes.push_back({field.name, old == nullptr ? std::nullopt : std::optional(*old), field.value});
  }
  for (const NamedOwnedValue& field : before) {
    if (!asked(fields, field.name) || find(after, field.name) != nullptr) continue;
    changes.push_back({field.name, field.value, std::nullopt});
  }
  return changes;
}

VersionView view_of(const CheckedVersion& version, const CheckedVersion* before,
                    const std::vector<std::string>& fields) {
  VersionView view;
  view.version = version.view.version;
  view.row = version.view.version_row;
  view.time = version.time;
  view.recorded_at = version.recorded_at;
  view.seq = version.seq;
  view.deleted = version.view.deleted;
  view.revived = before != nullptr && before->view.deleted && !version.view.deleted;
  view.changes = differences(before == nullptr ? std::vector<NamedOwnedValue>() : before->view.fields,
                             version.view.fields, fields);
  view.fields = version.view.fields;
  return view;
}

// Everything that decides which versions are listed, as a cursor carries it.
DecodedFilter as_question(const HistoryRequest& request, const std::string& ref) {
  DecodedFilter question;
  question.filter.from = request.from;
  question.filter.to = request.to;
  question.filter.axis = request.axis;
  question.filter.where.targets = {ref};
  question.filter.where.actions = request.fields;
  return question;
}

void take_question(const DecodedFilter& question, HistoryRequest& request) {
  request.from = question.filter.from;
  request.to = question.filter.to;
  request.axis = question.filter.axis;
  request.entity = question.filter.where.targets.empty() ? "" : question.filter.where.targets.front();
  request.fields = question.filter.where.actions;
}

QueryError other_question() {
  return {"CURSOR_MISMATCH", "cursor", "", "This cursor belongs to another entity or window."};
}

}  // namespace

Result<void> Engine::hide_origin(const snapshot::Snapshot& snapshot, Row row, CheckedVersion& version) const {
  const bool held =
      version.seq && *version.seq >= first_held(snapshot) && version.seq->value < snapshot.size(TableId::kLogs);
  if (held) {
    KHIPU_TRY_ASSIGN(const bool seen, may_see(snapshot, *version.seq));
    if (seen) return {};
  }
  version.seq.reset();
  if (const auto shown = scope_->first_shown(row)) {
    version.time = shown->occurred_at;
    version.recorded_at = shown->recorded_at;
  }
  return {};
}

Answer<History> Engine::history(const HistoryRequest& asked) {
  HistoryRequest request = asked;
  if (request.entity.empty() && request.cursor.empty()) {
    return QueryError("INVALID_ARGUMENT", "entity", "", "Neither an entity nor a cursor was given.");
  }
  KHIPU_TRY_ASSIGN(const auto snapshot, store_.snapshot());
  HistoryCursor place;
  place.as_of = query::as_of(*snapshot);
  place.context = request.context;
  const Hash caller = cursors_.digest("khipu-cursor-caller", as_bytes(request.caller));
  if (!request.cursor.empty()) {
    KHIPU_TRY_ASSIGN(place, cursors_.open_history(request.cursor));
    if (place.root_id != snapshot->genesis().root_id || place.caller != caller ||
        place.as_of.registry_size > snapshot->size(TableId::kRegistry)) {
      return QueryError("CURSOR_MISMATCH", "cursor", "",
                        "This cursor is of another log, another caller, or one who may see more or less.");
    }
  }
  const bool goes_on = !request.cursor.empty(), is_put = !request.given.empty();
  const Hash put = cursors_.digest("khipu-cursor-given", as_bytes(request.given));
  if (goes_on && is_put && place.given != put) return other_question();
  if (goes_on && (is_put || request.entity.empty())) take_question(place.question, request);
  KHIPU_TRY(entities_.learn(*snapshot, {request.entity}));
  const uint64_t size = place.as_of.registry_size;
  Answer<std::optional<ResolvedEntity>> resolved = entities_.resolve(*snapshot, size, request.entity, "entity");
  if (!resolved.ok() || !*resolved) {
    const std::string hint = entities_.unsearched_hint(*snapshot);
    QueryError error = !resolved.ok()
                           ? std::move(resolved).error()
                           : QueryError("NOT_FOUND", "entity", request.entity,
                                        hint.empty() ? "No entity has this id or name, now or in the past."
                                                     : "No entity has this id, or this name in the clear. " + hint);
    error.findings = entities_.findings(size);
    return error;
  }
  const std::optional<ResolvedEntity>& entity = *resolved;
  const DecodedFilter question = as_question(request, entity->ref);
  if (goes_on && place.question.filter != question.filter) return other_question();
  place.root_id = snapshot->genesis().root_id;
  place.caller = caller;
  place.question = question;
  if (!goes_on) place.given = put;

  History history;
  history.from = request.from;
  history.to = request.to;
  history.axis = request.axis;
  history.context = place.context;
  history.server_time = now_();
  history.as_of = place.as_of;
  history.ref = entity->ref;
  const size_t colon = history.ref.find(':');
  history.type = history.ref.substr(0, colon);
  history.id = history.ref.substr(colon + 1);
  if (entity->candidate) history.notes.push_back(candidates_note("entity"));
  if (entity->ref != request.entity) {
    if (const std::string missing = entities_.missing_name_keys(*snapshot); !missing.empty()) {
      history.notes.push_back({"MISSING_KEYS", missing, ""});
    }
  }
  if (entity->by_old_name) {
    history.notes.push_back(
        {"NAME_MATCHED_OLD_VERSION", "The name given is one the entity no longer bears.", history.ref});
  }
  if (!request.fields.empty()) {
    for (const std::string& field : request.fields) {
      if (snapshot->schema().field(history.type, field) != nullptr) continue;
      QueryError error("UNKNOWN_FIELD", "fields", field, "The entity's type has no field of that name.");
      if (const codec::TypeSchema* type = snapshot->schema().type(history.type)) {
        for (const codec::FieldSchema& known : type->fields) error.allowed.push_back(known.name);
      }
      return error;
    }
  }

  Findings findings;
  RecordReader reader(*snapshot, size, findings, request.opens ? fields_.get() : nullptr);
  const auto time_of = [&](const auto& version) {
    return request.axis == Axis::kOccurred ? version.time : version.recorded_at;
  };
  std::optional<CheckedVersion> before;
  std::optional<VersionView> at;
  bool disorder = false;
  KHIPU_TRY_ASSIGN(const VersionRows versions, entities_.versions_in(*snapshot, history.type, history.id, size));
  for (const Row row : versions) {
    if (request.stop.stop_requested()) return Error{Code::kCancelled, "history"};
    std::optional<CheckedVersion> version = reader.version(row);
    KHIPU_TRY(reader.failed());
    if (!version) {
      ++history.unshown;
      continue;
    }
    if (scope_ != nullptr) KHIPU_TRY(hide_origin(*snapshot, row, *version));
    if (request.meet) request.meet(version->view);
    history.name = version->view.name;
    history.name_field = version->view.name_field;
    history.deleted = version->view.deleted;
    disorder |= before && time_of(*version) < time_of(*before);
    VersionView view = view_of(*version, before ? &*before : nullptr, request.fields);
    const TimeUs time = time_of(view);
    if (request.at) {
      if (time <= *request.at && (!at || time >= time_of(*at))) at = std::move(view);
    } else if ((!request.from || time >= *request.from) && (!request.to || time < *request.to) &&
               (request.fields.empty() || !view.changes.empty())) {
      const bool on_page = history.total >= place.next && history.versions.size() < request.limit;
      if (on_page) history.versions.push_back(std::move(view));
      ++history.total;
    }
    before = std::move(version);
  }
  if (at) {
    history.total = 1;
    history.versions.push_back(std::move(*at));
  }
  if (request.at && !at) {
    history.notes.push_back(
        {"NONE_AT_THAT_TIME", "The log knows no version of the entity at that time or before.", ""});
  }
  if (disorder) {
    history.notes.push_back(
        {"NOT_TIME_ORDERED", "Versions are in the order they were recorded; their times are not.", ""});
  }
  bool purged = false;
  for (VersionView& version : history.versions) {
    if (!version.seq || version.seq->value >= place.as_of.tree_size) continue;
    if (*version.seq < first_held(*snapshot)) {
      purged = true;
      continue;
    }
    KHIPU_TRY_ASSIGN(const bool seen, may_see(*snapshot, *version.seq));
    if (!seen) {
      version.seq.reset();
      continue;
    }
    auto event = reader.event(*version.seq);
    if (event.ok() && *event) version.changed_by = (*event)->actor;
  }
  if (purged) {
    KHIPU_TRY_ASSIGN(const Coverage coverage, coverage_.coverage(*snapshot, Filter{}, place.as_of.tree_size));
    history.notes.push_back(purged_note(coverage));
  }
  const uint64_t next = place.next + history.versions.size();
  if (!request.at && !history.versions.empty() && next < history.total) {
    place.next = next;
    history.cursor = cursors_.seal(place);
  }
  const std::vector<Finding> met = findings.list();
  for (Finding& finding : entities_.findings(size)) {  // one of those rows may have been a version of this entity
    const bool told = std::any_of(met.begin(), met.end(), [&](const Finding& other) {
      return other.table == TableId::kRegistry && other.row == finding.row;
    });
    if (!told) findings.add(std::move(finding));
  }
  history.findings = findings.list();
  return history;
}

}  // namespace khipu::query
