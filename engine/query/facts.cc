// Engine::describe: one pass over the whole log, counted.
#include <algorithm>
#include <map>

#include "engine/query/facts_cache.h"
#include "engine/query/matcher.h"
#include "engine/query/pass.h"

namespace khipu::query {
namespace {

constexpr size_t kListedMax = 1000;

using Counts = std::map<std::string, uint64_t, std::less<>>;

void count(Counts& counts, std::string_view value) {
  const auto found = counts.find(value);
  if (found == counts.end()) {
    counts.emplace(value, 1);
  } else {
    ++found->second;
  }
}

std::vector<Count> sorted(const Counts& counts) {
  std::vector<Count> list;
  for (const auto& [value, events] : counts) list.push_back({value, events});
  std::stable_sort(list.begin(), list.end(), [](const Count& a, const Count& b) { return a.events > b.events; });
  if (list.size() > kListedMax) list.resize(kListedMax);
  return list;
}

void widen(std::optional<TimeUs>& least, std::optional<TimeUs>& most, TimeUs time) {
  if (!least || time < *least) least = time;
  if (!most || time > *most) most = time;
}

struct Tally {
  const registry::Schema& schema;
  Facts& facts;
  Counts actions;
  std::array<uint64_t, 16> classes{}, outcomes{};
  std::map<std::string, SourceFacts, std::less<>> sources;
  std::map<std::string, std::vector<uint64_t>, std::less<>> columns;  // by source, then as in the schema

  void add(const codec::EventRecord& event) {
    ++facts.events;
    widen(facts.occurred_first, facts.occurred_last, event.occurred_at);
    widen(facts.recorded_first, facts.recorded_last, event.recorded_at);
    count(actions, event.action);
    ++classes[static_cast<size_t>(event.action_class)];
    ++outcomes[static_cast<size_t>(event.outcome)];
    auto found = sources.find(event.source);
    if (found == sources.end()) {
      found = sources.emplace(event.source, SourceFacts{}).first;
      found->second.source = event.source;
      found->second.first = found->second.last = event.occurred_at;
    }
    add(found->second, event);
  }

  void add(SourceFacts& source, const codec::EventRecord& event) {
    ++source.events;
    source.first = std::min(source.first, event.occurred_at);
    source.last = std::max(source.last, event.occurred_at);
    source.with_outcome += event.outcome != codec::Outcome::kUnknown ? 1 : 0;
    source.with_action_class += event.action_class != codec::ActionClass::kOther ? 1 : 0;
    source.with_source_ip += event.source_ip.empty() ? 0 : 1;
    source.with_targets += event.targets.empty() ? 0 : 1;
    source.with_url += event.url.empty() ? 0 : 1;
    source.with_session += event.session.empty() ? 0 : 1;
    source.with_event_id += event.event_id.empty() ? 0 : 1;
    source.with_content += event.content_kind == codec::ContentKind::kNone ? 0 : 1;
    if (event.custom.empty()) return;
    std::vector<uint64_t>& counts = columns[source.source];
    counts.resize(schema.columns().size());
    for (const codec::ColumnValue& value : event.custom) {
      for (size_t i = 0; i < counts.size(); ++i) counts[i] += schema.columns()[i].id == value.column ? 1 : 0;
    }
  }

  void finish() {
    facts.actions = sorted(actions);
    facts.actions_distinct = actions.size();
    Counts by_class, by_outcome;
    for (uint8_t i = 0; i <= static_cast<uint8_t>(codec::ActionClass::kLogControl); ++i) {
      if (classes[i] > 0) by_class.emplace(codec::name(static_cast<codec::ActionClass>(i)), classes[i]);
    }
    for (uint8_t i = 0; i <= static_cast<uint8_t>(codec::Outcome::kDenied); ++i) {
      if (outcomes[i] > 0) by_outcome.emplace(codec::name(static_cast<codec::Outcome>(i)), outcomes[i]);
    }
    facts.action_classes = sorted(by_class);
    facts.outcomes = sorted(by_outcome);
    facts.sources_distinct = sources.size();
    for (auto& [name, source] : sources) {
      const auto counts = columns.find(name);
      for (size_t i = 0; i < schema.columns().size(); ++i) {
        source.with_column.emplace_back(schema.columns()[i].name, counts == columns.end() ? 0 : counts->second[i]);
      }
      facts.sources.push_back(std::move(source));
    }
    std::stable_sort(facts.sources.begin(), facts.sources.end(),
                     [](const SourceFacts& a, const SourceFacts& b) { return a.events > b.events; });
    if (facts.sources.size() > kListedMax) facts.sources.resize(kListedMax);
  }
};

}  // namespace

Answer<Facts> Engine::describe(const std::stop_token& stop) {
  KHIPU_TRY_ASSIGN(const auto snapshot, store_.snapshot());
  const auto with_registry = [&](Facts told) {  // which may have been found damaged since
    for (Finding& finding : entities_.findings(told.as_of.registry_size)) told.findings.push_back(std::move(finding));
    return told;
  };
  const std::lock_guard lock(facts_->mutex);
  if (facts_->facts && facts_->facts->as_of.commit == snapshot->commit().number) {
    Facts facts = *facts_->facts;
    facts.server_time = now_();
    return with_registry(std::move(facts));
  }
  Facts facts;
  facts.server_time = now_();
  facts.as_of = query::as_of(*snapshot);
  KHIPU_TRY_ASSIGN(facts.coverage, coverage_.coverage(*snapshot, Filter{}, facts.as_of.tree_size));
  KHIPU_TRY(entities_.extend(*snapshot));
  const std::vector<TypeFacts> known = entities_.counts(facts.as_of.registry_size);
  for (const codec::TypeSchema& type : snapshot->schema().types()) {
    if (scope_ != nullptr && !scope_->names_type(type.name)) continue;
    const auto found =
        std::find_if(known.begin(), known.end(), [&](const TypeFacts& t) { return t.type == type.name; });
    facts.types.push_back(found == known.end() ? TypeFacts{type.name, 0, 0} : *found);
  }
  Filter all;
  std::vector<Note> notes;
  KHIPU_TRY_ASSIGN(const Matcher matcher,
                   Matcher::compile(Filter{}, *snapshot, entities_, facts.as_of.registry_size, all, notes));
  Findings findings;
  Tally tally{snapshot->schema(), facts, {}, {}, {}, {}, {}};
  Pass pass(*snapshot, matcher, facts.as_of.tree_size, false, stop, findings);
  KHIPU_TRY(pass.run([&](Row, const codec::EventRecord& event) {
    tally.add(event);
    return true;
  }));
  tally.finish();
  facts.lower_bound = pass.damage;
  facts.findings = findings.list();
  facts_->facts = std::make_shared<const Facts>(facts);
  return with_registry(std::move(facts));
}

}  // namespace khipu::query
