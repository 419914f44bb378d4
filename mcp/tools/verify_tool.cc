// audit_verify: has the log been altered? A verdict with its basis and its limits, within a time budget.
#include <algorithm>
#include <atomic>

#include "engine/base/bytes.h"
#include "engine/verify/print.h"
#include "engine/verify/verify.h"
#include "mcp/tools/audit_tool.h"
#include "mcp/tools/result_builder.h"

namespace khipu::mcp::tools {
namespace {

constexpr int64_t kDefaultSeconds = 20;
constexpr int64_t kMarginMs = 2000;  // kept back from the call's deadline to write the answer
constexpr size_t kAlsoMax = 20;      // findings shown beside the first break

class VerifyTool final : public AuditTool {
 public:
  explicit VerifyTool(AuditContext& audit_context) : AuditTool(audit_context, "audit_verify") {}

 protected:
  server::ToolResult answer(const Arguments& arguments, server::CallContext& context) override {
    const Json& given = arguments.values;
    if (!context.caller().has_grant("verify")) {
      return server::error_result({"FORBIDDEN", "", "", {}, "", "This needs the grant verify.", 0});
    }
    const bool range = given.value("scope", "full") == "range";
    if (range != (given.contains("from_seq") || given.contains("to_seq"))) {
      return server::error_result({"INVALID_ARGUMENT",
                                   range ? "from_seq" : "scope",
                                   "",
                                   {},
                                   "",
                                   "scope range needs from_seq or to_seq; from_seq and to_seq need scope range.",
                                   0});
    }
    verify::Options options;
    options.key = audit().verifier_key;
    if (range) {
      options.from_row = Row{given.value("from_seq", uint64_t{0})};
      if (given.contains("to_seq")) options.to_row = Row{given["to_seq"].get<uint64_t>()};
      if (options.to_row && *options.from_row >= *options.to_row) {
        return server::error_result({"INVALID_ARGUMENT",
                                     "to_seq",
                                     given["to_seq"].dump(),
                                     {},
                                     "",
                                     "to_seq is one past the last event, so it must be greater than from_seq.",
                                     0});
      }
    }
    const int64_t wanted_ms = given.value("max_seconds", kDefaultSeconds) * 1000;
    options.budget_us = std::max<int64_t>(500, std::min(wanted_ms, context.remaining_ms() - kMarginMs)) * 1000;
    std::atomic<bool> cancelled{false};
    const std::stop_callback on_stop(context.stop(), [&] { cancelled = true; });
    options.cancelled = &cancelled;
    options.progress = [&](uint64_t done, uint64_t total) {
      context.progress({static_cast<double>(done), static_cast<double>(total), "bytes read"});
    };
    const Result<verify::Report> report = verify::run(audit().store.root(), options);
    if (!report.ok()) return error_result(report.error());
    return present(*report, context, arguments.coercions);
  }

 private:
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
    out.put("checked", printed.at("checked"));
    out.put("basis", report.basis);
    out.put("not_checked", report.not_checked);
    out.put("statement", report.statement);
    out.put("does_not_show", report.does_not_show);
    out.put("first_break", printed.value("first_break", OrderedJson(nullptr)));
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
      also.push_back(finding);
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
};

}  // namespace

std::unique_ptr<server::Tool> make_verify_tool(AuditContext& audit) { return std::make_unique<VerifyTool>(audit); }

}  // namespace khipu::mcp::tools
