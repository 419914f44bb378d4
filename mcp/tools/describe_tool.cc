// audit_describe: what is in this log, what can be filtered on, what time is it, what may you do? No events.
#include <algorithm>

#include "mcp/tools/audit_tool.h"
#include "mcp/tools/result_builder.h"

namespace khipu::mcp::tools {
namespace {

constexpr size_t kVocabularyMax = 25;  // most frequent values shown
constexpr size_t kSourcesMax = 25;

// Shares are told to three digits: enough to see a gap, short to read.
double share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part * 1000 / whole) / 1000.0;
}
std::string share_text(double value) { return OrderedJson(value).dump(); }

class DescribeTool final : public AuditTool {
 public:
  explicit DescribeTool(AuditContext& audit_context) : AuditTool(audit_context, "audit_describe") {}

 protected:
  server::ToolResult answer(const Arguments& arguments, server::CallContext& context) override {
    const Json& given = arguments.values;
    Renderer renderer(context.mark_tag());
    const std::string section = given.value("section", "all"), type = given.value("type", "");
    Result<std::shared_ptr<const snapshot::Snapshot>> snapshot = audit().engine_for(context.caller())->snapshot();
    if (!snapshot.ok()) return error_result(snapshot.error());
    const registry::Schema& schema = (*snapshot)->schema();
    const query::Answer<query::Facts> facts = audit().engine_for(context.caller())->describe(context.stop());
    if (!facts.ok()) return error_result(facts.error(), renderer);
    std::vector<std::string> names;  // of the types that the caller hears of
    for (const query::TypeFacts& known : facts->types) names.push_back(known.type);
    if (!type.empty() && std::find(names.begin(), names.end(), type) == names.end()) {
      return error_result(query::unknown_type(std::move(names), type, "type"), renderer);
    }
    const auto shows = [&](std::string_view part) { return section == "all" || section == part; };

    ResultBuilder out;
    out.as_of(facts->as_of, facts->server_time);
    out.coverage(facts->coverage);
    out.line("origin", (*snapshot)->genesis().origin);
    out.put("origin", (*snapshot)->genesis().origin);
    out.line("events", facts->events);
    out.put("events", facts->events);
    if (facts->lower_bound) {
      out.put("lower_bound", true);  // damaged rows could not be counted
      out.line("lower_bound", true);
    }
    OrderedJson window = OrderedJson::object();
    const auto time = [&](const char* name, const std::optional<TimeUs>& value) {
      if (!value) return;
      window[name] = time_text(*value);
      out.line(name, time_text(*value));
    };
    time("occurred_first", facts->occurred_first);
    time("occurred_last", facts->occurred_last);
    time("recorded_first", facts->recorded_first);
    time("recorded_last", facts->recorded_last);
    out.put("window", std::move(window));
    out.findings(facts->findings, facts->findings.size());
    if (shows("types")) types(schema, *facts, type, out);
    if (shows("vocabulary") && type.empty()) vocabulary(*facts, renderer, out);
    if (shows("sources") && type.empty()) sources(*facts, renderer, out);
    if (shows("limits") && type.empty()) limits(out);
    if (shows("permissions") && type.empty()) permissions(context, out);
    out.notes({}, arguments.coercions, renderer);
    out.trust(renderer, {"vocabulary"}, {});
    return out.take();
  }

 private:
  static void types(const registry::Schema& schema, const query::Facts& facts, const std::string& only,
                    ResultBuilder& out) {
    OrderedJson types = OrderedJson::array(), columns = OrderedJson::array();
    std::vector<std::vector<std::string>> cells, column_cells;
    for (const codec::TypeSchema& type : schema.types()) {
      if (!only.empty() && type.name != only) continue;
      OrderedJson fields = OrderedJson::array();
      uint64_t entities = 0, versions = 0;
      bool told = false;
      for (const query::TypeFacts& count : facts.types) {
        if (count.type != type.name) continue;
        entities = count.entities, versions = count.versions;
        told = true;
      }
      if (!told) continue;  // outside the caller's scope
      for (const codec::FieldSchema& field : type.fields) {
        fields.push_back({{"name", field.name},
                          {"kind", codec::name(field.kind)},
                          {"protection", codec::name(field.rule.protection)},
                          {"match", query::match_modes(field)},
                          {"required", field.required}});
        cells.push_back({type.name, std::to_string(entities), field.name, std::string(codec::name(field.kind)),
                         std::string(codec::name(field.rule.protection)), join(query::match_modes(field), "|"),
                         field.required ? "yes" : "no"});
      }
      if (type.fields.empty()) cells.push_back({type.name, std::to_string(entities), "", "", "", "", ""});
      types.push_back(
          {{"type", type.name}, {"entities", entities}, {"versions", versions}, {"fields", std::move(fields)}});
    }
    out.put("types", std::move(types));
    out.table({"type", "entities", "field", "kind", "protection", "match", "required"}, cells);
    if (!only.empty()) return;
    for (const codec::ColumnSchema& column : schema.columns()) {
      columns.push_back({{"name", column.name},
                         {"kind", codec::name(column.kind)},
                         {"protection", codec::name(column.rule.protection)},
                         {"required", column.required}});
      column_cells.push_back({column.name, std::string(codec::name(column.kind)), column.required ? "yes" : "no"});
    }
    if (!columns.empty()) out.table({"column", "kind", "required"}, column_cells);
    out.put("columns", std::move(columns));
  }

  static void vocabulary(const query::Facts& facts, Renderer& renderer, ResultBuilder& out) {
    OrderedJson vocabulary = OrderedJson::object();
    std::vector<std::vector<std::string>> cells;
    const auto list = [&](const char* name, const std::vector<query::Count>& counts) {
      OrderedJson values = OrderedJson::array();
      for (size_t i = 0; i < std::min(counts.size(), kVocabularyMax); ++i) {
        const std::string value = renderer.token(counts[i].value).text;
        values.push_back({{"value", value}, {"events", counts[i].events}});
        cells.push_back({name, value, std::to_string(counts[i].events)});
      }
      vocabulary[name] = std::move(values);
    };
    list("action", facts.actions);
    list("action_class", facts.action_classes);
    list("outcome", facts.outcomes);
    vocabulary["actions_distinct"] = facts.actions_distinct;
    out.line("actions_distinct", facts.actions_distinct);
    out.put("vocabulary", std::move(vocabulary));
    out.table({"member", "value", "events"}, cells);
  }

  static void sources(const query::Facts& facts, Renderer& renderer, ResultBuilder& out) {
    OrderedJson sources = OrderedJson::array();
    std::vector<std::vector<std::string>> cells;
    for (size_t i = 0; i < std::min(facts.sources.size(), kSourcesMax); ++i) {
      const query::SourceFacts& source = facts.sources[i];
      const std::string name = source.source.empty() ? "(none)" : renderer.token(source.source).text;
      const std::pair<const char*, uint64_t> parts[] = {
          {"outcome", source.with_outcome}, {"source_ip", source.with_source_ip},
          {"targets", source.with_targets}, {"url", source.with_url},
          {"session", source.with_session}, {"event_id", source.with_event_id},
          {"content", source.with_content}, {"action_class", source.with_action_class}};
      OrderedJson shares = {{"actor", source.events > 0 ? 1.0 : 0.0}};
      std::vector<std::string> row = {name, std::to_string(source.events), time_text(source.first),
                                      time_text(source.last), source.events > 0 ? "1.0" : "0.0"};
      for (const auto& [member, count] : parts) {
        shares[member] = share(count, source.events);
        row.push_back(share_text(share(count, source.events)));
      }
      sources.push_back({{"source", name},
                         {"events", source.events},
                         {"first", time_text(source.first)},
                         {"last", time_text(source.last)},
                         {"shares", std::move(shares)}});
      cells.push_back(std::move(row));
    }
    out.line("sources_distinct", facts.sources_distinct);
    out.put("sources", std::move(sources));
    out.table({"source", "events", "first", "last", "actor", "outcome", "source_ip", "targets", "url", "session",
               "event_id", "content", "action_class"},
              cells);
  }

  static void limits(ResultBuilder& out) {
    out.put("limits",
            {{"limit", {{"default", 25}, {"max", 200}}},
             {"max_tokens", {{"default", 4000}, {"max", 12000}, {"rule", "ceil(utf8 bytes / 3)"}}},
             {"free_text_chars", {{"concise", 0}, {"detailed", kTextCharsMax}, {"get_event", kRevealCharsMax}}},
             {"seqs_per_call", 20}});
    out.line("limits", "limit 25 (max 200), max_tokens 4000 (max 12000), 20 seqs a call");
  }

  static void permissions(server::CallContext& context, ResultBuilder& out) {
    out.put("permissions", {{"grants", context.caller().grants}});
    out.line("grants", join(context.caller().grants, ", "));
  }
};

}  // namespace

std::unique_ptr<server::Tool> make_describe_tool(AuditContext& audit) { return std::make_unique<DescribeTool>(audit); }

}  // namespace khipu::mcp::tools
