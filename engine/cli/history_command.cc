// `khipu history`: how an entity changed, and who changed it.
#include <algorithm>

#include "engine/base/time.h"
#include "engine/cli/commands.h"
#include "engine/cli/output.h"
#include "engine/cli/query_access.h"
#include "engine/cli/read_report.h"
#include "engine/cli/root.h"
#include "engine/os/clock.h"
#include "engine/query/print.h"
#include "engine/query/time_text.h"

namespace khipu::cli {
namespace {

std::string value_text(const std::optional<query::OwnedValue>& value) {
  return value ? printable(value->as_text()) : "(none)";
}

class HistoryCommand final : public Command {
 public:
  std::string name() const override { return "history"; }
  std::string summary() const override { return "Show how an entity changed, version by version, and who changed it"; }
  std::string details() const override {
    return "Every version shown was checked up to the signed root. A version's time is that of the event that brought "
           "it.\n\n"
           "Examples:\n  khipu history /srv/audit user:u-1001\n"
           "  khipu history /srv/audit alice --at 2026-03-01 --tz Europe/London\n\n"
           "Exit codes: 0 answered, 1 answered and something is wrong with the log, 3 not answered (no such entity).";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "directory of the log");
    arguments.required("ENTITY", entity_, "TYPE:ID, or an id or name that only one entity bears");
    arguments.text("--at", at_, "TIME", "the state at this moment alone; forms of TIME: khipu query --help");
    arguments.text("--from", from_, "TIME", "start of the window; default: the first version");
    arguments.text("--to", to_, "TIME", "end of the window, which does not belong to it; default: no end");
    arguments.text("--tz", tz_, "ZONE", "IANA time zone of days and of times without an offset; default UTC for days");
    arguments.choice("--axis", axis_, {"occurred", "recorded"}, "the time that counts; default occurred");
    arguments.texts("--field", fields_, "NAME", "changes of this field alone; several: any of them");
    arguments.number("--limit", limit_, 1, 100000, "versions of a page; default 50");
    arguments.text("--cursor", cursor_, "CURSOR", "the next page, as the page before it printed");
    arguments.text("--key", key_, "KEY", kVerifierKeyHelp);
    arguments.texts("--keys", role_keys_, "DIR", kRoleKeysHelp);
  }

  Result<Exit> run(Output& output) override {
    KHIPU_TRY_ASSIGN(const QueryAccess access, open_query_access(root_, key_, role_keys_));
    query::HistoryRequest request;
    request.entity = entity_;
    request.axis = axis_ == "recorded" ? query::Axis::kRecorded : query::Axis::kOccurred;
    request.fields = fields_;
    request.limit = static_cast<uint32_t>(limit_);
    request.cursor = cursor_;
    request.caller = access.caller;
    request.opens = access.engine->can_open();
    const TimeUs now = os::system_clock().now();
    const auto window = query::resolve_window(from_, to_, tz_, now);
    if (!window.ok()) return to_error(window.error());
    request.from = window->from;
    request.to = window->to;
    if (!at_.empty()) {
      const auto at = query::resolve_instant(at_, tz_, now, "at");
      if (!at.ok()) return to_error(at.error());
      request.at = *at;
    }
    const auto history = access.engine->history(request);
    if (!history.ok()) return refuse(output, history.error());
    if (access.engine->can_open()) {
      report_read(root_, {"khipu history", names(), history->versions.size(), state_of(history->as_of)}, output);
    }
    if (output.json()) {
      print_json(output, *history);
    } else {
      const auto zone = query::Zone::find(tz_);
      if (!zone.ok()) return to_error(zone.error());
      print_text(output, *history, *zone);
    }
    const bool damage = std::any_of(history->findings.begin(), history->findings.end(),
                                    [](const auto& finding) { return finding.code != query::kFieldShredded; });
    return damage ? Exit::kFinding : Exit::kOk;
  }

 private:
  static void print_json(Output& output, const query::History& history) {
    std::string text = "{\"schema\":\"khipu.history/v1\",\"as_of\":";
    query::append_as_of(text, history.as_of);
    text += ",\"entity\":";
    query::append_json_string(text, history.ref);
    text += ",\"name\":";
    query::append_json_string(text, history.name);
    text += history.deleted ? ",\"deleted\":true" : ",\"deleted\":false";
    text += ",\"total\":" + std::to_string(history.total) + ",\"cursor\":";
    text += history.cursor ? "\"" + *history.cursor + "\"" : "null";
    text += ",\"versions\":[";
    for (const query::VersionView& version : history.versions) {
      if (text.back() != '[') text += ',';
      query::append_version(text, version);
    }
    text += "],\"findings\":";
    query::append_findings(text, history.findings);
    text += ",\"notes\":";
    query::append_notes(text, history.notes);
    output.line(text + "}");
  }

  void print_text(Output& output, const query::History& history, const query::Zone& zone) const {
    output.line(printable(history.ref) + (history.name.empty() ? "" : " (" + printable(history.name) + ")") +
                (history.deleted ? ", deleted" : "") + ": " + std::to_string(history.total) +
                (history.total == 1 ? " version" : " versions"));
    for (const query::VersionView& version : history.versions) {
      std::string line = "version " + std::to_string(version.version) + "  " + zone_time(version.time, zone);
      if (version.seq) line += "  seq " + std::to_string(version.seq->value);
      if (version.changed_by && !version.changed_by->missing) line += "  by " + printable(version.changed_by->ref());
      if (version.deleted) line += "  deleted";
      if (version.revived) line += "  registered again";
      output.line(line);
      if (!at_.empty()) {
        for (const auto& [field, value] : version.fields)
          output.line("    " + field + ": " + printable(value.as_text()));
        continue;
      }
      for (const query::FieldChange& change : version.changes) {
        output.line("    " + printable(change.field) + ": " + value_text(change.from) + " -> " + value_text(change.to));
      }
    }
    if (history.cursor) output.line("more: --cursor " + *history.cursor);
    (void)tell(output, history.findings, history.notes);
  }

  std::vector<std::string> names() const {
    std::vector<std::string> names = {"keys"};
    for (const auto& [name, given] : {std::pair("at", !at_.empty()),
                                      {"from", !from_.empty()},
                                      {"to", !to_.empty()},
                                      {"field", !fields_.empty()},
                                      {"cursor", !cursor_.empty()}}) {
      if (given) names.emplace_back(name);
    }
    return names;
  }

  std::string root_, entity_, at_, from_, to_, tz_, axis_ = "occurred", cursor_, key_;
  std::vector<std::string> fields_, role_keys_;
  uint64_t limit_ = 50;
};

}  // namespace

std::unique_ptr<Command> make_history_command() { return std::make_unique<HistoryCommand>(); }

}  // namespace khipu::cli
