#include "engine/cli/query_access.h"

#include <cstdio>
#include <cstdlib>

#include "engine/base/time.h"
#include "engine/cli/output.h"
#include "engine/cli/root.h"
#include "engine/crypto/cursor_key.h"
#include "engine/os/clock.h"
#include "engine/os/process.h"
#include "engine/protect/reader_keys.h"
#include "engine/query/print.h"
#include "engine/query/time_text.h"

namespace khipu::cli {
namespace {

std::string in_quotes(std::string_view text) { return "'" + printable(text) + "'"; }

query::QueryError wrong(std::string flag, std::string_view got, std::string hint) {
  return {"INVALID_ARGUMENT", std::move(flag), got, std::move(hint)};
}

// TYPE.FIELD=VALUE, and ~= ^= *= for the other modes.
query::Answer<query::EntityMatcher> matcher(const std::string& text, const char* flag, bool current) {
  const size_t equals = text.find('=');
  const size_t point = text.find('.');
  if (equals == std::string::npos || point == std::string::npos || point == 0 || point > equals ||
      point + 1 == equals) {
    return wrong(flag, text,
                 "It is written TYPE.FIELD=VALUE (exact), ~= (letters either case), ^= (prefix) or *= (contains).");
  }
  query::EntityMatcher matcher;
  size_t end = equals;
  const char mode = text[equals - 1];
  if (mode == '~' || mode == '^' || mode == '*') {
    --end;
    matcher.match = mode == '~'   ? query::Match::kExactCi
                    : mode == '^' ? query::Match::kPrefix
                                  : query::Match::kContains;
  }
  matcher.type = text.substr(0, point);
  matcher.field = text.substr(point + 1, end - point - 1);
  matcher.value = text.substr(equals + 1);
  matcher.current_only = current;
  return matcher;
}

}  // namespace

Result<QueryAccess> open_query_access(const std::string& root, const std::string& key,
                                      const std::vector<std::string>& role_keys) {
  QueryAccess access;
  snapshot::StoreOptions options;
  if (!key.empty()) {
    KHIPU_TRY_ASSIGN(options.verifier_key, read_verifier_key(key));
  }
  KHIPU_TRY_ASSIGN(std::unique_ptr<os::Directory> directory, os::open_directory(root));
  KHIPU_TRY_ASSIGN(access.store, snapshot::Store::open(std::move(directory), options));
  std::shared_ptr<const query::FieldReader> fields;
  if (!role_keys.empty()) {
    os::disable_core_dumps();
    KHIPU_TRY_ASSIGN(const auto snapshot, access.store->snapshot());
    KHIPU_TRY_ASSIGN(auto wrapped, os::open_directory(root + "/keys"));
    KHIPU_TRY_ASSIGN(protect::ReaderKeys keys,
                     protect::open_reader_keys(role_keys, snapshot->genesis().root_id, snapshot->genesis().origin,
                                               std::move(wrapped)));
    fields = std::make_shared<const query::FieldReader>(std::move(keys.searcher), std::move(keys.opener),
                                                        access.store.get());
  }
  KHIPU_TRY_ASSIGN(const crypto::CursorKey cursor_key, crypto::cursor_key("", keys_path(root, "")));
  access.engine = std::make_unique<query::Engine>(
      *access.store, [] { return os::system_clock().now(); }, cursor_key.bytes, query::Scope{}, std::move(fields));
  access.caller = "uid:" + std::to_string(os::effective_user_id());
  return access;
}

Error to_error(const query::QueryError& error) {
  if (error.cause) return *error.cause;
  std::string message = error.field.empty() ? std::string() : error.field + ": ";
  message += error.code + ": " + error.hint;
  std::string more;
  const auto add = [&more](const std::string& part) { more += (more.empty() ? " (" : "; ") + part; };
  if (!error.got.empty()) add("got " + in_quotes(error.got));
  if (!error.allowed.empty()) {
    std::string list;
    for (const std::string& word : error.allowed) list += (list.empty() ? "" : ", ") + printable(word);
    add("right would be: " + list);
  }
  if (!error.did_you_mean.empty()) add("did you mean " + in_quotes(error.did_you_mean) + "?");
  if (!more.empty()) message += more + ")";
  return {error.code == "NOT_FOUND" ? Code::kNotFound
          : error.code == "PURGED"  ? Code::kPurged
                                    : Code::kInvalid,
          std::move(message)};
}

Result<Exit> refuse(Output& output, const query::QueryError& error) {
  const Error told = to_error(error);
  if (error.findings.empty()) return told;
  if (output.json()) {
    std::string text = "{\"schema\":\"khipu.error/v1\",\"error\":{\"code\":";
    query::append_json_string(text, code_name(told.code));
    text += ",\"message\":";
    query::append_json_string(text, told.message);
    text += "},\"findings\":";
    query::append_findings(text, error.findings);
    output.line(text + "}");
  }
  output.note(printable(told.message));
  (void)tell(output, error.findings, {});
  return Exit::kFinding;
}

void FilterArguments::declare(Arguments& arguments, bool rows) {
  arguments.text("--from", from_, "TIME", "start of the window, which belongs to it; default: the oldest event");
  arguments.text("--to", to_, "TIME", "end of the window, which does not belong to it; default: no end");
  arguments.text("--tz", tz_, "ZONE", "IANA time zone of days and of times without an offset; default UTC for days");
  arguments.choice("--axis", axis_, {"occurred", "recorded"}, "the time the window counts on; default occurred");
  if (rows) {
    arguments.choice("--order", order_, {"seq", "time"},
                     "order of rows: as recorded, or by time with ties by seq; default seq");
    arguments.flag("--asc", ascending_, "oldest first");
    arguments.flag("--desc", descending_, "newest first");
  }
  arguments.text("--outside-hours", hours_, "HOURS", "only what lies outside these hours of --tz: 08:00-18:00");
  arguments.text("--days", days_, "DAYS", "days that --outside-hours are worked on: mon-fri; default every day");
  arguments.texts("--actor", is_.actor, "WHO", "TYPE:ID, an id or a name; several: any of them");
  arguments.texts("--actor-match", actor_match_, "MATCH", "actors by a field: TYPE.FIELD=VALUE; once");
  arguments.texts("--target", is_.target, "WHAT", "TYPE:ID, an id or a name; several: all of them");
  arguments.texts("--target-match", target_match_, "MATCH",
                  "targets by a field: TYPE.FIELD=VALUE; several: all of them");
  arguments.flag("--current", current_, "matches look at newest versions only, not at past ones");
  arguments.texts("--action", is_.action, "WORD", "the action, letters as recorded; several: any");
  arguments.texts("--action-class", is_.action_class, "WORD", "auth, read, create, update, delete, ...; several: any");
  arguments.texts("--outcome", is_.outcome, "WORD", "success, failure, denied, unknown, not_success; several: any");
  arguments.texts("--source", is_.source, "NAME", "the source that sent the event; several: any");
  arguments.text("--url-prefix", is_.url_prefix, "TEXT", "start of the url, letters as recorded");
  arguments.texts("--custom", is_.custom, "NAME=VALUE", "a custom column's value; several: all of them");
  arguments.text("--text", is_.text, "TEXT", "somewhere in the content, letters of either case");
  arguments.texts("--not-actor", is_not_.actor, "WHO", "leaves these actors out");
  arguments.texts("--not-target", is_not_.target, "WHAT", "leaves out events with any of these targets");
  arguments.texts("--not-action", is_not_.action, "WORD", "leaves these actions out");
  arguments.texts("--not-action-class", is_not_.action_class, "WORD", "leaves these classes out");
  arguments.texts("--not-outcome", is_not_.outcome, "WORD", "leaves these outcomes out");
  arguments.texts("--not-source", is_not_.source, "NAME", "leaves these sources out");
  arguments.text("--not-url-prefix", is_not_.url_prefix, "TEXT", "leaves out urls that start so");
  arguments.texts("--not-custom", is_not_.custom, "NAME=VALUE", "leaves out events with this column value");
  arguments.text("--not-text", is_not_.text, "TEXT", "leaves out events with this in their content");
}

const char* FilterArguments::details() {
  return "Different filters must all be met. TIME is 2026-06-15T05:07:07Z (or an offset), 2026-06-15, -24h, '24h ago', "
         "now,\n"
         "today, yesterday, this_week, last_month, 2026-06, 2026-Q2 or 16 digits of microseconds; a calendar word or "
         "period\n"
         "alone in --from is its whole window. MATCH is TYPE.FIELD=VALUE (exact), ~= (either case), ^= (prefix), *= "
         "(contains).\n";
}

query::Answer<query::Conditions> FilterArguments::conditions(const Words& words) {
  query::Conditions c;
  c.actors = words.actor;
  c.targets = words.target;
  c.actions = words.action;
  c.action_classes = words.action_class;
  c.outcomes = words.outcome;
  c.sources = words.source;
  c.url_prefix = words.url_prefix;
  c.text = words.text;
  for (const std::string& custom : words.custom) {
    const size_t equals = custom.find('=');
    if (equals == std::string::npos || equals == 0) return wrong("--custom", custom, "It is written NAME=VALUE.");
    const std::string value = custom.substr(equals + 1);
    c.custom.push_back({custom.substr(0, equals), query::OwnedValue(codec::Value::of_text(value))});
  }
  return c;
}

query::Answer<query::Filter> FilterArguments::filter(TimeUs now) const {
  if (ascending_ && descending_) return wrong("--asc", "", "Either --asc or --desc, not both.");
  if (actor_match_.size() > 1) return wrong("--actor-match", actor_match_[1], "It may be given once.");
  query::Filter filter;
  KHIPU_TRY_ASSIGN(const query::TimeWindow window, query::resolve_window(from_, to_, tz_, now));
  filter.from = window.from;
  filter.to = window.to;
  filter.axis = axis_ == "recorded" ? query::Axis::kRecorded : query::Axis::kOccurred;
  if (!hours_.empty()) {
    KHIPU_TRY_ASSIGN(filter.outside_hours, query::parse_office_hours(hours_, days_, tz_));
  } else if (!days_.empty()) {
    return wrong("--days", days_, "It goes with --outside-hours.");
  }
  KHIPU_TRY_ASSIGN(filter.where, conditions(is_));
  KHIPU_TRY_ASSIGN(filter.where_not, conditions(is_not_));
  for (const std::string& text : actor_match_) {
    KHIPU_TRY_ASSIGN(filter.where.actor_match, matcher(text, "--actor-match", current_));
  }
  for (const std::string& text : target_match_) {
    KHIPU_TRY_ASSIGN(query::EntityMatcher match, matcher(text, "--target-match", current_));
    filter.where.target_matches.push_back(std::move(match));
  }
  return filter;
}

query::Order FilterArguments::order(bool descending_by_default) const {
  return {order_ == "time" ? query::OrderBy::kTime : query::OrderBy::kSeq,
          descending_ || (descending_by_default && !ascending_)};
}

std::string FilterArguments::given() const {
  std::string given;
  const auto add = [&given](std::string_view text) {
    given += std::to_string(text.size());
    given += ':';
    given += text;
  };
  for (const std::string* text : {&from_, &to_, &tz_, &axis_, &order_, &hours_, &days_}) add(*text);
  for (const bool flag : {ascending_, descending_, current_}) add(flag ? "1" : "");
  const auto add_list = [&](const std::vector<std::string>& list) {
    for (const std::string& text : list) add(text);
    given += ';';
  };
  add_list(actor_match_);
  add_list(target_match_);
  for (const Words* words : {&is_, &is_not_}) {
    for (const auto* list : {&words->actor, &words->target, &words->action, &words->action_class, &words->outcome,
                             &words->source, &words->custom}) {
      add_list(*list);
    }
    add(words->url_prefix);
    add(words->text);
  }
  return given;
}

std::vector<std::string> FilterArguments::names() const {
  std::vector<std::string> names;
  const auto add = [&names](const std::string& name, bool given) {
    if (given) names.push_back(name);
  };
  add("from", !from_.empty());
  add("to", !to_.empty());
  add("tz", !tz_.empty());
  add("outside-hours", !hours_.empty());
  add("days", !days_.empty());
  add("current", current_);
  add("actor-match", !actor_match_.empty());
  add("target-match", !target_match_.empty());
  for (const auto& [prefix, words] : {std::pair<std::string, const Words&>{"", is_}, {"not-", is_not_}}) {
    add(prefix + "actor", !words.actor.empty());
    add(prefix + "target", !words.target.empty());
    add(prefix + "action", !words.action.empty());
    add(prefix + "action-class", !words.action_class.empty());
    add(prefix + "outcome", !words.outcome.empty());
    add(prefix + "source", !words.source.empty());
    add(prefix + "custom", !words.custom.empty());
    add(prefix + "url-prefix", !words.url_prefix.empty());
    add(prefix + "text", !words.text.empty());
  }
  return names;
}

codec::AccessRecord::State state_of(const query::AsOf& as_of) { return {as_of.commit, as_of.tree_size}; }

namespace {

std::string entity_text(const query::EntityView& view) {
  if (view.missing) return "(cannot be shown: registry row " + std::to_string(view.version_row.value) + ")";
  std::string text = printable(view.ref());
  if (!view.name.empty() && view.name != view.id) text += " (" + printable(view.name) + ")";
  if (view.deleted) text += " [deleted]";
  return text;
}

}  // namespace

std::string zone_time(TimeUs time, const query::Zone& zone) {
  const int64_t minutes = zone.offset(time).ahead_us / 60'000'000;
  std::string text = format_rfc3339(time + minutes * 60'000'000);
  if (zone.is_utc()) return text;
  char offset[8];
  std::snprintf(offset, sizeof offset, "%c%02d:%02d", minutes < 0 ? '-' : '+', static_cast<int>(std::abs(minutes) / 60),
                static_cast<int>(std::abs(minutes) % 60));
  text.back() = offset[0];  // in place of the Z
  return text + (offset + 1);
}

std::string event_line(const query::EventRow& event, const query::Zone& zone) {
  std::string line = std::to_string(event.seq.value) + "  " + zone_time(event.occurred_at, zone) + "  " +
                     entity_text(event.actor) + "  " + printable(event.action) + "  " +
                     std::string(codec::name(event.outcome));
  const char* arrow = "  -> ";
  for (const query::EntityView& target : event.targets) {
    line += arrow + entity_text(target);
    arrow = ", ";
  }
  if (!event.url.empty()) line += "  " + printable(event.url);
  if (!event.source.empty()) line += "  from " + printable(event.source);
  return line;
}

bool tell(Output& output, const std::vector<query::Finding>& findings, const std::vector<query::Note>& notes) {
  for (const query::Note& note : notes) {
    output.note("note: " + note.text + (note.subject.empty() ? "" : " (" + printable(note.subject) + ")"));
  }
  bool damage = false;
  const query::Finding* shredded = nullptr;
  for (const query::Finding& finding : findings) {
    if (finding.code == query::kFieldShredded) {
      if (shredded == nullptr) shredded = &finding;
      continue;
    }
    damage = true;
    output.note("FINDING " + finding.code + ": " + printable(finding.where) +
                (finding.rows > 1 ? " and " + std::to_string(finding.rows - 1) + " more rows" : ""));
  }
  if (shredded != nullptr) {
    output.note("note: values are not shown whose keys were destroyed on purpose (SHRED); the first: " +
                printable(shredded->where));
  }
  if (damage) output.note("The log is damaged or was changed: run khipu verify.");
  return damage;
}

}  // namespace khipu::cli
