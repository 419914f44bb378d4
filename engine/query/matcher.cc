#include "engine/query/matcher.h"

#include <algorithm>

#include "engine/base/fold.h"
#include "engine/query/near.h"

namespace khipu::query {
namespace {

constexpr uint32_t bit(uint8_t value) { return 1U << value; }

bool holds(const std::vector<Row>& entity, Row row) {
  return entity.size() == 1 ? entity[0] == row : std::binary_search(entity.begin(), entity.end(), row);
}
bool any_target(const std::vector<Row>& entity, const codec::EventRecord& event) {
  return std::any_of(event.targets.begin(), event.targets.end(),
                     [&](const codec::Pin& pin) { return holds(entity, pin.entity); });
}
bool listed(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Under `not`: what nobody could confirm is not left out, lest what is shown were too little.
Note kept_note(const std::string& argument) {
  return {"CANDIDATES",
          "Only what a plaintext confirms is left out by " + argument +
              ": events that match its blind index and that no key here opens are still among these.",
          ""};
}

void note_once(std::vector<Note>& notes, Note note) {
  const bool told = std::any_of(notes.begin(), notes.end(),
                                [&](const Note& other) { return other.code == note.code && other.text == note.text; });
  if (!told) notes.push_back(std::move(note));
}

QueryError unknown_word(std::string_view argument, std::string_view word, std::vector<std::string> allowed) {
  QueryError error("UNKNOWN_VALUE", std::string(argument), word, "Not a word this argument knows.");
  error.did_you_mean = nearest(word, allowed);
  error.allowed = std::move(allowed);
  return error;
}

}  // namespace

struct Matcher::Compiler {
  const snapshot::Snapshot& snapshot;
  const Entities& entities;
  uint64_t size;
  std::vector<Note>& notes;
  std::string prefix;  // "" or "not."

  // Replaces `text` by the entity's ref. An entity nobody knows is an empty set.
  Answer<Entity> entity(std::string& text, const std::string& argument) {
    KHIPU_TRY_ASSIGN(const std::optional<ResolvedEntity> found, entities.resolve(snapshot, size, text, argument));
    if (!found) {
      const std::string hint = entities.unsearched_hint(snapshot);
      notes.push_back({"UNKNOWN_ENTITY",
                       hint.empty() ? "No entity has this id or name, now or in the past: " + argument + "."
                                    : "No entity has this id, or this name in the clear: " + argument + ".",
                       text});
      if (!hint.empty()) notes.push_back({"PROTECTED_NAMES", hint, ""});
      return Entity();
    }
    if (found->candidate && !prefix.empty()) {
      note_once(notes, kept_note(argument));
      return Entity();
    }
    if (found->candidate) notes.push_back(candidates_note(argument));
    if (found->ref != text) missing_keys(entities.missing_name_keys(snapshot));
    if (found->by_old_name) {
      notes.push_back({"NAME_MATCHED_OLD_VERSION",
                       "The name given in " + argument + " is one the entity no longer bears.", found->ref});
    }
    text = found->ref;
    return Entity{found->entity};
  }

  Answer<Entity> match(const EntityMatcher& matcher, const std::string& argument) {
    bool candidates = false;
    KHIPU_TRY_ASSIGN(Entity found, entities.match(snapshot, size, matcher, argument, candidates));
    const codec::FieldSchema* field = snapshot.schema().field(matcher.type, matcher.field);
    const bool secret = field != nullptr && !field->rule.none();
    if (found.empty()) {
      notes.push_back({"UNKNOWN_ENTITY", "No entity meets " + argument + ".", secret ? "" : matcher.value});
    }
    if (candidates) notes.push_back(candidates_note(argument));
    if (secret && entities.fields() != nullptr) {
      missing_keys(entities.fields()->missing_versions(snapshot, field->rule));
    }
    return found;
  }

  void missing_keys(const std::string& text) const {
    if (!text.empty()) note_once(notes, {"MISSING_KEYS", text, ""});
  }

  Answer<Compiled> compile(Conditions& c) {
    Compiled out;
    if (!c.actors.empty()) {
      Entity any;
      for (std::string& actor : c.actors) {
        KHIPU_TRY_ASSIGN(const Entity found, entity(actor, prefix + "actor"));
        any.insert(any.end(), found.begin(), found.end());
      }
      std::sort(any.begin(), any.end());
      out.actors.push_back(std::move(any));
    }
    if (c.actor_match) {
      KHIPU_TRY_ASSIGN(Entity found, match(*c.actor_match, prefix + "actor_match"));
      out.actors.push_back(std::move(found));
    }
    for (std::string& target : c.targets) {
      KHIPU_TRY_ASSIGN(Entity found, entity(target, prefix + "target"));
      out.targets.push_back(std::move(found));
    }
    for (size_t i = 0; i < c.target_matches.size(); ++i) {
      KHIPU_TRY_ASSIGN(Entity found, match(c.target_matches[i], prefix + "target_match[" + std::to_string(i) + "]"));
      out.targets.push_back(std::move(found));
    }
    KHIPU_TRY_ASSIGN(out.action_classes, classes(c));
    KHIPU_TRY_ASSIGN(out.outcomes, outcomes(c));
    for (NamedOwnedValue& value : c.custom) {
      KHIPU_TRY_ASSIGN(Column column, custom(value));
      out.custom.push_back(std::move(column));
    }
    out.actions = c.actions;
    out.sources = c.sources;
    out.url_prefix = c.url_prefix;
    out.text = fold(c.text);
    return out;
  }

  Answer<uint32_t> classes(const Conditions& c) const {
    uint32_t bits = 0;
    for (const std::string& word : c.action_classes) {
      const auto value = codec::action_class(word);
      if (!value) {
        return unknown_word(
            prefix + "action_class", word,
            {"auth", "read", "create", "update", "delete", "privilege", "config", "log_control", "other"});
      }
      bits |= bit(static_cast<uint8_t>(*value));
    }
    return bits;
  }

  Answer<uint32_t> outcomes(const Conditions& c) const {
    uint32_t bits = 0;
    for (const std::string& word : c.outcomes) {
      if (word == "not_success") {
        for (const auto other : {codec::Outcome::kFailure, codec::Outcome::kDenied, codec::Outcome::kUnknown}) {
          bits |= bit(static_cast<uint8_t>(other));
        }
        continue;
      }
      const auto value = codec::outcome(word);
      if (!value)
        return unknown_word(prefix + "outcome", word, {"success", "failure", "denied", "unknown", "not_success"});
      bits |= bit(static_cast<uint8_t>(*value));
    }
    return bits;
  }

  // Equal to the value, as far as the column's indexes and the keys held can tell.
  Answer<Column> protected_column(const codec::ColumnSchema& schema, const NamedOwnedValue& value,
                                  const std::string& argument) const {
    static const FieldReader kNobody(std::nullopt, nullptr);
    const FieldReader* reader = entities.fields() != nullptr ? entities.fields() : &kNobody;
    KHIPU_TRY_ASSIGN(FieldProbe probe, reader->probe(snapshot, {protect::kColumnType, schema.name}, schema.kind,
                                                     schema.rule, Match::kExact, value.value.as_text(), argument));
    if (!probe.decides && !reader->can_open()) {
      notes.push_back(prefix.empty() ? candidates_note(argument) : kept_note(argument));
    }
    Column column{schema.id, {}, schema.indexed};
    column.argument = argument;
    column.rule = &schema.rule;
    column.unconfirmed = std::make_shared<std::atomic<bool>>(false);
    column.probe = std::make_shared<const FieldProbe>(std::move(probe));
    column.reader = reader;
    column.snapshot = &snapshot;
    return column;
  }

  Answer<Column> custom(NamedOwnedValue& value) const {
    const std::string argument = prefix + "custom." + value.name.substr(0, 64);
    const codec::ColumnSchema* column = snapshot.schema().column(value.name);
    if (column == nullptr) {
      QueryError error("UNKNOWN_FIELD", prefix + "custom", value.name, "The log has no custom column of that name.");
      for (const codec::ColumnSchema& known : snapshot.schema().columns()) error.allowed.push_back(known.name);
      error.did_you_mean = nearest(value.name, error.allowed);
      return error;
    }
    if (!column->rule.none()) return protected_column(*column, value, argument);
    if (column->kind == value.value.view().schema_kind()) return Column{column->id, value.value, column->indexed};
    // Hosts and shells give everything as text.
    if (column->kind == codec::ValueKind::kNumber && value.value.kind == codec::Value::Kind::kText) {
      if (const auto number = number_from_text(value.value.text)) {
        value.value = OwnedValue(*number);
        return Column{column->id, value.value, column->indexed};
      }
    }
    if (column->kind != codec::ValueKind::kNumber) {
      value.value = OwnedValue(column->kind == codec::ValueKind::kText ? codec::Value::of_text(value.value.as_text())
                                                                       : codec::Value::of_json(value.value.as_text()));
      return Column{column->id, value.value, column->indexed};
    }
    return QueryError("UNKNOWN_VALUE", argument, value.value.as_text(), "That column is a number: give it in decimal.");
  }
};

std::optional<bool> Matcher::equal_column(const codec::EventRecord& event, const Column& column) const {
  if (column.hidden) return false;
  for (const codec::ColumnValue& have : event.custom) {
    if (have.column != column.id) continue;
    if (!column.probe) {
      return equal_values(have.value, column.value.view()) && (!column.may_hide || shows(event, have.value.text));
    }
    if (!have.value.is_protected()) return false;
    const auto value = codec::decode_protected(as_bytes(have.value.text));
    if (!value.ok() || !column.probe->found_in(*value)) return false;
    const protect::FieldPlace place{
        column.snapshot->genesis().root_id, column.probe->name, {}, column.probe->kind, event.uid};
    const std::optional<bool> is_it = column.reader->confirm(*column.snapshot, *column.probe, place, value->value);
    if (!is_it) column.unconfirmed->store(true);
    return is_it;
  }
  return false;
}

void Matcher::tell_met(std::vector<Note>& notes) const {
  for (const Compiled* c : {&where_, &where_not_}) {
    for (const Column& column : c->custom) {
      if (!column.probe) continue;
      if (column.unconfirmed->load()) {
        note_once(notes, c == &where_ ? candidates_note(column.argument) : kept_note(column.argument));
      }
      const std::string missing = column.reader->missing_versions(*column.snapshot, *column.rule);
      if (!missing.empty()) note_once(notes, {"MISSING_KEYS", missing, ""});
    }
  }
}

bool Matcher::needs_entities(const Filter& filter) {
  const auto named = [](const Conditions& c) {
    return !c.actors.empty() || c.actor_match || !c.targets.empty() || !c.target_matches.empty();
  };
  return named(filter.where) || named(filter.where_not);
}

std::vector<std::string_view> Matcher::names(const Filter& filter) {
  std::vector<std::string_view> names;
  for (const Conditions* c : {&filter.where, &filter.where_not}) {
    names.insert(names.end(), c->actors.begin(), c->actors.end());
    names.insert(names.end(), c->targets.begin(), c->targets.end());
  }
  return names;
}

Answer<Matcher> Matcher::compile(const Filter& filter, const snapshot::Snapshot& snapshot, const Entities& entities,
                                 uint64_t registry_size, Filter& applied, std::vector<Note>& notes) {
  applied = filter;
  Matcher matcher;
  matcher.scope_ = entities.scope();
  if (entities.scope() != nullptr) KHIPU_TRY(entities.scope()->extend(snapshot));
  matcher.from_ = filter.from;
  matcher.to_ = filter.to;
  matcher.on_occurred_ = filter.axis == Axis::kOccurred;
  if (filter.outside_hours) {
    KHIPU_TRY_ASSIGN(matcher.hours_, HoursTest::compile(*filter.outside_hours));
  }
  matcher.mask(entities.masking(), snapshot);
  KHIPU_TRY_ASSIGN(matcher.where_, (Compiler{snapshot, entities, registry_size, notes, ""}.compile(applied.where)));
  KHIPU_TRY_ASSIGN(matcher.where_not_,
                   (Compiler{snapshot, entities, registry_size, notes, "not."}.compile(applied.where_not)));
  if ((!applied.where.text.empty() || !applied.where_not.text.empty()) && snapshot.schema().protects()) {
    notes.push_back({"SEALED_CONTENT", "Content that is sealed is not searched for text.", ""});
  }
  bool hides = false;
  for (Compiled* c : {&matcher.where_, &matcher.where_not_}) hides |= matcher.hide_columns(*c);
  const Conditions &where = applied.where, &where_not = applied.where_not;
  if (matcher.masking_ != nullptr && (hides || !where.text.empty() || !where_not.text.empty() ||
                                      !where.url_prefix.empty() || !where_not.url_prefix.empty())) {
    notes.push_back(
        {"MASKED", "What is masked as a secret is not searched for a caller without the grant reveal.", ""});
  }
  const auto nobody = [](const Entity& entity) { return entity.empty(); };
  const auto hidden = [](const Column& column) { return column.hidden; };
  matcher.never_ = std::any_of(matcher.where_.custom.begin(), matcher.where_.custom.end(), hidden) ||
                   std::any_of(matcher.where_.actors.begin(), matcher.where_.actors.end(), nobody) ||
                   std::any_of(matcher.where_.targets.begin(), matcher.where_.targets.end(), nobody);
  return matcher;
}

// The manifest, which nobody signs, may only say that a segment must be looked at.
bool Matcher::may_hold(const snapshot::Snapshot& snapshot, const snapshot::SegmentInfo& segment) const {
  if (!segment.sealed || segment.rows == 0) return true;
  if (on_occurred_ ? overlaps(segment.time_min, segment.time_max)
                   : overlaps(segment.recorded_first, segment.recorded_last)) {
    return true;
  }
  const snapshot::Snapshot::Times times = on_occurred_ ? snapshot.occurred(segment) : snapshot.recorded(segment);
  return !times || overlaps(times->first, times->second);
}

bool Matcher::meets(const codec::EventRecord& event) const {
  const Compiled& c = where_;
  if (!on_occurred_ && ((from_ && event.recorded_at < *from_) || (to_ && event.recorded_at >= *to_))) return false;
  if (c.outcomes != 0 && (c.outcomes & bit(static_cast<uint8_t>(event.outcome))) == 0) return false;
  if (c.action_classes != 0 && (c.action_classes & bit(static_cast<uint8_t>(event.action_class))) == 0) return false;
  for (const Entity& actor : c.actors) {
    if (!holds(actor, event.actor.entity)) return false;
  }
  if (!c.actions.empty() && !listed(c.actions, event.action)) return false;
  if (!c.sources.empty() && !listed(c.sources, event.source)) return false;
  if (!c.url_prefix.empty() && !has_url(event, c.url_prefix)) return false;
  for (const Entity& target : c.targets) {
    if (!any_target(target, event)) return false;
  }
  for (const Column& column : c.custom) {
    if (equal_column(event, column) == false) return false;
  }
  if (hours_ && !hours_->outside(on_occurred_ ? event.occurred_at : event.recorded_at)) return false;
  return c.text.empty() || has_text(event, c.text);
}

bool Matcher::excluded(const codec::EventRecord& event) const {
  const Compiled& c = where_not_;
  if ((c.outcomes & bit(static_cast<uint8_t>(event.outcome))) != 0) return true;
  if ((c.action_classes & bit(static_cast<uint8_t>(event.action_class))) != 0) return true;
  for (const Entity& actor : c.actors) {
    if (holds(actor, event.actor.entity)) return true;
  }
  if (listed(c.actions, event.action) || listed(c.sources, event.source)) return true;
  if (!c.url_prefix.empty() && has_url(event, c.url_prefix)) return true;
  for (const Entity& target : c.targets) {
    if (any_target(target, event)) return true;
  }
  for (const Column& column : c.custom) {
    if (equal_column(event, column) == true) return true;
  }
  return !c.text.empty() && has_text(event, c.text);
}

bool Matcher::may_sift() const {
  const auto secret = [](const Column& column) { return column.probe != nullptr; };
  if (scope_ != nullptr || (where_.text.empty() && where_not_.text.empty())) return false;
  return std::none_of(where_.custom.begin(), where_.custom.end(), secret) &&
         std::none_of(where_not_.custom.begin(), where_not_.custom.end(), secret);
}

bool Matcher::matches(const codec::EventRecord& event) const {
  return (scope_ == nullptr || scope_->holds(event)) && meets(event) && !excluded(event);
}

}  // namespace khipu::query
