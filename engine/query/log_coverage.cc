// Engine::log_coverage: one pass over the window, and what meta/ says.
#include "engine/query/log_coverage.h"

#include <algorithm>
#include <charconv>

#include "engine/query/buckets.h"
#include "engine/query/engine.h"
#include "engine/query/fields.h"
#include "engine/query/pass.h"
#include "engine/query/source_tally.h"

namespace khipu::query {
namespace {

constexpr int64_t kSlotUs = 10 * kMicrosPerSecond;
constexpr size_t kSlotsMax = 500'000;  // of all sources together
constexpr size_t kSourcesMax = 200;    // told
constexpr size_t kSourcesMet = 10'000;
constexpr std::string_view kNumberColumn = "journal_seqnum";

std::optional<uint64_t> number_of(const codec::EventRecord& event, std::optional<uint32_t> column) {
  if (!column) return std::nullopt;
  for (const codec::ColumnValue& value : event.custom) {
    if (value.column != *column) continue;
    const std::string text = OwnedValue(value.value).as_text();
    uint64_t number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    if (read.ec == std::errc() && read.ptr == text.data() + text.size()) return number;
  }
  return std::nullopt;
}

// Purges, parked records, clock jumps and the like: statements, in the order they were made.
void read_statements(const snapshot::Snapshot& snapshot, LogCoverage& out) {
  for (const codec::StatementRecord& statement : snapshot.statements()) {
    if (const auto* purge = std::get_if<codec::Retention>(&statement.body)) {
      if (purge->table != TableId::kLogs) continue;
      out.purged.push_back({purge->from, purge->to, purge->recorded_first, purge->recorded_last, purge->policy});
    } else if (const auto* import = std::get_if<codec::Import>(&statement.body)) {
      out.parked += import->parked;
    } else if (std::holds_alternative<codec::RecoveryStatement>(statement.body)) {
      ++out.quarantined;
    } else if (std::holds_alternative<codec::Rollback>(statement.body)) {
      ++out.rollbacks;
    } else if (const auto* clock = std::get_if<codec::Clock>(&statement.body)) {
      out.clock.push_back({statement.recorded_at, clock->step_us, clock->event == codec::ClockEvent::kCleared});
    }
  }
}

}  // namespace

Answer<LogCoverage> Engine::log_coverage(const LogCoverageRequest& request) {
  if (request.silent_after && *request.silent_after < kMicrosPerSecond) {
    return QueryError("INVALID_ARGUMENT", "silent_after", "", "At least a second.");
  }
  Filter filter;
  filter.from = request.from;
  filter.to = request.to;
  filter.where.sources = request.sources;
  KHIPU_TRY(check_filter(filter));
  KHIPU_TRY_ASSIGN(const auto snapshot, store_.snapshot());
  KHIPU_TRY_ASSIGN(const Zone zone, Zone::find(request.tz));
  LogCoverage out;
  out.server_time = now_();
  out.as_of = query::as_of(*snapshot);
  EventPage page;
  KHIPU_TRY_ASSIGN(const Matcher matcher, prepare(*snapshot, filter, out.as_of, page));
  out.applied = std::move(page.applied);
  redact(out.applied, snapshot->schema());
  out.coverage = page.coverage;
  out.notes = std::move(page.notes);
  read_statements(*snapshot, out);

  const codec::ColumnSchema* numbers = snapshot->schema().column(kNumberColumn);
  const std::optional<uint32_t> column = numbers == nullptr ? std::nullopt : std::optional(numbers->id);
  out.resolution_us = request.silent_after ? std::min(kSlotUs, *request.silent_after / 2) : kSlotUs;
  Findings findings;
  Buckets days(zone, Interval::kDay);
  std::map<std::string, SourceTally, std::less<>> tallies;
  size_t slots = 0;
  Pass pass(*snapshot, matcher, out.as_of.tree_size, false, request.stop, findings);
  KHIPU_TRY(pass.run([&](Row seq, const codec::EventRecord& event) {
    auto found = tallies.find(event.source);
    if (found == tallies.end()) found = tallies.emplace(std::string(event.source), SourceTally{}).first;
    const size_t before = found->second.slots();
    found->second.add(seq, event, number_of(event, column), days.of(event.occurred_at).start, out.resolution_us);
    ++out.events;
    slots += found->second.slots() - before;
    if (slots > kSlotsMax) {
      out.resolution_us *= 2;
      slots = 0;
      for (auto& [name, tally] : tallies) {
        tally.join_slots(out.resolution_us);
        slots += tally.slots();
      }
    }
    return tallies.size() <= kSourcesMet;
  }));
  if (tallies.size() > kSourcesMet) {
    return QueryError("TOO_MANY_GROUPS", "source", "", "More than 10,000 sources: name some, or narrow the window.");
  }
  out.lower_bound = pass.damage;
  out.sources_total = tallies.size();
  SourceTally::Window window;
  window.from = request.from;
  window.silent_after = request.silent_after;
  if (request.to) {
    window.until = std::min(*request.to, out.server_time);
  } else {
    for (const auto& [name, tally] : tallies) window.until = std::max(window.until, tally.last());
  }
  out.silent_until = window.until;

  RecordReader reader(*snapshot, out.as_of.registry_size, findings);
  for (auto& [name, tally] : tallies) {
    SourceCoverage source = tally.finish(window);
    source.source = name;
    out.sources.push_back(std::move(source));
  }
  std::stable_sort(out.sources.begin(), out.sources.end(),
                   [](const SourceCoverage& a, const SourceCoverage& b) { return a.events > b.events; });
  if (out.sources.size() > kSourcesMax) out.sources.resize(kSourcesMax);
  // A source's name is shown only when its first record says it, checked (P5).
  std::vector<SourceCoverage> shown;
  for (SourceCoverage& source : out.sources) {
    KHIPU_TRY_ASSIGN(const std::optional<EventRow> row, reader.event(tallies.find(source.source)->second.first_row()));
    if (row && row->source == source.source) {
      shown.push_back(std::move(source));
    } else {
      ++out.unshown;
    }
  }
  out.sources = std::move(shown);
  for (const std::string& wanted : request.sources) {
    if (tallies.contains(wanted)) continue;
    out.notes.push_back({"SOURCE_SILENT", "No event of this source in the window at all.", wanted});
  }
  out.coverage.complete = out.coverage.complete && !pass.damage && out.unshown == 0;
  out.findings = findings.list();
  out.findings_total = findings.total();
  return out;
}

}  // namespace khipu::query
