// Entities by names that are protected: what of them was looked for, and what the answer must say was not.
#include <algorithm>

#include "engine/query/entities.h"
#include "engine/query/fields.h"
#include "engine/query/masking.h"

namespace khipu::query {
namespace {

// nullptr also for a type that whoever asks may not know of.
const codec::FieldSchema* protected_name(const snapshot::Snapshot& snapshot, const ScopeView* scope,
                                         const codec::TypeSchema& type) {
  const codec::FieldSchema* name = snapshot.schema().field(type.name, "name");
  return name == nullptr || name->rule.none() || !knows_type(snapshot.schema(), scope, type.name) ? nullptr : name;
}

std::string joined(const std::vector<std::string>& words) {
  std::string list;
  for (const std::string& word : words) list += (list.empty() ? "" : ", ") + word;
  return list;
}

void append_sentence(std::string& text, const std::string& sentence) {
  if (!text.empty() && !sentence.empty()) text += " ";
  text += sentence;
}

}  // namespace

Note candidates_note(const std::string& argument) {
  return {"CANDIDATES",
          "Matched by blind index alone: no key held here could confirm " + argument +
              ", so some of these may only look alike.",
          ""};
}

bool Entities::searches_name(const codec::FieldSchema& name) const {
  return fields_ != nullptr && name.kind == codec::ValueKind::kText && fields_->can_search(name.rule) &&
         (masking_ == nullptr || !masking_->hides_field("name"));
}

std::vector<std::string> Entities::unsearched_names(const snapshot::Snapshot& snapshot) const {
  std::vector<std::string> types;
  for (const codec::TypeSchema& type : snapshot.schema().types()) {
    const codec::FieldSchema* name = protected_name(snapshot, scope_, type);
    if (name != nullptr && !searches_name(*name)) types.push_back(type.name);
  }
  return types;
}

std::string Entities::unsearched_hint(const snapshot::Snapshot& snapshot) const {
  std::string hint;
  if (const std::string list = joined(unsearched_names(snapshot)); !list.empty()) {
    hint = "Names of " + list +
           " are protected and were not searched, so one of them may bear it: give the id, or ask with a search key.";
  }
  std::vector<std::string> digests;
  for (const codec::TypeSchema& type : snapshot.schema().types()) {
    const codec::FieldSchema* name = protected_name(snapshot, scope_, type);
    if (name != nullptr && searches_name(*name) && name->rule.indexes.empty()) digests.push_back(type.name);
  }
  if (!digests.empty()) {
    append_sentence(hint, "Names of " + joined(digests) +
                              " are kept as digests, which are compared letter by letter: with other capitals it is "
                              "not found.");
  }
  append_sentence(hint, missing_name_keys(snapshot));
  return hint;
}

std::string Entities::missing_name_keys(const snapshot::Snapshot& snapshot) const {
  std::string text;
  for (const codec::TypeSchema& type : snapshot.schema().types()) {
    const codec::FieldSchema* name = protected_name(snapshot, scope_, type);
    if (name == nullptr || !searches_name(*name)) continue;
    const std::string missing = fields_->missing_versions(snapshot, name->rule);
    if (text.find(missing) == std::string::npos) append_sentence(text, missing);
  }
  return text;
}

std::string Entities::found_whole_hint(const snapshot::Snapshot& snapshot, std::string_view only_type) const {
  std::vector<std::string> not_at_all, whole, letters;
  for (const codec::TypeSchema& type : snapshot.schema().types()) {
    const codec::FieldSchema* name = protected_name(snapshot, scope_, type);
    if (name == nullptr || (!only_type.empty() && type.name != only_type)) continue;
    (!searches_name(*name) ? not_at_all : name->rule.indexes.empty() ? letters : whole).push_back(type.name);
  }
  std::string hint;
  if (!not_at_all.empty()) {
    hint = "Names of " + joined(not_at_all) +
           " are protected and were not searched: give the id, or ask with a search key.";
  }
  if (!whole.empty()) {
    append_sentence(hint, "Names of " + joined(whole) + " are protected: a whole name is found, a part of it is not.");
  }
  if (!letters.empty()) {
    append_sentence(hint, "Names of " + joined(letters) +
                              " are protected: a whole name is found, letter by letter, a part of it is not.");
  }
  append_sentence(hint, missing_name_keys(snapshot));
  return hint;
}

Answer<void> Entities::by_sealed_name(const snapshot::Snapshot& snapshot, uint64_t size, std::string_view text,
                                      const std::function<void(Row entity, bool current, bool candidate)>& visit,
                                      std::string_view only_type) const {
  for (const codec::TypeSchema& type : snapshot.schema().types()) {
    const codec::FieldSchema* name = protected_name(snapshot, scope_, type);
    if (name == nullptr || !searches_name(*name) || (!only_type.empty() && type.name != only_type)) continue;
    const Match how = name->rule.indexes.empty() ? Match::kExact : Match::kExactCi;  // a digest knows letters only
    EntityMatcher matcher{type.name, "name", std::string(text), how, false};
    bool unsure = false;
    KHIPU_TRY_ASSIGN(const std::vector<Row> any, match_protected(snapshot, size, matcher, *name, "", unsure));
    if (any.empty()) continue;
    matcher.current_only = true;
    KHIPU_TRY_ASSIGN(const std::vector<Row> now, match_protected(snapshot, size, matcher, *name, "", unsure));
    for (const Row entity : any) visit(entity, std::binary_search(now.begin(), now.end(), entity), unsure);
  }
  return {};
}

}  // namespace khipu::query
