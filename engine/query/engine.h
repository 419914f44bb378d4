// Asks the log: events by filter in pages, one event, an entity's history, what is in the log. Against one snapshot a
// call. Not here: how a row looks to anybody (print.h, engine/cli, mcp/tools), who may ask (mcp/auth).
//
// Until index files exist every question is a scan in one pass, with whole segments left out by their times.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>

#include "engine/query/access.h"
#include "engine/query/aggregate.h"
#include "engine/query/answer.h"
#include "engine/query/coverage.h"
#include "engine/query/cursor.h"
#include "engine/query/entities.h"
#include "engine/query/fields.h"
#include "engine/query/filter.h"
#include "engine/query/find.h"
#include "engine/query/log_coverage.h"
#include "engine/query/masking.h"
#include "engine/query/rows.h"
#include "engine/query/sample.h"
#include "engine/query/scope.h"
#include "engine/snapshot/store.h"

namespace khipu::query {

class Matcher;

inline constexpr uint64_t kTextScanRowsMax = 2'000'000;

struct EventRequest {
  std::optional<Filter> filter;  // absent: the cursor's
  Order order;                   // with a filter only
  // The caller's own arguments in any canonical form. With a cursor, equal `given` is the same question (relative times
  // move between two calls); when empty, filter and order themselves are compared.
  std::string given;
  std::string cursor;   // empty: the first page
  std::string caller;   // who asks, and what they may do; a cursor is good for nobody else
  std::string context;  // kept in the cursor and handed back (tz, detail, ...); at most 1,024 bytes
  uint32_t limit = 25;  // rows of a page; 0: only the total
  // A search for text ends with the segment in which so many records were looked at: the total is a lower bound then,
  // and the cursor goes on behind it. Within such a part rows are ordered as asked; the parts go by seq.
  uint64_t text_scan_rows_max = kTextScanRowsMax;
  bool opens = false;  // sealed values are shown in the clear where a key that is held opens them
  // Called with each row in order before it goes on the page; false ends the page before it. The first row always goes.
  std::function<bool(const EventRow&)> fits;
  std::stop_token stop;  // looked at now and then: CANCELLED
};

struct HistoryRequest {
  std::string entity;  // "type:id", or a plain id or name; with a cursor it may be empty
  std::optional<TimeUs> from, to;
  std::optional<TimeUs> at;         // the version in force at that instant, alone
  Axis axis = Axis::kOccurred;      // what from, to and at count on
  std::vector<std::string> fields;  // only changes of these, and versions that change one; empty: all
  uint32_t limit = 50;
  bool opens = false;                          // as of events
  std::string given, cursor, caller, context;  // as of events
  // Called with each version of the entity, also of those on other pages and outside the window: what one of them hides
  // by the name of a field is hidden in all. May be empty.
  std::function<void(const EntityView&)> meet;
  std::stop_token stop;
};

class Findings;
struct CheckedVersion;

// One a process: keeps the entity table from snapshot to snapshot. Any thread.
class Engine {
 public:
  using Now = std::function<TimeUs()>;
  // `store` is borrowed and outlives the engine. `now`: the wall clock, for server_time. `cursor_key`: who has it can
  // make cursors.
  // `fields`: the keys of protected fields that this process holds. `masking`: borrowed; nullptr: nothing is hidden.
  Engine(snapshot::Store& store, Now now, const std::array<uint8_t, 32>& cursor_key, Scope scope = {},
         std::shared_ptr<const FieldReader> fields = nullptr, const Masking* masking = nullptr);
  ~Engine();
  // The same log for a caller who may see a part of it: every answer is as if the rest were not there (scope.h), and
  // nothing is found by what is not shown (masking.h).
  std::unique_ptr<Engine> scoped(Scope scope, const Masking* masking = nullptr) const;

  Answer<EventPage> events(const EventRequest& request);
  // The same questions put to the access log (access.h): the filter's log, or the cursor's, is kAccess. `fits` as the
  // request's, which is not looked at.
  Answer<AccessPage> accesses(const EventRequest& request, const std::function<bool(const AccessRow&)>& fits = {});
  // What the first page of this request's cursor carried along, without reading a row; errors as of events().
  Answer<std::string> context_of(const EventRequest& request);
  // All that match, in order, without a page's bounds; `visit` returns false to stop. rows of the page stay empty.
  Answer<EventPage> each_event(const Filter& filter, const Order& order,
                               const std::function<bool(const EventRow&)>& visit, const std::stop_token& stop = {},
                               bool opens = false);
  // Does it hold a key that opens sealed values? What the calls below show of them in the clear is up to the caller.
  bool can_open() const;
  // NOT_YET, PURGED. `around`: neighbours on each side. `opens`: sealed values of the event itself are opened.
  Answer<EventDetail> event(Row seq, uint32_t around = 0, Opens opens = {});
  Answer<History> history(const HistoryRequest& request);
  Answer<Facts> describe(const std::stop_token& stop = {});
  // INVALID_ARGUMENT, UNKNOWN_FIELD, TOO_MANY_GROUPS besides what a filter may get wrong.
  Answer<Aggregate> aggregate(const AggregateRequest& request);
  Answer<FoundEntities> find(const FindRequest& request);
  Answer<LogCoverage> log_coverage(const LogCoverageRequest& request);
  Answer<Sample> sample(const SampleRequest& request);
  // Entities whose id or a version's name is `text` (case folded), or starts with it when `prefix`. Best match first.
  Answer<std::vector<FoundEntity>> find_entities(std::string_view text, bool prefix, uint32_t limit);

  // The newest committed state, with the checks a caller of its own needs (verify tools, proofs).
  Result<std::shared_ptr<const snapshot::Snapshot>> snapshot() { return store_.snapshot(); }

 private:
  struct FactsCache;
  // What a page is made from: the question and where in its answer we are.
  struct Question {
    EventCursor place;  // as_of, question, totals; last_* when `goes_on`
    bool goes_on = false;
  };
  // The question, and with a cursor the place in its answer; CURSOR_* when the two do not fit.
  Answer<Question> question_of(const snapshot::Snapshot& snapshot, const EventRequest& request) const;
  // Entities looked up, coverage known: fills these members of the page.
  void report_registry(const Filter& filter, const AsOf& as_of, Findings& to, bool by_type = false) const;
  Answer<Matcher> prepare(const snapshot::Snapshot& snapshot, const Filter& filter, const AsOf& as_of, EventPage& page);

  Result<bool> may_see(const snapshot::Snapshot& snapshot, Row seq) const;
  // A version that an event outside the scope brought has no seq, and the time of the first one inside that names it.
  Result<void> hide_origin(const snapshot::Snapshot& snapshot, Row row, CheckedVersion& version) const;

  snapshot::Store& store_;
  Now now_;
  std::array<uint8_t, 32> cursor_key_;
  CursorSealer cursors_;
  std::unique_ptr<ScopeView> scope_;  // nullptr: everything
  std::shared_ptr<const FieldReader> fields_;
  Entities entities_;
  CoverageKeeper coverage_;
  std::unique_ptr<FactsCache> facts_;
};

}  // namespace khipu::query
