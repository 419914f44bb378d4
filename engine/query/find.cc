// Engine::find.
#include "engine/query/find.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "engine/base/fold.h"
#include "engine/index/attributes.h"
#include "engine/query/engine.h"
#include "engine/query/pass.h"
#include "engine/query/plan.h"
#include "engine/query/version_search.h"

namespace khipu::query {
namespace {

constexpr int kNone = 9;
constexpr const char* kMatches[] = {"exact", "prefix", "contains"};
constexpr const char* kMatchedOn[] = {"id", "current_name", "past_name"};

// 0 whole, 1 start, 2 inside. `meets`: by a match.
template <typename Meets>
int how(const Meets& meets) {
  constexpr Match kTried[] = {Match::kExactCi, Match::kPrefix, Match::kContains};
  for (int i = 0; i < 3; ++i) {
    if (meets(kTried[i])) return i;
  }
  return kNone;
}

// By id is better than by name, and how well decides before that.
Score score_of(int match, int on) { return match == kNone ? kNoScore : static_cast<Score>(2 * match + on); }

// Events of a candidate in a part behind all that were counted before, in order: where they begin is known, and of
// several such parts the newest decides where they end. So a list is only counted until then.
struct Later {
  snapshot::Part part;  // without index: none
  index::List list;
};

struct Candidate {
  int match = kNone, on = kNone;
  Row newest;  // version row
  bool deleted = false;
  std::optional<bool> sealed_name;  // borne in a sealed field: by the newest version?
  uint64_t events = 0;
  TimeUs first = INT64_MAX, last = INT64_MIN;
  Later later;

  void meet_times(TimeUs from, TimeUs to) {
    first = std::min(first, from);
    last = std::max(last, to);
  }
  void meet(TimeUs time) {
    ++events;
    meet_times(time, time);
  }
};
using Candidates = std::unordered_map<uint64_t, Candidate>;  // by entity

// Adds what indexes know of the candidates' events. Owner: one thread, for one answer.
class EventCounter {
 public:
  EventCounter(Role role, Candidates& candidates) : role_(role), candidates_(candidates) {}
  // All of a part's rows. kCorrupt: nothing was added.
  Result<void> add(const snapshot::Part& part);
  // What was put off, when all was added. Of parts whose index fails only then the records are to be met, by
  // meet_times() of whom they are about.
  struct Failed {
    snapshot::Part part;
    Error error;
  };
  std::vector<Failed> finish();

 private:
  using Lists = std::unordered_map<uint64_t, std::vector<index::List>>;  // by entity
  Result<Lists> lists_of(const index::Reader& index) const;
  Result<Candidate> met(const snapshot::Part& part, const std::vector<index::List>& lists, bool behind,
                        const Candidate& known) const;

  Role role_;
  Candidates& candidates_;
  std::optional<TimeUs> latest_;  // of the parts added so far
};

Result<EventCounter::Lists> EventCounter::lists_of(const index::Reader& index) const {
  Lists lists;
  for (const index::Field field : {index::Field::kActor, index::Field::kTarget}) {
    if ((field == index::Field::kActor && role_ == Role::kTarget) ||
        (field == index::Field::kTarget && role_ == Role::kActor)) {
      continue;
    }
    if (candidates_.size() <= kLookUpsMax) {
      for (const auto& [entity, candidate] : candidates_) {
        KHIPU_TRY_ASSIGN(const auto list, index.find(index::entity_term(field, Row{entity})));
        if (list) lists[entity].push_back(*list);
      }
      continue;
    }
    const std::array<uint8_t, 1> prefix = {static_cast<uint8_t>(field)};
    KHIPU_TRY(index.each(prefix, [&](Bytes term, const index::List& list) {
      uint64_t entity = 0;
      for (const uint8_t byte : term.subspan(1)) entity = entity << 8 | byte;
      if (candidates_.contains(entity)) lists[entity].push_back(list);
      return true;
    }));
  }
  return lists;
}

// What one candidate has more.
Result<Candidate> EventCounter::met(const snapshot::Part& part, const std::vector<index::List>& lists, bool behind,
                                    const Candidate& known) const {
  const index::Reader& index = *part.index;
  Candidate found;
  if (lists.size() == 1 && behind && known.first <= index.header().time_min) {
    found.events = lists[0].count;
    found.later = {part, lists[0]};
    return found;
  }
  index::RowSet rows(index.rows());  // actor and target of one event: it counts once
  for (const index::List& list : lists) KHIPU_TRY(index.add(list, rows));
  found.events = rows.count();
  if (!index.header().in_order) {
    KHIPU_TRY_ASSIGN(const index::Column times, index.times());
    rows.each(false, [&](uint32_t row) {
      found.meet_times(times[row], times[row]);
      return true;
    });
    return found;
  }
  for (const bool descending : {false, true}) {
    uint32_t edge = 0;
    rows.each(descending, [&](uint32_t row) {
      edge = row;
      return false;
    });
    KHIPU_TRY_ASSIGN(const TimeUs time, index.time_of(edge));
    found.meet_times(time, time);
  }
  return found;
}

Result<void> EventCounter::add(const snapshot::Part& part) {
  const index::Header& header = part.index->header();
  if (header.rows == 0) return {};
  const bool behind = header.in_order && (!latest_ || header.time_min >= *latest_);
  KHIPU_TRY_ASSIGN(const Lists lists, lists_of(*part.index));
  std::vector<std::pair<uint64_t, Candidate>> more;
  for (const auto& [entity, of] : lists) {
    KHIPU_TRY_ASSIGN(Candidate found, met(part, of, behind, candidates_.at(entity)));
    more.emplace_back(entity, std::move(found));
  }
  for (auto& [entity, found] : more) {
    Candidate& candidate = candidates_.at(entity);
    candidate.events += found.events;
    candidate.meet_times(found.first, found.last);
    if (found.later.part.index) candidate.later = std::move(found.later);
  }
  latest_ = std::max(latest_.value_or(INT64_MIN), header.time_max);
  return {};
}

std::vector<EventCounter::Failed> EventCounter::finish() {
  std::vector<Failed> failed;
  for (auto& [entity, candidate] : candidates_) {
    const snapshot::Part& part = candidate.later.part;
    if (!part.index) continue;
    const auto is_this = [&](const Failed& one) { return one.part.first_row == part.first_row; };
    if (std::any_of(failed.begin(), failed.end(), is_this)) continue;
    const Result<TimeUs> last = [&]() -> Result<TimeUs> {
      KHIPU_TRY_ASSIGN(const uint32_t row, part.index->last(candidate.later.list));
      return part.index->time_of(row);
    }();
    if (last.ok()) {
      candidate.meet_times(*last, *last);
    } else {
      failed.push_back({part, last.error()});
    }
  }
  return failed;
}

}  // namespace

Answer<FoundEntities> Engine::find(const FindRequest& request) {
  if (request.text.empty()) return QueryError("INVALID_ARGUMENT", "text", "", "Nothing to look for.");
  KHIPU_TRY_ASSIGN(const auto snapshot, store_.snapshot());
  const registry::Schema& schema = snapshot->schema();
  if (!request.type.empty() && !knows_type(schema, scope_.get(), request.type)) {
    return unknown_type(type_names(schema, scope_.get()), request.type, "type");
  }
  FoundEntities out;
  out.server_time = now_();
  out.as_of = query::as_of(*snapshot);
  KHIPU_TRY_ASSIGN(out.coverage, coverage_.coverage(*snapshot, Filter{}, out.as_of.tree_size));
  // What else there is to know of entities is asked for a scope alone.
  if (scope_ != nullptr) KHIPU_TRY(entities_.extend(*snapshot));

  // "type:id" of a type we know means ids of that type.
  const size_t colon = request.text.find(':');
  const bool is_ref = colon != std::string::npos && schema.type(request.text.substr(0, colon)) != nullptr;
  const std::string ref_type = is_ref ? request.text.substr(0, colon) : "";
  const std::string folded = fold(request.text);
  const std::string folded_id = is_ref ? fold(request.text.substr(colon + 1)) : folded;
  const auto by_id = [&](std::string_view type, std::string_view id) {
    const auto as = [&](const std::string& wanted) {
      return how([&](Match match) { return entities_.meets("id", id, wanted, wanted, match); });
    };
    int match = is_ref && type != ref_type ? kNone : as(folded_id);
    if (is_ref) match = std::min(match, as(folded));
    return score_of(match, 0);
  };
  const auto by_name = [&](const codec::VersionRecord& version) {
    return score_of(how([&](Match match) { return entities_.meets_name(version, folded, folded, match); }), 1);
  };
  Candidates candidates;
  if (std::string hint = entities_.found_whole_hint(*snapshot, request.type); !hint.empty()) {
    bool unsure = false;
    const auto seen = [&](Row entity, bool current, bool candidate) {
      candidates[entity.value].sealed_name = current;
      unsure |= candidate;
    };
    KHIPU_TRY(entities_.by_sealed_name(*snapshot, out.as_of.registry_size, request.text, seen, request.type));
    out.notes.push_back({"PROTECTED_NAMES", std::move(hint), ""});
    if (unsure) out.notes.push_back(candidates_note("text"));
  }
  VersionQuestion question;
  question.score = [&](const codec::VersionRecord& version) -> Score {
    if (!request.type.empty() && version.type != request.type) return kNoScore;
    return std::min(by_id(version.type, version.id), by_name(version));
  };
  question.narrow = [&](PartScores& part) -> Result<void> {
    KHIPU_TRY(part.names(request.type, [&](std::string_view type, std::string_view id, const index::List& list) {
      return part.say(list, by_id(type, id));
    }));
    for (const codec::TypeSchema& type : schema.types()) {
      if (!request.type.empty() && type.name != request.type) continue;
      const codec::FieldSchema* named = schema.field(type.name, "name");
      for (const std::string_view field : {std::string_view("name"), index::kShownBy}) {
        // What other values of a version hide of its name is in its record alone, and whether its name is protected.
        const bool asks =
            entities_.masking() != nullptr || (field == index::kShownBy && named != nullptr && !named->rule.none());
        const auto take = [&](std::string_view name, const index::List& list) -> Result<void> {
          const auto meets = [&](Match match) { return text_matches(name, folded, folded, match); };
          const Score score = score_of(how(meets), 1);
          return score == kNoScore ? Result<void>() : asks ? part.ask(list) : part.say(list, score);
        };
        KHIPU_TRY(part.texts(index::AttributeKind::kText, type.name, field, "", false, take));
      }
    }
    return {};
  };
  question.follows = [&](Row entity) { return candidates.contains(entity.value); };
  question.meet = [&](Row row, Row entity, Score score, bool deleted) {
    Candidate& candidate = candidates[entity.value];
    // A version that follows makes past names of all before it.
    if (candidate.on == 1) candidate.on = 2;
    const int match = score == kNoScore ? kNone : score / 2, on = score % 2;
    if (match != kNone && std::pair(match, on) < std::pair(candidate.match, candidate.on)) {
      candidate.match = match;
      candidate.on = on;
    }
    candidate.newest = row;
    candidate.deleted = deleted;
  };
  KHIPU_TRY(entities_.search(*snapshot, out.as_of.registry_size, question));
  Findings findings;
  for (Finding& finding : entities_.findings(out.as_of.registry_size)) findings.add(std::move(finding));
  const bool damaged = !findings.empty();
  if (damaged) {
    out.notes.push_back({"REGISTRY_DAMAGED", "Entities were looked up in a registry that is damaged: run verify.", ""});
  }
  for (auto& [entity, candidate] : candidates) {
    if (!candidate.sealed_name) continue;
    const std::pair sealed(0, *candidate.sealed_name ? 1 : 2);
    if (sealed < std::pair(candidate.match, candidate.on)) std::tie(candidate.match, candidate.on) = sealed;
  }
  if (!request.include_deleted) std::erase_if(candidates, [](const auto& one) { return one.second.deleted; });

  Filter all;
  KHIPU_TRY_ASSIGN(const Matcher matcher,
                   Matcher::compile(Filter{}, *snapshot, entities_, out.as_of.registry_size, all, out.notes));
  Pass pass(*snapshot, matcher, out.as_of.tree_size, false, request.stop, findings);
  if (!candidates.empty()) {
    std::vector<uint64_t> met;
    const auto each_met = [&](const codec::EventRecord& event, const auto& meet) {
      met.clear();
      if (request.role != Role::kTarget) met.push_back(event.actor.entity.value);
      if (request.role != Role::kActor) {
        for (const codec::Pin& target : event.targets) {
          if (std::find(met.begin(), met.end(), target.entity.value) == met.end()) met.push_back(target.entity.value);
        }
      }
      for (const uint64_t entity : met) {
        const auto found = candidates.find(entity);
        if (found != candidates.end()) meet(found->second, event.occurred_at);
      }
      return true;
    };
    const auto count_record = [&](Row, const codec::EventRecord& event) {
      return each_met(event, [](Candidate& candidate, TimeUs time) { candidate.meet(time); });
    };
    EventCounter counter(request.role, candidates);
    const auto count = [&](const snapshot::Part& part,
                           const index::RowSet* rows) -> Result<std::optional<index::RowSet>> {
      if (rows != nullptr) return std::optional(*rows);
      KHIPU_TRY(counter.add(part));  // all of its rows match
      return std::optional(index::RowSet(part.index->rows()));
    };
    KHIPU_TRY(pass.run_parts(count, count_record));
    const auto end_at = [&](Row, const codec::EventRecord& event) {
      return each_met(event, [](Candidate& candidate, TimeUs time) { candidate.meet_times(time, time); });
    };
    for (const EventCounter::Failed& one : counter.finish()) KHIPU_TRY(pass.run_records(one.part, one.error, end_at));
  }
  out.events_are_lower_bound = pass.damage;
  if (request.role != Role::kAny) std::erase_if(candidates, [](const auto& one) { return one.second.events == 0; });
  out.total = candidates.size();

  std::vector<std::pair<uint64_t, Candidate>> ranked(candidates.begin(), candidates.end());
  std::sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
    return std::tuple(a.second.match, a.second.on, a.first) < std::tuple(b.second.match, b.second.on, b.first);
  });
  if (ranked.size() > request.limit) ranked.resize(request.limit);
  RecordReader reader(*snapshot, out.as_of.registry_size, findings);
  for (const auto& [entity, candidate] : ranked) {
    std::optional<CheckedVersion> newest = reader.version(candidate.newest);  // P5
    KHIPU_TRY(reader.failed());
    if (!newest || newest->view.entity.value != entity) {
      ++out.unshown;
      continue;
    }
    const uint64_t versions =
        scope_ == nullptr ? newest->view.version + 1
                          : entities_.versions(newest->view.type, newest->view.id, out.as_of.registry_size).size();
    SeenEntity seen;
    seen.entity = {newest->view.ref(),   newest->view.type, newest->view.id,          newest->view.name,
                   newest->view.deleted, versions,          kMatchedOn[candidate.on], candidate.newest};
    seen.name_field = newest->view.name_field;
    seen.fields = std::move(newest->view.fields);
    seen.match = kMatches[candidate.match];
    seen.events = candidate.events;
    if (candidate.events > 0) {
      seen.first_seen = candidate.first;
      seen.last_seen = candidate.last;
    }
    out.entities.push_back(std::move(seen));
  }
  out.coverage.complete = out.coverage.complete && !damaged && !pass.damage && out.unshown == 0;
  out.findings = findings.list();
  out.findings_total = findings.total();
  return out;
}

}  // namespace khipu::query
