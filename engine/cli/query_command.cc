// `khipu query`: a page of events.
#include "engine/base/bytes.h"
#include "engine/base/time.h"
#include "engine/cli/commands.h"
#include "engine/cli/output.h"
#include "engine/cli/query_access.h"
#include "engine/cli/read_report.h"
#include "engine/cli/root.h"
#include "engine/os/clock.h"
#include "engine/query/print.h"

namespace khipu::cli {
namespace {

class QueryCommand final : public Command {
 public:
  std::string name() const override { return "query"; }
  std::string summary() const override { return "Show the events that match a filter, newest first"; }
  std::string details() const override {
    return std::string(
               "Every event shown was checked up to the signed root of the log's newest state. The total is exact.\n"
               "Times are those of --tz, with their offset; in JSON they are always UTC.\n") +
           FilterArguments::details() +
           "\nExamples:\n  khipu query /srv/audit --actor alice --from yesterday --outcome not_success\n"
           "  khipu query /srv/audit --target-match user.email~=A.Smith@example.org --order time --json\n"
           "  khipu query /srv/audit --cursor a1.kwGQ...\n\n"
           "Exit codes: 0 answered, 1 answered and something is wrong with the log, 3 not answered.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "directory of the log");
    filter_.declare(arguments);
    arguments.choice("--log", log_, {"events", "access"},
                     "access: who read the log; then --actor is the caller, --action the tool; default events");
    arguments.number("--limit", limit_, 0, 100000, "rows of a page; default 25; 0: the total alone");
    arguments.text("--cursor", cursor_, "CURSOR", "the next page, as the page before it printed");
    arguments.text("--key", key_, "KEY", kVerifierKeyHelp);
    arguments.texts("--keys", role_keys_, "DIR", kRoleKeysHelp);
  }

  Result<Exit> run(Output& output) override {
    KHIPU_TRY_ASSIGN(const QueryAccess access, open_query_access(root_, key_, role_keys_));
    query::EventRequest request;
    request.limit = static_cast<uint32_t>(limit_);
    request.cursor = cursor_;
    request.caller = access.caller;
    request.opens = access.engine->can_open();
    request.text_scan_rows_max = UINT64_MAX;  // whoever waits at a terminal can stop it
    if (cursor_.empty() || filter_.any()) {
      auto filter = filter_.filter(os::system_clock().now());
      if (!filter.ok()) return to_error(filter.error());
      request.filter = std::move(filter).value();
      request.order = filter_.order(true);
      request.given = filter_.given();
      if (log_ == "access") {
        request.filter->log = query::Log::kAccess;
        request.given += "log=access";
      }
    }
    if (log_ == "access") return run_access(*access.engine, request, output);
    const auto page = access.engine->events(request);
    if (!page.ok()) return refuse(output, page.error());
    if (access.engine->can_open()) {
      report_read(root_, {"khipu query", names(), page->rows.size(), state_of(page->as_of)}, output);
    }
    if (output.json()) {
      print_json(output, *page);
    } else {
      const auto zone = query::Zone::find(filter_.tz());
      if (!zone.ok()) return to_error(zone.error());
      print_text(output, *page, *zone);
    }
    return page->findings_total > page->findings_shredded ? Exit::kFinding : Exit::kOk;
  }

 private:
  static Result<Exit> run_access(query::Engine& engine, const query::EventRequest& request, Output& output) {
    const auto page = engine.accesses(request);
    if (!page.ok()) return to_error(page.error());
    if (output.json()) {
      std::string text = "{\"schema\":\"khipu.access/v1\",\"as_of\":";
      query::append_as_of(text, page->as_of);
      text += ",\"total\":";
      text += page->total_is_lower_bound ? "{\"at_least\":" + std::to_string(page->total) + "}"
                                         : std::to_string(page->total);
      text += ",\"returned\":" + std::to_string(page->rows.size()) + ",\"cursor\":";
      text += page->cursor ? "\"" + *page->cursor + "\"" : "null";
      text += ",\"accesses\":[";
      for (const query::AccessRow& row : page->rows) {
        if (text.back() != '[') text += ',';
        query::append_access(text, row);
      }
      text += "],\"findings\":";
      query::append_findings(text, page->findings);
      output.line(text + "}");
    } else {
      for (const query::AccessRow& row : page->rows) output.line(access_line(row));
      output.line(std::to_string(page->rows.size()) + " of " + (page->total_is_lower_bound ? "at least " : "") +
                  std::to_string(page->total) + " reads that match, in an access log of " +
                  std::to_string(page->as_of.tree_size) + ", root " + base64(page->as_of.root));
      if (page->cursor) output.line("more: --cursor " + *page->cursor);
      (void)tell(output, page->findings, {});
    }
    return page->findings_total > 0 ? Exit::kFinding : Exit::kOk;
  }

  // "a:17  2026-06-15T05:07:07.123456Z  token:auditor-1  audit_query  success  actor,from  25 rows"
  static std::string access_line(const query::AccessRow& row) {
    const codec::AccessRecord& record = row.record;
    std::string line = "a:" + std::to_string(row.row.value) + "  " + format_rfc3339(record.time) + "  " +
                       printable(record.caller) + "  " + printable(record.tool) + "  " +
                       std::string(codec::name(record.outcome));
    if (!record.code.empty()) line += " " + printable(record.code);
    const char* space = "  ";
    for (const std::string& name : record.arguments) {
      line += space + printable(name);
      space = ",";
    }
    if (record.results) line += "  " + std::to_string(*record.results) + " results";
    return line;
  }

  static void print_json(Output& output, const query::EventPage& page) {
    std::string text = "{\"schema\":\"khipu.query/v1\",\"as_of\":";
    query::append_as_of(text, page.as_of);
    text += ",\"axis\":\"" + std::string(query::name(page.applied.axis)) + "\",\"total\":";
    text +=
        page.total_is_lower_bound ? "{\"at_least\":" + std::to_string(page.total) + "}" : std::to_string(page.total);
    text += ",\"returned\":" + std::to_string(page.rows.size()) + ",\"cursor\":";
    text += page.cursor ? "\"" + *page.cursor + "\"" : "null";
    text += ",\"coverage\":";
    query::append_coverage(text, page.coverage);
    text += ",\"events\":[";
    for (const query::EventRow& event : page.rows) {
      if (text.back() != '[') text += ',';
      query::append_event(text, event);
    }
    text += "],\"findings\":";
    query::append_findings(text, page.findings);
    text += ",\"notes\":";
    query::append_notes(text, page.notes);
    output.line(text + "}");
  }

  static void print_text(Output& output, const query::EventPage& page, const query::Zone& zone) {
    for (const query::EventRow& event : page.rows) output.line(event_line(event, zone));
    output.line(std::to_string(page.rows.size()) + " of " + (page.total_is_lower_bound ? "at least " : "") +
                std::to_string(page.total) + " events that match, in a log of " + std::to_string(page.as_of.tree_size) +
                ", root " + base64(page.as_of.root));
    if (page.applied.from || page.applied.to) {
      std::string window = std::string(query::name(page.applied.axis)) + "_at";
      if (page.applied.from) window += " from " + zone_time(*page.applied.from, zone);
      if (page.applied.to) window += " to " + zone_time(*page.applied.to, zone) + ", which is not in it";
      output.line("window: " + window);
    }
    if (page.coverage.purged_overlap) {
      output.line("not retained: events below seq " + std::to_string(page.coverage.first_seq.value) +
                  " may have matched");
    }
    if (page.cursor) output.line("more: --cursor " + *page.cursor);
    (void)tell(output, page.findings, page.notes);
  }

  std::vector<std::string> names() const {
    std::vector<std::string> names = filter_.names();
    names.emplace_back("keys");
    if (!cursor_.empty()) names.emplace_back("cursor");
    return names;
  }

  std::string root_, cursor_, key_, log_ = "events";
  std::vector<std::string> role_keys_;
  uint64_t limit_ = 25;
  FilterArguments filter_;
};

}  // namespace

std::unique_ptr<Command> make_query_command() { return std::make_unique<QueryCommand>(); }

}  // namespace khipu::cli
