// The audit:// resources: what the tools answer and the evidence beside it, under addresses that can be kept. Whatever
// is here can also be had from a tool: many hosts do not let the model read resources.
//
//   audit://schema, audit://coverage               audit_describe, audit_coverage
//   audit://checkpoint/latest, audit://checkpoint/{n}   a published signed note, exact
//   audit://event/{seq}, audit://event/{seq}/raw   audit_get_event; the record's exact bytes (grant reveal)
//   audit://entity/{type}/{id}                     audit_history
//   audit://export/{id}                            rows that audit_query was asked to export (exports.h)
//   audit://proof/...                              audit_prove's documents (grant prove; proof_document.h)
//   audit://guide/query, audit://guide/verification
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

#include "mcp/server/changes.h"
#include "mcp/server/resource.h"
#include "mcp/tools/audit_tool.h"

namespace khipu::mcp::tools {

std::unique_ptr<server::ResourceProvider> make_resources(AuditContext& audit);

// Looks once a second at what is committed and published, and says what changed. Destroy it before `changes`.
class ResourceWatcher {
 public:
  ResourceWatcher(AuditContext& audit, server::Changes& changes);
  ~ResourceWatcher();

 private:
  void watch(const std::stop_token& stop);
  AuditContext& audit_;
  server::Changes& changes_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace khipu::mcp::tools
