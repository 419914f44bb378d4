// audit_verify: has the log been altered? A verdict with its basis and its limits, within a time budget.
#include <algorithm>
#include <charconv>
#include <mutex>

#include "engine/base/bytes.h"
#include "engine/verify/print.h"
#include "engine/verify/verify.h"
#include "mcp/tools/audit_tool.h"
#include "mcp/tools/result_builder.h"
#include "mcp/tools/verify_job.h"

namespace khipu::mcp::tools {
namespace {

constexpr int64_t kDefaultSeconds = 20;
constexpr int64_t kMarginMs = 2000;  // kept back from the call's deadline to write the answer
constexpr int64_t kWaitMinMs = 200;
constexpr size_t kAlsoMax = 20;  // findings shown beside the first break

server::ToolResult invalid(std::string field, std::string_view got, std::string hint) {
  return server::error_result({"INVALID_ARGUMENT", std::move(field), render_got(got), {}, "", std::move(hint), 0});
}

class VerifyTool final : public AuditTool {
 public:
  explicit VerifyTool(AuditContext& audit_context)
      : AuditTool(audit_context, "audit_verify"), job_(audit_context.store.root(), audit_context.verify_waiting_max) {}

 protected:
  server::ToolResult answer(const Arguments& arguments, server::CallContext& context) override {
    const Json& given = arguments.values;
    if (!context.caller().has_grant("verify")) {
      return server::error_result({"FORBIDDEN", "", "", {}, "", "This needs the grant verify.", 0});
    }
    verify::Options options;
    options.key = audit().verifier_key;
    const std::string scope = given.value("scope", "full");
    if (auto wrong = take_range(given, scope, options)) return *wrong;
    if (auto wrong = take_against(given, options)) return *wrong;
    std::string key = scope + "\n" + given.value("against", "") + "\n";
    for (const auto& row : {options.from_row, options.to_row}) key += (row ? std::to_string(row->value) : "-") + "\n";
    if (scope == "since_last") {
      const std::lock_guard lock(mutex_);
      options.since = state_;  // none yet: the whole log
      options.since_is_own = true;
    }
    const int64_t wanted_ms = given.value("max_seconds", kDefaultSeconds) * 1000;
    const int64_t wait_ms = std::max(kWaitMinMs, std::min(wanted_ms, context.remaining_ms() - kMarginMs));
    VerifyJob::Outcome outcome = job_.wait(key, options, wait_ms, context);
    if (outcome.kind == VerifyJob::Outcome::Kind::kBusy) {
      return server::error_result(
          {"BUSY",
           "",
           "",
           {},
           "",
           "Other verifications are under way, and as many calls as may wait for them; ask again.",
           5});
    }
    if (outcome.kind == VerifyJob::Outcome::Kind::kUnderWay) {
      return under_way(outcome, scope, context, arguments.coercions);
    }
    const Result<verify::Report>& report = *outcome.report;
    if (!report.ok() && report.error().code == Code::kInvalid) {
      const bool note = !report.error().message.starts_with("rows ");
      const std::string field = note ? "against" : given.contains("to_seq") ? "to_seq" : "from_seq";
      return invalid(field, note ? "" : given[field].dump(), report.error().message + ".");
    }
    if (!report.ok()) return error_result(report.error());
    // After a finding nothing counts as read: the next since_last reads the whole log again.
    if (report->state || report->verdict == verify::Verdict::kFail) {
      const std::lock_guard lock(mutex_);
      state_ = report->state;
    }
    return present(*report, context, arguments.coercions);
  }

 private:
  // Signed heads line by line: no string of an answer holds a line break, and a note is its lines.
  static OrderedJson shown(OrderedJson finding) {
    if (!finding.is_object() || !finding.contains("signed_heads")) return finding;
    for (OrderedJson& head : finding["signed_heads"]) {
      OrderedJson lines = OrderedJson::array();
      const std::string text = head.get<std::string>();
      for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find('\n', at), text.size());
        lines.push_back(text.substr(at, end - at));
        at = end + 1;
      }
      head = std::move(lines);
    }
    return finding;
  }

  static std::optional<server::ToolResult> take_range(const Json& given, const std::string& scope,
                                                      verify::Options& options) {
    const bool range = scope == "range";
    if (range != (given.contains("from_seq") || given.contains("to_seq"))) {
      return invalid(range ? "from_seq" : "scope", "",
                     "scope range needs from_seq or to_seq; from_seq and to_seq need scope range.");
    }
    if (!range) return std::nullopt;
    options.from_row = Row{given.value("from_seq", uint64_t{0})};
    if (given.contains("to_seq")) options.to_row = Row{given["to_seq"].get<uint64_t>()};
    if (options.to_row && *options.from_row >= *options.to_row) {
      return invalid("to_seq", given["to_seq"].dump(),
                     "to_seq is one past the last event, so it must be greater than from_seq.");
    }
    return std::nullopt;
  }

  // "latest", the number of a published checkpoint, or the text of a signed note the caller kept.
  std::optional<server::ToolResult> take_against(const Json& given, verify::Options& options) {
    const std::string against = given.value("against", "");
    if (against.empty()) return std::nullopt;
    if (against.find('\n') != std::string::npos) {
      options.against.push_back(against.ends_with('\n') ? against : against + "\n");
      return std::nullopt;
    }
    std::optional<uint64_t> number;
    if (against != "latest") {
      uint64_t value = 0;
      const auto [end, error] = std::from_chars(against.data(), against.data() + against.size(), value);
      if (error != std::errc() || end != against.data() + against.size()) {
        return invalid("against", against,
                       "against is latest, the number of a published checkpoint, or the whole text of a signed note "
                       "with its line breaks.");
      }
      number = value;
    }
    Result<std::string> note = verify::published_checkpoint(audit().store.root(), number);
    if (!note.ok() && note.error().code == Code::kNotFound) {
      return server::error_result(
          {"NOT_FOUND", "against", against, {}, "", "There is no such checkpoint: " + note.error().message + ".", 0});
    }
    if (!note.ok()) return error_result(note.error());
    options.own_checkpoints.push_back(std::move(note).value());
    return std::nullopt;
  }

  // Time is up; the verification goes on, and the same call waits for it again.
  static server::ToolResult under_way(const VerifyJob::Outcome& outcome, const std::string& scope,
                                      server::CallContext& context, const std::vector<std::string>& coercions) {
    constexpr const char* kStatement =
        "The check is not finished: nothing can be said yet. It goes on; call audit_verify again with the same "
        "arguments within a minute to wait for its verdict.";
    ResultBuilder out;
    out.line("server_time", time_text(context.now()));
    out.line("verdict", "incomplete");
    out.line("scope", scope);
    out.line("statement", kStatement);
    out.line("bytes_read", outcome.done_bytes);
    out.line("bytes_total", outcome.total_bytes);
    out.put("verdict", "incomplete");
    out.put("scope", scope);
    out.put("basis", std::vector<std::string>());
    out.put("not_checked", std::vector<std::string>{"what has not been read yet"});
    out.put("statement", kStatement);
    out.put("does_not_show", std::vector<std::string>{"anything: the check is not finished"});
    out.put("resume",
            {{"same_arguments", true}, {"bytes_read", outcome.done_bytes}, {"bytes_total", outcome.total_bytes}});
    out.put("first_break", nullptr);
    Renderer renderer("");
    out.notes({}, coercions, renderer);
    return out.take();
  }

  static server::ToolResult present(const verify::Report& report, server::CallContext& context,
                                    const std::vector<std::string>& coercions) {
    // The report's own printer knows every member of a finding; record text never enters it.
    const OrderedJson printed = OrderedJson::parse(verify::to_json(report));
    ResultBuilder out;
    const size_t logs = index_of(TableId::kLogs);
    out.put("as_of", {{"tree_size", report.sizes[logs]},
                      {"root", base64(report.roots[logs])},
                      {"commit", report.commit.value},
                      {"server_time", time_text(context.now())}});
    out.line("tree_size", report.sizes[logs]);
    out.line("root", base64(report.roots[logs]));
    out.line("commit", report.commit.value);
    out.line("server_time", time_text(context.now()));
    out.line("verdict", verify::name(report.verdict));
    out.line("scope", report.scope);
    out.line("records", report.checked.records);
    out.line("basis", join(report.basis, ", "));
    out.line("statement", report.statement);
    out.line("does_not_show", join(report.does_not_show, "; "));
    if (!report.not_checked.empty()) out.line("not_checked", join(report.not_checked, "; "));
    out.put("verdict", verify::name(report.verdict));
    out.put("scope", report.scope);
    if (report.from_row) out.put("from_seq", report.from_row->value);
    if (report.to_row) out.put("to_seq", report.to_row->value);
    if (report.since_commit) {
      out.put("since", {{"commit", report.since_commit->value},
                        {"all_read_up_to_commit", report.full_commit->value},
                        {"all_read_at", time_text(report.full_time)}});
    }
    out.put("checked", printed.at("checked"));
    out.put("basis", report.basis);
    out.put("not_checked", report.not_checked);
    out.put("statement", report.statement);
    out.put("does_not_show", report.does_not_show);
    out.put("first_break", shown(printed.value("first_break", OrderedJson(nullptr))));
    if (report.first_break) {
      const verify::Finding& first = *report.first_break;
      std::string line(first.code);
      if (first.table) line += std::string(" table ") + table_name(*first.table);
      if (first.row && first.row->value != UINT64_MAX) line += " row " + std::to_string(first.row->value);
      if (!first.file.empty()) line += " file " + first.file;
      if (first.offset) line += " offset " + std::to_string(*first.offset);
      out.line("first_break", line + ": " + first.detail);
    }
    OrderedJson also = OrderedJson::array();
    std::vector<std::vector<std::string>> cells;
    for (const OrderedJson& finding : printed.value("findings", OrderedJson::array())) {
      if (also.size() == kAlsoMax) break;
      also.push_back(shown(finding));
      const auto text = [&](const char* name) {
        if (!finding.contains(name)) return std::string();
        return finding[name].is_string() ? finding[name].get<std::string>() : finding[name].dump();
      };
      cells.push_back({text("code"), text("table"), text("row"), text("file"), text("offset"), text("detail")});
    }
    out.put("also", std::move(also));
    if (!report.counts.empty()) {
      OrderedJson counts = OrderedJson::object();
      for (const auto& [code, count] : report.counts) counts[code] = count;
      out.put("finding_counts", std::move(counts));
    }
    Renderer renderer("");
    out.notes({}, coercions, renderer);
    if (!cells.empty()) out.table({"code", "table", "row", "file", "offset", "detail"}, cells);
    return out.take();
  }

  VerifyJob job_;
  std::mutex mutex_;
  std::optional<verify::State> state_;  // of the last pass with no finding behind it, for scope since_last
};

}  // namespace

std::unique_ptr<server::Tool> make_verify_tool(AuditContext& audit) { return std::make_unique<VerifyTool>(audit); }

}  // namespace khipu::mcp::tools
