// What the access log is told of a call: names that the tool has, and of others nothing.
#include "mcp/tools/access_observer.h"

#include "tests/mcp/tools/desk.h"

using namespace khipu;
using namespace khipu::mcp;
using namespace khipu::mcp::tests;

namespace {

struct Watched : Desk {
  Watched()
      : observer(tools::AccessLog::kRequired, [this](const codec::AccessRecord& record) {
          arguments.assign(record.arguments.begin(), record.arguments.end());
          what = record.tool;
          return Result<void>();
        }) {}
  std::vector<std::string> told(const std::string& name, const Json& given) {
    server::ToolResult result = tool(name).call(given, context);
    observer.finished(tool(name), given, context, result);
    return arguments;
  }
  std::string completed(const std::string& argument) {
    Result<protocol::Completion> none = protocol::Completion{};
    observer.completed(argument, context, none);
    return what;
  }
  std::vector<std::string> arguments;
  std::string what;
  tools::AccessObserver observer;
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("access observer: an argument is recorded by its name if the tool has it, else as a question mark") {
  Watched desk;
  CHECK(desk.told("audit_query", {{"actor", {"user:u-1"}}, {"limit", 1}}) == Names{"actor", "limit"});
  CHECK(desk.told("audit_query", {{"not", {{"action", {"x"}}, {"source", {"y"}}}}}) ==
        Names{"not.action", "not.source"});
  CHECK(desk.told("audit_query", {{"needlealice", true}, {"limit", 1}}) == Names{"?", "limit"});
  CHECK(desk.told("audit_query", {{"not", {{"needlealice", true}, {"limit", 1}, {"actor", {"a"}}}}}) ==
        Names{"not.?", "not.actor"});
  CHECK(desk.told("audit_query", {{"actor_match", {{"needlealice", 1}}}}) == Names{"actor_match"});
  CHECK(desk.told("audit_history", {{"entity", "a"}, {"actor", "b"}, {"not", {{"actor", "c"}}}}) ==
        Names{"?", "entity"});
  CHECK(desk.told("audit_describe", Json::object()).empty());
}

TEST_CASE("access observer: a completion is recorded by its argument's name if there is one") {
  Watched desk;
  CHECK(desk.completed("actor") == "completion:actor");
  CHECK(desk.completed("needlealice") == "completion:?");
}
