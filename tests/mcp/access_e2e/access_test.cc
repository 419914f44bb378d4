// Who read the log: the real khipu-mcp reports to the real `khipu serve`, and what it told is read back and verified.
#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/catch.h"
#include "tests/support/log_root.h"
#include "tests/support/program.h"

using namespace khipu;
using Json = nlohmann::json;
using Catch::Matchers::StartsWith;

namespace {

struct Log : tests::LogRoot {
  Log() {
    const std::string event = R"({"actor":{"type":"user","id":"u-1"},"action":"login","source":"billing"})";
    REQUIRE(khipu({"append", root}, event + "\n" + event + "\n").exit == 0);
  }
  using Request = std::pair<std::string, Json>;
  // Requests over stdio; the answers in the order of the requests.
  std::vector<Json> ask(const std::vector<std::string>& options, const std::vector<Request>& requests,
                        const std::string& client = "host") const {
    const Json hello = {{"protocolVersion", "2025-11-25"},
                        {"capabilities", Json::object()},
                        {"clientInfo", {{"name", client}, {"version", "1"}}}};
    std::string input = Json{{"jsonrpc", "2.0"}, {"id", 0}, {"method", "initialize"}, {"params", hello}}.dump() + "\n";
    int id = 0;
    for (const auto& [method, params] : requests) {
      input += Json{{"jsonrpc", "2.0"}, {"id", ++id}, {"method", method}, {"params", params}}.dump() + "\n";
    }
    std::vector<std::string> command = {tests::program("khipu-mcp")};
    command.insert(command.end(), options.begin(), options.end());
    command.push_back(root);
    const tests::Ran ran = tests::run(command, input);
    INFO(ran.err);
    REQUIRE(ran.exit == 0);
    errors = ran.err;
    std::vector<Json> answers(requests.size());
    for (size_t at = 0; at < ran.out.size();) {
      const size_t end = ran.out.find('\n', at);
      const Json message = Json::parse(ran.out.substr(at, end - at));
      if (message.contains("id") && message["id"].get<int>() > 0) answers.at(message["id"].get<size_t>() - 1) = message;
      at = end + 1;
    }
    return answers;
  }
  std::vector<Json> call(const std::vector<std::string>& options, const std::vector<Json>& calls,
                         const std::string& client = "host") const {
    std::vector<Request> requests;
    for (const Json& params : calls) requests.emplace_back("tools/call", params);
    return ask(options, requests, client);
  }
  mutable std::string errors;  // stderr of the last one
  Json accesses(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"query", root, "--log", "access", "--asc", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const tests::Ran ran = khipu(words);
    INFO(ran.err);
    REQUIRE(ran.exit == 0);
    return Json::parse(ran.out);
  }
};

const Json kQuery = {{"name", "audit_query"}, {"arguments", {{"actor", "user:u-1"}, {"not", {{"action", "secret"}}}}}};

}  // namespace

TEST_CASE("access log: a call is recorded with its shape and not its values, and verify covers it") {
  const Log log;
  tests::Process writer({tests::program("khipu"), "serve", log.root});
  REQUIRE(!writer.wait_for("serve ready").empty());
  const auto answers = log.call({"--access-log", "required"}, {kQuery});
  REQUIRE(answers[0]["result"]["structuredContent"]["total"] == 2);
  REQUIRE_FALSE(answers[0]["result"]["structuredContent"].contains("access_log"));
  (void)log.call({}, {{{"name", "audit_query"}, {"arguments", {{"nonsense", 1}}}},
                      {{"name", "no_such_tool"}, {"arguments", Json::object()}}});

  const Json page = log.accesses();
  REQUIRE(page["total"] == 3);
  const Json& first = page["accesses"][0];
  CHECK(first["seq"] == "a:0");
  CHECK(first["tool"] == "audit_query");
  CHECK(first["caller"] == "uid:" + std::to_string(first["reporter_uid"].get<uint64_t>()));
  CHECK(first["outcome"] == "success");
  CHECK(first["arguments"] == Json::array({"actor", "not.action"}));
  CHECK(first["results"] == 2);
  CHECK(first["as_of"]["tree_size"] == 2);
  CHECK(page.dump().find("secret") == std::string::npos);
  CHECK(page.dump().find("u-1") == std::string::npos);
  const Json refused = log.accesses({"--outcome", "not_success"});
  REQUIRE(refused["total"] == 2);
  std::vector<std::string> codes = {refused["accesses"][0]["code"], refused["accesses"][1]["code"]};
  std::sort(codes.begin(), codes.end());
  CHECK(codes == std::vector<std::string>{"UNKNOWN_ARGUMENT", "UNKNOWN_TOOL"});
  CHECK(page.dump().find("no_such_tool") == std::string::npos);  // it may be a value in the wrong place
  CHECK(page.dump().find("\"?12\"") != std::string::npos);
  CHECK(page.dump().find("nonsense") == std::string::npos);

  writer.signal(SIGTERM);
  REQUIRE(writer.wait() == 0);
  REQUIRE(log.khipu({"verify", log.root}).exit == 0);
  REQUIRE(log.accesses()["total"] == 3);
}

TEST_CASE("access log: without a writer auto says that the read was not recorded, required refuses, off says nothing") {
  const Log log;
  const Json told = log.call({}, {kQuery})[0]["result"];
  CHECK(told["structuredContent"]["access_log"] == "not recorded: no writer runs");
  CHECK_THAT(told["content"][0]["text"].get<std::string>(), ContainsSubstring("access_log: not recorded"));
  CHECK(told["structuredContent"]["total"] == 2);
  const Json refused = log.call({"--access-log=required"}, {kQuery})[0]["result"];
  CHECK(refused["isError"] == true);
  CHECK_THAT(refused["content"][0]["text"].get<std::string>(), ContainsSubstring("UNAVAILABLE"));
  CHECK(refused.dump().find("u-1") == std::string::npos);
  const Json off = log.call({"--access-log", "off"}, {kQuery})[0]["result"];
  CHECK_FALSE(off["structuredContent"].contains("access_log"));
}

TEST_CASE("access log: audit_query reads it page by page, and its cursor goes on alone") {
  const Log log;
  tests::Process writer({tests::program("khipu"), "serve", log.root});
  REQUIRE(!writer.wait_for("serve ready").empty());
  (void)log.call({}, std::vector<Json>(3, kQuery));
  const Json page = log.call(
      {}, {{{"name", "audit_query"},
            {"arguments", {{"log", "access"}, {"limit", 2}, {"order", "asc"}}}}})[0]["result"]["structuredContent"];
  REQUIRE(page["total"] == 3);
  REQUIRE(page["accesses"].size() == 2);
  CHECK(page["accesses"][1]["seq"] == "a:1");
  CHECK(page["applied"]["log"] == "access");
  REQUIRE(page["more"].is_object());
  const Json wrong = log.call(
      {}, {{{"name", "audit_query"}, {"arguments", {{"log", "access"}, {"target", "user:u-1"}}}}})[0]["result"];
  CHECK(wrong["isError"] == true);
}

TEST_CASE("access log: eight calls at once are all recorded and answered") {
  const Log log;
  tests::Process writer({tests::program("khipu"), "serve", log.root});
  REQUIRE(!writer.wait_for("serve ready").empty());
  const auto answers = log.call({"--access-log", "required"}, std::vector<Json>(8, kQuery));
  for (const Json& answer : answers) REQUIRE_FALSE(answer["result"].value("isError", false));
  CHECK(log.accesses()["total"] == 8);
}

TEST_CASE("access log: a client's name is cut between two letters, and its reads are recorded") {
  const Log log;
  tests::Process writer({tests::program("khipu"), "serve", log.root});
  REQUIRE(!writer.wait_for("serve ready").empty());
  const std::string before(127, 'x');
  const Json told = log.call({"--access-log", "required"}, {kQuery}, before + "\xC3\xA9")[0]["result"];
  CHECK_FALSE(told.value("isError", false));
  const Json page = log.accesses();
  REQUIRE(page["total"] == 1);
  CHECK(page["accesses"][0]["client"] == before);
}

TEST_CASE("access log: what was no call at all is recorded as refused") {
  const Log log;
  tests::Process writer({tests::program("khipu"), "serve", log.root});
  REQUIRE(!writer.wait_for("serve ready").empty());
  (void)log.ask({}, {{"tools/call", {{"name", "audit_query"}, {"arguments", Json::array()}}},
                     {"resources/read", {{"uri", "needle"}}},
                     {"prompts/get", {{"name", "investigate_actor"}, {"arguments", Json::object()}}},
                     {"completion/complete", {{"ref", "needle"}}}});
  const Json page = log.accesses();
  REQUIRE(page["total"] == 4);
  std::set<std::string> tools;
  for (const Json& one : page["accesses"]) {
    tools.insert(one["tool"]);
    CHECK(one["code"] == "INVALID_PARAMS");
    CHECK(one["outcome"] != "success");
  }
  CHECK(tools == std::set<std::string>{"tools/call", "resources/read", "prompts/get", "completion/complete"});
  CHECK(page.dump().find("needle") == std::string::npos);
}

TEST_CASE("access log: reads, prompts and completions say as well that they were not recorded, and required refuses") {
  const Log log;
  const std::vector<Log::Request> requests = {
      {"resources/read", {{"uri", "audit://event/1"}}},
      {"resources/read", {{"uri", "audit://event/1/raw"}}},
      {"prompts/get", {{"name", "investigate_actor"}, {"arguments", {{"actor", "user:u-1"}}}}},
      {"completion/complete",
       {{"ref", {{"type", "ref/prompt"}, {"name", "investigate_actor"}}},
        {"argument", {{"name", "actor"}, {"value", "user:u"}}}}},
      {"resources/read", {{"uri", "audit://event/5000"}}}};
  const auto told = log.ask({}, requests);
  for (size_t i = 0; i < 4; ++i) {
    INFO(told[i].dump());
    CHECK(told[i]["result"]["_meta"]["khipu/access_log"] == "not recorded: no writer runs");
  }
  CHECK_THAT(told[0]["result"]["contents"][0]["text"].get<std::string>(),
             StartsWith("access_log: not recorded: no writer runs\n"));
  CHECK_THAT(log.errors, ContainsSubstring("a read is not recorded in the access log: no writer runs"));
  for (const Json& answer : log.ask({"--access-log", "required"}, requests)) {
    INFO(answer.dump());
    CHECK(answer["error"]["code"] == -32603);
    CHECK(answer.dump().find("newest seq") == std::string::npos);
  }
  for (const Json& answer : log.ask({"--access-log", "off"}, requests)) {
    CHECK(answer.dump().find("khipu/access_log") == std::string::npos);
  }
}
