// audit_get_event: events in full by seq, with neighbours. The place where free text is shown, marked.
#include <algorithm>
#include <iterator>

#include "mcp/tools/audit_tool.h"
#include "mcp/tools/event_view.h"
#include "mcp/tools/result_builder.h"

namespace khipu::mcp::tools {
namespace {

constexpr size_t kEventsEnvelopeBytes = 1200;  // header lines and envelope members around the events
constexpr size_t kEventsSlackBytes = 32;       // so that no second answer misses by a digit

struct Asked {
  uint64_t seq = 0;
  query::Answer<query::EventDetail> detail;
};

class GetEventTool final : public AuditTool {
 public:
  explicit GetEventTool(AuditContext& audit_context) : AuditTool(audit_context, "audit_get_event") { declare_brief(); }

 protected:
  server::ToolResult answer(const Arguments& arguments, server::CallContext& context) override {
    const Json& given = arguments.values;
    EventStyle style;
    style.detailed = true;
    style.reveal = given.value("reveal", std::vector<std::string>());
    if (!style.reveal.empty() && !context.caller().has_grant("reveal")) {
      return server::error_result({"FORBIDDEN", "reveal", "", {}, "", "reveal needs the grant reveal.", 0});
    }
    // Plaintext of sealed values is a reveal like any other: by name, with the grant, in the access log, in the budget.
    const auto named = [&](const char* part) {
      return std::find(style.reveal.begin(), style.reveal.end(), part) != style.reveal.end();
    };
    const query::Opens opens{named("fields"), named("custom"), named("content")};
    const auto seqs = given["seq"].get<std::vector<uint64_t>>();
    const uint32_t around = given.value("around", 0U);
    std::vector<Asked> asked;
    for (const uint64_t seq : seqs) {
      if (context.stop().stop_requested()) return error_result(Error{Code::kCancelled, "cancelled"});
      asked.push_back({seq, audit().engine_for(context.caller())->event({seq}, around, opens)});
    }
    if (asked.size() == 1 && !asked.front().detail.ok()) {
      Renderer renderer(context.mark_tag());
      return error_result(asked.front().detail.error(), renderer);
    }
    // Several events share the budget. What stands around them is known only when the answer is made: one that came out
    // too large is made again with that much less for events, and an event that is too large alone is cut.
    const size_t budget_bytes = given.value("max_tokens", size_t{4000}) * 3;
    style.text_chars_max = std::clamp<size_t>(budget_bytes / (4 * seqs.size()), kTextCharsMax, kRevealCharsMax);
    size_t envelope = kEventsEnvelopeBytes;
    for (auto cut = std::begin(kCuts);;) {
      size_t rows = 0;
      server::ToolResult result = present(asked, style, budget_bytes > envelope ? budget_bytes - envelope : 0,
                                          arguments.coercions, context.mark_tag(), rows);
      const size_t actual = size_bytes_of(result);
      if (actual <= budget_bytes) return result;
      if (rows > 1) {
        envelope += actual - budget_bytes + kEventsSlackBytes;
        continue;
      }
      if (cut == std::end(kCuts)) return result;
      style.text_chars_max = std::min(style.text_chars_max, cut->chars_max);
      style.list_max = cut->list_max;
      ++cut;
    }
  }

 private:
  // `rows`: events and neighbours shown; the first event always is.
  static server::ToolResult present(const std::vector<Asked>& asked, const EventStyle& style, size_t budget_bytes,
                                    const std::vector<std::string>& coercions, const std::string& tag, size_t& rows) {
    Renderer renderer(tag);
    const EventStyle beside;
    ResultBuilder out;
    OrderedJson events = OrderedJson::array(), neighbours = OrderedJson::array(), missing = OrderedJson::array();
    std::vector<std::vector<std::string>> neighbour_cells;
    std::vector<query::Finding> findings;
    std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>> tables;
    bool first = true;
    size_t size = 0, left_out = 0;
    const auto miss = [&](uint64_t seq, const std::string& code, const std::string& hint) {
      missing.push_back({{"seq", seq}, {"code", code}, {"hint", hint}});
      out.line("missing", std::to_string(seq) + " " + code + ": " + hint);
    };
    for (const Asked& one : asked) {
      if (!one.detail.ok()) {
        miss(one.seq, one.detail.error().code, one.detail.error().hint);
        continue;
      }
      const query::EventDetail& detail = *one.detail;
      if (first) out.as_of(detail.as_of, detail.server_time);
      first = false;
      findings.insert(findings.end(), detail.findings.begin(), detail.findings.end());
      if (detail.event) {
        EventView view = view_event(*detail.event, style, renderer);
        if (size > 0 && size + view.size_bytes > budget_bytes) {
          miss(one.seq, "BUDGET", "Ask for this seq by itself.");
          continue;
        }
        size += view.size_bytes;
        events.push_back(std::move(view.json));
        tables.emplace_back(event_columns(style), std::move(view.cells));
      }
      for (const auto* side : {&detail.before, &detail.after}) {
        for (const query::EventRow& row : *side) {
          EventView view = view_event(row, beside, renderer);
          if (size + view.size_bytes > budget_bytes) {
            ++left_out;
            continue;
          }
          size += view.size_bytes;
          neighbours.push_back(std::move(view.json));
          neighbour_cells.push_back(std::move(view.cells));
        }
      }
    }
    rows = events.size() + neighbours.size();
    out.line("returned", events.size());
    out.put("returned", events.size());
    out.findings(findings, findings.size());
    std::vector<query::Note> notes;
    if (left_out > 0) {
      notes.push_back({"NEIGHBOURS_CUT", std::to_string(left_out) + " neighbours are left out: raise max_tokens.", ""});
    }
    out.notes(notes, coercions, renderer);
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
