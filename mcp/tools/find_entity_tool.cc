// audit_find_entity: which "alice" is meant? Names to refs, with when and how often each was seen; never a guess.
#include "mcp/tools/audit_tool.h"
#include "mcp/tools/event_view.h"
#include "mcp/tools/result_builder.h"

namespace khipu::mcp::tools {
namespace {

constexpr const char* kNoMatch =
    "No id, name or earlier name of what was asked for holds this text, letter case aside. Try a shorter part of it, "
    "or "
    "without type, role and include_deleted; audit_describe lists the types.";

class FindEntityTool final : public AuditTool {
 public:
  explicit FindEntityTool(AuditContext& audit_context) : AuditTool(audit_context, "audit_find_entity") {}

 protected:
  server::ToolResult answer(const Arguments& arguments, server::CallContext& context) override {
    const Json& given = arguments.values;
    Renderer renderer(context.mark_tag());
    query::FindRequest request;
    request.text = given["text"];
    request.type = given.value("type", "");
    const std::string role = given.value("role", "any");
    request.role = role == "actor" ? query::Role::kActor : role == "target" ? query::Role::kTarget : query::Role::kAny;
    request.include_deleted = given.value("include_deleted", true);
    request.limit = given.value("limit", 10U);
    request.stop = context.stop();
    const query::Answer<query::FoundEntities> found = audit().engine_for(context.caller())->find(request);
    if (!found.ok()) return error_result(found.error(), renderer);

    ResultBuilder out;
    out.as_of(found->as_of, found->server_time);
    out.coverage(found->coverage);
    out.put("total", found->total);
    out.line("total", found->total);
    out.put("returned", found->entities.size());
    out.line("returned", found->entities.size());
    if (found->unshown > 0) {
      out.put("unshown", found->unshown);
      out.line("unshown", found->unshown);
    }
    if (found->events_are_lower_bound) {
      out.put("lower_bound", true);
      out.line("lower_bound", true);
    }
    out.findings(found->findings, found->findings_total);
    std::vector<query::Note> notes = found->notes;
    if (found->total > found->entities.size() + found->unshown) {
      notes.push_back(
          {"MORE_MATCH", "More entities match than are listed: give more of the name, a type or a role.", ""});
    }
    if (found->total == 0) notes.push_back({"NO_MATCH", kNoMatch, ""});
    out.notes(notes, arguments.coercions, renderer);
    OrderedJson entities = OrderedJson::array();
    std::vector<std::vector<std::string>> cells;
    for (const query::SeenEntity& seen : found->entities) {
      const query::FoundEntity& entity = seen.entity;
      const std::string ref = renderer.ref(entity.ref).text;
      std::vector<std::string> secrets;
      append_secrets(seen.fields, secrets);
      const Renderer::Knowing knowing(renderer, std::move(secrets));
      const std::string name = name_text(entity.name, seen.name_field, renderer).text;
      OrderedJson json = {{"ref", ref}, {"type", entity.type}};
      if (!name.empty()) json["name"] = name;
      json["deleted"] = entity.deleted;
      json["versions"] = entity.versions;
      json["matched_on"] = entity.matched_on;
      json["match"] = seen.match;
      json["events"] = seen.events;
      if (seen.first_seen) json["first_seen"] = time_text(*seen.first_seen);
      if (seen.last_seen) json["last_seen"] = time_text(*seen.last_seen);
      cells.push_back({ref, entity.type, name, entity.deleted ? "yes" : "no", std::to_string(entity.versions),
                       entity.matched_on, seen.match, std::to_string(seen.events),
                       seen.first_seen ? time_text(*seen.first_seen) : "",
                       seen.last_seen ? time_text(*seen.last_seen) : ""});
      entities.push_back(std::move(json));
    }
    out.trust(renderer, {"name"}, {});
    out.put("entities", std::move(entities));
    out.table(
        {"ref", "type", "name", "deleted", "versions", "matched_on", "match", "events", "first_seen", "last_seen"},
        cells);
    return out.take();
  }
};

}  // namespace

std::unique_ptr<server::Tool> make_find_entity_tool(AuditContext& audit) {
  return std::make_unique<FindEntityTool>(audit);
}

}  // namespace khipu::mcp::tools
