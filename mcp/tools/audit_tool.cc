#include "mcp/tools/audit_tool.h"

#include <algorithm>

#include "engine/crypto/wipe_freed.h"
#include "mcp/tools/result_builder.h"
#include "mcp/tools/schemas.h"
#include "mcp/tools/secrets.h"

namespace khipu::mcp::tools {

using server::ToolError;
using server::ToolResult;

namespace {

constexpr size_t kScopedEnginesMax = 16;  // each keeps tables of its own

// Which grant a call needs beside those its arguments ask for.
std::string_view grant_of(std::string_view tool) {
  if (tool == "audit_verify") return "verify";
  return tool == "audit_prove" ? "prove" : "query";
}

}  // namespace

std::shared_ptr<query::Engine> AuditContext::engine_for(const server::Caller& caller) {
  if (before_call) before_call();
  const bool masked = !caller.has_grant("reveal");
  if (caller.scope.is_everything() && !masked) return {std::shared_ptr<void>(), &engine};  // borrowed
  const query::Scope scope{caller.scope.types, caller.scope.sources, caller.scope.tenants};
  const std::lock_guard lock(mutex);
  const auto found = std::find_if(scoped.begin(), scoped.end(),
                                  [&](const Scoped& one) { return one.scope == scope && one.masked == masked; });
  if (found != scoped.end()) {
    std::rotate(found, found + 1, scoped.end());
  } else {
    if (scoped.size() == kScopedEnginesMax) scoped.erase(scoped.begin());  // calls in progress hold theirs
    scoped.push_back({scope, masked, engine.scoped(scope, masked ? &secrets_masking() : nullptr)});
  }
  return scoped.back().engine;
}

AuditTool::AuditTool(AuditContext& audit, std::string_view name) : audit_(audit) {
  const OrderedJson file = OrderedJson::parse(embedded_schema(name));  // ours: its form is tested
  info_.name = file["name"];
  info_.title = file["title"];
  info_.description = file["description"];
  info_.input_schema = file["input"].dump();
  info_.output_schema = file["output"].dump();
  info_.annotations.open_world = file["open_world"];
  schema_ = file["input"];
}

// "Nothing happened" would be untrue of what lies outside.
static void tell_scope(const server::Caller& caller, ToolResult& result) {
  if (caller.scope.is_everything() || result.is_error || !result.structured) return;
  OrderedJson scope = OrderedJson::object();
  std::string line = "caller_scope: only what is told of";
  const auto add = [&](const char* name, const std::vector<std::string>& values) {
    if (values.empty()) return;
    line += (scope.empty() ? " " : ", ") + std::string(name) + "=" + join(values, "|");
    scope[name] = values;
  };
  add("types", caller.scope.types);
  add("sources", caller.scope.sources);
  add("tenants", caller.scope.tenants);
  result.text = line + "\n" + result.text;
  (*result.structured)["caller_scope"] = std::move(scope);
}

bool AuditTool::is_listed(const server::Caller& caller) const { return caller.has_grant(grant_of(info_.name)); }

ToolResult AuditTool::call(const Json& arguments, server::CallContext& context) {
  ToolResult result = check_and_answer(arguments, context);
  if (result.cause) context.tell_operator(info_.name + ": " + result.cause->message);
  crypto::wipe_stack();
  return result;
}

// Its frame is below call()'s, so that it is wiped as well.
[[gnu::noinline]] ToolResult AuditTool::check_and_answer(const Json& arguments, server::CallContext& context) {
  if (!is_listed(context.caller())) {
    return server::error_result(
        {"FORBIDDEN",
         "",
         "",
         {},
         "",
         "This needs the grant " + std::string(grant_of(info_.name)) + ", which this caller lacks.",
         0});
  }
  auto checked = check_arguments(schema_, arguments);
  if (const auto* error = std::get_if<ToolError>(&checked)) return server::error_result(*error);
  ToolResult result = answer(std::get<Arguments>(checked), context);
  tell_scope(context.caller(), result);
  return result;
}

ToolResult error_result(const query::QueryError& error, Renderer& renderer) {
  ToolError out;
  // The engine's NOT_FOUND is a file that is not there, and its FORBIDDEN one that may not be opened: nothing of what
  // was asked for, or of who asked.
  const bool is_unreadable = error.cause && (error.code == "NOT_FOUND" || error.code == "FORBIDDEN");
  out.code = is_unreadable ? "UNAVAILABLE" : error.code;
  out.field = error.field;
  out.got = error.got.empty() ? "" : render_got(error.got);
  // Refs of candidates come from the log: each is a token or marked. What a time may look like is ours to say.
  const bool is_ours = error.code.starts_with("TIME_");
  const auto shown = [&](const std::string& text) {
    return is_ours || text.empty() ? text : renderer.token(text).text;
  };
  for (const std::string& allowed : error.allowed) out.allowed.push_back(shown(allowed));
  out.did_you_mean = shown(error.did_you_mean);
  out.hint = error.hint;
  if (error.code == "BUSY") out.retry_after_s = 1;
  ToolResult result = server::error_result(out);
  if (out.code == "UNAVAILABLE") result.cause = error.cause;
  if (error.findings.empty()) return result;
  OrderedJson findings = OrderedJson::array();
  for (const query::Finding& finding : error.findings) {
    if (findings.size() == kFindingsMax) break;
    findings.push_back(finding_json(finding));
    result.text += "\nfinding: " + finding.code + " at " + finding.where + ": this may be why; run audit_verify";
  }
  (*result.structured)["findings"] = std::move(findings);
  (*result.structured)["findings_total"] = error.findings.size();
  return result;
}

query::QueryError empty_cursor() {
  return {"CURSOR_INVALID", "cursor", "", "The cursor is empty. Leave it out to start anew; more: null was the end."};
}

ToolResult error_result(const Error& error) {
  Renderer renderer("");
  return error_result(query::QueryError(error), renderer);
}

}  // namespace khipu::mcp::tools
