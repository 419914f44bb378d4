// Who and what the log knows, on the reader's side: (type, id) to registry rows, and texts to entities. Names and
// fields are not kept in memory: they are looked up in the indexes of the registry, or scanned for. The first question
// of a process that names entities by their refs is answered from these; whoever asks more learns the table behind this
// class.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

#include "engine/query/answer.h"
#include "engine/query/filter.h"
#include "engine/query/name_table.h"
#include "engine/query/rows.h"
#include "engine/query/scope.h"
#include "engine/snapshot/store.h"

namespace khipu::query {

class FieldReader;
class Masking;
class PartScores;
struct VersionQuestion;

// Registry rows of one entity's versions, ascending: the first names the entity.
using VersionRows = std::vector<Row>;

struct ResolvedEntity {
  Row entity;
  std::string ref;
  bool by_old_name = false;  // a plain name that only an earlier version bore
  bool candidate = false;    // by a blind index alone, which no key here could confirm
};

// Append-only: rows never change, so one table serves snapshots of every size, each look-up naming the size it may see.
// Any thread; extend() excludes look-ups while it appends.
class Entities {
 public:
  // `scope`: only the versions it shows are known to look-ups; borrowed, nullptr: all.
  // `fields`: who can search and open protected fields; borrowed, nullptr: nobody.
  // `masking`: what whoever asks is not shown; borrowed, nullptr: nothing.
  explicit Entities(ScopeView* scope = nullptr, const FieldReader* fields = nullptr, const Masking* masking = nullptr)
      : scope_(scope), fields_(fields), masking_(masking) {}
  ScopeView* scope() const { return scope_; }
  const FieldReader* fields() const { return fields_; }
  const Masking* masking() const { return masking_; }
  // An attribute, by what of it is shown to whoever asks. An id that is named whole is met.
  bool meets(std::string_view field, std::string_view value, std::string_view wanted, std::string_view folded,
             Match match, const std::vector<std::string>& hidden_values = {}) const;
  // The same of what a version is shown by, where it is not hidden whole or by other values of the version.
  bool meets_name(const codec::VersionRecord& version, std::string_view wanted, std::string_view folded,
                  Match match) const;
  // Reads the registry rows of `snapshot` that are not known yet. Damaged rows are left out and reported once each.
  Result<void> extend(const snapshot::Snapshot& snapshot);
  // The same as far as resolve() of these texts needs it: when they are refs, and nothing was asked before, their rows.
  Result<void> learn(const snapshot::Snapshot& snapshot, const std::vector<std::string_view>& texts);

  // Version rows below `size`; empty when there is no such entity.
  VersionRows versions(std::string_view type, std::string_view id, uint64_t size) const;
  // The same where the table may not have been learnt: through the registry's indexes.
  Result<VersionRows> versions_in(const snapshot::Snapshot& snapshot, std::string_view type, std::string_view id,
                                  uint64_t size);
  std::string type_of(Row entity) const;               // empty when there is no such entity
  std::vector<TypeFacts> counts(uint64_t size) const;  // by type, in order of appearance
  // Registry rows below `size` that somebody could not read, once each: what was met once is told from then on.
  std::vector<Finding> findings(uint64_t size) const;

  // Versions below `size` that meet a question, of those that may be seen (version_search.h). Nothing need be learnt
  // for it but by who has a scope.
  Result<void> search(const snapshot::Snapshot& snapshot, uint64_t size, const VersionQuestion& question) const;

  // The one entity `text` means: "type:id" of a type in the schema, else an id or name, letters exact, else folded.
  // Names that are sealed are looked for by their tokens where a search key is held.
  // nullopt: nobody. AMBIGUOUS_ENTITY lists refs, UNKNOWN_TYPE when it looks like a ref of a type that is not there.
  Answer<std::optional<ResolvedEntity>> resolve(const snapshot::Snapshot& snapshot, uint64_t size,
                                                std::string_view text, std::string_view argument) const;
  // Types whose names are protected and that resolve() looks through by ids alone: no search key is held, the field has
  // no index, or whoever asks is not shown it.
  std::vector<std::string> unsearched_names(const snapshot::Snapshot& snapshot) const;
  // What to say of them, of names that are compared letter by letter, and of keys that are missing, when nobody was
  // found: "" when there is nothing.
  std::string unsearched_hint(const snapshot::Snapshot& snapshot) const;
  // What to say when somebody was found: others may bear the name under keys that are not held. "" when none is
  // missing.
  std::string missing_name_keys(const snapshot::Snapshot& snapshot) const;
  // What to say where parts of names are looked for: protected ones are found whole at best. `type`: this alone.
  std::string found_whole_hint(const snapshot::Snapshot& snapshot, std::string_view type) const;
  // By the name that is sealed, as a whole: `visit` with each entity, whether its newest version bears the name, and
  // whether no key could confirm it. `type`: this alone. With a scope the table must
  // be extended.
  Answer<void> by_sealed_name(const snapshot::Snapshot& snapshot, uint64_t size, std::string_view text,
                              const std::function<void(Row entity, bool current, bool candidate)>& visit,
                              std::string_view type = {}) const;
  // Entities a matcher meets, ascending. UNKNOWN_TYPE, UNKNOWN_FIELD, UNSUPPORTED_MATCH. `candidates`: some of them by
  // a blind index alone, which no key here could confirm.
  Answer<std::vector<Row>> match(const snapshot::Snapshot& snapshot, uint64_t size, const EntityMatcher& matcher,
                                 std::string_view argument, bool& candidates) const;
  Result<std::vector<FoundEntity>> find(const snapshot::Snapshot& snapshot, uint64_t size, std::string_view text,
                                        bool prefix, uint32_t limit) const;

 private:
  struct Entry {
    Row entity;
    Row first;                            // row of its first version that can be read
    VersionRows later;                    // of the others, ascending
    uint64_t below(uint64_t size) const;  // versions in rows below `size`
    Row version(uint64_t i) const { return i == 0 ? first : later[i - 1]; }
  };
  struct Known {
    Row entity;
    Row newest;  // version row below the size asked for
    uint64_t versions = 0;
  };
  std::optional<Known> known(std::string_view type, std::string_view id, uint64_t size) const;
  // Every version below `size` that can be read, ascending, with what is known of its entity; damage is among the
  // findings from then on.
  using Visit = std::function<void(Row, const codec::VersionRecord&, const Known&)>;
  Result<void> each_version(const snapshot::Snapshot& snapshot, uint64_t size, const Visit& visit) const;

  // A row that cannot be read, or is no version: that it was left out must be told.
  void tell_damage(const snapshot::ScannedRow& scanned) const;
  void tell_damage_locked(const snapshot::ScannedRow& scanned) const;
  // An index that is not what its INDEX statement says, of `rows` rows from that segment on: others, or they
  // themselves, were asked instead. Not with the mutex held.
  void tell_index_damage(const snapshot::SegmentInfo& first, uint64_t rows, std::string what) const;
  snapshot::Snapshot::MergedFailed merged_failed() const;
  // The entry's rows below `size` that may be seen.
  VersionRows visible(const Entry& entry, uint64_t size) const;

  std::optional<uint32_t> number_of(Row entity) const;       // with the mutex held
  std::string ref_by_row(Row entity) const;                  // empty when there is no such entity
  bool searches_name(const codec::FieldSchema& name) const;  // a protected one
  struct Met {
    Row entity, row;
  };
  // Versions with a score, with `current_only` those that are their entity's newest and mark no end.
  Result<std::vector<Met>> met(const snapshot::Snapshot& snapshot, uint64_t size, bool current_only,
                               VersionQuestion question) const;
  bool meets_json(const EntityMatcher& matcher, std::string_view text, std::string_view folded,
                  const std::vector<std::string>& hidden_values) const;
  Result<void> narrow(PartScores& part, const EntityMatcher& matcher, std::string_view folded,
                      const std::optional<codec::Value>& number) const;
  Answer<std::vector<Row>> match_protected(const snapshot::Snapshot& snapshot, uint64_t size,
                                           const EntityMatcher& matcher, const codec::FieldSchema& field,
                                           const std::string& argument, bool& candidates) const;

  ScopeView* const scope_;
  const FieldReader* const fields_;
  const Masking* const masking_;
  mutable std::shared_mutex mutex_;                    // guards the members below
  uint64_t size_ = 0;                                  // registry rows read
  bool asked_ = false;                                 // learn() has looked somebody up
  std::map<std::string, Row, std::less<>> looked_up_;  // refs, to their first versions
  NameTable names_;
  std::vector<Entry> entries_;  // by the number of their names, which is by first version
  mutable std::vector<Finding> damaged_;
};

// That an argument was met by a blind index alone.
Note candidates_note(const std::string& argument);
// Equal as numbers whatever their kinds, else of one kind and equal.
bool equal_values(const codec::Value& left, const codec::Value& right);
// A decimal as the value a number field or column would hold; nullopt when it is none.
std::optional<codec::Value> number_from_text(std::string_view text);
// The types of the schema that a caller of this scope hears of; nullptr: all.
std::vector<std::string> type_names(const registry::Schema& schema, const ScopeView* scope);
bool knows_type(const registry::Schema& schema, const ScopeView* scope, std::string_view type);
QueryError unknown_type(std::vector<std::string> known, std::string_view type, std::string_view argument);

}  // namespace khipu::query
