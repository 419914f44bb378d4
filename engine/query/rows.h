// What a query answers with: rows that own all they show, not yet rendered for anybody. Every one was checked leaf to
// signed root (P5). Hostile text is as it was stored: printers escape it (engine/cli/output.h, mcp/tools/render.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/query/filter.h"
#include "engine/query/finding.h"

namespace khipu::query {

// The state all parts of an answer are about; two people who name the same size get the same answer.
struct AsOf {
  uint64_t tree_size = 0;  // rows of logs/
  Hash root{};             // of the tree over them
  uint64_t registry_size = 0;
  CommitNumber commit;
  TimeUs commit_time = 0;
  bool key_pinned = false;  // its signature was checked with a key the user gave
};

// A fact about the answer worth telling; text is a template of ours but for names quoted in `subject`.
struct Note {
  std::string code;  // "NAME_MATCHED_OLD_VERSION", "UNKNOWN_ENTITY", "NOT_TIME_ORDERED", ...
  std::string text;
  std::string subject;  // log or caller text the note is about, raw; may be empty
};

// An entity as an event pinned it: how it looked then.
struct EntityView {
  Row entity;  // registry row of the first version
  Row version_row;
  bool missing = false;  // the version could not be shown (a Finding says why): all below is empty
  std::string type;
  std::string id;
  std::string name;  // codec::display_name(); may be empty
  uint64_t version = 0;
  bool deleted = false;
  std::vector<NamedOwnedValue> fields;  // the whole state
  std::string name_field = {};          // whose value `name` is; empty when there is none
  bool says_alive = false;              // the canonical form says "deleted": false, which revives who is deleted
  std::string ref() const { return type + ":" + id; }
};

struct EventRow {
  Row seq;
  Uid uid{};
  TimeUs recorded_at = 0;
  TimeUs occurred_at = 0;
  EntityView actor;
  std::string action;
  codec::ActionClass action_class = codec::ActionClass::kOther;
  codec::Outcome outcome = codec::Outcome::kUnknown;
  std::vector<EntityView> targets;
  std::string url, source, source_ip, event_id, session;
  std::optional<EntityView> on_behalf_of;
  codec::ContentKind content_kind = codec::ContentKind::kNone;
  std::string content;  // verbatim bytes; kText need not be UTF-8
  // Of codec::SealedContent: what is not shown here because it is sealed; 0 once it was opened.
  uint8_t sealed_members = 0;
  uint64_t sealed_size_class = 0;
  std::vector<NamedOwnedValue> custom;  // by column name; "column:N" when the schema does not know N
};

// What of the window the log still holds.
struct Coverage {
  std::optional<TimeUs> retained_from;  // least occurred_at still held; nullopt for an empty log, and in a scope
  Row first_seq;                        // least seq still held
  uint64_t purged_rows = 0;             // rows below it: their hashes are still committed
  std::optional<TimeUs> purged_at;      // of the newest RETENTION that let such rows go ...
  Row purged_by;                        // ... and its row in meta/
  bool purged_overlap = false;          // purged rows may have met the filter
  bool complete = true;                 // false: damage was met, or purged rows may have matched
};

struct EventPage {
  AsOf as_of;
  TimeUs server_time = 0;
  Filter applied;  // what ran: entities as refs, whatever a cursor brought
  Order order;
  std::vector<EventRow> rows;
  uint64_t total = 0;                 // all that match, not only this page; met by CRC, exact
  bool total_is_lower_bound = false;  // damaged rows could not be counted
  uint64_t unshown = 0;               // rows of this page that failed their check: see findings
  std::optional<std::string> cursor;  // nullopt: nothing comes after this page
  std::string more_reason;            // "row_limit", "budget" or "scan_limit" when there is a cursor
  std::string context;                // as the first page's request gave it
  Coverage coverage;
  std::vector<Finding> findings;  // at most 100; findings_total says how many
  uint64_t findings_total = 0;
  uint64_t findings_shredded = 0;  // of them: kFieldShredded
  std::vector<Note> notes;
  // Rows looked at. Absent for a caller from whom something is hidden: they are counted before it is left out.
  std::optional<uint64_t> scanned;
};

struct EventDetail {
  AsOf as_of;
  TimeUs server_time = 0;
  std::optional<EventRow> event;  // nullopt: it failed its check, see findings
  std::vector<EventRow> before;   // neighbours by seq, ascending
  std::vector<EventRow> after;
  std::vector<Finding> findings;
};

struct FieldChange {
  std::string field;
  std::optional<OwnedValue> from;  // nullopt: was absent
  std::optional<OwnedValue> to;    // nullopt: taken away
};
struct VersionView {
  uint64_t version = 0;
  Row row;          // in registry/
  TimeUs time = 0;  // occurred_at of the event that brought it
  TimeUs recorded_at = 0;
  std::optional<Row> seq;                // that event
  std::optional<EntityView> changed_by;  // its actor; nullopt when the event is purged or failed its check
  bool deleted = false;                  // this version marks the end
  bool revived = false;                  // the one before was deleted
  std::vector<FieldChange> changes;      // against the version before; all fields for version 0
  std::vector<NamedOwnedValue> fields;   // the whole state
};
struct History {
  AsOf as_of;
  TimeUs server_time = 0;
  std::string ref, type, id;
  std::string name, name_field;  // of the newest version, as in EntityView
  bool deleted = false;
  std::optional<TimeUs> from, to;  // the window that ran, and on which axis
  Axis axis = Axis::kOccurred;
  std::string context;                // as the first page's request gave it
  std::vector<VersionView> versions;  // oldest first; with `at`: one or none
  uint64_t total = 0;                 // versions in the window, all pages
  uint64_t unshown = 0;               // versions that failed their check
  std::optional<std::string> cursor;
  std::vector<Finding> findings;
  std::vector<Note> notes;
};

struct Count {
  std::string value;
  uint64_t events = 0;
};
struct SourceFacts {
  std::string source;  // "" = events that name none
  uint64_t events = 0;
  TimeUs first = 0, last = 0;  // occurred_at
  // How many of them have the member (outcome: other than unknown).
  uint64_t with_outcome = 0, with_source_ip = 0, with_targets = 0, with_url = 0, with_session = 0, with_event_id = 0,
           with_content = 0, with_action_class = 0;
  std::vector<std::pair<std::string, uint64_t>> with_column;
};
struct TypeFacts {
  std::string type;
  uint64_t entities = 0, versions = 0;
};
// What is in the log; made by one pass and kept while the log does not grow.
struct Facts {
  AsOf as_of;
  TimeUs server_time = 0;
  Coverage coverage;
  uint64_t events = 0;
  std::optional<TimeUs> occurred_first, occurred_last, recorded_first, recorded_last;
  std::vector<Count> actions, action_classes, outcomes;  // most events first, ties by value; actions: at most 1,000
  uint64_t actions_distinct = 0;
  std::vector<SourceFacts> sources;  // the same; at most 1,000
  uint64_t sources_distinct = 0;
  std::vector<TypeFacts> types;  // every type of the schema, in its order
  bool lower_bound = false;      // damage was met
  std::vector<Finding> findings;
};

struct FoundEntity {
  std::string ref, type, id, name;
  bool deleted = false;
  uint64_t versions = 0;
  std::string matched_on;  // "id", "current_name", "past_name"
  Row newest;              // registry row of the newest version
};

}  // namespace khipu::query
