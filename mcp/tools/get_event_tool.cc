// audit_get_event: events in full by seq, with neighbours. The place where free text is shown, marked.
#include "mcp/tools/audit_tool.h"
#include "mcp/tools/event_view.h"
#include "mcp/tools/result_builder.h"

namespace khipu::mcp::tools {
namespace {

class GetEventTool final : public AuditTool {
 public:
  explicit GetEventTool(AuditContext& audit_context) : AuditTool(audit_context, "audit_get_event") {}

 protected:
  server::ToolResult answer(const Arguments& arguments, server::CallContext& context) override {
    const Json& given = arguments.values;
    const bool reveal = given.contains("reveal") && !given["reveal"].empty();
    if (reveal && !context.caller().has_grant("reveal")) {
      return server::error_result({"FORBIDDEN", "reveal", "", {}, "", "reveal needs the grant reveal.", 0});
    }
    Renderer renderer(context.mark_tag(), reveal);
    const auto seqs = given["seq"].get<std::vector<uint64_t>>();
    const uint32_t around = given.value("around", 0U);
    EventStyle style;
    style.detailed = true;
    // Several events share the budget; a single one is never cut below what is worth reading.
    const size_t budget_bytes = given.value("max_tokens", size_t{4000}) * 3;
    style.text_chars_max = std::clamp<size_t>(budget_bytes / (4 * seqs.size()), kTextCharsMax, kRevealCharsMax);
    EventStyle beside;

    ResultBuilder out;
    OrderedJson events = OrderedJson::array(), neighbours = OrderedJson::array(), missing = OrderedJson::array();
    std::vector<std::vector<std::string>> neighbour_cells;
    std::vector<query::Finding> findings;
    std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>> tables;
    bool first = true;
    size_t size = 0;
    for (const uint64_t seq : seqs) {
      if (context.stop().stop_requested()) return error_result(Error{Code::kCancelled, "cancelled"});
      query::Answer<query::EventDetail> detail = audit().engine.event({seq}, around);
      if (!detail.ok()) {
        if (seqs.size() == 1) return error_result(detail.error(), renderer);
        missing.push_back({{"seq", seq}, {"code", detail.error().code}, {"hint", detail.error().hint}});
        out.line("missing", std::to_string(seq) + " " + detail.error().code + ": " + detail.error().hint);
        continue;
      }
      if (first) out.as_of(detail->as_of, detail->server_time);
      first = false;
      findings.insert(findings.end(), detail->findings.begin(), detail->findings.end());
      if (detail->event) {
        EventView view = view_event(*detail->event, style, renderer);
        if (size > 0 && size + view.size_bytes > budget_bytes) {
          missing.push_back({{"seq", seq}, {"code", "BUDGET"}, {"hint", "Ask for this seq by itself."}});
          out.line("missing", std::to_string(seq) + " BUDGET: ask for this seq by itself");
          continue;
        }
        size += view.size_bytes;
        events.push_back(std::move(view.json));
        tables.emplace_back(event_columns(style), std::move(view.cells));
      }
      for (const auto* side : {&detail->before, &detail->after}) {
        for (const query::EventRow& row : *side) {
          EventView view = view_event(row, beside, renderer);
          if (size + view.size_bytes > budget_bytes) continue;
          size += view.size_bytes;
          neighbours.push_back(std::move(view.json));
          neighbour_cells.push_back(std::move(view.cells));
        }
      }
    }
    out.line("returned", events.size());
    out.put("returned", events.size());
    out.findings(findings, findings.size());
    out.notes({}, arguments.coercions, renderer);
    out.trust(renderer, {"actor_name", "actor_fields", "target_details", "custom", "url_query", "content"}, {});
    out.put("events", std::move(events));
    for (const auto& [names, cells] : tables) {
      std::vector<std::vector<std::string>> members;
      for (size_t i = 0; i < names.size(); ++i) {
        if (!cells[i].empty()) members.push_back({names[i], cells[i]});
      }
      out.table({"member", "value"}, members);
    }
    if (!neighbours.empty()) {
      out.put("neighbours", std::move(neighbours));
      out.table(event_columns(beside), neighbour_cells);
    }
    if (!missing.empty()) out.put("missing", std::move(missing));
    return out.take();
  }
};

}  // namespace

std::unique_ptr<server::Tool> make_get_event_tool(AuditContext& audit) { return std::make_unique<GetEventTool>(audit); }

}  // namespace khipu::mcp::tools
