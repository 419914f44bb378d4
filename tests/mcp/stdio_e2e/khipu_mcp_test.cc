// The real khipu-mcp over pipes, as a host runs it. Not here: what the tools answer (tests/mcp/tools).
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/auth/tokens.h"
#include "engine/os/clock.h"
#include "engine/writer/writer.h"
#include "mcp/jsonrpc/json.h"
#include "tests/mcp/stdio_e2e/host.h"
#include "tests/support/catch.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_random.h"
#include "tests/support/program.h"
#include "tests/support/temp_directory.h"

using namespace khipu;
using namespace khipu::tests;
using khipu::mcp::Json;

namespace {

// A log with two events, on the real disk.
struct Root {
  Root() {
    setenv("XDG_STATE_HOME", (folder / "state").c_str(), 1);
    auto top = os::open_directory(folder.path()).value();
    REQUIRE(top->make_directory("root").ok());
    REQUIRE(top->make_directory("keys", 0700).ok());
    auto root = top->open_directory("root").value();
    auto keys = top->open_directory("keys").value();
    FakeClock clock;
    FakeRandom random;
    REQUIRE(writer::initialize({*root, *keys, clock, random}, {"example.org/audit"}).ok());
    auto writer = writer::Writer::open({*root, *keys, clock, random}, {}).value();
    ingest::Batch batch;
    for (const char* action : {"LOGIN", "LOGOUT"}) {
      ingest::Event event;
      event.actor.type = batch.keep(std::string_view("user"));
      event.actor.id = batch.keep(std::string_view("u-1"));
      event.action = batch.keep(std::string_view(action));
      batch.events.push_back(event);
    }
    REQUIRE(writer->submit_and_wait(std::move(batch)).ok());
    REQUIRE(writer->close().ok());
  }
  TempDirectory folder;
  std::string path() const { return folder / "root"; }
};

}  // namespace

TEST_CASE("khipu-mcp: the handshake takes known revisions and answers an unknown one with its newest") {
  const Root root;
  for (const char* revision : {"2025-06-18", "2025-11-25"}) {
    Host host(root.path());
    CHECK(host.initialize(revision).at("result").at("protocolVersion") == revision);
    CHECK(host.end() == 0);
  }
  Host host(root.path());
  CHECK(host.initialize("1999-01-01").at("result").at("protocolVersion") == "2025-11-25");
  CHECK(host.end() == 0);
}

TEST_CASE("khipu-mcp: lists its tools and answers a call of each") {
  const Root root;
  Host host(root.path());
  host.initialize("2025-11-25");
  const Json list = host.ask(1, "tools/list").at("result").at("tools");
  CHECK(list.size() == 10);
  CHECK((list.dump().size() + 2) / 3 < 8000);
  int id = 2;
  for (const auto& [name, arguments] :
       std::vector<std::pair<std::string, Json>>{{"audit_describe", Json::object()},
                                                 {"audit_query", Json::object()},
                                                 {"audit_get_event", {{"seq", 1}}},
                                                 {"audit_history", {{"entity", "user:u-1"}}},
                                                 {"audit_find_entity", {{"text", "u-1"}}},
                                                 {"audit_aggregate", {{"group_by", "actor"}}},
                                                 {"audit_coverage", Json::object()},
                                                 {"audit_sample", {{"n", 1}}},
                                                 {"audit_verify", Json::object()},
                                                 {"audit_prove", {{"kind", "inclusion"}, {"seq", 0}}}}) {
    const Json result = host.ask(id++, "tools/call", {{"name", name}, {"arguments", arguments}}).at("result");
    INFO(result.dump(1));
    CHECK_FALSE(result.value("isError", false));
    CHECK(result.at("structuredContent").is_object());
    CHECK(result.at("content").at(0).at("type") == "text");
  }
  CHECK(host.end() == 0);
}

TEST_CASE("khipu-mcp: a cursor is good in the next process, unless that one has another --cursor-key") {
  const Root root;
  const auto query = [](Host& host, const Json& arguments) {
    return host.ask(1, "tools/call", {{"name", "audit_query"}, {"arguments", arguments}}).at("result");
  };
  Host first(root.path());
  first.initialize("2025-11-25");
  const std::string cursor = query(first, {{"limit", 1}}).at("structuredContent").at("more").at("cursor");
  CHECK(first.end() == 0);
  Host second(root.path());
  second.initialize("2025-11-25");
  const Json answer = query(second, {{"cursor", cursor}});
  INFO(answer.dump());
  CHECK_FALSE(answer.value("isError", false));
  CHECK(answer.at("structuredContent").at("returned") == 1);
  CHECK(second.end() == 0);
  Host third(root.path(), {"--cursor-key=" + (root.folder / "other.key")});
  third.initialize("2025-11-25");
  CHECK(query(third, {{"cursor", cursor}}).at("structuredContent").at("error").at("code") == "CURSOR_INVALID");
  CHECK(third.end() == 0);
}

TEST_CASE("khipu-mcp: a ping behind a call and an unknown method are answered, bad JSON is not, stdin's end ends it") {
  const Root root;
  Host host(root.path());
  host.initialize("2025-06-18");
  host.send(R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"audit_verify","arguments":{}}})");
  host.send(R"({"jsonrpc":"2.0","id":8,"method":"ping"})");
  const Json one = host.next(), other = host.next();
  CHECK(one.at("id").get<int>() + other.at("id").get<int>() == 15);
  CHECK((one.contains("result") && other.contains("result")));
  host.send("{not json");  // nobody could match an answer without an id: the next one is of the next request
  CHECK(host.ask(9, "no/such").at("error").at("code") == -32601);
  CHECK(host.ask(10, "tools/call", {{"name", "no_such_tool"}, {"arguments", Json::object()}}).contains("error"));
  host.send(R"({"jsonrpc":"2.0","id":11,"method":"tools/call","params":{"name":"audit_verify","arguments":{}}})");
  CHECK(host.end() == 0);  // also with a call under way
}

TEST_CASE("khipu-mcp: speaks the modern revision to a host that begins with it") {
  const Root root;
  Host host(root.path());
  const Json envelope = {{"_meta",
                          {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
                           {"io.modelcontextprotocol/clientCapabilities", Json::object()}}}};
  CHECK(host.ask(1, "server/discover", envelope).at("result").at("supportedVersions") == Json::array({"2026-07-28"}));
  CHECK(host.ask(2, "tools/list", envelope).at("result").at("tools").size() == 10);
  Json call = envelope;
  call["name"] = "audit_query";
  const Json result = host.ask(3, "tools/call", call).at("result");
  CHECK(result.at("resultType") == "complete");
  CHECK_FALSE(result.value("isError", false));
  CHECK(host.ask(4, "initialize", {{"protocolVersion", "2025-11-25"}}).at("error").at("code") == -32022);
  CHECK(host.end() == 0);
}

TEST_CASE("khipu-mcp: SIGTERM ends it in order, with stdin open") {
  const Root root;
  Host host(root.path());
  host.initialize("2025-11-25");
  CHECK(host.terminate() == 0);
}

TEST_CASE("khipu-mcp: words that do not belong together, or that nobody knows, are errors") {
  const std::vector<std::vector<std::string>> wrong = {
      {"--nonsense", "root"},       {"--http", "root"},
      {"--http=127.0.0.1", "root"}, {"--http=127.0.0.1:x", "root"},
      {"--http=:80", "root"},       {"--http=127.0.0.1:99999", "root"},
      {"--print-port", "root"},     {"--insecure-http", "root"},
      {"--host=a", "root"},         {"--tls-cert=a", "--http=127.0.0.1:0", "root"},
      {"root", "another"},          {"root", "--key"},
      {"--key=", "root"},           {"--exit-when-orphaned", "--http=127.0.0.1:0", "root"}};
  for (const std::vector<std::string>& words : wrong) {
    std::vector<std::string> command = {program("khipu-mcp")};
    command.insert(command.end(), words.begin(), words.end());
    const Ran ran = run(command);
    INFO(words.front());
    CHECK(ran.exit == 3);
    CHECK_THAT(ran.err, ContainsSubstring("--help"));
  }
}

TEST_CASE("khipu-mcp: takes the file that keys export makes as its key") {
  const Root root;
  const Ran exported = run({program("khipu"), "keys", "export", root.path(), "--keys", root.folder / "keys"});
  INFO(exported.err);
  REQUIRE(exported.exit == 0);
  const std::string file = root.folder / "audit.vkey";
  std::ofstream(file) << exported.out;
  const Ran served = run({program("khipu-mcp"), "--key", file, root.path()});
  INFO(served.err);
  CHECK(served.exit == 0);
  CHECK(run({program("khipu-mcp"), "--key", root.folder / "keys/verifier.pub", root.path()}).exit == 0);
  std::string slip = exported.out;
  slip[slip.find('+') + 1] ^= 1;
  std::ofstream(file) << slip;
  CHECK(run({program("khipu-mcp"), "--key", file, root.path()}).exit == 3);
}

TEST_CASE("khipu-mcp: nothing listens beyond loopback as long as nobody can tell who calls") {
  const Root root;
  const Ran ran = run({program("khipu-mcp"), "--http", "0.0.0.0:0", root.path()});
  CHECK(ran.exit == 3);
  CHECK_THAT(ran.err, ContainsSubstring("beyond loopback"));
}

TEST_CASE("khipu-mcp: plain HTTP beyond loopback is refused also with tokens, unless it is asked for by name") {
  const Root root;
  const std::string keys = root.folder / "keys";
  auto folder = os::open_directory(keys).value();
  auth::Token token;
  token.name = "auditor";
  token.grants = {auth::Grant::kQuery};
  REQUIRE(auth::mint(*folder, os::system_random(), 0, token).ok());
  const std::vector<std::string> words = {program("khipu-mcp"), "--keys", keys, "--http", "0.0.0.0:0", root.path()};
  const Ran ran = run(words);
  CHECK(ran.exit == 3);
  CHECK_THAT(ran.err, ContainsSubstring("plain HTTP would send tokens and answers in the clear"));
  std::vector<std::string> meant = words;
  meant.insert(meant.begin() + 1, "--insecure-http");
  Process served(meant);
  REQUIRE(!served.wait_for("listening at http://0.0.0.0:").empty());
  // Without TLS there is no certificate to speak of.
  served.signal(SIGHUP);
  REQUIRE(!served.wait_for("tokens: 1").empty());
  CHECK(served.errors().find("certificate") == std::string::npos);
  served.signal(SIGTERM);
  CHECK(served.wait() == 0);
}

TEST_CASE("khipu-mcp: without a root it says so on stderr and leaves stdout empty") {
  const Ran none = run({program("khipu-mcp")});
  CHECK(none.exit == 3);
  CHECK(none.out.empty());
  CHECK(none.err.find("ROOT") != std::string::npos);
  CHECK(run({program("khipu-mcp"), "/nonexistent/root"}).exit == 3);
  CHECK(run({program("khipu-mcp"), "--help"}).exit == 0);
}

namespace {

// The first place in a message that is null; "" when there is none. What a tool answers in its own words, by its own
// schema, may say "more": null.
std::string find_null(const Json& value, const std::string& path = "") {
  if (value.is_null()) return path.empty() ? "/" : path;
  if (!value.is_structured()) return "";
  for (const auto& [name, member] : value.items()) {
    if (name == "structuredContent") continue;
    if (std::string found = find_null(member, path + "/" + name); !found.empty()) return found;
  }
  return "";
}

}  // namespace

// Wazuh-MCP-Server#75, Codewhale#5335: a nextCursor of null made hosts drop every tool.
TEST_CASE("khipu-mcp: nothing it says holds a null, in either era") {
  const Root root;
  const Json modern = {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
                       {"io.modelcontextprotocol/clientCapabilities", Json::object()}};
  for (const bool is_modern : {false, true}) {
    Host host(root.path());
    if (!is_modern) CHECK(find_null(host.initialize("2025-11-25")).empty());
    int id = 1;
    const auto ask = [&](const std::string& method, Json params = Json::object()) {
      if (is_modern) params["_meta"] = modern;
      const Json answer = host.ask(id++, method, params);
      INFO(method << " " << params.dump());
      CHECK(find_null(answer) == "");
      return answer;
    };
    const Json listed = ask("tools/list");
    for (const Json& tool : listed["result"]["tools"]) {
      ask("tools/call", {{"name", tool["name"]}, {"arguments", Json::object()}});
    }
    const Json resources = ask("resources/list");
    for (const Json& resource : resources["result"]["resources"]) ask("resources/read", {{"uri", resource["uri"]}});
    for (const char* method : {"resources/templates/list", "prompts/list", "no/such"}) ask(method);
    CHECK(host.end() == 0);
  }
}

// readwise-mcp#31, claude-code#11778: a second instance failed, for a port or a lock was taken.
TEST_CASE("khipu-mcp: two hosts start one each on the same log, and both are served") {
  const Root root;
  Host first(root.path()), second(root.path());
  first.initialize("2025-11-25");
  second.initialize("2025-06-18");
  for (Host* host : {&first, &second}) {
    const Json answer = host->ask(1, "tools/call", {{"name", "audit_get_event"}, {"arguments", {{"seq", {1}}}}});
    CHECK_FALSE(answer["result"].value("isError", false));
  }
  CHECK(first.end() == 0);
  CHECK(second.end() == 0);
}

TEST_CASE("khipu-mcp: nothing is answered once another log stands at the root's path, and all again when it is back") {
  const Root root;
  const std::string path = root.path(), away = path + ".away";
  Host host(path, {"--access-log", "off"});
  host.initialize("2025-11-25");
  const Json query = {{"name", "audit_query"}, {"arguments", Json::object()}};
  const auto refuses = [&](const std::string& method, const Json& params) {
    const Json answer = host.ask(1, method, params);
    INFO(answer.dump());
    CHECK(answer.dump().find("LOGOUT") == std::string::npos);
    return answer.contains("error") ? answer["error"]["code"] == -32603
                                    : answer["result"]["structuredContent"]["error"]["code"] == "UNAVAILABLE";
  };
  CHECK(host.ask(1, "tools/call", query)["result"]["structuredContent"]["total"] == 2);
  std::filesystem::rename(path, away);
  CHECK(refuses("tools/call", query));
  std::filesystem::copy(away, path, std::filesystem::copy_options::recursive);
  CHECK(refuses("tools/call", query));
  CHECK(refuses("tools/call", {{"name", "audit_verify"}, {"arguments", Json::object()}}));
  CHECK(refuses("resources/read", {{"uri", "audit://event/1"}}));
  CHECK(refuses("resources/read", {{"uri", "audit://checkpoint/latest"}}));
  std::filesystem::remove_all(path);
  std::filesystem::rename(away, path);
  CHECK(host.ask(1, "tools/call", query)["result"]["structuredContent"]["total"] == 2);
}

TEST_CASE("khipu-mcp: a log that cannot be read is UNAVAILABLE and an internal error, and stderr says which file") {
  const Root root;
  std::filesystem::rename(root.path() + "/HEAD", root.path() + "/HEAD.away");
  const auto line = [](int id, const std::string& method, const Json& params) {
    return Json{{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}}.dump() + "\n";
  };
  const Json hello = {{"protocolVersion", "2025-11-25"},
                      {"capabilities", Json::object()},
                      {"clientInfo", {{"name", "host"}, {"version", "1"}}}};
  const Ran ran = run({program("khipu-mcp"), "--access-log", "off", root.path()},
                      line(0, "initialize", hello) +
                          line(1, "tools/call", {{"name", "audit_query"}, {"arguments", Json::object()}}) +
                          line(2, "resources/read", {{"uri", "audit://event/1"}}) +
                          line(3, "resources/read", {{"uri", "audit://event/1/raw"}}) +
                          line(4, "tools/call", {{"name", "audit_verify"}, {"arguments", Json::object()}}));
  std::istringstream lines(ran.out);
  for (std::string text; std::getline(lines, text);) {
    const Json answer = Json::parse(text);
    INFO(text);
    if (answer["id"] == 1) CHECK(answer["result"]["structuredContent"]["error"]["code"] == "UNAVAILABLE");
    if (answer["id"] == 2 || answer["id"] == 3) CHECK(answer["error"]["code"] == -32603);
    if (answer["id"] == 4) CHECK(answer["result"]["structuredContent"]["first_break"]["code"] == "head-missing");
  }
  INFO(ran.err);
  CHECK_THAT(ran.err, ContainsSubstring("audit_query: "));
  CHECK_THAT(ran.err, ContainsSubstring("resources/read: "));
}
