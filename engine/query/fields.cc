#include "engine/query/fields.h"

#include <algorithm>

#include "engine/base/fold.h"
#include "engine/query/entities.h"

namespace khipu::query {
namespace {

protect::Compare compare_of(Match match) {
  switch (match) {
    case Match::kExact: return protect::Compare::kExact;
    case Match::kExactCi: return protect::Compare::kExactCi;
    case Match::kPrefix: return protect::Compare::kPrefix;
    case Match::kContains: break;
  }
  return protect::Compare::kContains;
}

bool compare(std::string_view plaintext, const FieldProbe& probe) {
  switch (probe.match) {
    case Match::kExact: return plaintext == probe.text;
    case Match::kExactCi: return equals_folded(plaintext, probe.folded);
    case Match::kPrefix: return starts_folded(plaintext, probe.folded);
    case Match::kContains: return contains_folded(plaintext, probe.folded);
  }
  return false;
}

// Does an index of this kind answer such questions, if what is asked is long enough?
bool answers(codec::BlindIndex index, Match match) {
  switch (match) {
    case Match::kExact:
    case Match::kExactCi: return true;
    case Match::kPrefix: return index == codec::BlindIndex::kPrefix || index == codec::BlindIndex::kNgram;
    case Match::kContains: break;
  }
  return index == codec::BlindIndex::kNgram;
}

std::vector<std::string> modes(const codec::Rule& rule, codec::ValueKind kind) {
  const auto has = [&](codec::BlindIndex index) {
    return std::any_of(rule.indexes.begin(), rule.indexes.end(), [&](const auto& one) { return one.kind == index; });
  };
  // As protect::terms_of_probe has it: some answers are candidates until a plaintext confirms them.
  const bool grams = has(codec::BlindIndex::kNgram);
  std::vector<std::string> allowed;
  if (!rule.indexes.empty() || rule.protection == codec::Protection::kDigest) allowed.push_back("exact");
  if (!rule.indexes.empty() && kind == codec::ValueKind::kText) allowed.push_back("exact_ci");
  if (grams || has(codec::BlindIndex::kPrefix)) allowed.push_back("prefix");
  if (grams) allowed.push_back("contains");
  return allowed;
}

constexpr std::string_view kRedacted = "(protected)";

}  // namespace

bool FieldProbe::found_in(const codec::ProtectedValue& value) const {
  if (!digests.empty()) {
    const auto parsed = protect::parse_digest(value.value);
    if (parsed.ok() && digest_met) {
      uint32_t known = digest_met->load();
      while (known < parsed->key_version && !digest_met->compare_exchange_weak(known, parsed->key_version)) continue;
    }
    return std::any_of(digests.begin(), digests.end(), [&](const auto& digest) {
      return value.value.size() == digest.size() && std::equal(digest.begin(), digest.end(), value.value.begin());
    });
  }
  if (index >= value.indexes || all_of.empty()) return false;
  const Bytes tokens = value.tokens[index];
  // A record has few tokens and a probe one for each day: the record's are looked up in the probe's.
  return std::all_of(all_of.begin(), all_of.end(), [&](const std::vector<protect::Token>& any) {
    codec::Token token;
    for (size_t at = 0; at < tokens.size(); at += token.size()) {
      std::memcpy(token.data(), tokens.data() + at, token.size());
      if (std::binary_search(any.begin(), any.end(), token)) return true;
    }
    return false;
  });
}

Answer<FieldProbe> FieldReader::probe(const snapshot::Snapshot& snapshot, const protect::FieldName& name,
                                      codec::ValueKind kind, const codec::Rule& rule, Match match,
                                      std::string_view text, const std::string& argument) const {
  QueryError unsupported("UNSUPPORTED_MATCH", argument, query::name(match), "");
  const std::shared_ptr<const Keys> held = keys();
  const std::optional<protect::Searcher>& searcher = held->searcher;
  if (!searcher) {
    unsupported.hint = "That field is protected: this reader holds no key to search it with.";
    return unsupported;
  }
  FieldProbe probe;
  probe.name = name;
  probe.kind = kind;
  probe.match = match;
  probe.text = text;
  if (kind == codec::ValueKind::kNumber) {
    const std::optional<codec::Value> number = number_from_text(text);
    if (!number) return QueryError("UNKNOWN_VALUE", argument, "", "That field is a number: give it in decimal.");
    if (match == Match::kExactCi) {  // as of one that is not protected
      unsupported.allowed = modes(rule, kind);
      unsupported.hint = unsupported.allowed.empty() ? "That field is sealed without any index: nothing can search it."
                                                     : "That field is a number: it has no letters of either case.";
      return unsupported;
    }
    std::string digits;
    probe.text = codec::plaintext_of(*number, digits);
  }
  probe.folded = fold(probe.text);
  if (rule.protection == codec::Protection::kDigest && match == Match::kExact) {
    auto digests = searcher->digests(name, kind, as_bytes(probe.text));
    if (!digests.ok()) {
      unsupported.hint = digests.error().message;
      return unsupported;
    }
    probe.digests = std::move(*digests);
    probe.digest_met = digest_met_;
    probe.decides = true;
    return probe;
  }
  const protect::EpochRange days{searcher->first_day(), last_day(snapshot)};
  std::string why;
  bool found = false;
  for (size_t i = 0; i < rule.indexes.size(); ++i) {
    auto made =
        searcher->probe(name, {rule.indexes[i].kind, rule.indexes[i].size}, compare_of(match), probe.text, days);
    if (!made.ok()) {
      // Of an index that answers such questions the reason says what to ask; another one can never answer.
      if (why.empty() || answers(rule.indexes[i].kind, match)) why = made.error().message;
      continue;
    }
    if (found && (probe.decides || !made->exact)) continue;
    found = true;
    probe.index = i;
    probe.decides = made->exact;
    probe.all_of = std::move(made->all_of);
  }
  if (found) return probe;
  unsupported.allowed = modes(rule, kind);
  unsupported.hint = unsupported.allowed.empty() ? "That field is sealed without any index: nothing can search it."
                     : why.empty()               ? "That field has no index for this match."
                                                 : "Its indexes cannot answer this: " + why;
  return unsupported;
}

std::shared_ptr<const FieldReader::Keys> FieldReader::keys() const {
  const std::lock_guard lock(mutex_);
  return keys_;
}

void FieldReader::replace(std::optional<protect::Searcher> searcher, std::unique_ptr<protect::Opener> opener) {
  auto fresh = std::make_shared<const Keys>(Keys{std::move(searcher), std::move(opener)});
  const std::lock_guard lock(mutex_);
  keys_.swap(fresh);
}

bool FieldReader::can_search(const codec::Rule& rule) const {
  const std::shared_ptr<const Keys> held = keys();
  if (!held->searcher) return false;
  return rule.protection == codec::Protection::kDigest ? held->searcher->has_digests()
                                                       : !rule.indexes.empty() && held->searcher->has_tokens();
}

std::string FieldReader::missing_versions(const snapshot::Snapshot& snapshot, const codec::Rule& rule) const {
  constexpr size_t kTold = 8;
  const std::shared_ptr<const Keys> held = keys();
  if (!can_search(rule)) return {};
  const bool digest = rule.protection == codec::Protection::kDigest;
  uint32_t root = 0;
  {
    const std::lock_guard lock(mutex_);
    read_token_days(snapshot);
    root = token_root_;
  }
  const std::vector<uint32_t> missing =
      digest ? held->searcher->missing_digests(digest_met_->load()) : held->searcher->missing_token_roots(root);
  if (missing.empty()) return {};
  std::string list;
  for (size_t i = 0; i < std::min(missing.size(), kTold); ++i)
    list += (i == 0 ? "" : ", ") + std::to_string(missing[i]);
  if (missing.size() > kTold) list += " and " + std::to_string(missing.size() - kTold) + " more";
  return std::string("This reader lacks the ") + (digest ? "digest" : "token-root") + " key of version " + list +
         ": what was written under it is not found.";
}

void FieldReader::read_token_days(const snapshot::Snapshot& snapshot) const {
  const uint64_t count = snapshot.meta().count(codec::StatementType::kKey);
  if (count <= keys_seen_) return;
  for (const codec::StatementRecord& statement : snapshot.meta().statements()) {
    const auto* key = std::get_if<codec::KeyStatement>(&statement.body);
    if (key == nullptr || key->action != codec::KeyAction::kTokenDay) continue;
    token_day_ = std::max(token_day_, key->day);
    token_root_ = std::max(token_root_, protect::token_version_of(*key));
  }
  keys_seen_ = count;
}

// No day with tokens is behind it: KEY statements say each before its first token. Logs that are older than such
// statements have none: there the commit's day, and one more, as a clock may have gone back since the tokens were made.
uint32_t FieldReader::last_day(const snapshot::Snapshot& snapshot) const {
  const std::lock_guard lock(mutex_);
  read_token_days(snapshot);
  return std::max(token_day_, protect::epoch_day_of(snapshot.commit().time) + 1);
}

std::optional<bool> FieldReader::confirm(const snapshot::Snapshot& snapshot, const FieldProbe& probe,
                                         const protect::FieldPlace& place, Bytes value) const {
  if (probe.decides) return true;
  if (!can_open()) return std::nullopt;
  const Result<protect::Plaintext> plaintext = open(snapshot, place, value);
  if (!plaintext.ok()) return std::nullopt;
  return compare(plaintext->text(), probe);
}

Result<protect::Plaintext> FieldReader::open(const snapshot::Snapshot& snapshot, const protect::FieldPlace& place,
                                             Bytes value) const {
  const std::shared_ptr<const Keys> held = keys();
  if (!held->opener) return Error{Code::kForbidden, "no decrypt key is held"};
  KHIPU_TRY(learn(snapshot, *held));
  Result<protect::Plaintext> opened = held->opener->open(place, value);
  if (opened.ok() || store_ == nullptr) return opened;
  if (opened.error().code != Code::kNotFound && opened.error().code != Code::kCorrupt) return opened;
  // A statement about it may have been committed behind the snapshot: the files in keys/ are those of now.
  KHIPU_TRY_ASSIGN(const auto newest, store_->snapshot());
  KHIPU_TRY_ASSIGN(const bool more, learn(*newest, *held));
  return more ? held->opener->open(place, value) : std::move(opened);
}

Result<bool> FieldReader::learn(const snapshot::Snapshot& snapshot, const Keys& keys) const {
  const snapshot::MetaState& meta = snapshot.meta();
  const uint64_t count = meta.count(codec::StatementType::kKey) + meta.count(codec::StatementType::kShred);
  const std::lock_guard lock(mutex_);
  if (log_ && count <= statements_) {
    keys.opener->learn(log_);  // it may be a new one
    return false;
  }
  auto log = std::make_shared<protect::KeyLog>();
  for (const codec::StatementRecord& statement : meta.statements()) {
    KHIPU_TRY(log->apply(statement.body));
  }
  log_ = std::move(log);
  statements_ = count;
  keys.opener->learn(log_);
  return true;
}

std::vector<std::string> match_modes(const codec::FieldSchema& field) {
  if (!field.rule.none()) return modes(field.rule, field.kind);
  if (field.kind == codec::ValueKind::kNumber) return {"exact"};
  return {"exact", "exact_ci", "prefix", "contains"};
}

Result<Uid> uid_of_value(const snapshot::Snapshot& snapshot, const codec::VersionRecord& version,
                         const codec::ProtectedValue& value) {
  if (!value.origin) return version.uid;
  const Error moved{Code::kCorrupt, "a protected value that is not the one of the version it names"};
  if (!version.previous || *value.origin > *version.previous) return moved;
  KHIPU_TRY_ASSIGN(const snapshot::CheckedRecord record, snapshot.record(TableId::kRegistry, *value.origin));
  if (!record.intact)
    return Error{Code::kCorrupt, "registry row " + std::to_string(value.origin->value) + ": " + record.finding};
  codec::VersionRecord origin;
  KHIPU_TRY(codec::decode_version(record.payload, origin));
  if (origin.type != version.type || origin.id != version.id) return moved;
  return origin.uid;
}

void redact(Filter& filter, const registry::Schema& schema) {
  const auto matcher = [&](EntityMatcher& one) {
    const codec::FieldSchema* field = schema.field(one.type, one.field);
    if (field != nullptr && !field->rule.none()) one.value = kRedacted;
  };
  for (Conditions* c : {&filter.where, &filter.where_not}) {
    if (c->actor_match) matcher(*c->actor_match);
    for (EntityMatcher& target : c->target_matches) matcher(target);
    for (NamedOwnedValue& value : c->custom) {
      const codec::ColumnSchema* column = schema.column(std::string_view(value.name));
      if (column != nullptr && !column->rule.none()) value.value = OwnedValue(codec::Value::of_text(kRedacted));
    }
  }
}

}  // namespace khipu::query
