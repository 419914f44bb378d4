// Pages of events: Engine::events and Engine::each_event.
#include <algorithm>

#include "engine/query/engine.h"
#include "engine/query/known_values.h"
#include "engine/query/matcher.h"
#include "engine/query/pass.h"

namespace khipu::query {
namespace {

constexpr size_t kContextSizeMax = 1024;
constexpr size_t kRowsExpected = 32;  // of a page, which may be cut before its end

// A row's place in the order asked for.
struct Place {
  TimeUs time = 0;
  Row seq;
};

struct Before {
  Order order;
  bool operator()(const Place& a, const Place& b) const {
    const bool by_time = order.by == OrderBy::kTime && a.time != b.time;
    if (order.descending) return by_time ? a.time > b.time : a.seq > b.seq;
    return by_time ? a.time < b.time : a.seq < b.seq;
  }
};

// The first `most` places in order of all that are offered. In seq order they come in order; by time a heap keeps them,
// its top the one that would go first.
class FirstPlaces {
 public:
  FirstPlaces(Order order, uint64_t most) : order_(order), most_(most) {}
  void offer(const Place& place) {
    if (order_.by == OrderBy::kSeq) {
      if (places_.size() < most_) places_.push_back(place);
      return;
    }
    const Before before{order_};
    if (places_.size() < most_) {
      places_.push_back(place);
      std::push_heap(places_.begin(), places_.end(), before);
    } else if (most_ > 0 && before(place, places_.front())) {
      std::pop_heap(places_.begin(), places_.end(), before);
      places_.back() = place;
      std::push_heap(places_.begin(), places_.end(), before);
    }
  }
  bool full() const { return places_.size() >= most_; }
  // By time: whether a place there could still be among them.
  bool could_take(const Place& place) const { return !full() || (most_ > 0 && Before{order_}(place, places_.front())); }
  std::vector<Place> take() {
    std::sort(places_.begin(), places_.end(), Before{order_});
    return std::move(places_);
  }

 private:
  Order order_;
  uint64_t most_;
  std::vector<Place> places_;
};

QueryError mismatch(std::string what) {
  return {"CURSOR_MISMATCH", "cursor", "", std::move(what) + " Leave the cursor out to start anew."};
}

// Rows that pages to come need were purged since the first page.
std::optional<QueryError> expired(const EventCursor& cursor, Row first_held) {
  if (first_held <= cursor.first_seq) return std::nullopt;
  const Order& order = cursor.question.order;
  const bool still_whole = order.by == OrderBy::kSeq && (order.descending ? cursor.last_seq <= cursor.first_seq
                                                                          : cursor.last_seq.next() >= first_held);
  if (still_whole) return std::nullopt;
  return QueryError("CURSOR_EXPIRED", "cursor", "",
                    "Retention removed rows " + std::to_string(cursor.first_seq.value) + " to " +
                        std::to_string(first_held.value - 1) +
                        " since the first page. Leave the cursor out to start anew.");
}

bool looks_for_text(const Filter& filter) { return !filter.where.text.empty() || !filter.where_not.text.empty(); }

// Behind the part that was looked through, if the log goes on there; the page says so.
bool to_next_part(EventCursor& place, bool descending, EventPage& page) {
  if (descending ? place.part_from <= place.first_seq : place.part_to.value >= place.as_of.tree_size) return false;
  page.more_reason = "scan_limit";
  page.notes.push_back({"SCAN_LIMIT",
                        "Text was looked for as far as " + std::string(descending ? "down to" : "up to") + " seq " +
                            std::to_string(descending ? place.part_from.value : place.part_to.value - 1) +
                            ". The cursor goes on from there; other filters narrow what must be read.",
                        ""});
  if (descending) {
    place.last_seq = place.part_to = place.part_from;
    place.part_from = {};
  } else {
    place.last_seq = Row{place.part_to.value - 1};
    place.part_from = place.part_to;
    place.part_to = Row{UINT64_MAX};
  }
  place.part_begins = true;
  return true;
}

bool time_ordered(const std::vector<EventRow>& rows, bool descending) {
  return std::is_sorted(rows.begin(), rows.end(), [descending](const EventRow& a, const EventRow& b) {
    return descending ? a.occurred_at > b.occurred_at : a.occurred_at < b.occurred_at;
  });
}

}  // namespace

Answer<Engine::Question> Engine::question_of(const snapshot::Snapshot& snapshot, const EventRequest& request) const {
  Question question;
  EventCursor& place = question.place;
  const Hash caller = cursors_.digest("khipu-cursor-caller", as_bytes(request.caller));
  Hash given{};
  if (request.filter) {
    Buffer bytes;
    encode_filter(bytes, *request.filter, request.order);
    given = request.given.empty() ? cursors_.digest("khipu-cursor-filter", bytes)
                                  : cursors_.digest("khipu-cursor-given", as_bytes(request.given));
  }
  if (request.cursor.empty()) {
    if (!request.filter)
      return QueryError("INVALID_ARGUMENT", "filter", "", "Neither a filter nor a cursor was given.");
    if (request.context.size() > kContextSizeMax) {
      return QueryError("INVALID_ARGUMENT", "context", "", "More than 1,024 bytes.");
    }
    place.root_id = snapshot.genesis().root_id;
    place.as_of = query::as_of(snapshot);
    place.first_seq = first_held(snapshot);
    if (request.filter->log == Log::kAccess) {
      place.as_of.tree_size = snapshot.size(TableId::kAccess);
      place.as_of.root = snapshot.root(TableId::kAccess);
      place.first_seq = snapshot.meta().retained(TableId::kAccess);
    }
    place.caller = caller;
    place.given = given;
    place.question = {*request.filter, request.order};
    place.context = request.context;
    return question;
  }
  KHIPU_TRY_ASSIGN(place, cursors_.open_event(request.cursor));
  question.goes_on = true;
  if (place.root_id != snapshot.genesis().root_id) return mismatch("This cursor is of another log.");
  if (place.caller != caller)
    return mismatch("This cursor was given to another caller, or to one who may see more or less.");
  if (request.filter && place.given != given) return mismatch("This cursor belongs to another filter or order.");
  const TableId table = place.question.filter.log == Log::kAccess ? TableId::kAccess : TableId::kLogs;
  if (place.as_of.tree_size > snapshot.size(table) || place.as_of.registry_size > snapshot.size(TableId::kRegistry)) {
    return mismatch("The log is shorter than when this cursor was made.");
  }
  if (auto error = expired(place, snapshot.meta().retained(table))) return std::move(*error);
  return question;
}

Answer<std::string> Engine::context_of(const EventRequest& request) {
  KHIPU_TRY_ASSIGN(const auto snapshot, store_.snapshot());
  KHIPU_TRY_ASSIGN(Question question, question_of(*snapshot, request));
  return std::move(question.place.context);
}

Answer<EventPage> Engine::events(const EventRequest& request) {
  KHIPU_TRY_ASSIGN(const auto snapshot, store_.snapshot());
  KHIPU_TRY_ASSIGN(Question question, question_of(*snapshot, request));
  EventCursor& place = question.place;
  KHIPU_TRY(check_filter(place.question.filter));
  const Order order = place.question.order;

  EventPage page;
  page.server_time = now_();
  page.as_of = place.as_of;
  page.order = order;
  page.context = place.context;
  KHIPU_TRY_ASSIGN(const Matcher matcher, prepare(*snapshot, place.question.filter, place.as_of, page));

  Findings findings;
  report_registry(place.question.filter, place.as_of, findings);
  Pass pass(*snapshot, matcher, place.as_of.tree_size, order.descending, request.stop, findings);
  pass.from = std::max(pass.from, place.part_from);
  pass.to = std::min(pass.to, place.part_to);
  // The first page of the log, or of a part of it; else what was handed out is left out, and nothing is counted.
  const bool begins = !question.goes_on || place.part_begins;
  if (begins && looks_for_text(place.question.filter)) pass.scanned_max = request.text_scan_rows_max;
  if (!begins && order.by == OrderBy::kSeq) {
    (order.descending ? pass.to : pass.from) = order.descending ? place.last_seq : place.last_seq.next();
  }
  if (!begins && order.by == OrderBy::kTime) {
    pass.wanted = [&](const snapshot::SegmentInfo& segment) {
      const snapshot::Snapshot::Times times = snapshot->occurred(segment);
      return !times || (order.descending ? times->first <= place.last_time : times->second >= place.last_time);
    };
  }
  // One more than fits: whether a cursor is due.
  FirstPlaces first(order, request.limit == 0 ? 0 : uint64_t{request.limit} + 1);
  const Before before{order};
  const Place last{place.last_time, place.last_seq};
  pass.tells_times = order.by == OrderBy::kTime;
  if (order.by == OrderBy::kSeq && request.limit > 0) pass.places_wanted = uint64_t{request.limit} + 1;
  pass.only_count = [&](const snapshot::SegmentInfo& segment) {
    if (request.limit == 0) return true;
    if (order.by == OrderBy::kSeq || segment.rows == 0) return false;
    const snapshot::Snapshot::Times times = snapshot->occurred(segment);
    return times &&
           !first.could_take(order.descending ? Place{times->second, {segment.first_row.value + segment.rows - 1}}
                                              : Place{times->first, segment.first_row});
  };
  const auto offer = [&](Row seq, TimeUs time) {
    const Place here{time, seq};
    if (!begins && order.by == OrderBy::kTime && !before(last, here)) return true;
    first.offer(here);
    return order.by == OrderBy::kTime || !first.full();
  };
  KHIPU_TRY_ASSIGN(const uint64_t matched, pass.places(offer, begins));
  matcher.tell_met(page.notes);
  if (begins) place.total += matched;
  place.total_is_lower_bound |= pass.damage || pass.ended_at;
  if (pass.ended_at) (order.descending ? place.part_from : place.part_to) = *pass.ended_at;
  page.total = place.total;
  page.total_is_lower_bound = place.total_is_lower_bound;
  if (scope_ == nullptr && entities_.masking() == nullptr) page.scanned = pass.scanned;
  if (!question.goes_on && page.total == 0 && !page.total_is_lower_bound) {
    note_nearest_known(*snapshot, page.applied, entities_, place.as_of.registry_size, request.stop, page.notes);
  }

  RecordReader reader(*snapshot, place.as_of.registry_size, findings, request.opens ? fields_.get() : nullptr);
  const std::vector<Place> places = first.take();
  size_t done = 0;
  std::vector<Row> next;
  for (; done < places.size() && done < request.limit; ++done) {
    if (done % kRowsExpected == 0) {
      next.clear();
      for (size_t i = done; i < std::min({done + kRowsExpected, places.size(), size_t{request.limit}}); ++i)
        next.push_back(places[i].seq);
      reader.expect(next);
    }
    KHIPU_TRY_ASSIGN(std::optional<EventRow> row, reader.event(places[done].seq));
    if (!row) {
      ++page.unshown;
      continue;
    }
    if (!page.rows.empty() && request.fits && !request.fits(*row)) break;
    if (page.rows.empty() && request.fits) (void)request.fits(*row);
    page.rows.push_back(std::move(*row));
  }
  if (done > 0 && done < places.size()) {
    page.more_reason = done == request.limit ? "row_limit" : "budget";
    place.last_seq = places[done - 1].seq;
    place.last_time = places[done - 1].time;
    place.part_begins = false;
    place.question.filter = page.applied;
    page.cursor = cursors_.seal(place);
  } else if (to_next_part(place, order.descending, page)) {
    place.question.filter = page.applied;
    page.cursor = cursors_.seal(place);
  }
  redact(page.applied, snapshot->schema());  // behind the cursor, which is encrypted
  if (order.by == OrderBy::kSeq && !time_ordered(page.rows, order.descending)) {
    page.notes.push_back(
        {"NOT_TIME_ORDERED", "Rows are in the order they were recorded, which is not that of their times.", ""});
  }
  page.coverage.complete = page.coverage.complete && !page.total_is_lower_bound && page.unshown == 0;
  page.findings = findings.list();
  page.findings_total = findings.total();
  page.findings_shredded = findings.shredded();
  return page;
}

// An entity whose rows cannot be read is not found, and no event is: that must not look like a sound answer.
void Engine::report_registry(const Filter& filter, const AsOf& as_of, Findings& to, bool by_type) const {
  std::vector<Finding> damage;
  if (scope_ != nullptr) damage = scope_->findings(as_of.registry_size);  // its events are as if out of scope
  if (by_type || Matcher::needs_entities(filter)) {
    for (Finding& finding : entities_.findings(as_of.registry_size)) {
      const bool told =
          std::any_of(damage.begin(), damage.end(), [&](const Finding& other) { return other.row == finding.row; });
      if (!told) damage.push_back(std::move(finding));
    }
  }
  for (Finding& finding : damage) to.add(std::move(finding));
}

Answer<Matcher> Engine::prepare(const snapshot::Snapshot& snapshot, const Filter& filter, const AsOf& as_of,
                                EventPage& page) {
  if (Matcher::needs_entities(filter)) {
    const auto names = Matcher::names(filter);
    if (scope_ != nullptr || !names.empty()) KHIPU_TRY(entities_.learn(snapshot, names));
  }
  Answer<Matcher> matcher =
      Matcher::compile(filter, snapshot, entities_, as_of.registry_size, page.applied, page.notes);
  std::vector<Finding> damage;
  if (Matcher::needs_entities(filter)) damage = entities_.findings(as_of.registry_size);
  if (!matcher.ok()) {
    QueryError error = std::move(matcher).error();
    error.findings = std::move(damage);
    return error;
  }
  if (!damage.empty()) {
    page.notes.push_back(
        {"REGISTRY_DAMAGED", "Entities were looked up in a registry that is damaged: run verify.", ""});
  }
  KHIPU_TRY_ASSIGN(page.coverage, coverage_.coverage(snapshot, filter, as_of.tree_size));
  page.coverage.complete = page.coverage.complete && damage.empty();
  if (page.coverage.purged_overlap) page.notes.push_back(purged_note(page.coverage));
  return matcher;
}

Answer<EventPage> Engine::each_event(const Filter& filter, const Order& order,
                                     const std::function<bool(const EventRow&)>& visit, const std::stop_token& stop,
                                     bool opens) {
  KHIPU_TRY(check_filter(filter));
  KHIPU_TRY_ASSIGN(const auto snapshot, store_.snapshot());
  EventPage page;
  page.server_time = now_();
  page.as_of = query::as_of(*snapshot);
  page.order = order;
  KHIPU_TRY_ASSIGN(const Matcher matcher, prepare(*snapshot, filter, page.as_of, page));

  Findings findings;
  report_registry(filter, page.as_of, findings);
  RecordReader reader(*snapshot, page.as_of.registry_size, findings, opens ? fields_.get() : nullptr);
  Pass pass(*snapshot, matcher, page.as_of.tree_size, order.descending, stop, findings);
  Result<void> failed;
  const auto show = [&](Row seq) {
    auto row = reader.event(seq);
    if (!row.ok()) {
      failed = std::move(row).error();
      return false;
    }
    if (*row) return visit(**row);
    ++page.unshown;
    return true;
  };
  std::vector<Place> places;  // by time: 16 bytes for each match, and then the order is known
  const auto keep = [&](Row seq, TimeUs time) {
    ++page.total;
    if (order.by == OrderBy::kSeq) return show(seq);
    places.push_back({time, seq});
    return true;
  };
  pass.tells_times = order.by == OrderBy::kTime;
  KHIPU_TRY(pass.places(keep, false));
  matcher.tell_met(page.notes);
  std::sort(places.begin(), places.end(), Before{order});
  for (const Place& place : places) {
    if (!failed.ok() || stop.stop_requested() || !show(place.seq)) break;
  }
  KHIPU_TRY(std::move(failed));
  if (stop.stop_requested()) return Error{Code::kCancelled, "export"};
  page.total_is_lower_bound = pass.damage;
  if (scope_ == nullptr && entities_.masking() == nullptr) page.scanned = pass.scanned;
  page.coverage.complete = page.coverage.complete && !pass.damage && page.unshown == 0;
  page.findings = findings.list();
  page.findings_total = findings.total();
  page.findings_shredded = findings.shredded();
  redact(page.applied, snapshot->schema());
  return page;
}

}  // namespace khipu::query
