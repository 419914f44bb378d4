// Tells the writer of each call before its answer leaves: who asked, with which tool, which arguments were named, how
// much came back, as of what. Never a value of an argument. And holds back what is no answer from the log at its place.
// Not here: how it is sent (engine/access).
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "engine/codec/access.h"
#include "mcp/server/paced_log.h"
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
  // Whether what was read is still the log at its place: records go to the one that is there.
  using IsInPlace = std::function<bool()>;
  // `log`: why a read was not recorded. `is_in_place`: none, always.
  AccessObserver(AccessLog mode, Report report, server::PacedLog::Log log = {}, IsInPlace is_in_place = {})
      : mode_(mode), report_(std::move(report)), is_in_place_(std::move(is_in_place)), faults_(std::move(log)) {}

  void finished(const server::Tool& tool, const Json& arguments, server::CallContext& context,
                server::ToolResult& result) override;
  void read(const std::string& uri, server::CallContext& context, Result<protocol::ReadResult>& result) override;
  void prompted(const std::string& name, server::CallContext& context, Result<protocol::PromptResult>& result) override;
  void completed(const std::string& argument, server::CallContext& context,
                 Result<protocol::Completion>& result) override;
  void unknown(const std::string& name, server::CallContext& context) override;
  void refused(const std::string& method, server::CallContext& context) override;

 private:
  void tell_refusal(const std::string& name, codec::Outcome outcome, const char* code, server::CallContext& context);
  // By its schema; "not.NAME" of what can be excluded. Stays as it is and where it is.
  const std::set<std::string>& arguments_of(const server::ToolInfo& tool);

  bool is_elsewhere();
  // Nothing: recorded. Else why not, told to the operator.
  std::optional<Error> report(codec::AccessRecord record);
  // Refuses what is not from the log at its place. False: nothing is left to do.
  template <typename T>
  bool begin(Result<T>& result);
  template <typename T>
  void settle(codec::AccessRecord record, Result<T>& result);

  const AccessLog mode_;
  const Report report_;
  const IsInPlace is_in_place_;
  server::PacedLog faults_;
  std::atomic<bool> is_failing_ = false;
  std::mutex mutex_;
  std::map<std::string, std::set<std::string>, std::less<>> arguments_;  // by tool; guarded by mutex_
};

}  // namespace khipu::mcp::tools
