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

TEST_CASE("access observer: what was not recorded says so, and the operator hears why, the same words once") {
  Desk desk;
  std::vector<std::string> log;
  Result<void> outcome = Error{Code::kIo, "access.sock: the writer answered 400: not UTF-8"};
  tools::AccessObserver observer(
      tools::AccessLog::kAuto, [&](const codec::AccessRecord&) { return outcome; },
      [&](std::string_view line) { log.emplace_back(line); });
  const auto read = [&] {
    protocol::ReadResult answer;
    answer.contents.push_back({"audit://event/1", "text/plain", std::string("event"), nullptr});
    answer.cache = {1000, false};
    Result<protocol::ReadResult> result = std::move(answer);
    observer.read("audit://event/1", desk.context, result);
    return result.value();
  };
  for (int again = 0; again < 2; ++again) {
    const protocol::ReadResult told = read();
    CHECK(told.meta.at("khipu/access_log") == "not recorded: the writer did not confirm it");
    CHECK_THAT(std::get<std::string>(told.contents[0].data), ContainsSubstring("access_log: not recorded"));
    CHECK(told.cache.ttl_ms == 0);
  }
  REQUIRE(log.size() == 1);
  CHECK_THAT(log[0], ContainsSubstring("the writer answered 400: not UTF-8"));
  outcome = {};
  CHECK(read().meta.is_null());
  CHECK(read().cache.ttl_ms == 1000);
  outcome = Error{Code::kIo, "access.sock: the writer answered 400: not UTF-8"};
  observer.unknown("?7", desk.context);
  CHECK(log.size() == 2);
  outcome = Error{Code::kNotFound, "access.sock is not there"};
  observer.unknown("?7", desk.context);
  outcome = Error{Code::kIo, "access.sock: the writer answered 400: not UTF-8"};
  observer.refused("tools/call", desk.context);
  CHECK(log.size() == 3);
}

TEST_CASE("access observer: what is not from the log at its place is neither answered nor recorded") {
  Desk desk;
  size_t records = 0;
  bool is_there = false;
  const auto mode = GENERATE(tools::AccessLog::kOff, tools::AccessLog::kAuto);
  tools::AccessObserver observer(
      mode,
      [&](const codec::AccessRecord&) {
        ++records;
        return Result<void>();
      },
      {}, [&] { return is_there; });
  server::ToolResult result = desk.tool("audit_query").call(Json::object(), desk.context);
  observer.finished(desk.tool("audit_query"), Json::object(), desk.context, result);
  CHECK(result.is_error);
  CHECK(result.structured->at("error").at("code") == "UNAVAILABLE");
  Result<protocol::Completion> completion = protocol::Completion{};
  observer.completed("actor", desk.context, completion);
  CHECK_FALSE(completion.ok());
  observer.unknown("?7", desk.context);
  CHECK(records == 0);
  is_there = true;
  completion = protocol::Completion{};
  observer.completed("actor", desk.context, completion);
  CHECK(completion.ok());
  CHECK(records == (mode == tools::AccessLog::kOff ? 0 : 1));
}
