// What the audit tools share: the engine behind them, their definition from schemas/, checked arguments, and how a
// QueryError becomes a tool error. One file a tool; `make_tools` lists them.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/query/engine.h"
#include "mcp/server/tool.h"
#include "mcp/server/tool_error.h"
#include "mcp/tools/arguments.h"
#include "mcp/tools/exports.h"
#include "mcp/tools/render.h"

namespace khipu::mcp::tools {

// Borrowed by every tool; outlives the server.
struct AuditContext {
  query::Engine& engine;
  snapshot::Store& store;
  std::optional<std::array<uint8_t, 32>> verifier_key;  // pinned with --key
  std::string root_path;                                // for messages; never sent to a client

  // The engine that answers this caller: as if the log held nothing outside the caller's scope, and what is masked for
  // want of the grant reveal were not there. Any thread.
  std::shared_ptr<query::Engine> engine_for(const server::Caller& caller);
  std::mutex mutex = {};  // guards scoped
  struct Scoped {
    query::Scope scope;
    bool masked = false;
    std::shared_ptr<query::Engine> engine;
  };
  std::vector<Scoped> scoped = {};         // the latest used last
  Exports exports = {};                    // of audit_query
  size_t verify_waiting_max = 2;           // calls that wait for a verification, each keeping a worker; others are BUSY
  std::function<void()> before_call = {};  // keys that came to lie in a folder are taken up, for one
};

class AuditTool : public server::Tool {
 public:
  const server::ToolInfo& info() const override { return info_; }
  bool is_listed(const server::Caller& caller) const override;
  // Checks the arguments against the schema, then asks answer(). What both left on this thread's stack is wiped where
  // protected values pass through the process: revealed ones, and probes for them.
  server::ToolResult call(const Json& arguments, server::CallContext& context) override;

 protected:
  void declare_brief() { info_.is_brief = true; }
  AuditTool(AuditContext& audit, std::string_view name);
  virtual server::ToolResult answer(const Arguments& arguments, server::CallContext& context) = 0;
  AuditContext& audit() { return audit_; }

 private:
  server::ToolResult check_and_answer(const Json& arguments, server::CallContext& context);

  AuditContext& audit_;
  server::ToolInfo info_;
  OrderedJson schema_;
};

server::ToolResult error_result(const query::QueryError& error, Renderer& renderer);
// Of a cursor that is "": who sends one has lost its place, which is not the beginning.
query::QueryError empty_cursor();
server::ToolResult error_result(const Error& error);

std::vector<std::unique_ptr<server::Tool>> make_tools(AuditContext& audit);
std::unique_ptr<server::Tool> make_describe_tool(AuditContext& audit);
std::unique_ptr<server::Tool> make_query_tool(AuditContext& audit);
std::unique_ptr<server::Tool> make_get_event_tool(AuditContext& audit);
std::unique_ptr<server::Tool> make_history_tool(AuditContext& audit);
std::unique_ptr<server::Tool> make_aggregate_tool(AuditContext& audit);
std::unique_ptr<server::Tool> make_find_entity_tool(AuditContext& audit);
std::unique_ptr<server::Tool> make_coverage_tool(AuditContext& audit);
std::unique_ptr<server::Tool> make_sample_tool(AuditContext& audit);
std::unique_ptr<server::Tool> make_verify_tool(AuditContext& audit);
std::unique_ptr<server::Tool> make_prove_tool(AuditContext& audit);

// Under 2 KB: what a host puts in front of the model.
std::string_view server_instructions();

}  // namespace khipu::mcp::tools
