// audit_history: how one entity changed, and who changed it.
#include <algorithm>
#include <iterator>
#include <set>

#include "engine/query/time_text.h"
#include "mcp/tools/audit_tool.h"
#include "mcp/tools/event_view.h"
#include "mcp/tools/result_builder.h"

namespace khipu::mcp::tools {
namespace {

constexpr Cut kWhole{kTextCharsMax, SIZE_MAX};

OrderedJson value_json(const std::string& field, const std::optional<query::OwnedValue>& value, size_t chars_max,
                       Renderer& renderer) {
  if (!value) return nullptr;
  return value_text(field, *value, chars_max, renderer);
}

class HistoryTool final : public AuditTool {
 public:
  explicit HistoryTool(AuditContext& audit_context) : AuditTool(audit_context, "audit_history") {}

 protected:
  server::ToolResult answer(const Arguments& arguments, server::CallContext& context) override {
    const Json& given = arguments.values;
    Renderer renderer(context.mark_tag());
    const std::string tz = given.value("tz", "");
    query::HistoryRequest request;
    request.entity = given.value("entity", "");
    request.cursor = given.value("cursor", "");
    if (given.contains("cursor") && request.cursor.empty()) return error_result(empty_cursor(), renderer);
    if (request.entity.empty() && request.cursor.empty()) {
      return server::error_result(
          {"INVALID_ARGUMENT", "entity", "", {}, "", "\"entity\" is required without a cursor.", 0});
    }
    const query::Answer<query::TimeWindow> window =
        query::resolve_window(given.value("from", ""), given.value("to", ""), tz, context.now());
    if (!window.ok()) return error_result(window.error(), renderer);
    request.from = window->from;
    request.to = window->to;
    if (given.contains("at")) {
      const query::Answer<TimeUs> at = query::resolve_instant(given["at"].get<std::string>(), tz, context.now(), "at");
      if (!at.ok()) return error_result(at.error(), renderer);
      request.at = *at;
    }
    request.axis = given.value("axis", "occurred") == "recorded" ? query::Axis::kRecorded : query::Axis::kOccurred;
    request.fields = given.value("fields", std::vector<std::string>());
    request.limit = given.value("limit", 50U);
    request.caller = context.caller().authority();
    request.stop = context.stop();
    std::set<std::string> secrets;  // of all versions, on whatever page
    request.meet = [&](const query::EntityView& version) {
      std::vector<std::string> hidden;
      append_secrets(version.fields, hidden);
      secrets.insert(hidden.begin(), hidden.end());
    };
    Json put = Json::object();  // the question: a cursor's, or it is refused
    for (const char* name : {"entity", "from", "to", "at", "tz", "axis", "fields"}) {
      if (given.contains(name)) put[name] = given[name];
    }
    if (!put.empty()) request.given = put.dump();
    request.context = Json{{"tz", tz}, {"view", given.value("view", "changes")}}.dump();
    const size_t budget_bytes = given.value("max_tokens", size_t{4000}) * 3;

    query::Answer<query::History> history = audit().engine_for(context.caller())->history(request);
    if (!history.ok()) return error_result(history.error(), renderer);
    const Json first = Json::parse(history->context, nullptr, false);  // our own: the first page's
    const std::string zone = first.is_object() ? first.value("tz", "") : tz;
    const std::string view = first.is_object() ? first.value("view", "") : "";
    const bool whole = given.value("view", view) == "versions";
    bool by_budget = false;
    // A page that does not fit is asked for again, shorter, so that its cursor stands where the page ends.
    while (history.ok() && history->versions.size() > 1) {
      Renderer scratch(context.mark_tag());
      const Renderer::Knowing knowing(scratch, {secrets.begin(), secrets.end()});
      size_t size = 1500, fitting = 0;
      for (const query::VersionView& version : history->versions) {
        size += dumped_size(version_json(version, whole, kWhole, scratch)) + 16;
        if (fitting > 0 && size > budget_bytes) break;
        ++fitting;
      }
      if (fitting == history->versions.size()) break;
      by_budget = true;
      request.limit = static_cast<uint32_t>(fitting);
      history = audit().engine_for(context.caller())->history(request);
    }
    if (!history.ok()) return error_result(history.error(), renderer);
    // One version that is too large alone is cut, step by step.
    Cut cut = request.at ? Cut{kRevealCharsMax, SIZE_MAX} : kWhole;
    for (auto next = std::begin(kCuts);; ++next) {
      Renderer fresh(context.mark_tag());
      const Renderer::Knowing knowing(fresh, {secrets.begin(), secrets.end()});
      server::ToolResult result = present(*history, request.at.has_value(), by_budget ? "budget" : "row_limit", zone,
                                          whole, cut, arguments.coercions, fresh);
      if (size_bytes_of(result) <= budget_bytes || history->versions.size() != 1 || next == std::end(kCuts)) {
        return result;
      }
      cut = {std::min(cut.chars_max, next->chars_max), next->list_max};
    }
  }

 private:
  static OrderedJson version_json(const query::VersionView& version, bool whole, Cut cut, Renderer& renderer) {
    OrderedJson out = {{"version", version.version}, {"time", time_text(version.time)}};
    if (version.seq) out["seq"] = version.seq->value;
    Flags flags;
    if (version.changed_by) out["changed_by"] = ref_text(*version.changed_by, renderer, flags);
    if (version.deleted) out["deleted"] = true;
    if (version.revived) out["revived"] = true;
    if (whole) {
      out["fields"] = fields_json(version.fields, cut.chars_max, renderer, cut.list_max);
    } else {
      OrderedJson changes = OrderedJson::array();
      for (const query::FieldChange& change : version.changes) {
        if (changes.size() == cut.list_max) {
          const std::string left = "+" + std::to_string(version.changes.size() - cut.list_max);
          changes.push_back({{"field", "(more)"}, {"from", nullptr}, {"to", left}});
          break;
        }
        changes.push_back({{"field", renderer.token(change.field).text},
                           {"from", value_json(change.field, change.from, cut.chars_max, renderer)},
                           {"to", value_json(change.field, change.to, cut.chars_max, renderer)}});
      }
      out["changes"] = std::move(changes);
    }
    if (!flags.empty()) out["flags"] = flags.names();
    return out;
  }

  static std::vector<std::string> version_cells(const OrderedJson& version, bool whole) {
    std::string what;
    if (whole) {
      what = fields_cell(version["fields"]);
    } else {
      for (const OrderedJson& change : version["changes"]) {
        const auto text = [&](const char* side) {
          return change[side].is_null() ? std::string("(none)") : change[side].get<std::string>();
        };
        what +=
            (what.empty() ? "" : "|") + change["field"].get<std::string>() + ": " + text("from") + " -> " + text("to");
      }
    }
    const std::string state = version.value("deleted", false)   ? "deleted"
                              : version.value("revived", false) ? "revived"
                                                                : "";
    return {version["version"].dump(),       version["time"], version.contains("seq") ? version["seq"].dump() : "",
            version.value("changed_by", ""), state,           what};
  }

  static server::ToolResult present(const query::History& history, bool at_instant, const char* more_reason,
                                    const std::string& tz, bool whole, Cut cut,
                                    const std::vector<std::string>& coercions, Renderer& renderer) {
    ResultBuilder out;
    out.as_of(history.as_of, history.server_time);
    query::Filter window;
    window.from = history.from, window.to = history.to, window.axis = history.axis;
    out.window(window, tz, {});
    OrderedJson entity = {
        {"ref", renderer.ref(history.ref).text}, {"type", history.type}, {"deleted", history.deleted}};
    if (!history.name.empty()) entity["name"] = name_text(history.name, history.name_field, renderer).text;
    out.line("entity", entity["ref"].get<std::string>());
    if (entity.contains("name")) out.line("name", entity["name"].get<std::string>());
    out.line("deleted", history.deleted);
    out.put("entity", std::move(entity));
    out.put("total", history.total);
    out.line("total", history.total);
    out.put("returned", history.versions.size());
    out.line("returned", history.versions.size());
    if (history.cursor) {
      out.put("more", {{"cursor", *history.cursor}, {"reason", more_reason}});
      out.line("cursor", *history.cursor);
      out.line("more", more_reason);
    } else {
      out.put("more", nullptr);
    }
    out.findings(history.findings, history.findings.size());
    out.notes(history.notes, coercions, renderer);
    if (at_instant) {
      if (!history.versions.empty()) {
        const query::VersionView& version = history.versions.front();
        OrderedJson fields = fields_json(version.fields, cut.chars_max, renderer, cut.list_max);
        out.put("version", version.version);
        out.put("time", time_text(version.time));
        std::vector<std::vector<std::string>> cells;
        for (const auto& [name, value] : fields.items()) cells.push_back({name, value});
        out.line("version", version.version);
        out.line("time", time_text(version.time));
        out.table({"field", "value"}, cells);
        out.put("fields", std::move(fields));
      }
    } else {
      OrderedJson versions = OrderedJson::array();
      std::vector<std::vector<std::string>> cells;
      for (const query::VersionView& version : history.versions) {
        versions.push_back(version_json(version, whole, cut, renderer));
        cells.push_back(version_cells(versions.back(), whole));
      }
      out.put("versions", std::move(versions));
      out.table({"version", "time", "seq", "changed_by", "state", whole ? "fields" : "changes"}, cells);
    }
    out.trust(renderer, {"name", whole ? "fields" : "changes"}, {});
    return out.take();
  }
};

}  // namespace

std::unique_ptr<server::Tool> make_history_tool(AuditContext& audit) { return std::make_unique<HistoryTool>(audit); }

}  // namespace khipu::mcp::tools
