// audit_query: which events match? Rows within a budget, an exact total, a cursor.
#include <algorithm>
#include <iterator>

#include "mcp/tools/access_view.h"
#include "mcp/tools/audit_tool.h"
#include "mcp/tools/event_view.h"
#include "mcp/tools/filter_arguments.h"
#include "mcp/tools/result_builder.h"

namespace khipu::mcp::tools {
namespace {

constexpr size_t kQueryEnvelopeBytes = 1500;  // header lines and envelope members around the rows

constexpr size_t kEchoBytesMax = 4000;  // of the filter as it ran, about

constexpr size_t kExportBytes = 160;     // the member and the line that name an export
constexpr size_t kQuerySlackBytes = 32;  // so that no second answer misses by a digit

// How one row that exceeds the budget alone is cut, step by step.
struct Trim {
  size_t chars_max, list_max;
};
constexpr Trim kTrims[] = {{80, 20}, {40, 5}, {16, 2}};

// What a cursor remembers of the presentation, so that it is enough alone.
struct Presentation {
  std::string log = "events";
  std::string tz;
  OrderedJson given_window = OrderedJson::object();
  EventStyle style;

  std::string text() const {
    return Json{
        {"log", log}, {"tz", tz}, {"given", Json(given_window)}, {"detailed", style.detailed}, {"fields", style.fields}}
        .dump();
  }
  static Presentation of(const std::string& text) {
    Presentation out;
    const Json json = Json::parse(text, nullptr, false);  // our own, authenticated by the cursor
    if (!json.is_object()) return out;
    out.log = json.value("log", "events");
    out.tz = json.value("tz", "");
    out.given_window = json.value("given", Json::object());
    out.style.detailed = json.value("detailed", false);
    out.style.fields = json.value("fields", std::vector<std::string>());
    return out;
  }
};

class QueryTool final : public AuditTool {
 public:
  explicit QueryTool(AuditContext& audit_context) : AuditTool(audit_context, "audit_query") {}

 protected:
  server::ToolResult answer(const Arguments& arguments, server::CallContext& context) override {
    const Json& given = arguments.values;
    Renderer renderer(context.mark_tag());
    query::Answer<FilterArguments> filter = filter_arguments(given, context.now());
    if (!filter.ok()) return error_result(filter.error(), renderer);
    query::EventRequest request;
    request.cursor = given.value("cursor", "");
    if (given.contains("cursor") && request.cursor.empty()) return error_result(empty_cursor(), renderer);
    request.caller = context.caller().authority();
    request.stop = context.stop();
    if (request.cursor.empty() || !filter->given.empty()) {
      request.filter = filter->filter;
      request.given = filter->given;
    }
    request.order.by = given.value("order_by", "seq") == "time" ? query::OrderBy::kTime : query::OrderBy::kSeq;
    request.order.descending = given.value("order", "desc") == "desc";

    Presentation presentation;
    if (given.contains("log")) {
      presentation.log = given["log"].get<std::string>();
      if (!request.filter && request.cursor.empty()) request.filter = filter->filter;
      if (request.filter && presentation.log == "access") {
        request.filter->log = query::Log::kAccess;
        request.given += "log=access";
      }
    }
    presentation.tz = filter->tz;
    presentation.given_window = filter->given_window;
    if (!request.cursor.empty()) {
      const query::Answer<std::string> first_page = audit().engine_for(context.caller())->context_of(request);
      if (!first_page.ok()) return error_result(first_page.error(), renderer);
      presentation = Presentation::of(*first_page);
    }
    const bool exports = given.value("export", false);
    if (presentation.log == "access" && exports) {
      return server::error_result(
          {"INVALID_ARGUMENT", "export", "", {}, "", "export is of events; read the access log page by page.", 0});
    }
    if (presentation.log == "access") return access_page(std::move(request), presentation, arguments, context);
    if (given.contains("detail")) presentation.style.detailed = given["detail"] == "detailed";
    if (given.contains("fields")) {
      presentation.style.fields.clear();
      for (const std::string name : given["fields"]) {  // once each: the cursor carries them
        auto& fields = presentation.style.fields;
        if (std::find(fields.begin(), fields.end(), name) == fields.end()) fields.push_back(name);
      }
    }
    EventStyle widest = presentation.style;
    widest.fields.clear();
    const std::vector<std::string> columns = event_columns(widest);
    for (const std::string& name : presentation.style.fields) {
      if (std::find(columns.begin(), columns.end(), name) != columns.end()) continue;
      query::QueryError error("UNKNOWN_FIELD", "fields", name, "Not a member of a row at this level of detail.");
      error.allowed = columns;
      error.did_you_mean = nearest(name, columns);
      return error_result(error, renderer);
    }
    request.context = presentation.text();
    request.limit = given.value("limit", 25U);
    const std::shared_ptr<query::Engine> engine = audit().engine_for(context.caller());
    const size_t budget_bytes = given.value("max_tokens", size_t{4000}) * 3 - (exports ? kExportBytes : 0);
    server::ToolResult result = within_budget(request, presentation, arguments.coercions, context.mark_tag(),
                                              budget_bytes, std::min(filter->given.size() * 2, kEchoBytesMax), *engine);
    if (exports && !result.is_error) link_export(result, presentation.style, context);
    return result;
  }

 private:
  void link_export(server::ToolResult& result, const EventStyle& style, const server::CallContext& context) {
    const std::string uri = audit().exports.keep(
        {*result.structured, style, context.caller().authority(), context.mark_tag(), 0}, context.now());
    (*result.structured)["export"] = uri;
    result.text = "export: " + uri + " (NDJSON, for 15 minutes)\n" + result.text;
    result.links.push_back({uri, "export.ndjson", kExportMimeType});
  }

  server::ToolResult access_page(query::EventRequest request, const Presentation& presentation,
                                 const Arguments& arguments, server::CallContext& context) {
    if (!context.caller().has_grant("access_log")) {
      return server::error_result(
          {"FORBIDDEN", "log", "access", {}, "", "This needs the grant access_log, which this caller lacks.", 0});
    }
    request.context = presentation.text();
    request.limit = arguments.values.value("limit", 25U);
    AccessAsk ask{std::move(request), presentation.tz, presentation.given_window, arguments.coercions,
                  arguments.values.value("max_tokens", size_t{4000}) * 3};
    return answer_accesses(*audit().engine_for(context.caller()), ask, context.mark_tag());
  }

  // What stands around the rows is known only when the answer is made: one that came out too large is made again with
  // that much less for rows, and a row that is too large alone is trimmed. The first row is always shown.
  server::ToolResult within_budget(query::EventRequest& request, Presentation presentation,
                                   const std::vector<std::string>& coercions, const std::string& tag,
                                   size_t budget_bytes, size_t echo_bytes, query::Engine& engine) {
    size_t around = kQueryEnvelopeBytes + echo_bytes;
    for (size_t trims = 0;;) {
      Renderer renderer(tag);
      std::vector<EventView> views;
      size_t size = around;
      request.fits = [&](const query::EventRow& row) {
        EventView view = view_event(row, presentation.style, renderer);
        if (!views.empty() && size + view.size_bytes > budget_bytes) return false;
        size += view.size_bytes;
        views.push_back(std::move(view));
        return true;
      };
      const query::Answer<query::EventPage> page = engine.events(request);
      if (!page.ok()) return error_result(page.error(), renderer);
      const size_t rows = std::min(views.size(), page->rows.size());
      server::ToolResult result = present(*page, std::move(views), presentation, coercions, renderer);
      const size_t actual = size_bytes_of(result);
      if (actual <= budget_bytes || rows == 0) return result;
      if (rows > 1) {
        around += actual - budget_bytes + kQuerySlackBytes;
        continue;
      }
      if (trims == std::size(kTrims)) return result;
      presentation.style.text_chars_max = kTrims[trims].chars_max;
      presentation.style.list_max = kTrims[trims].list_max;
      ++trims;
    }
  }

  static server::ToolResult present(const query::EventPage& page, std::vector<EventView> views,
                                    const Presentation& presentation, const std::vector<std::string>& coercions,
                                    Renderer& renderer) {
    views.resize(std::min(views.size(), page.rows.size()));
    ResultBuilder out;
    out.as_of(page.as_of, page.server_time);
    out.window(page.applied, presentation.tz, presentation.given_window);
    out.put("applied", applied_json(page.applied, page.order, renderer));
    out.line("applied", applied_json(page.applied, page.order, renderer).dump());
    out.coverage(page.coverage);
    out.page(page, views.size());
    out.findings(page.findings, page.findings_total);
    out.notes(page.notes, coercions, renderer);
    if (presentation.style.detailed) {
      out.trust(renderer, {"actor_name", "actor_fields", "target_details", "custom", "url_query", "content"}, {});
    } else {
      out.trust(renderer, {"actor_name"}, {"content", "url_query", "custom"});
    }
    OrderedJson rows = OrderedJson::array();
    std::vector<std::vector<std::string>> cells;
    for (EventView& view : views) {
      rows.push_back(std::move(view.json));
      cells.push_back(std::move(view.cells));
    }
    out.put("events", std::move(rows));
    out.table(event_columns(presentation.style), cells);
    return out.take();
  }
};

}  // namespace

std::unique_ptr<server::Tool> make_query_tool(AuditContext& audit) { return std::make_unique<QueryTool>(audit); }

}  // namespace khipu::mcp::tools
