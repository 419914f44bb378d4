// Entities found by an attribute: Entities::match and what it is made of.
#include <algorithm>
#include <map>

#include "engine/base/fold.h"
#include "engine/index/attributes.h"
#include "engine/query/canonical_json.h"
#include "engine/query/entities.h"
#include "engine/query/fields.h"
#include "engine/query/masking.h"
#include "engine/query/near.h"
#include "engine/query/plan.h"
#include "engine/query/version_search.h"
#include "engine/segment/format.h"

namespace khipu::query {
namespace {

// Whether the matcher may be asked of the schema's field.
Answer<void> check_matcher(const registry::Schema& schema, const ScopeView* scope, const EntityMatcher& matcher,
                           const std::string& argument) {
  if (!knows_type(schema, scope, matcher.type)) {
    return unknown_type(type_names(schema, scope), matcher.type, argument + ".type");
  }
  if (matcher.field == "id") return {};
  const codec::FieldSchema* field = schema.field(matcher.type, matcher.field);
  if (field == nullptr) {
    QueryError error("UNKNOWN_FIELD", argument + ".field", matcher.field, "The entity type has no field of that name.");
    error.allowed.push_back("id");
    for (const codec::FieldSchema& known : schema.type(matcher.type)->fields) error.allowed.push_back(known.name);
    error.did_you_mean = nearest(matcher.field, error.allowed);
    return error;
  }
  QueryError unsupported("UNSUPPORTED_MATCH", argument + ".match", name(matcher.match), "");
  if (!field->rule.none()) return {};  // FieldReader judges
  if (field->kind == codec::ValueKind::kNumber && matcher.match != Match::kExact) {
    unsupported.hint = "That field is a number: exact only.";
    unsupported.allowed = {"exact"};
    return unsupported;
  }
  if (field->kind == codec::ValueKind::kNumber && !number_from_text(matcher.value)) {
    return QueryError("UNKNOWN_VALUE", argument + ".value", matcher.value,
                      "That field is a number: give it in decimal.");
  }
  return {};
}

bool is_whole(Match match) { return match == Match::kExact || match == Match::kExactCi; }

// Rows that have one of these digests or tokens; `any` ascending.
template <typename Key>
Result<void> add_any(PartScores& part, const Buffer& prefix, const std::vector<Key>& any, index::RowSet& into) {
  if (any.size() <= kLookUpsMax) {
    for (const Key& key : any) {
      Buffer term = prefix;
      append(term, key);
      KHIPU_TRY_ASSIGN(const std::optional<index::List> list, part.index().find(Bytes(term)));
      if (list) KHIPU_TRY(part.index().add(*list, into));
    }
    return {};
  }
  Result<void> added;
  KHIPU_TRY(part.index().each(prefix, [&](Bytes term, const index::List& list) {
    Key key;
    if (term.size() != prefix.size() + key.size()) return true;
    std::copy_n(term.begin() + static_cast<ptrdiff_t>(prefix.size()), key.size(), key.begin());
    if (std::binary_search(any.begin(), any.end(), key)) added = part.index().add(list, into);
    return added.ok();
  }));
  return added;
}

// What FieldProbe::found_in says of a value, of all rows of an index.
Result<void> narrow_protected(PartScores& part, const EntityMatcher& matcher, const FieldProbe& probe) {
  const uint32_t rows = part.index().rows();
  index::RowSet found(rows);
  Buffer prefix;
  if (!probe.digests.empty()) {
    auto digests = probe.digests;
    std::sort(digests.begin(), digests.end());
    index::attribute_prefix(prefix, matcher.type, matcher.field, index::AttributeKind::kDigest);
    KHIPU_TRY(add_any(part, prefix, digests, found));
    return part.say(found, 0);
  }
  if (probe.all_of.empty()) return {};
  index::attribute_prefix(prefix, matcher.type, matcher.field, index::AttributeKind::kToken);
  prefix.push_back(static_cast<uint8_t>(probe.index));
  found.add_range(0, rows);
  for (const std::vector<protect::Token>& any : probe.all_of) {
    index::RowSet one(rows);
    KHIPU_TRY(add_any(part, prefix, any, one));
    found &= one;
  }
  return part.say(found, 0);
}

}  // namespace

Result<void> Entities::search(const snapshot::Snapshot& snapshot, uint64_t size,
                              const VersionQuestion& question) const {
  if (scope_ == nullptr) {
    const auto tell_row = [&](const snapshot::ScannedRow& row) { tell_damage(row); };
    const auto tell_index = [&](const snapshot::SegmentInfo& segment, const Error& error) {
      tell_index_damage(
          segment, segment.rows,
          "the index of segment " + std::to_string(segment.number.value) + " of registry: " + error.message);
    };
    return VersionSearch(snapshot, size, tell_row, tell_index, merged_failed()).run(question);
  }
  return each_version(snapshot, size, [&](Row row, const codec::VersionRecord& version, const Known& entity) {
    const Score score = question.score(version);
    if (score == kNoScore && (!question.follows || !question.follows(entity.entity))) return;
    question.meet(row, entity.entity, score, version.deleted);
  });
}

Result<std::vector<Entities::Met>> Entities::met(const snapshot::Snapshot& snapshot, uint64_t size, bool current_only,
                                                 VersionQuestion question) const {
  std::vector<Met> met;
  if (!current_only) {
    question.meet = [&](Row row, Row entity, Score, bool) { met.push_back({entity, row}); };
    KHIPU_TRY(search(snapshot, size, question));
    return met;
  }
  std::map<Row, Row> current;  // entity, to its newest version so far
  question.follows = [&](Row entity) { return current.contains(entity); };
  question.meet = [&](Row row, Row entity, Score score, bool deleted) {
    if (score == kNoScore || deleted) {
      current.erase(entity);
    } else {
      current[entity] = row;
    }
  };
  KHIPU_TRY(search(snapshot, size, question));
  for (const auto& [entity, row] : current) met.push_back({entity, row});
  return met;
}

Answer<std::vector<Row>> Entities::match(const snapshot::Snapshot& snapshot, uint64_t size,
                                         const EntityMatcher& matcher, std::string_view argument,
                                         bool& candidates) const {
  KHIPU_TRY(check_matcher(snapshot.schema(), scope_, matcher, std::string(argument)));
  const codec::FieldSchema* schema = snapshot.schema().field(matcher.type, matcher.field);
  if (matcher.field != "id" && schema != nullptr && !schema->rule.none()) {
    return match_protected(snapshot, size, matcher, *schema, std::string(argument), candidates);
  }
  const std::string folded = fold(matcher.value);
  const std::optional<codec::Value> number = number_from_text(matcher.value);
  const auto fits = [&](const codec::VersionRecord& version) {
    if (matcher.field == "id") return meets("id", version.id, matcher.value, folded, matcher.match);
    std::vector<std::string> hidden;
    if (masking_ != nullptr) append_hidden_values(*masking_, version, hidden);
    for (const codec::NamedValue& field : version.fields) {
      if (field.name != matcher.field) continue;
      if (field.value.schema_kind() == codec::ValueKind::kNumber) {
        return number && equal_values(field.value, *number) &&
               (masking_ == nullptr || !masking_->hides_field(field.name));
      }
      if (field.value.kind == codec::Value::Kind::kJson) return meets_json(matcher, field.value.text, folded, hidden);
      return meets(field.name, field.value.text, matcher.value, folded, matcher.match, hidden);
    }
    return false;
  };
  VersionQuestion question;
  if (matcher.field == "id" && matcher.match == Match::kExact) {
    question.name = index::name_term(matcher.type, matcher.value);
  }
  question.score = [&](const codec::VersionRecord& version) -> Score {
    return version.type == matcher.type && fits(version) ? 0 : kNoScore;
  };
  question.narrow = [&](PartScores& part) { return narrow(part, matcher, folded, number); };
  KHIPU_TRY_ASSIGN(const std::vector<Met> met, this->met(snapshot, size, matcher.current_only, std::move(question)));
  std::vector<Row> found;
  for (const Met& one : met) found.push_back(one.entity);
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

// Documents that say the same are equal, however they are written.
bool Entities::meets_json(const EntityMatcher& matcher, std::string_view text, std::string_view folded,
                          const std::vector<std::string>& hidden_values) const {
  if (!is_whole(matcher.match)) return meets(matcher.field, text, matcher.value, folded, matcher.match, hidden_values);
  const std::string canonical = canonical_json(matcher.value);
  return meets(matcher.field, canonical_json(text), canonical, fold(canonical), matcher.match, hidden_values);
}

// What fits() in match() says of a version, of all rows of an index.
Result<void> Entities::narrow(PartScores& part, const EntityMatcher& matcher, std::string_view folded,
                              const std::optional<codec::Value>& number) const {
  const bool whole = is_whole(matcher.match);
  // What other values of a version hide of it is in its record alone.
  const auto say = [&](const index::List& list) { return masking_ == nullptr ? part.say(list, 0) : part.ask(list); };
  const auto take = [&](std::string_view text, const index::List& list) -> Result<void> {
    return meets(matcher.field, text, matcher.value, folded, matcher.match) ? say(list) : Result<void>();
  };
  if (matcher.field == "id" && matcher.match == Match::kExact) {
    KHIPU_TRY_ASSIGN(const auto list, part.index().find(index::name_term(matcher.type, matcher.value)));
    return list ? part.say(*list, 0) : Result<void>();
  }
  if (matcher.field == "id") {  // ids stand there as they are, whatever case was asked for
    return part.names(matcher.type,
                      [&](std::string_view, std::string_view id, const index::List& list) { return take(id, list); });
  }
  if (number && (masking_ == nullptr || !masking_->hides_field(matcher.field))) {
    const index::NumberKey key = index::number_key(*number);
    Buffer term;
    index::attribute_prefix(term, matcher.type, matcher.field, index::AttributeKind::kNumber);
    append(term, key.bytes);
    KHIPU_TRY_ASSIGN(const auto list, part.index().find(Bytes(term)));
    if (list) KHIPU_TRY(key.exact ? part.say(*list, 0) : part.ask(*list));
  }
  const std::string_view begin = matcher.match == Match::kContains ? std::string_view() : folded;
  KHIPU_TRY(part.texts(index::AttributeKind::kText, matcher.type, matcher.field, begin, whole, take));
  const auto take_json = [&](std::string_view text, const index::List& list) -> Result<void> {
    return meets_json(matcher, text, folded, {}) ? say(list) : Result<void>();
  };
  // Equal documents begin as they like.
  const std::string_view json_begin = whole ? std::string_view() : begin;
  return part.texts(index::AttributeKind::kJson, matcher.type, matcher.field, json_begin, false, take_json);
}

// By tokens and digests, then by plaintext where a key opens it.
Answer<std::vector<Row>> Entities::match_protected(const snapshot::Snapshot& snapshot, uint64_t size,
                                                   const EntityMatcher& matcher, const codec::FieldSchema& field,
                                                   const std::string& argument, bool& candidates) const {
  static const FieldReader kNobody(std::nullopt, nullptr);
  const FieldReader& reader = fields_ != nullptr ? *fields_ : kNobody;
  const protect::FieldName name{snapshot.schema().type(matcher.type)->name, field.name};
  KHIPU_TRY_ASSIGN(const FieldProbe probe, reader.probe(snapshot, name, field.kind, field.rule, matcher.match,
                                                        matcher.value, argument + ".match"));
  VersionQuestion question;
  question.score = [&](const codec::VersionRecord& version) -> Score {
    if (version.type != matcher.type) return kNoScore;
    for (const codec::NamedValue& have : version.fields) {
      if (have.name != matcher.field || !have.value.is_protected()) continue;
      const auto value = codec::decode_protected(as_bytes(have.value.text));
      if (value.ok() && probe.found_in(*value)) return 0;
    }
    return kNoScore;
  };
  question.narrow = [&](PartScores& part) { return narrow_protected(part, matcher, probe); };
  KHIPU_TRY_ASSIGN(const std::vector<Met> hits, met(snapshot, size, matcher.current_only, std::move(question)));
  std::vector<Row> found;
  for (const Met& hit : hits) {
    std::optional<bool> is_it = probe.decides ? std::optional(true) : std::nullopt;
    const auto record = probe.decides ? Result<snapshot::CheckedRecord>(Error{Code::kNotFound, ""})
                                      : snapshot.record(TableId::kRegistry, hit.row);
    codec::VersionRecord version;
    if (record.ok() && record->intact && codec::decode_version(record->payload, version).ok()) {
      for (const codec::NamedValue& have : version.fields) {
        if (have.name != matcher.field || !have.value.is_protected()) continue;
        const auto value = codec::decode_protected(as_bytes(have.value.text));
        if (!value.ok()) continue;
        const Result<Uid> uid = uid_of_value(snapshot, version, *value);
        if (!uid.ok()) continue;
        const protect::FieldPlace place{snapshot.genesis().root_id, name, version.id, field.kind, *uid};
        is_it = reader.confirm(snapshot, probe, place, value->value);
      }
    }
    if (is_it == false) continue;
    candidates |= !is_it;
    found.push_back(hit.entity);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

}  // namespace khipu::query
