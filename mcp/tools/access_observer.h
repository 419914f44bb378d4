// Tells the writer of each call before its answer leaves: who asked, with which tool, which arguments were named, how
// much came back, as of what. Never a value of an argument. Not here: how it is sent (engine/access).
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "engine/codec/access.h"
#include "mcp/server/tool.h"

namespace khipu::mcp::tools {

enum class AccessLog {
  kRequired,  // what cannot be recorded is not answered
  kAuto,      // answered, and the answer says that the read was not recorded
  kOff,
};
std::optional<AccessLog> access_log(std::string_view word);  // "required" "auto" "off"

// Any thread.
class AccessObserver final : public server::CallObserver {
 public:
  using Report = std::function<Result<void>(codec::AccessRecord)>;  // returns when the record is durable
  AccessObserver(AccessLog mode, Report report) : mode_(mode), report_(std::move(report)) {}

  void finished(const server::Tool& tool, const Json& arguments, server::CallContext& context,
                server::ToolResult& result) override;
  void read(const std::string& uri, server::CallContext& context, Result<protocol::ReadResult>& result) override;
  void prompted(const std::string& name, server::CallContext& context, Result<protocol::PromptResult>& result) override;
  void completed(const std::string& argument, server::CallContext& context,
                 Result<protocol::Completion>& result) override;
  void unknown(const std::string& name, server::CallContext& context) override;

 private:
  // By its schema; "not.NAME" of what can be excluded. Stays as it is and where it is.
  const std::set<std::string>& arguments_of(const server::ToolInfo& tool);

  const AccessLog mode_;
  const Report report_;
  std::mutex mutex_;
  std::map<std::string, std::set<std::string>, std::less<>> arguments_;  // by tool; guarded by mutex_
};

}  // namespace khipu::mcp::tools
