// The MCP server: a fixed list of tools, the threads that run them, and a Session for each client.
//
// Not here: bytes and files (mcp/transport), what a tool does (mcp/tools). Methods and error codes: mcp/README.md.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "mcp/protocol/lifecycle.h"
#include "mcp/server/changes.h"
#include "mcp/server/paced_log.h"
#include "mcp/server/prompt.h"
#include "mcp/server/resource.h"
#include "mcp/server/tool.h"

namespace khipu::mcp::server {

class WorkerPool;

struct Options {
  protocol::Implementation info;
  std::string instructions;  // at most 2,000 bytes
  size_t worker_count = 4;
  size_t queue_count_max = 64;   // calls that wait for a worker; one more is answered BUSY
  int64_t call_ms_max = 50'000;  // hosts give up at 60 s
  size_t result_size_bytes_max = size_t{1} << 20;
  std::function<TimeUs()> now;       // wall clock
  std::function<TimeUs()> steady;    // never steps back; for deadlines and the pace of progress
  std::function<uint64_t()> random;  // unguessable; for mark tags
  std::function<void(std::string_view)> log = [](std::string_view) {};  // diagnostics, never a payload
  CallObserver* observer = nullptr;                                     // borrowed; outlives the server
  // Declares `logging`, which makes hosts set a level and be sent CallContext::log.
  bool logging = false;
  // Whoever changes a list or a resource says so here; borrowed, outlives the server. Without it nothing is declared
  // that could change.
  Changes* changes = nullptr;
  CacheHints list_cache{300'000, false};  // of the lists of tools and prompts, and of server/discover
  std::array<uint8_t, 32> state_key{};    // signs requestState: random for each process, or shared by a fleet
  int64_t state_ttl_ms = 600'000;         // how long the answer to a question may take
};

// What a server offers. A list that is empty and a provider that is none declare no capability.
struct Features {
  std::vector<std::unique_ptr<Tool>> tools;
  std::vector<std::unique_ptr<Prompt>> prompts = {};
  std::unique_ptr<ResourceProvider> resources = {};
};

// An argument that modern HTTP clients repeat as a header, Mcp-Param-NAME: `x-mcp-header` in the input schema.
struct HeaderParam {
  std::string name;               // lower case
  std::vector<std::string> path;  // of the argument, from the root of the arguments
};

// A tool with its schemas parsed.
struct RegisteredTool {
  std::unique_ptr<Tool> tool;
  protocol::ToolDefinition definition;
  std::vector<HeaderParam> header_params;
};

// Immutable after create() but for its worker threads; every member may be called from any thread.
// Destroy the sessions first.
class Server {
 public:
  // Refuses tools that hosts would drop: names, descriptions and schemas are held to mcp/server/lint.h.
  static Result<std::unique_ptr<Server>> create(Options options, Features features);
  ~Server();

  const Options& options() const { return options_; }
  const std::vector<RegisteredTool>& tools() const { return tools_; }  // in the order given to create()
  const RegisteredTool* find(std::string_view name) const;
  const std::vector<std::unique_ptr<Prompt>>& prompts() const { return prompts_; }
  Prompt* find_prompt(std::string_view name) const;
  ResourceProvider* resources() const { return resources_.get(); }  // nullptr: none
  protocol::Offer offer() const { return offer_; }
  WorkerPool& workers() { return *workers_; }
  void tell_operator(const std::string& text) const { faults_->tell(text); }  // the same words once a minute

 private:
  Server(Options options, std::vector<RegisteredTool> tools, Features features);
  Options options_;
  std::vector<RegisteredTool> tools_;
  std::vector<std::unique_ptr<Prompt>> prompts_;
  std::unique_ptr<ResourceProvider> resources_;
  protocol::Offer offer_;
  std::unique_ptr<PacedLog> faults_;
  std::unique_ptr<WorkerPool> workers_;
};

}  // namespace khipu::mcp::server
