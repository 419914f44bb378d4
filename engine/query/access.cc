#include "engine/query/access.h"

#include <algorithm>

#include "engine/base/time.h"
#include "engine/query/engine.h"
#include "engine/query/print.h"
#include "engine/query/record_reader.h"
#include "engine/query/time_text.h"

namespace khipu::query {
namespace {

bool holds(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool has_outcome(const std::vector<std::string>& words, codec::Outcome outcome) {
  if (holds(words, codec::name(outcome))) return true;
  return outcome != codec::Outcome::kSuccess && holds(words, "not_success");
}

Answer<void> check_conditions(const Conditions& where) {
  const auto unknown = [](const char* field) {
    return QueryError(
        "INVALID_ARGUMENT", field, "",
        "The access log is searched by from, to, hours, actor (the caller), action (the tool) and outcome.");
  };
  if (where.actor_match) return unknown("actor_match");
  if (!where.targets.empty()) return unknown("target");
  if (!where.target_matches.empty()) return unknown("target_match");
  if (!where.action_classes.empty()) return unknown("action_class");
  if (!where.sources.empty()) return unknown("source");
  if (!where.url_prefix.empty()) return unknown("url_prefix");
  if (!where.custom.empty()) return unknown("custom");
  if (!where.text.empty()) return unknown("text");
  for (const std::string& word : where.outcomes) {
    if (word == "not_success" || codec::outcome(word)) continue;
    QueryError error("UNKNOWN_VALUE", "outcome", word, "Not an outcome.");
    error.allowed = {"success", "failure", "denied", "unknown", "not_success"};
    return error;
  }
  return {};
}

bool matches(const Filter& filter, const std::optional<HoursTest>& hours, const codec::AccessRecord& access) {
  const TimeUs time = filter.axis == Axis::kRecorded ? access.recorded_at : access.time;
  if ((filter.from && time < *filter.from) || (filter.to && time >= *filter.to)) return false;
  if (hours && !hours->outside(time)) return false;
  const Conditions& where = filter.where;
  if (!where.actors.empty() && !holds(where.actors, access.caller)) return false;
  if (!where.actions.empty() && !holds(where.actions, access.tool)) return false;
  if (!where.outcomes.empty() && !has_outcome(where.outcomes, access.outcome)) return false;
  const Conditions& excluded = filter.where_not;
  return !holds(excluded.actors, access.caller) && !holds(excluded.actions, access.tool) &&
         !has_outcome(excluded.outcomes, access.outcome);
}

std::string place_of(Row row) { return "access row " + std::to_string(row.value); }

}  // namespace

Answer<AccessPage> Engine::accesses(const EventRequest& request, const std::function<bool(const AccessRow&)>& fits) {
  KHIPU_TRY_ASSIGN(const auto snapshot, store_.snapshot());
  KHIPU_TRY_ASSIGN(Question question, question_of(*snapshot, request));
  EventCursor& place = question.place;
  const Filter& filter = place.question.filter;
  const Order order = place.question.order;
  if (filter.log != Log::kAccess) {
    return QueryError("CURSOR_MISMATCH", "cursor", "", "This cursor is of the events. Leave it out to start anew.");
  }
  if (filter.from && filter.to && *filter.from >= *filter.to) {
    return empty_window(*filter.from, *filter.to);
  }
  KHIPU_TRY(check_conditions(filter.where));
  if (Answer<void> excluded = check_conditions(filter.where_not); !excluded.ok()) {
    return within("not", std::move(excluded).error());
  }
  if (order.by == OrderBy::kTime) {
    return QueryError("INVALID_ARGUMENT", "order_by", "time", "The access log is read in the order of its rows: seq.");
  }

  std::optional<HoursTest> hours;
  if (filter.outside_hours) {
    KHIPU_TRY_ASSIGN(hours, HoursTest::compile(*filter.outside_hours));
  }

  AccessPage page;
  page.server_time = now_();
  page.as_of = place.as_of;
  page.applied = filter;
  page.order = order;
  page.first_held = snapshot->meta().retained(TableId::kAccess);
  Row from = page.first_held, to{place.as_of.tree_size};
  if (question.goes_on) (order.descending ? to : from) = order.descending ? place.last_seq : place.last_seq.next();

  Findings findings;
  std::vector<Row> places;
  uint64_t matched = 0;
  const auto take = [&](const snapshot::ScannedRow& row) {
    if (++page.scanned % 1024 == 0 && request.stop.stop_requested()) return false;
    Result<codec::AccessRecord> record = Error{Code::kCorrupt, ""};
    if (row.fault == codec::FrameFault::kNone) record = codec::decode_access(row.frame.payload);
    if (!record.ok()) {
      place.total_is_lower_bound = true;
      findings.add({std::string(row.finding.empty() ? "frame-corrupt" : row.finding), TableId::kAccess, row.row,
                    std::max<uint64_t>(1, row.lost), place_of(row.row)});
      return true;
    }
    if (!matches(filter, hours, *record)) return true;
    ++matched;
    if (places.size() <= request.limit) places.push_back(row.row);
    return !(question.goes_on && places.size() > request.limit);
  };
  if (from < to) {
    const auto direction = order.descending ? snapshot::Order::kDescending : snapshot::Order::kAscending;
    KHIPU_TRY(snapshot->scan(TableId::kAccess, from, to, direction, take));
  }
  if (request.stop.stop_requested()) return Error{Code::kCancelled, "query"};
  if (!question.goes_on) place.total = matched;
  page.total = place.total;
  page.total_is_lower_bound = place.total_is_lower_bound;

  size_t done = 0;
  for (; done < places.size() && done < request.limit; ++done) {
    KHIPU_TRY_ASSIGN(const snapshot::CheckedRecord checked, snapshot->record(TableId::kAccess, places[done]));
    const Result<codec::AccessRecord> record =
        checked.intact ? codec::decode_access(checked.payload) : Error{Code::kCorrupt, checked.where};
    if (!record.ok()) {
      ++page.unshown;
      findings.add({checked.intact ? "leaf-mismatch" : checked.finding, TableId::kAccess, places[done], 1,
                    checked.intact ? place_of(places[done]) : checked.where});
      continue;
    }
    AccessRow row{places[done], *record};
    if (fits && !fits(row) && !page.rows.empty()) break;
    page.rows.push_back(std::move(row));
  }
  if (done > 0 && done < places.size()) {
    page.more_reason = done == request.limit ? "row_limit" : "budget";
    place.last_seq = places[done - 1];
    place.last_time = 0;
    page.cursor = cursors_.seal(place);
  }
  page.findings = findings.list();
  page.findings_total = findings.total();
  return page;
}

void append_access(std::string& to, const AccessRow& access) {
  const codec::AccessRecord& record = access.record;
  const auto text = [&](const char* name, std::string_view value) {
    to.append(",\"").append(name).append("\":");
    append_json_string(to, value);
  };
  to += "{\"seq\":\"a:" + std::to_string(access.row.value) + "\"";
  text("time", format_rfc3339(record.time));
  text("recorded_at", format_rfc3339(record.recorded_at));
  text("caller", record.caller);
  to += ",\"reporter_uid\":" + std::to_string(record.reporter);
  text("tool", record.tool);
  text("outcome", codec::name(record.outcome));
  if (!record.code.empty()) text("code", record.code);
  to += ",\"arguments\":[";
  for (const std::string& name : record.arguments) {
    if (to.back() != '[') to += ',';
    append_json_string(to, name);
  }
  to += "]";
  if (record.results) to += ",\"results\":" + std::to_string(*record.results);
  if (record.as_of) {
    to += ",\"as_of\":{\"commit\":" + std::to_string(record.as_of->commit.value) +
          ",\"tree_size\":" + std::to_string(record.as_of->size) + "}";
  }
  if (!record.client.empty()) text("client", record.client);
  to += "}";
}

}  // namespace khipu::query
